"""The input fields of a training run's settings, named as in `TrainConfig`."""

import os
from dataclasses import dataclass
from functools import partial

from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QCheckBox, QWidget

from nvp_studio.views.widgets.inputs import ComboBox, number

tr = partial(QCoreApplication.translate, "TrainForm")

MAX_STEPS = 10_000_000


@dataclass(frozen=True)
class Field:
    """One setting on screen."""

    name: str
    label: str
    widget: QWidget


def main_fields() -> list[Field]:
    """The settings that are always shown, below data, flow and budget."""
    devices = [(tr("Automatic"), "auto"), ("CPU", "cpu"), ("CUDA", "cuda"), (tr("Apple GPU (mps)"), "mps")]
    return [
        Field("batch_size", tr("Batch size"), number(1, 65536)),
        Field("learning_rate", tr("Learning rate"), number(1e-6, 1.0, 6)),
        Field("seed", tr("Seed"), number(0, 2**31 - 1)),
        Field("device", tr("Device"), ComboBox(devices)),
    ]


def advanced_fields() -> list[Field]:
    """The settings in the advanced part, which is hidden at first."""
    optimizers = [("Muon", "muon"), ("Adam", "adam")]
    schedules = [(tr("Cosine to 2 %"), "cosine"), (tr("Constant"), "constant")]
    memories = [(tr("Fast"), "fast"), (tr("Constant"), "constant")]
    precisions = [(tr("Automatic"), "auto"), ("float32", "float32"), (tr("bfloat16 networks"), "bfloat16")]
    channels = [(tr("as they are"), None), (tr("Grey"), 1), (tr("Colour"), 3)]
    automatic, images, steps, pixels = tr("automatic"), tr(" images"), tr(" steps"), tr(" px")
    return [
        Field("optimizer", tr("Optimizer"), ComboBox(optimizers)),
        Field("schedule", tr("Schedule"), ComboBox(schedules)),
        Field("warmup_steps", tr("Warm-up steps"), number(0, 100_000)),
        Field("ema_decay", tr("Averaging"), number(0.0, 0.999999, 6, step=0.001)),
        Field("gradient_clip", tr("Gradient clip"), number(0.01, 1000.0, 2, step=1)),
        Field("weight_decay", tr("Weight decay"), number(0.0, 1.0, 6, step=1e-5)),
        Field("noise_share", tr("Noise share"), number(0.0, 0.5, 3, step=0.005)),
        Field("memory", tr("Memory"), ComboBox(memories)),
        Field("accumulate", tr("Micro-batches"), number(1, 65536)),
        Field("precision", tr("Precision"), ComboBox(precisions)),
        Field("validation_images", tr("Validate on"), number(1, 1_000_000, suffix=images)),
        Field("validation_every", tr("Validate every"), number(0, MAX_STEPS, least_text=automatic, suffix=steps)),
        Field("scoring_share", tr("Scoring share"), number(0.01, 1.0, 2, step=0.05)),
        Field("checkpoint_minutes", tr("Save every"), number(0.1, 600.0, 2, step=1, suffix=tr(" min"))),
        Field("checkpoint_steps", tr("and every"), number(0, MAX_STEPS, least_text=tr("by time alone"), suffix=steps)),
        Field("image_size", tr("Image side"), number(0, 1024, least_text=tr("as they are"), suffix=pixels)),
        Field("channels", tr("Colours"), ComboBox(channels)),
        Field("threads", tr("CPU threads"), number(0, os.cpu_count() or 64, least_text=automatic)),
        Field("random_shift", tr("Random shift"), number(0, 64, suffix=pixels)),
        Field("horizontal_flip", tr("Mirror images at random"), QCheckBox()),
        Field("deterministic", tr("Repeat to the bit on a GPU"), QCheckBox()),
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
        "validation_images": tr("Most images of each validation; a short run takes fewer"),
        "scoring_share": tr(
            "Share of the run's time for validations and final scores, which sets how many images they use; 1 for all"
        ),
        "checkpoint_minutes": tr(
            "Longest time between two checkpoints; what came after the last one is lost when a process dies"
        ),
        "checkpoint_steps": tr("Steps between two checkpoints, besides the minutes; short ones cost time"),
        "image_size": tr("Images are cropped and resized to it"),
        "random_shift": tr("Training images are moved at random by up to so many pixels; reflections fill the edges"),
        "horizontal_flip": tr("For what has no left and right of its own: photographs, not digits"),
        "deterministic": tr("Slower: only algorithms that have one result. A CPU does so anyway"),
    }
