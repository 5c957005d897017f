"""The curves of one run: what each step said, in arrays that grow, and how to read them from a run folder."""

import math
import os
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from nvp_studio.files import open_regular
from nvp_studio.training.changes import CHANGES, Restart, RunChange, read_changes
from nvp_studio.training.events import StepMetrics
from nvp_studio.training.runs import METRICS

Numbers = npt.NDArray[np.float64]

SMOOTHING_STEPS = 50
"""The smoothed curve is an average with weights that fall by a factor e in this many steps; fewer at the start, where
the curve falls steeply and a long memory would lag behind."""
_LEAST_SMOOTHING_STEPS = 3.0
_SMOOTHING_SHARE = 0.1
"""At step n the memory is n times this, between the two bounds."""
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
        """The numbers so far, as a view that the next `append` may leave behind."""
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
    """What each step and each validation said. Steps grow; one that was told already is passed over."""

    def __init__(self) -> None:
        self.steps = Column()
        self.train = Column()
        self.smoothed = Column()
        """Exponential average of `train`, corrected for its start."""
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
        """At each validation; NaN where it was not finite. Likewise the next."""
        self.noise_inverse_error = Column()
        self.scale_bits: list[tuple[float, ...]] = []
        """Bits/dim of each scale at each validation, finest first; empty where an older run did not tell."""
        self.changes: tuple[RunChange, ...] = ()
        """Restarts of the run and what a person changed on the way, in the order of their steps."""
        self.last: StepMetrics | None = None
        self.version = 0
        """Grows with every change, so that who draws can tell."""
        self._rollbacks: list[int] = []
        self._average = 0.0
        self._weight = 0.0

    @property
    def best(self) -> tuple[int, float] | None:
        """Step and bits/dim of the best validation."""
        if not len(self.validation):
            return None
        place = int(np.argmin(self.validation.values))
        return int(self.validation_steps.values[place]), float(self.validation.values[place])

    @property
    def breaks(self) -> list[int]:
        """Steps after which a curve starts anew: the run was restarted there, or went back to an earlier state."""
        restarts = [change.step for change in self.changes if isinstance(change, Restart)]
        return sorted({*self._rollbacks, *restarts})

    def append(self, metrics: StepMetrics) -> None:
        """Take one step; the loss of a skipped one may be no number and then has no place on a curve.

        A run that went back to an earlier state may take some steps again: what they said before is dropped.
        """
        if self.last is not None and metrics.step <= self.last.step:
            if metrics.rollbacks <= self.last.rollbacks:
                return
            self._cut(metrics.step)
        if self.last is not None and metrics.rollbacks > self.last.rollbacks:
            self._rollbacks.append(metrics.step - 1)
        self.last = metrics
        self.version += 1
        if np.isfinite(metrics.train):
            memory = min(SMOOTHING_STEPS, max(_LEAST_SMOOTHING_STEPS, _SMOOTHING_SHARE * len(self.steps)))
            keep = 1.0 - 1.0 / memory
            self._average = keep * self._average + (1.0 - keep) * metrics.train
            self._weight = keep * self._weight + (1.0 - keep)
            self.steps.append(metrics.step)
            self.train.append(metrics.train)
            self.smoothed.append(self._average / self._weight)
            self.epochs.append(metrics.epoch)
            self.seconds.append(metrics.seconds)
            self.images.append(metrics.images)
            self.learning_rate.append(metrics.learning_rate)
            self.gradient_norm.append(metrics.gradient_norm)
        if metrics.validation is not None and np.isfinite(metrics.validation):
            self.validation_steps.append(metrics.step)
            self.validation.append(metrics.validation)
            self.validation_epochs.append(metrics.epoch)
            self.validation_seconds.append(metrics.seconds)
            self.inverse_error.append(_number(metrics.inverse_error))
            self.noise_inverse_error.append(_number(metrics.noise_inverse_error))
            self.scale_bits.append(metrics.scale_bits)

    def show_changes(self, changes: tuple[RunChange, ...]) -> None:
        """Take what is known of restarts and changes, in place of what was known before."""
        if changes != self.changes:
            self.changes = changes
            self.version += 1

    def clear(self) -> None:
        """Forget everything."""
        self._cut(0)
        self.changes = ()
        self.last = None
        self._average = self._weight = 0.0
        self.version += 1

    def _cut(self, step: int) -> None:
        """Drop what was said of `step` and later ones."""
        count = int(np.searchsorted(self.steps.values, step))
        for column in (
            self.steps,
            self.train,
            self.smoothed,
            self.epochs,
            self.seconds,
            self.images,
            self.learning_rate,
            self.gradient_norm,
        ):
            column.cut(count)
        count = int(np.searchsorted(self.validation_steps.values, step))
        for column in (
            self.validation_steps,
            self.validation,
            self.validation_epochs,
            self.validation_seconds,
            self.inverse_error,
            self.noise_inverse_error,
        ):
            column.cut(count)
        del self.scale_bits[count:]
        self._rollbacks = [place for place in self._rollbacks if place < step]


def _number(value: float | None) -> float:
    return math.nan if value is None else value


class MetricsTail:
    """Reads ``metrics.jsonl`` of a run folder piece by piece, also while another process writes it."""

    def __init__(self, folder: str | Path, history: RunHistory) -> None:
        self.history = history
        self._folder = Path(folder)
        self._path = self._folder / METRICS
        self._offset = 0
        self._file_id: tuple[int, int] | None = None
        self._changes_at: tuple[int, int] | None = None
        self._decoder = msgspec.json.Decoder(StepMetrics)

    def read(self) -> bool:
        """Take the next piece of the file; whether there is more. A file that was replaced is read from its start."""
        try:
            with open_regular(self._path) as file:
                self._notice_replacement(os.fstat(file.fileno()))
                file.seek(self._offset)
                data = file.read(_CHUNK_BYTES)
        except OSError:
            return False
        end = data.rfind(b"\n") + 1
        for line in data[:end].split(b"\n"):
            if line:
                self._take(line)
        self._offset += end
        self._read_changes()
        return len(data) == _CHUNK_BYTES and end > 0

    def _notice_replacement(self, status: os.stat_result) -> None:
        """A resumed run writes its history anew, without the steps that it takes again."""
        file_id = (status.st_dev, status.st_ino)
        if self._file_id is not None and (file_id != self._file_id or status.st_size < self._offset):
            self._offset = 0
            self._changes_at = None
            self.history.clear()
        self._file_id = file_id

    def _read_changes(self) -> None:
        try:
            status = (self._folder / CHANGES).stat()
        except OSError:
            return
        now = (status.st_size, status.st_mtime_ns)
        if now != self._changes_at:
            self._changes_at = now
            self.history.show_changes(read_changes(self._folder))

    def read_all(self) -> None:
        """Take all there is now."""
        while self.read():
            pass

    def _take(self, line: bytes) -> None:
        try:
            metrics = self._decoder.decode(line)
        except (msgspec.MsgspecError, RecursionError):
            return
        self.history.append(metrics)


def read_history(folder: str | Path) -> RunHistory:
    """The whole history of the run in `folder`, as it is now."""
    history = RunHistory()
    MetricsTail(folder, history).read_all()
    return history
