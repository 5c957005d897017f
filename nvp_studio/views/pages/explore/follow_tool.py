"""Explore's action that follows the run in the trainer, and the words for it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from nvp_studio.state.explore import ExploreState
from nvp_studio.text import grouped_number
from nvp_studio.views import notify
from nvp_studio.views.context import WindowContext
from nvp_studio.views.page import Page

if TYPE_CHECKING:
    from nvp_studio.state.follow import FollowState

_TOPIC = "follow"


class FollowTool(QObject):
    """Makes its state once there is a trainer: the live run imports much that a start does not need."""

    changed = Signal()
    """`text` may have changed."""

    def __init__(self, context: WindowContext, page: Page, explore: ExploreState, busy: Callable[[], bool]) -> None:
        """While `busy`, no new weights are opened."""
        super().__init__(page)
        self._context, self._explore, self._busy = context, explore, busy
        self.state: FollowState | None = None
        text, tip = self.tr("Follow the run"), self.tr("Explore the newest weights of the run that is trained")
        self._action = context.registry.add(
            "explore.follow", text, self._toggle, "Ctrl+Shift+E", "graduation-cap", tip=tip, checkable=True, page=page
        )
        context.engine.trainer.state_changed.connect(self._make_state)
        if context.engine.trainer.alive:
            self._make_state()
        self.show_state()

    @property
    def text(self) -> str:
        """Of which step the open weights are; empty where they are of no run that is followed."""
        state = self.state
        if state is None or (state.step is None and not state.following):
            return ""
        if state.step is None:
            return self.tr("Waiting for the weights of the run")
        text = self.tr("Live, step {0}") if state.following else self.tr("Pinned at step {0}")
        return text.format(grouped_number(state.step))

    def show_state(self) -> None:
        """Enable the action where a run can be followed."""
        state = self.state
        self._action.setChecked(state is not None and state.following)
        self._action.setEnabled(state is not None and (state.possible or state.following))

    def _make_state(self) -> None:
        if self.state is None:
            from nvp_studio.state.follow import FollowState  # imports numpy, which takes long

            self.state = FollowState(self._explore, self._context.live, self._busy)
            self.state.changed.connect(self._on_changed)
            self.state.ended.connect(lambda text: notify.info(text, topic=_TOPIC))
        self._on_changed()

    def _toggle(self) -> None:
        if self.state is None:
            return
        if self.state.following:
            self.state.stop()
        else:
            self.state.start()
        self._on_changed()

    def _on_changed(self) -> None:
        self.show_state()
        self.changed.emit()
