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


def main_fields() -> list[Field]:
    """The settings that are always shown, below data, flow and budget."""
    devices = [(tr("Automatic"), "auto"), ("CPU", "cpu"), ("CUDA", "cuda"), (tr("Apple GPU (mps)"), "mps")]
    return [
        Field("batch_size", tr("Batch size"), whole(1, 65536)),
        Field("learning_rate", tr("Learning rate"), decimal(1e-6, 1.0, 6)),
        Field("seed", tr("Seed"), whole(0, 2**31 - 1)),
        Field("device", tr("Device"), combo(devices)),
    ]


def advanced_fields() -> list[Field]:
    """The settings in the advanced part, which is hidden at first."""
    optimizers = [("Muon", "muon"), ("Adam", "adam")]
    schedules = [(tr("Cosine to 2 %"), "cosine"), (tr("Constant"), "constant")]
    memories = [(tr("Fast"), "fast"), (tr("Constant"), "constant")]
    precisions = [(tr("Automatic"), "auto"), ("float32", "float32"), (tr("bfloat16 networks"), "bfloat16")]
    channels = [(tr("as they are"), 0), (tr("Grey"), 1), (tr("Colour"), 3)]
    automatic, images, steps, pixels = tr("automatic"), tr(" images"), tr(" steps"), tr(" px")
    target, patience, minutes = stop_fields()
    return [
        Field("optimizer", tr("Optimizer"), combo(optimizers)),
        Field("schedule", tr("Schedule"), combo(schedules)),
        Field("warmup_steps", tr("Warm-up steps"), whole(0, 100_000)),
        Field("ema_decay", tr("Averaging"), decimal(0.0, 0.999999, 6, step=0.001)),
        Field("gradient_clip", tr("Gradient clip"), decimal(0.01, 1000.0, 2, step=1)),
        Field("weight_decay", tr("Weight decay"), decimal(0.0, 1.0, 6, step=1e-5)),
        Field("noise_share", tr("Noise share"), decimal(0.0, 0.5, 3, step=0.005)),
        Field("memory", tr("Memory"), combo(memories)),
        Field("accumulate", tr("Micro-batches"), whole(1, 65536)),
        Field("precision", tr("Precision"), combo(precisions)),
        Field("validation_images", tr("Validate on"), whole(1, 1_000_000, suffix=images)),
        Field("validation_every", tr("Validate every"), whole(0, MOST_STEPS, least_text=automatic, suffix=steps)),
        Field("checkpoint_minutes", tr("Save every"), decimal(0.1, 600.0, 2, step=1, suffix=tr(" min"))),
        Field("checkpoint_steps", tr("and every"), whole(0, MOST_STEPS, least_text=tr("by time alone"), suffix=steps)),
        Field("image_size", tr("Image side"), whole(0, 1024, least_text=tr("as they are"), suffix=pixels)),
        Field("channels", tr("Colours"), combo(channels)),
        Field("target", tr("Stop at"), target),
        Field("patience", tr("Patience"), patience),
        Field("at_most", tr("Stop after"), minutes),
        Field("threads", tr("CPU threads"), whole(0, os.cpu_count() or 64, least_text=automatic)),
        Field("random_shift", tr("Random shift"), whole(0, 64, least_text=tr("none"), suffix=pixels)),
        Field("horizontal_flip", tr("Mirror images at random"), QCheckBox(tr("Mirror images at random"))),
        Field("deterministic", tr("Repeat to the bit on a GPU"), QCheckBox(tr("Repeat to the bit on a GPU"))),
    ]


def tips() -> dict[str, str]:
    """What a setting means, where its label does not explain it."""
    return {
        "batch_size": tr("Images in each step"),
        "learning_rate": tr("The highest of the schedule"),
        "seed": tr("The same seed and settings make the same run"),
        "optimizer": tr("Muon trains the matrices of the networks, with Adam for the rest; Adam trains everything"),
        "schedule": tr("Learning rate after the warm-up"),
        "warmup_steps": tr("At most a tenth of the run"),
        "ema_decay": tr("Decay, per step, of the moving average of the weights; that average is what is validated"),
        "gradient_clip": tr("Largest norm of the gradient"),
        "weight_decay": tr("On weight-normalization scales"),
        "noise_share": tr("Images of noise among the training images: the flow stays invertible far from the data"),
        "memory": tr("Constant: slower, in memory that does not grow with the number of couplings"),
        "accumulate": tr("Parts of a batch, computed one after the other: less memory, the same step"),
        "precision": tr("Of the networks while they train; automatic is bfloat16 on a GPU that is made for it"),
        "validation_images": tr("Images; the last one uses all"),
        "checkpoint_minutes": tr(
            "Longest time between two checkpoints; what came after the last one is lost when a process dies"
        ),
        "checkpoint_steps": tr("Steps between two checkpoints, besides the minutes; short ones cost time"),
        "image_size": tr("Images are cropped and resized to it"),
        "random_shift": tr("Training images are moved at random by up to so many pixels; reflections fill the edges"),
        "horizontal_flip": tr("For what has no left and right of its own: photographs, not digits"),
        "deterministic": tr("Slower: only algorithms that have one result. A CPU does so anyway"),
    }


def tr(text: str) -> str:
    """`text` in the person's language."""
    return QCoreApplication.translate("TrainForm", text)
