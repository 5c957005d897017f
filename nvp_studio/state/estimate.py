"""How long a run would take and how much memory: probed by the trainer shortly after the form was changed last."""

import dataclasses
import os
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from msgspec.structs import replace
from PySide6.QtCore import QObject, QTimer, Signal

from nvp_studio.data.catalogue import CATALOGUE
from nvp_studio.data.cifar import CIFAR10, find_cifar
from nvp_studio.data.cifar_files import is_archive
from nvp_studio.data.images import ImageError, image_header
from nvp_studio.state.engine import Engine
from nvp_studio.state.paths import is_image_file
from nvp_studio.training.config import TrainConfig
from nvp_studio.worker.channel import WorkerLost
from nvp_studio.worker.messages import Answer, Failed, Probe, Probed

_DELAY_MILLISECONDS = 700
_MAX_NAMES = 200
_MAX_PIXELS = 2**19
"""Pixels of a batch that is probed at most: a step of `studio` with 16 colour images of 181x181 takes some 6 GB."""

ImageShape = tuple[int, int, int]


@dataclass(frozen=True)
class Estimate:
    """What `config` would take on this machine."""

    config: TrainConfig
    parameters: int
    images_per_second: float
    memory_bytes: int

    def images(self, train_images: int | None) -> float | None:
        """Number of images in the whole run, None where that is not known before the data are read."""
        config = self.config
        if config.steps is not None:
            return float(config.steps * config.batch_size)
        if config.epochs is not None:
            return None if train_images is None else config.epochs * train_images
        return (config.minutes or 0.0) * 60 * self.images_per_second

    def seconds(self, train_images: int | None) -> float | None:
        """Seconds of training without validation, None where that is not known before the data are read."""
        if self.config.minutes is not None:
            return self.config.minutes * 60
        images = self.images(train_images)
        return None if images is None else images / max(self.images_per_second, 1e-9)


class Estimator(QObject):
    """Asks the trainer what a configuration would take, while it trains nothing."""

    estimated = Signal(object)
    """An `Estimate`, or None where there is none for the present configuration."""
    asking_changed = Signal(bool)
    failed = Signal(str)
    """The configuration cannot work; one line why."""

    def __init__(self, engine: Engine, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._engine = engine
        self.estimate: Estimate | None = None
        self.asking = False
        self.too_large = False
        """Whether there is no estimate because probing the batch would take too much memory."""
        self._wanted: TrainConfig | None = None
        self._delay = QTimer(self)
        self._delay.setSingleShot(True)
        self._delay.setInterval(_DELAY_MILLISECONDS)
        self._delay.timeout.connect(self._ask)
        self._channel = engine.trainer.channel("estimate", self)

    def request(self, config: TrainConfig) -> None:
        """Estimate `config` a little later, unless its estimate is known."""
        config = _relevant(config)
        if config == self._wanted:
            return
        self._wanted = config
        self.too_large = False
        if self.estimate is not None and _same_speed(self.estimate.config, config):
            self._set(dataclasses.replace(self.estimate, config=config))
            return
        self._set(None)
        self._delay.start()

    def cancel(self) -> None:
        """Cancel the probe, for a run is about to start on the trainer."""
        self._delay.stop()
        self._channel.cancel()
        self._set_asking(False)
        self._wanted = None

    def _ask(self) -> None:
        config = self._wanted
        if config is None:
            return
        shape = image_shape_of(config)
        if shape is None:
            return  # known only once the data are read
        if config.batch_size * shape[1] * shape[2] > _MAX_PIXELS:
            self.too_large = True
            self._set(None)
            return
        self._engine.ensure_trainer()
        self._set_asking(self._channel.ask(Probe(config, shape), partial(self._on_answer, config)))

    def _on_answer(self, config: TrainConfig, answer: Answer | WorkerLost) -> None:
        self._set_asking(self._channel.asking)
        if config != self._wanted:
            return
        match answer:
            case Probed():
                self._set(Estimate(config, answer.parameters, answer.images_per_second, answer.memory_bytes))
            case Failed(reason=reason):
                self.failed.emit(reason)

    def _set(self, estimate: Estimate | None) -> None:
        self.estimate = estimate
        self.estimated.emit(estimate)

    def _set_asking(self, asking: bool) -> None:
        if asking != self.asking:
            self.asking = asking
            self.asking_changed.emit(asking)


def image_shape_of(config: TrainConfig) -> ImageShape | None:
    """(C, H, W) of the images a run would see, from the catalogue, the configuration, or a folder's first image."""
    if config.data in CATALOGUE:
        channels, height, width = CATALOGUE[config.data].image_shape
    else:
        shape = _first_image_shape(Path(os.path.expanduser(config.data)))
        if shape is None and (config.image_size is None or config.channels is None):
            return None
        channels, height, width = shape or (1, 1, 1)
    if config.image_size is not None:
        height = width = config.image_size
    return config.channels or channels, height, width


def train_images_of(config: TrainConfig) -> int | None:
    """About how many training images there are, where that is known without reading the data."""
    entry = CATALOGUE.get(config.data)
    return None if entry is None else entry.train_images


def _first_image_shape(folder: Path) -> ImageShape | None:
    """The shape of one image in a folder, looked for among its first few names and those of its sub-folders."""
    try:
        if is_archive(folder) or find_cifar(folder):
            return CIFAR10.image_shape  # its sheets are images of thousands of images
        names = list(islice(folder.iterdir(), _MAX_NAMES))
        for sub in [name for name in names if name.is_dir()][:2]:
            names += islice(sub.iterdir(), _MAX_NAMES)
        first = next(name for name in names if is_image_file(name))
        return image_header(first)
    except (OSError, StopIteration, ImageError):
        return None


def _relevant(config: TrainConfig) -> TrainConfig:
    """The configuration without what changes neither time nor memory."""
    return replace(config, seed=0)


def _same_speed(one: TrainConfig, other: TrainConfig) -> bool:
    """Whether two configurations differ in nothing but their budget and learning rate."""

    def core(config: TrainConfig) -> TrainConfig:
        return replace(
            config,
            steps=1,
            epochs=None,
            minutes=None,
            learning_rate=1e-3,
            warmup_steps=0,
            schedule="cosine",
            validation_images=1,
            validation_every=None,
        )

    return core(one) == core(other)
