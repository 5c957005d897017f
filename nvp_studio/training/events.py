"""What a run reports while it trains; the window and the command line get the same structures."""

from typing import Literal

import msgspec

from nvp_studio.data.report import DataReport
from nvp_studio.image_batch import ImageBatch
from nvp_studio.limits import Name, PathText, ScaleValues, Sentence
from nvp_studio.training.config import StopRules, TrainConfig

RunPhase = Literal["preparing", "training", "paused", "stopping", "finished", "stopped", "failed"]
SheetKind = Literal["samples", "reconstructions"]
SHEET_KINDS: tuple[SheetKind, ...] = ("samples", "reconstructions")


class RunStarted(msgspec.Struct, frozen=True, kw_only=True, tag="run-started"):
    """A run has its folder and data; also sent after a resume (`step` > 0 then). Only `preparing` comes before."""

    folder: PathText
    name: Name
    config: TrainConfig
    """With `flow` filled in."""
    device: Name
    parameters: int
    train_images: int
    validation_images: int
    steps_per_epoch: int
    step: int
    total_steps: int | None
    """None when the budget is in minutes."""
    data_title: PathText
    data: DataReport = DataReport()
    """What the run trains on, without samples."""


class RunState(msgspec.Struct, frozen=True, tag="run-state"):
    """The run entered `phase`; `reason` is one line for a person (why it stopped, what failed).

    While images are scored, `training` is reported again with the number of those scored so far as its reason.
    """

    phase: RunPhase
    reason: Sentence = ""
    fraction: float | None = None
    """How much of the data is prepared, or of the images scored, 0 to 1, where that is known."""
    seconds_left: float | None = None
    """To the end of the run, while images are scored after its last step."""
    data_changed: bool = False
    """The run was not resumed because its data have changed; `reason` says how, and `force` resumes it all the same."""
    data_missing: bool = False
    """The run was not resumed because its data are not where they were, or cannot be used; `reason` says why."""


class StepMetrics(msgspec.Struct, frozen=True, kw_only=True, tag="step"):
    """One optimizer step. `validation` is set on steps that were followed by a validation."""

    step: int
    epoch: float
    seconds: float
    """Seconds of training so far, over all sessions of the run."""
    images: int
    train: float
    """Training bits/dim of this step's batch."""
    learning_rate: float
    gradient_norm: float
    """Before clipping."""
    validation: float | None = None
    """Validation bits/dim of the averaged weights."""
    validation_images: int = 0
    """How many that is the mean over; 0 in records of earlier versions."""
    inverse_error: float | None = None
    """Largest |decode(encode(x)) - x| on validation images and samples, by latents in float32, in [0, 1] units."""
    invertible: bool | None = None
    """Whether the state validated could be taken for the best; None without validation and in older files."""
    noise_inverse_error: float | None = None
    """The same on images of uniform noise; None when it is not finite."""
    scale_bits: ScaleValues = ()
    """At a validation: what each scale, finest first, adds to the bits/dim of the first validation images."""
    skipped: int = 0
    """Steps skipped so far because of a non-finite loss or gradient."""
    rollbacks: int = 0
    """Returns to the last good state so far."""


class RunProgress(msgspec.Struct, frozen=True, kw_only=True, tag="progress"):
    """How far the run is; sent at most ten times a second."""

    step: int
    fraction: float
    """0 to 1 of the budget."""
    epoch: float
    seconds: float
    images_per_second: float
    seconds_left: float | None
    """Of training, and of the scoring after it."""
    best: float | None = None
    """Best validation bits/dim so far, and the step it was reached at."""
    best_step: int | None = None


class RunImages(msgspec.Struct, frozen=True, kw_only=True, tag="images"):
    """A fresh sheet: samples from the run's fixed noise, or fixed validation images above their reconstructions."""

    kind: SheetKind
    step: int
    images: ImageBatch


class CheckpointSaved(msgspec.Struct, frozen=True, tag="checkpoint"):
    """A checkpoint file is on disk, whole; `kind` is which name it went to."""

    path: PathText
    step: int
    kind: Literal["last", "best", "milestone"]


class RunChanged(msgspec.Struct, frozen=True, kw_only=True, tag="changed"):
    """From the step after `step` on these hold; also sent when a run begins or goes on."""

    step: int
    learning_rate: float
    """The highest of the schedule."""
    stop: StopRules


class RunNotice(msgspec.Struct, frozen=True, tag="notice"):
    """Something a person should know: a roll-back, skipped steps, a full disk."""

    level: Literal["info", "warning", "error"]
    text: Sentence


RunEvent = RunStarted | RunState | StepMetrics | RunProgress | RunImages | CheckpointSaved | RunChanged | RunNotice
