"""The snapshots of a run, shown one at a time or played."""

from contextlib import suppress
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from nvp_studio.image_batch import ImageBatch
from nvp_studio.runs.snapshots import Snapshot, nearest_snapshot, read_sheet, snapshots
from nvp_studio.training.errors import RunError
from nvp_studio.training.events import SheetKind
from nvp_studio.training.runs import RunRecord, read_record

PLAY_MILLISECONDS = 160


class Timelapse(QObject):
    """One run's snapshots and which of them is shown; playing repeats from the start."""

    moved = Signal()
    """Another snapshot, kind or run is shown."""
    playing_changed = Signal(bool)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.folder = ""
        self.shots: list[Snapshot] = []
        self.place = -1
        self.kind: SheetKind = "samples"
        self._record: RunRecord | None = None
        self._timer = QTimer(self, interval=PLAY_MILLISECONDS)
        self._timer.timeout.connect(self._advance)

    @property
    def playing(self) -> bool:
        """Whether it is playing."""
        return self._timer.isActive()

    @property
    def step(self) -> int | None:
        """The step of the snapshot shown; None without any."""
        return self.shots[self.place].step if 0 <= self.place < len(self.shots) else None

    def show_run(self, folder: str) -> None:
        """Show the newest snapshot of the run in `folder`; "" shows no run."""
        self.stop()
        self.folder, self.shots, self.place, self._record = folder, [], -1, None
        if folder:
            with suppress(RunError):
                self._record = read_record(Path(folder), for_training=False)
        self.refresh()
        self.moved.emit()

    def refresh(self) -> None:
        """Look for new snapshots; if the newest one was shown, the new newest one is shown."""
        if not self.folder:
            return
        shots = snapshots(Path(self.folder))
        if shots == self.shots:
            return
        at_end = self.place in (-1, len(self.shots) - 1)
        self.shots = shots
        self.place = len(shots) - 1 if at_end else min(self.place, len(shots) - 1)
        self.moved.emit()

    def move_to(self, place: int) -> None:
        """Show the snapshot at `place`."""
        place = max(0, min(len(self.shots) - 1, place)) if self.shots else -1
        if place != self.place:
            self.place = place
            self.moved.emit()

    def move_to_step(self, step: float) -> None:
        """Show the snapshot nearest to `step`."""
        self.move_to(nearest_snapshot(self.shots, step))

    def show_kind(self, kind: SheetKind) -> None:
        """Show samples or reconstructions."""
        if kind != self.kind:
            self.kind = kind
            self.moved.emit()

    def play(self) -> None:
        """Start playing, from the beginning if the last snapshot is shown."""
        if len(self.shots) > 1 and not self.playing:
            if self.place == len(self.shots) - 1:
                self.move_to(0)
            self._timer.start()
            self.playing_changed.emit(True)

    def stop(self) -> None:
        """Stop playing."""
        if self.playing:
            self._timer.stop()
            self.playing_changed.emit(False)

    def batch(self) -> ImageBatch | None:
        """The images of the snapshot shown; None without such a sheet, or if it cannot be read."""
        if self.step is None or self._record is None:
            return None
        return read_sheet(self.shots[self.place].path(self.kind), self.kind, self._record)

    def _advance(self) -> None:
        self.move_to((self.place + 1) % len(self.shots) if self.shots else -1)
