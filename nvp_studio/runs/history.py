"""The history of one run: the metrics of its steps in growing arrays, and how to read them from a run folder."""

import math
import os
from contextlib import suppress
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from nvp_studio.files import open_regular
from nvp_studio.training.changes import Restart, RunChange, read_changes
from nvp_studio.training.events import StepMetrics
from nvp_studio.training.runs import METRICS

Numbers = npt.NDArray[np.float64]

SMOOTHING_STEPS = 50
"""The smoothed curve is an average whose weights fall by a factor e in this many steps; in fewer at the start, where
the curve falls steeply and would be smoothed too much."""
_MIN_SMOOTHING_STEPS = 3.0
_SMOOTHING_FRACTION = 0.1
"""At step n it is n times this many steps, within the two bounds."""
_STEPS_BEFORE_SPIKES = 20
_SPIKE = 8.0
"""A loss that is so many times as far above the smoothed curve as losses are on average is a spike."""
_CHUNK_BYTES = 2**20


class Column:
    """Float64 numbers, appended one by one at constant cost on average."""

    def __init__(self) -> None:
        self._buffer = np.empty(256, np.float64)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def values(self) -> Numbers:
        """The numbers so far, as a view of a buffer that the next `append` may replace."""
        return self._buffer[: self._count]

    def append(self, value: float) -> None:
        """Add a number at the end."""
        if self._count == len(self._buffer):
            self._buffer = np.concatenate([self._buffer, np.empty_like(self._buffer)])
        self._buffer[self._count] = value
        self._count += 1

    def cut(self, count: int) -> None:
        """Keep the first `count` numbers."""
        self._count = min(self._count, count)


class RunHistory:
    """The metrics of each step and each validation, in the order of their steps; a step that is known is ignored."""

    def __init__(self) -> None:
        self.steps = Column()
        self.train = Column()
        self.smoothed = Column()
        """Exponential average of `train`, with the bias of its start corrected."""
        self.epochs = Column()
        self.seconds = Column()
        self.images = Column()
        self.learning_rate = Column()
        self.gradient_norm = Column()
        self.validation_steps = Column()
        self.validation = Column()
        self.validation_epochs = Column()
        self.validation_seconds = Column()
        self.inverse_error = Column()
        """At each validation; NaN where it was not finite. The next one likewise."""
        self.noise_inverse_error = Column()
        self.invertible = Column()
        """Whether the state could be taken for the best, 1 or 0; 1 where an older file does not say."""
        self.validation_images = Column()
        """How many a validation is the mean over; 0 where an older file does not say."""
        self.scale_bits: list[tuple[float, ...]] = []
        """Bits/dim of each scale at each validation, finest first; empty where an older run has none."""
        self.changes: tuple[RunChange, ...] = ()
        """Restarts of the run and changes of its settings, in the order of their steps."""
        self.last: StepMetrics | None = None
        self.version = 0
        """Increases with every change, so that a plot knows when to redraw."""
        self._rollbacks: list[int] = []
        progress = (self.steps, self.epochs, self.seconds)
        self._of_steps = (*progress, self.images, self.train, self.smoothed, self.learning_rate, self.gradient_norm)
        progress = (self.validation_steps, self.validation_epochs, self.validation_seconds)
        self._of_validations = (
            *progress,
            self.validation,
            self.inverse_error,
            self.noise_inverse_error,
            self.invertible,
            self.validation_images,
        )
        self._average = 0.0
        self._weight = 0.0
        self._spread = 0.0

    @property
    def best(self) -> tuple[int, float] | None:
        """Step and bits/dim of the best validation of a state that inverts, which is the one in the run's record."""
        values = np.where(self.invertible.values, self.validation.values, np.inf)
        place = int(np.argmin(values)) if len(values) else -1
        if place < 0 or np.isinf(values[place]):
            return None
        return int(self.validation_steps.values[place]), float(self.validation.values[place])

    @property
    def breaks(self) -> list[int]:
        """Steps after which a curve has a gap: the run was restarted there, or returned to an earlier state."""
        restarts = [change.step for change in self.changes if isinstance(change, Restart)]
        return sorted({*self._rollbacks, *restarts})

    def append(self, metrics: StepMetrics) -> None:
        """Append one step; without its training loss if that is not finite, as in a skipped step.

        A run that returned to an earlier state takes some steps again: their earlier metrics are removed.
        """
        if self.last is not None and metrics.step <= self.last.step:
            if metrics.rollbacks <= self.last.rollbacks:
                return
            self._cut(metrics.step)
        if self.last is not None and metrics.rollbacks > self.last.rollbacks:
            self._rollbacks.append(metrics.step - 1)
        self.last = metrics
        self.version += 1
        progress = (metrics.step, metrics.epoch, metrics.seconds)
        if np.isfinite(metrics.train):
            window = min(SMOOTHING_STEPS, max(_MIN_SMOOTHING_STEPS, _SMOOTHING_FRACTION * len(self.steps)))
            smoothed = self._smooth(metrics.train, 1.0 - 1.0 / window)
            measured = (metrics.train, smoothed, metrics.learning_rate, metrics.gradient_norm)
            _append(self._of_steps, (*progress, metrics.images, *measured))
        if metrics.validation is not None and np.isfinite(metrics.validation):
            errors = (metrics.inverse_error, metrics.noise_inverse_error)
            others = (metrics.invertible is not False, metrics.validation_images)
            _append(self._of_validations, (*progress, metrics.validation, *errors, *others))
            self.scale_bits.append(metrics.scale_bits)

    def _smooth(self, value: float, keep: float) -> float:
        """Take a training loss into the average; one far above it as no more than a bound, so that no spike stays.

        The bound is a multiple of the average distance from the average, which grows when losses stay high.
        """
        if len(self.steps) >= _STEPS_BEFORE_SPIKES:
            value = min(value, self._average / self._weight + _SPIKE * self._spread / self._weight)
        before = self._average / self._weight if self._weight else value
        self._average = keep * self._average + (1.0 - keep) * value
        self._spread = keep * self._spread + (1.0 - keep) * abs(value - before)
        self._weight = keep * self._weight + (1.0 - keep)
        return self._average / self._weight

    def show_changes(self, changes: tuple[RunChange, ...]) -> None:
        """Replace the restarts and changes by these."""
        if changes != self.changes:
            self.changes = changes
            self.version += 1

    def clear(self) -> None:
        """Remove everything."""
        self._cut(0)
        self.changes = ()
        self.last = None
        self._average = self._weight = self._spread = 0.0
        self.version += 1

    def _cut(self, step: int) -> None:
        """Remove `step` and all later ones."""
        count = int(np.searchsorted(self.steps.values, step))
        for column in self._of_steps:
            column.cut(count)
        count = int(np.searchsorted(self.validation_steps.values, step))
        for column in self._of_validations:
            column.cut(count)
        del self.scale_bits[count:]
        self._rollbacks = [place for place in self._rollbacks if place < step]


def _append(columns: tuple[Column, ...], values: tuple[float | None, ...]) -> None:
    for column, value in zip(columns, values, strict=True):
        column.append(math.nan if value is None else value)


class MetricsTail:
    """Reads ``metrics.jsonl`` of a run folder piece by piece, also while another process writes it."""

    def __init__(self, folder: str | Path, history: RunHistory) -> None:
        self.history = history
        self._folder = Path(folder)
        self._path = self._folder / METRICS
        self._offset = 0
        self._file_id: tuple[int, int] | None = None
        self._decoder = msgspec.json.Decoder(StepMetrics)

    def read(self) -> bool:
        """Read the next piece of the file; True if there is more. A file that was replaced is read from its start."""
        try:
            with open_regular(self._path) as file:
                self._notice_replacement(os.fstat(file.fileno()))
                file.seek(self._offset)
                data = file.read(_CHUNK_BYTES)
        except OSError:
            return False
        end = data.rfind(b"\n") + 1
        for line in data[:end].splitlines():
            with suppress(msgspec.MsgspecError, RecursionError):
                self.history.append(self._decoder.decode(line))
        self._offset += end
        self.history.show_changes(read_changes(self._folder))
        return len(data) == _CHUNK_BYTES and end > 0

    def _notice_replacement(self, status: os.stat_result) -> None:
        """A resumed run rewrites its history, without the steps that it takes again."""
        file_id = (status.st_dev, status.st_ino)
        if self._file_id is not None and (file_id != self._file_id or status.st_size < self._offset):
            self._offset = 0
            self.history.clear()
        self._file_id = file_id

    def read_all(self) -> None:
        """Read all that is there now."""
        while self.read():
            pass


def read_history(folder: str | Path) -> RunHistory:
    """The whole history of the run in `folder`, as it is now."""
    history = RunHistory()
    MetricsTail(folder, history).read_all()
    return history
