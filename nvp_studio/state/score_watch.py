"""Folders that are watched: files are scored as they arrive."""

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from nvp_studio.data.watching import FolderWatch
from nvp_studio.score_row import ScoreRow
from nvp_studio.text import printable

LOOK_MILLISECONDS = 1000
"""From one look to the next."""
_MOST_AT_ONCE = 2048
"""Files that are handed on at once."""


class ScoreWatch(QObject):
    """Looks into folders in a thread, one look at a time, and hands on the files that are to be scored.

    Each look waits until what was handed on before is scored.
    """

    changed = Signal()
    """Other folders are watched, files came, or a folder vanished or came back."""
    arrived = Signal(object)
    """A tuple of paths."""
    _looked = Signal(object, object)

    def __init__(self, is_idle: Callable[[], bool], parent: QObject) -> None:
        """`is_idle` says whether nothing is being scored."""
        super().__init__(parent)
        self._is_idle = is_idle
        self._watch: FolderWatch | None = None
        self.came = 0
        """How many files were scored since the watching began."""
        self.unreadable = 0
        """How many files could not be read so far, and may be half-written."""
        self._missing: frozenset[Path] = frozenset()
        self._ready: dict[str, Path] = {}
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(self._look)
        self._looked.connect(self._on_looked)

    @property
    def folders(self) -> tuple[Path, ...]:
        """Those that are watched; none while there is no watching."""
        return () if self._watch is None else tuple(self._watch.places)

    @property
    def missing(self) -> frozenset[Path]:
        """Those that were not there at the last look."""
        return self._missing

    def watch(self, folders: Sequence[Path], done: Iterable[str]) -> None:
        """Watch these folders from now on; files whose paths are `done` are left alone."""
        known = frozenset(done)
        self._watch = FolderWatch(folders, lambda path: printable(str(path)) in known)
        self.came, self.unreadable, self._missing = 0, 0, frozenset()
        self._ready.clear()
        self._timer.start(0)
        self.changed.emit()

    def stop(self) -> None:
        """Watch no more."""
        if self._watch is not None:
            self._watch = None
            self._missing = frozenset()
            self._ready.clear()
            self._timer.stop()
            self.changed.emit()

    def settled(self, rows: Sequence[ScoreRow]) -> list[ScoreRow]:
        """Take the rows of files that arrived; returns those rows, and others, that are to be shown.

        Left out are files that could not be read and may be half-written: they are handed on again.
        """
        kept = []
        for row in rows:
            path = self._ready.pop(row.path, None)
            if path is None or self._watch is None:
                kept.append(row)
            elif self._watch.settle(path, readable=row.bits_per_dim is not None):
                kept.append(row)
                self.came += 1
        return kept

    def _look(self) -> None:
        watch = self._watch
        if watch is None:
            return
        if not self._is_idle():
            self._timer.start(LOOK_MILLISECONDS)
            return

        def look() -> None:
            ready = []
            with suppress(OSError):  # of a drive that fails: the next look may succeed
                ready = watch.look()
            with suppress(RuntimeError):  # the window was closed meanwhile
                self._looked.emit(watch, ready)

        threading.Thread(target=look, name="watch", daemon=True).start()

    def _on_looked(self, watch: FolderWatch, ready: list[Path]) -> None:
        if watch is not self._watch:
            return
        self._timer.start(LOOK_MILLISECONDS)
        ready = ready[:_MOST_AT_ONCE]
        self._ready = {printable(str(path)): path for path in ready}
        if self._missing != watch.missing or self.unreadable != watch.unreadable:
            self._missing, self.unreadable = frozenset(watch.missing), watch.unreadable
            self.changed.emit()
        if ready:
            self.arrived.emit(tuple(map(str, ready)))
