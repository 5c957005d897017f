"""How long a run would take and how much memory: probed by the trainer shortly after the form was changed last."""

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from msgspec.structs import replace
from PySide6.QtCore import QObject, QTimer, Signal

from nvp_studio.data.catalogue import CATALOGUE
from nvp_studio.data.image_size import width_and_height
from nvp_studio.data.report import DataReport
from nvp_studio.state.engine import Engine
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.schedule import Budget
from nvp_studio.training.scoring_budget import Speeds, seconds_after_training, validation_plan
from nvp_studio.worker.channel import WorkerLost
from nvp_studio.worker.messages import Answer, Failed, Probe, Probed

_DELAY_MILLISECONDS = 700
_MAX_PIXELS = 2**19
"""Pixels of a batch that is probed at most: a step of `studio` with 16 colour images of 181x181 takes some 6 GB."""
_TRAIN_IMAGES = 10_000
"""Taken where it is not known; that of validation images is taken for a ninth of it, of test images for a sixth."""
_START_SECONDS = 2.0
"""For reading the data, making the flow and writing the first checkpoint."""

ImageShape = tuple[int, int, int]


@dataclass(frozen=True)
class Estimate:
    """What `config` would take on this machine."""

    config: TrainConfig
    parameters: int
    images_per_second: float
    """Trained on."""
    memory_bytes: int
    scored_per_second: float
    decoded_per_second: float

    def images(self, train_images: int | None) -> float | None:
        """Number of images in the whole run, None where that is not known before the data are read."""
        config = self.config
        if config.steps is not None:
            return float(config.steps * config.batch_size)
        if config.epochs is not None:
            return None if train_images is None else config.epochs * train_images
        return (config.minutes or 0.0) * 60 * self.images_per_second

    def seconds(self, train_images: int | None) -> float | None:
        """Seconds of the whole run, None where that is not known before the data are read."""
        training, scoring = self.training_seconds(train_images), self.scoring_seconds(train_images)
        return None if training is None or scoring is None else _START_SECONDS + training + scoring

    def training_seconds(self, train_images: int | None) -> float | None:
        """Seconds of training, with validations only where the budget counts them."""
        images, most = self.images(train_images), self.config.stop.minutes
        if images is None:
            return None
        seconds = images / max(self.images_per_second, 1e-9)
        return seconds if most is None else min(seconds, 60 * most)

    def scoring_seconds(self, train_images: int | None) -> float | None:
        """Seconds beside training: validations, the final scores, and the directions of the best model.

        Validations before the last are part of a budget in minutes.
        """
        config, trained, seconds = self.config, self.images(train_images), self.training_seconds(train_images)
        if trained is None or seconds is None:
            return None
        budget = Budget(config, train_images or config.batch_size)
        steps, known = trained / config.batch_size, train_images or _TRAIN_IMAGES
        validation, test = known // 9, known // 6
        speeds = Speeds(self.scored_per_second, self.decoded_per_second)
        plan = validation_plan(config, budget, steps, seconds, validation, speeds)
        number = plan.number(budget.validations(config, steps))
        spent = number * speeds.validation(plan)
        before = 0.0 if config.minutes is not None else spent - speeds.validation(plan)
        return before + seconds_after_training(config, plan, seconds, spent, validation, test, speeds)


class Estimator(QObject):
    """Asks the trainer what a configuration would take, while it trains nothing."""

    changed = Signal()
    """Look at `estimate`, `asking`, `too_large` and `problem`."""

    def __init__(self, engine: Engine, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._engine = engine
        self.estimate: Estimate | None = None
        """None where there is none for the configuration that was requested last."""
        self.too_large = False
        """Whether there is no estimate because probing the batch would take too much memory."""
        self.problem = ""
        """Why the configuration cannot work, in one line."""
        self._wanted: tuple[TrainConfig, ImageShape | None] | None = None
        self._measured: tuple[Estimate, ImageShape] | None = None
        self._delay = QTimer(self, singleShot=True, interval=_DELAY_MILLISECONDS)
        self._delay.timeout.connect(self._ask)
        self._channel = engine.trainer.channel("estimate", self)

    @property
    def asking(self) -> bool:
        """Whether the trainer is probing a configuration."""
        return self._channel.asking

    @property
    def lacks_shape(self) -> bool:
        """Whether `request` is waited for with the shape of the images, which was not known before."""
        return self._wanted is not None and self._wanted[1] is None

    def request(self, config: TrainConfig, image_shape: ImageShape | None) -> None:
        """Estimate `config` for images of this shape a little later, unless its estimate is known."""
        config = replace(config, seed=0)  # which changes neither time nor memory
        if (config, image_shape) == self._wanted:
            return
        self._wanted = config, image_shape
        self.too_large, self.problem = False, ""
        measured, of_shape = self._measured or (None, None)
        if measured is not None and image_shape == of_shape and _same_speed(measured.config, config):
            self.estimate = dataclasses.replace(measured, config=config)
        else:
            self.estimate = None
            self._delay.start()
        self.changed.emit()

    def cancel(self) -> None:
        """Cancel the probe, for a run is about to start on the trainer."""
        self._delay.stop()
        self._channel.cancel()
        self._wanted = None

    def _ask(self) -> None:
        config, shape = self._wanted or (None, None)
        if config is None or shape is None:
            return
        self.too_large = config.batch_size * shape[1] * shape[2] > _MAX_PIXELS
        if not self.too_large:
            self._engine.ensure_trainer()
            self._channel.ask(Probe(config, shape), partial(self._on_answer, config, shape))
        self.changed.emit()

    def _on_answer(self, config: TrainConfig, shape: ImageShape, answer: Answer | WorkerLost) -> None:
        if (config, shape) == self._wanted:
            match answer:
                case Probed():
                    self.estimate = Estimate(config, *msgspec.structs.astuple(answer))
                    self._measured = self.estimate, shape
                case Failed(reason=reason):
                    self.problem = reason
        self.changed.emit()


def image_shape_of(config: TrainConfig, report: DataReport | None) -> ImageShape | None:
    """(C, H, W) of the images a run would see, from the catalogue, the report on its data, or `config` alone.

    None while there is no report and `config` does not say all.
    """
    shape = None if report is None else report.image_shape
    if config.data in CATALOGUE:
        shape = CATALOGUE[config.data].image_shape
    elif shape is None:
        if config.image_size is None or config.channels is None:
            return None
        shape = (config.channels, 1, 1)
    channels, height, width = shape
    if config.image_size is not None:
        width, height = width_and_height(config.image_size)
    return config.channels or channels, height, width


def _same_speed(one: TrainConfig, other: TrainConfig) -> bool:
    """Whether two configurations differ in nothing but their budget and learning rate."""
    budget: dict[str, Any] = {"steps": 1, "epochs": None, "minutes": None}
    rate: dict[str, Any] = {"learning_rate": 1e-3, "warmup_steps": 0, "schedule": "cosine"}
    validation: dict[str, Any] = {"validation_images": 1, "validation_every": None, "scoring_share": 0.1}
    same = budget | rate | validation
    return replace(one, **same) == replace(other, **same)
