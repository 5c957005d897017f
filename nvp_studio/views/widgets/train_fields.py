"""The input fields of a training run's settings, named as in `TrainConfig`."""

import os
from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QCheckBox, QWidget

from nvp_studio.views.widgets.inputs import combo, decimal, whole
from nvp_studio.views.widgets.stop_fields import stop_fields

MOST_STEPS = 10_000_000
OPTIONAL = ("validation_every", "checkpoint_steps", "image_size", "channels", "threads")
"""Fields whose 0 stands for None."""


@dataclass(frozen=True)
class Field:
    """One setting on screen; a check box has its label in itself."""

    name: str
    label: str
    widget: QWidget
    tip: str = ""
    spoken: str = ""
    """Name for those who hear it, where the label says too little alone."""


def main_fields() -> list[Field]:
    """The settings that are always shown, below data, flow and budget."""
    rate = decimal(1e-6, 1.0, 6)
    devices = [(tr("Automatic"), "auto"), ("CPU", "cpu"), ("CUDA", "cuda"), (tr("Apple GPU (mps)"), "mps")]
    return [
        Field("batch_size", tr("Batch size"), whole(1, 65536), tr("Images in each step")),
        Field("learning_rate", tr("Learning rate"), rate, tr("The highest of the schedule")),
        Field("seed", tr("Seed"), whole(0, 2**31 - 1), tr("The same seed and settings make the same run")),
        Field("device", tr("Device"), combo(devices)),
    ]


def advanced_fields() -> list[Field]:
    """The settings that are folded away at first."""
    precisions = [(tr("Automatic"), "auto"), ("float32", "float32"), (tr("bfloat16 networks"), "bfloat16")]
    return [
        Field(
            "optimizer",
            tr("Optimizer"),
            combo([("Muon", "muon"), ("Adam", "adam")]),
            tr("Muon trains the matrices of the networks, with Adam for the rest; Adam trains everything"),
        ),
        Field(
            "schedule",
            tr("Schedule"),
            combo([(tr("Cosine to 2 %"), "cosine"), (tr("Constant"), "constant")]),
            tr("Learning rate after the warm-up"),
        ),
        Field("warmup_steps", tr("Warm-up steps"), whole(0, 100_000), tr("At most a tenth of the run")),
        Field(
            "ema_decay",
            tr("Averaging"),
            decimal(0.0, 0.999999, 6, step=0.001),
            tr("Decay, per step, of the moving average of the weights; that average is what is validated"),
        ),
        Field(
            "gradient_clip", tr("Gradient clip"), decimal(0.01, 1000.0, 2, step=1), tr("Largest norm of the gradient")
        ),
        Field(
            "weight_decay",
            tr("Weight decay"),
            decimal(0.0, 1.0, 6, step=1e-5),
            tr("On weight-normalization scales"),
        ),
        Field(
            "noise_share",
            tr("Noise share"),
            decimal(0.0, 0.5, 3, step=0.005),
            tr("Part of the images that are noise, so that the flow can be inverted far from the data too"),
        ),
        Field(
            "memory",
            tr("Memory"),
            combo([(tr("Fast"), "fast"), (tr("Constant"), "constant")]),
            tr("Constant: slower, in memory that does not grow with the number of couplings"),
        ),
        Field(
            "accumulate",
            tr("Micro-batches"),
            whole(1, 65536, least_text=tr("one")),
            tr("A batch is computed in so many parts, one after the other: less memory, the same step"),
        ),
        Field(
            "precision",
            tr("Precision"),
            combo(precisions),
            tr("Of the networks while they train; automatic is bfloat16 on a GPU that is made for it"),
        ),
        Field(
            "validation_images",
            tr("Validate on"),
            whole(1, 1_000_000, suffix=tr(" images")),
            tr("Images; the last one uses all"),
        ),
        Field(
            "validation_every",
            tr("Validate every"),
            whole(0, MOST_STEPS, least_text=tr("automatic"), suffix=tr(" steps")),
        ),
        Field(
            "checkpoint_minutes",
            tr("Save every"),
            decimal(0.1, 600.0, 2, step=1, suffix=tr(" min")),
            tr("Longest time between two checkpoints; what came after the last one is lost when a process dies"),
        ),
        Field(
            "checkpoint_steps",
            tr("and every"),
            whole(0, MOST_STEPS, least_text=tr("by time alone"), suffix=tr(" steps")),
            tr("Steps between two checkpoints, besides the minutes; short ones cost time"),
            tr("Save every so many steps"),
        ),
        Field(
            "image_size",
            tr("Image side"),
            whole(0, 1024, least_text=tr("as they are"), suffix=tr(" px")),
            tr("Images are cropped and resized to it"),
        ),
        Field("channels", tr("Colours"), combo([(tr("as they are"), 0), (tr("Grey"), 1), (tr("Colour"), 3)])),
        *(
            Field(name, label, widget, widget.toolTip())
            for (name, label), widget in zip(
                (("target", tr("Stop at")), ("patience", tr("Patience")), ("at_most", tr("Stop after"))),
                stop_fields(),
                strict=True,
            )
        ),
        Field("threads", tr("CPU threads"), whole(0, os.cpu_count() or 64, least_text=tr("automatic"))),
        Field(
            "random_shift",
            tr("Random shift"),
            whole(0, 64, least_text=tr("none"), suffix=tr(" px")),
            tr("Training images are moved at random by up to so many pixels; reflections fill the edges"),
        ),
        Field(
            "horizontal_flip",
            tr("Mirror images at random"),
            QCheckBox(tr("Mirror images at random")),
            tr("For what has no left and right of its own: photographs, not digits"),
        ),
        Field(
            "deterministic",
            tr("Repeat to the bit on a GPU"),
            QCheckBox(tr("Repeat to the bit on a GPU")),
            tr("Slower: only algorithms that have one result. A CPU does so anyway"),
        ),
    ]


def tr(text: str) -> str:
    """`text` in the person's language."""
    return QCoreApplication.translate("TrainForm", text)
