"""The input fields of a training run's settings, named as in `TrainConfig`."""

from dataclasses import dataclass
from functools import partial

from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QCheckBox, QWidget

from nvp_studio.training.bounds import BOUNDS
from nvp_studio.training.config import rate_warning
from nvp_studio.views.widgets.inputs import ComboBox
from nvp_studio.views.widgets.number_field import NumberField
from nvp_studio.views.widgets.size_field import SizeField

tr = partial(QCoreApplication.translate, "TrainForm")


@dataclass(frozen=True)
class Field:
    """One setting on screen."""

    name: str
    label: str
    widget: QWidget


def _number(name: str, *, whole: bool = False, step: float = 0.0, none_text: str = "", unit: str = "") -> NumberField:
    return NumberField(BOUNDS[name], whole=whole, step=step, none_text=none_text, unit=unit)


def main_fields() -> list[Field]:
    """The settings that are always shown, below data, flow and budget."""
    devices = [(tr("Automatic"), "auto"), ("CPU", "cpu"), ("CUDA", "cuda"), (tr("Apple GPU (mps)"), "mps")]
    return [
        Field("batch_size", tr("Batch size"), _number("batch_size", whole=True)),
        Field("learning_rate", tr("Learning rate"), NumberField(BOUNDS["learning_rate"], advice=rate_warning)),
        Field("seed", tr("Seed"), _number("seed", whole=True)),
        Field("device", tr("Device"), ComboBox(devices)),
    ]


def advanced_fields() -> list[Field]:
    """The settings in the advanced part, which is hidden at first."""
    optimizers = [("Muon", "muon"), ("Adam", "adam")]
    schedules = [(tr("Cosine to 2 %"), "cosine"), (tr("Constant"), "constant")]
    memories = [(tr("Fast"), "fast"), (tr("Constant"), "constant")]
    precisions = [(tr("Automatic"), "auto"), ("float32", "float32"), (tr("bfloat16 networks"), "bfloat16")]
    channels = [(tr("as they are"), None), (tr("Grey"), 1), (tr("Colour"), 3)]
    automatic, images, steps, pixels = tr("automatic"), tr("images"), tr("steps"), tr("px")
    return [
        Field("optimizer", tr("Optimizer"), ComboBox(optimizers)),
        Field("schedule", tr("Schedule"), ComboBox(schedules)),
        Field("warmup_steps", tr("Warm-up steps"), _number("warmup_steps", whole=True)),
        Field("ema_decay", tr("Averaging"), _number("ema_decay", step=0.001)),
        Field("gradient_clip", tr("Gradient clip"), _number("gradient_clip")),
        Field("weight_decay", tr("Weight decay"), _number("weight_decay", step=1e-5)),
        Field("noise_share", tr("Noise share"), _number("noise_share", step=0.005)),
        Field("match_samples", tr("Match samples"), _number("match_samples", step=0.1)),
        Field("memory", tr("Memory"), ComboBox(memories)),
        Field("accumulate", tr("Micro-batches"), _number("accumulate", whole=True)),
        Field("precision", tr("Precision"), ComboBox(precisions)),
        Field("validation_images", tr("Validate on"), _number("validation_images", whole=True, unit=images)),
        Field(
            "validation_every",
            tr("Validate every"),
            _number("validation_every", whole=True, none_text=automatic, unit=steps),
        ),
        Field("scoring_share", tr("Scoring share"), _number("scoring_share", step=0.05)),
        Field("checkpoint_minutes", tr("Save every"), _number("checkpoint_minutes", step=1, unit=tr("min"))),
        Field(
            "checkpoint_steps",
            tr("and every"),
            _number("checkpoint_steps", whole=True, none_text=tr("by time alone"), unit=steps),
        ),
        Field("image_size", tr("Image size"), SizeField(tr("as they are"), pixels)),
        Field("channels", tr("Colours"), ComboBox(channels)),
        Field("threads", tr("CPU threads"), _number("threads", whole=True, none_text=automatic)),
        Field("random_shift", tr("Random shift"), _number("random_shift", whole=True, unit=pixels)),
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
        "match_samples": tr(
            "Weight of making the model's own samples score as images do, in the last 30 % of the run, whose steps "
            "take half as long again; 0 for none"
        ),
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
        "image_size": tr("Images are cropped and resized to it: 32 for squares, 32x48 for 32 wide and 48 high"),
        "random_shift": tr("Training images are moved at random by up to so many pixels; reflections fill the edges"),
        "horizontal_flip": tr("For what has no left and right of its own: photographs, not digits"),
        "deterministic": tr("Slower: only algorithms that have one result. A CPU does so anyway"),
    }
