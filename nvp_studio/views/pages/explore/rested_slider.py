"""The previews of the slider that the pointer or the keyboard rests on."""

from collections.abc import Callable

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtGui import QCursor
from PySide6.QtWidgets import QApplication, QWidget

from nvp_studio.state.explore import ExploreState
from nvp_studio.state.previews import Direction, PreviewsState
from nvp_studio.state.qimages import qimages
from nvp_studio.views.widgets.directions_panel import DirectionsPanel
from nvp_studio.views.widgets.preview_popup import PreviewPopup
from nvp_studio.views.widgets.sliders import SliderRow

_REST_MILLISECONDS = 500
"""Shorter than Qt waits for a tool tip, whose place the previews take."""


class RestedSlider(QObject):
    """Finds the slider, and shows its previews in a frame when they have come.

    A click on a preview sets the slider; the frame stays while the pointer is on the previews. It goes when they and
    the slider are left, and with another change of the picture: it does not come again before the pointer or the
    keyboard comes to a slider anew, so that nothing appears between the steps of a person who moves it.
    """

    changed = Signal()
    """`index` is another one."""

    def __init__(
        self, page: QWidget, explore: ExploreState, panel: DirectionsPanel, allowed: Callable[[], bool]
    ) -> None:
        """Nothing is shown unless `allowed`."""
        super().__init__(page)
        self._explore, self._panel, self._allowed = explore, panel, allowed
        self.index: int | None = None
        """The slider that is rested on, of the list that is shown; None: there is none."""
        self._attended: int | None = None
        self._row: SliderRow | None = None
        self.popup = PreviewPopup(page)
        self.popup.picked.connect(self._on_picked)
        self.popup.left.connect(self._on_popup_left)
        self._picking = False
        self._rest = QTimer(self, singleShot=True, interval=_REST_MILLISECONDS)
        self._rest.timeout.connect(self._on_rest)
        for sliders in panel.lists.values():
            sliders.attended.connect(self._on_attended)
            sliders.gesture_begun.connect(self.leave)
            sliders.menu_requested.connect(self.leave)
            sliders.in_view_changed.connect(self.leave)
        panel.kind_shown.connect(self.leave)
        explore.recipe_changed.connect(self.leave)

    def show(self, previews: PreviewsState, direction: Callable[[int], Direction]) -> None:
        """Show the previews of the slider, if they are those of the present picture."""
        if self.index is None or self._row is None or self.popup.isVisible():
            return
        images, fresh = previews.images(direction(self.index))
        if images is not None and fresh:
            self.popup.show_at(self._row, qimages(images), self._panel.shown.tip(self.index))

    def leave(self) -> None:
        """Show nothing until a slider is come to."""
        if self._picking:
            return
        self._rest.stop()
        self._attended = None
        self._set(None)

    def _on_picked(self, value: float) -> None:
        if self.index is not None:
            self._picking = True
            try:
                self._panel.shown.set_value(self.index, value)
            finally:
                self._picking = False

    def _on_popup_left(self) -> None:
        if self._row is None or not self._row.rect().contains(self._row.mapFromGlobal(QCursor.pos())):
            self.leave()

    def _on_attended(self, index: int, came: bool) -> None:
        if index == self.index and self.popup.isVisible() and (came or self.popup.holds_pointer()):
            return
        if came:
            self.leave()
            self._attended = index
            self._rest.start()
        elif index in (self._attended, self.index):
            self.leave()

    def _on_rest(self) -> None:
        held = QApplication.mouseButtons() != Qt.MouseButton.NoButton or self._explore.in_gesture
        if self._attended is not None and not held and self._panel.isEnabled() and self._allowed():
            self._set(self._attended)

    def _set(self, index: int | None) -> None:
        if index == self.index:
            return
        if self._row is not None:
            self._row.tip_wanted = True
        self.index, self._row = index, None
        if index is None:
            self.popup.hide()
        else:
            self._row = self._panel.shown.rows[index]
            self._row.tip_wanted = False
        self.changed.emit()
