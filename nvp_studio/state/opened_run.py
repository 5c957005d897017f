"""A run opened from its folder, and followed while another process trains it."""

import math
import time
from pathlib import Path

from msgspec.structs import replace
from PySide6.QtCore import QObject, QTimer, Signal

from nvp_studio.runs.history import MetricsTail, RunHistory
from nvp_studio.runs.labels import shown_name
from nvp_studio.runs.snapshots import read_sheet, snapshots
from nvp_studio.training.errors import RunError
from nvp_studio.training.events import SHEET_KINDS, RunImages
from nvp_studio.training.runs import METRICS, RunRecord, RunSummary, open_run, read_record

_FOLLOW_MILLISECONDS = 1000
_RECENT_SECONDS = 60.0
_UNDER_WAY = ("preparing", "training", "paused", "stopping")


class OpenedRun(QObject):
    """A run read from its folder: record, history and last images; followed while another process trains it."""

    updated = Signal()
    """The history or the state has changed."""
    images_changed = Signal(str)
    """``samples`` or ``reconstructions``."""

    def __init__(self, folder: str, parent: QObject | None = None) -> None:
        """Open the run; `RunError` when it has no readable record."""
        super().__init__(parent)
        self.folder = folder
        self.record: RunRecord = read_record(Path(folder), for_training=False)
        self.summary: RunSummary = open_run(folder)
        self.history = RunHistory()
        self.images: dict[str, RunImages] = {}
        self._tail = MetricsTail(folder, self.history)
        self._caught_up = False
        self._growths = 0
        """How often the history grew while the run was not locked; once may be a run's last lines."""
        self._grew = 0.0
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(self.read)

    @property
    def name(self) -> str:
        """The name to show, as the list of runs does; its labels are read anew."""
        return shown_name(Path(self.folder), self.summary.name)

    @property
    def steps_per_epoch(self) -> int | None:
        """None when the record does not say how many images there are."""
        images = self.record.data.train_images
        return math.ceil(images / self.record.config.batch_size) if images else None

    def read(self) -> None:
        """Read the next piece of the history, and do so again while there is more or the run is trained elsewhere."""
        version = self.history.version
        more = self._tail.read()
        if self._caught_up and self.history.version != version:
            self._growths += 1
            self._grew = time.monotonic()
        self._caught_up = self._caught_up or not more
        if more:
            self._timer.start(0)
        else:
            self._read_sheets()
            if self.summary.state in _UNDER_WAY or self._written_recently():
                self._read_summary()
                self._timer.start(_FOLLOW_MILLISECONDS)
        if self.history.version != version or not more:
            self.updated.emit()

    def close(self) -> None:
        """Stop reading, and delete this object."""
        self._timer.stop()
        self.deleteLater()

    def _read_summary(self) -> None:
        try:
            self.summary = open_run(self.folder)
        except RunError:
            return  # it was just moved away
        if self.summary.state != "interrupted":
            self._growths = 0
        elif self._growths > 1 and time.monotonic() - self._grew < _RECENT_SECONDS:
            # it grows without a lock: trained on another machine, whose locks this file system does not show
            self.summary = replace(self.summary, state="training")

    def _written_recently(self) -> bool:
        """Whether the history was written in the last minute and may still grow."""
        try:
            return time.time() - (Path(self.folder) / METRICS).stat().st_mtime < _RECENT_SECONDS
        except OSError:
            return False

    def _read_sheets(self) -> None:
        shots = snapshots(Path(self.folder))
        for kind in SHEET_KINDS:
            newest = next((shot for shot in reversed(shots) if shot.path(kind) is not None), None)
            if newest is None or (kind in self.images and self.images[kind].step == newest.step):
                continue
            batch = read_sheet(newest.path(kind), kind, self.record)
            if batch is not None:
                self.images[kind] = RunImages(kind=kind, step=newest.step, images=batch)
                self.images_changed.emit(kind)
