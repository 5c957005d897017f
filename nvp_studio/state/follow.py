"""Following the run in the trainer on Explore: its newest weights are opened again and again."""

import time
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from nvp_studio.state.explore import ExploreState
from nvp_studio.state.run import LiveRun
from nvp_studio.training.events import CheckpointSaved
from nvp_studio.training.runs import MODEL_FILES

_LEAST_SECONDS = 20.0
"""Between two openings."""
_COST_FACTOR = 50
"""Nor sooner than this many times what the last one took, from the request to the picture: what follows the picture
takes about as long, and training is to be slowed by less than 3 % (`benchmarks/following.py`)."""
_LOST_SECONDS = 120.0
"""After this long without an answer, such as after a crash of a process, weights are asked for again."""
_RETRY_MILLISECONDS = 2000


class FollowState(QObject):
    """Asks the run for checkpoints and opens them, for as long as `following`; the sliders keep their places.

    Directions are those that were open before: their computation would slow the run, and sliders would change meaning.
    Once following ends, Explore stays at the weights of `step`.
    """

    changed = Signal()
    """`following` or `step` has changed."""
    ended = Signal(str)
    """Following ended by itself: why."""

    def __init__(self, explore: ExploreState, live: LiveRun, busy: Callable[[], bool]) -> None:
        """While `busy`, nothing is opened, which would break off what is under way."""
        super().__init__(explore)
        self._explore, self._engine, self._live, self._busy = explore, explore.engine, live, busy
        self.following = False
        self.step: int | None = None
        """Of the weights that are open; None where those are of no run that was followed."""
        self.least_seconds = _LEAST_SECONDS
        self._folder = ""
        self._asked_at: float | None = None
        self._opening: tuple[str, int] | None = None
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(self._ask)
        live.checkpoint_saved.connect(self._on_checkpoint_saved)
        live.phase_changed.connect(self._on_phase_changed)
        live.updated.connect(self._on_updated)
        self._engine.model_opened.connect(self._on_model_opened)
        self._engine.model_failed.connect(self._on_model_failed)
        explore.picture_changed.connect(self._on_picture)

    @property
    def possible(self) -> bool:
        """Whether a run takes its steps on this machine."""
        return self._live.in_loop and not self._live.spent and bool(self._live.local_folder)

    def start(self) -> None:
        """Follow the run, from its best model on where another model is open."""
        if not self.possible or self.following:
            return
        self.following, self.step, self._folder = True, None, self._live.local_folder
        self.changed.emit()
        if not self._is_of_run(self._engine.model_path) and (self._checkpoints / MODEL_FILES[0]).exists():
            self._engine.open_model(self._folder)
        else:
            self._ask()

    def stop(self) -> None:
        """Stay at the weights that are open."""
        if self.following:
            self.following, self._asked_at, self._opening = False, None, None
            self._timer.stop()
            self.changed.emit()

    @property
    def _checkpoints(self) -> Path:
        return Path(self._folder) / "checkpoints"

    def _is_of_run(self, path: str) -> bool:
        return path in (self._folder, *(str(self._checkpoints / name) for name in MODEL_FILES))

    def _ask(self) -> None:
        """Have the run write its weights, unless it is paused."""
        if not self.following:
            return
        self._opening = None  # an opening that broke off with its process
        if self._live.phase != "training" or self._explore.in_gesture or self._busy():
            self._timer.start(_RETRY_MILLISECONDS)
            return
        self._asked_at = time.monotonic()
        self._live.save()
        self._wait(_LOST_SECONDS)

    def _on_checkpoint_saved(self, saved: CheckpointSaved) -> None:
        if self.following and self._asked_at is not None and saved.kind == "last" and self._opening is None:
            path = str(self._checkpoints / MODEL_FILES[1])
            self._opening = path, saved.step
            self._engine.open_model(path, goes_on=self._is_of_run(self._engine.model_path))

    def _on_model_opened(self) -> None:
        path, opening = self._engine.model_path, self._opening
        if opening is not None and path == opening[0]:
            self.step = opening[1]
            self._wait(_LOST_SECONDS)  # the picture may not come
            self.changed.emit()
        elif not self._is_of_run(path):
            self.step = None
            self.stop()
            self.changed.emit()
        elif self.following and self.step is None:
            self._ask()  # the best model is open

    def _on_picture(self) -> None:
        """The picture of the newest weights is there: wait before others are asked for."""
        if self.following and self._opening is not None and self.step == self._opening[1]:
            cost = time.monotonic() - (self._asked_at or time.monotonic())
            self._asked_at = self._opening = None
            self._wait(max(self.least_seconds, _COST_FACTOR * cost))

    def _on_model_failed(self, path: str) -> None:
        """The file may have been replaced meanwhile: the next one is tried."""
        if self.following and self._is_of_run(path):
            self._asked_at = self._opening = None
            self._wait(self.least_seconds)

    def _wait(self, seconds: float) -> None:
        self._timer.start(round(1000 * seconds))

    def _on_phase_changed(self) -> None:
        if self.following and not self._live.under_way:
            self._end()
        self.changed.emit()

    def _on_updated(self) -> None:
        if self.following and self._live.spent:
            self._end()

    def _end(self) -> None:
        self.stop()
        text = self.tr("The run {0} takes no more steps: Explore stays at the last weights that it showed.")
        self.ended.emit(text.format(self._live.name))
