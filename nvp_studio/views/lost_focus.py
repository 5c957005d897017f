"""Where the keyboard goes when the widget that has it is disabled or hidden, such as a button by its own press.

Qt would give it to some other widget of the window, or to none, where the letters of the page do nothing.
"""

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, Qt, QTimer
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication, QWidget
from shiboken6 import isValid

from nvp_studio.views.tab_order import stops

_POSSIBLE_AGAIN = (QEvent.Type.EnabledChange, QEvent.Type.Show)
_OTHER = Qt.FocusReason.OtherFocusReason


class FocusKeeper(QObject):
    """Finds another place for the keyboard of a window, and gives it back to the first one as soon as that is possible.

    The other place is in the same group: the nearest part of the window around the lost one that has any. What came
    there meanwhile (*Stop* beside *Find*) is preferred, then what is nearest. Nothing is given back once a person types
    in the other place or presses a button of the mouse.
    """

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self._lost: list[QWidget] = []
        """What had the keyboard, the first one first."""
        self._around: list[QWidget] = []
        """The parts of the window around the last of them, from the inside out."""
        self._area = QRect()
        self._before: set[QWidget] = set()
        self._other: QWidget | None = None
        """Where the keyboard is meanwhile."""
        QApplication.instance().focusChanged.connect(self._on_focus_changed)  # type: ignore[union-attr]

    def keeps(self) -> bool:
        """Whether the keyboard is in something hidden or disabled; a place for it is looked for then."""
        focus = self._window.focusWidget()
        if focus is None or self._takes(focus):
            return False
        self._lose(focus)
        return True

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        kind = event.type()
        if kind in _POSSIBLE_AGAIN and watched in self._lost:
            QTimer.singleShot(0, self, self._settle)  # when all that changes has changed
        elif kind == QEvent.Type.MouseButtonPress or (watched is self._other and _is_typed(event)):
            self._forget()
        return False

    def _on_focus_changed(self, old: QWidget | None, new: QWidget | None) -> None:
        """Qt takes the keyboard away from what is in a part that is disabled."""
        if new is None and old is not None and isValid(old) and old.window() is self._window and not self._takes(old):
            self._lose(old)

    def _takes(self, widget: QWidget) -> bool:
        return isValid(widget) and widget.isEnabled() and widget.isVisibleTo(self._window)

    def _lose(self, widget: QWidget) -> None:
        if widget in self._lost[-1:] and self._around:
            return  # it is being looked for already
        if widget is not self._other:
            self._forget()
        self._lost.append(widget)
        self._other = None
        for watched in (widget, self._window.windowHandle()):
            if watched is not None:
                watched.installEventFilter(self)
        self._around = list(_ancestors(widget))
        self._area = QRect(widget.mapTo(self._window, QPoint(0, 0)), widget.size())
        self._before = set(stops(self._window))
        QTimer.singleShot(0, self, self._settle)

    def _settle(self) -> None:
        """Give the keyboard back, or to another place, unless it has been given to one since."""
        focus = self._window.focusWidget()
        if not self._lost or (focus is not None and focus is not self._other and self._takes(focus)):
            self._forget()
            return
        place = next(filter(self._takes, self._lost), None)
        if place is not None:
            self._forget()
            place.setFocus(_OTHER)
        elif self._other is None or not self._takes(self._other):
            self._other = self._nearest()
            if self._other is not None:
                self._other.setFocus(_OTHER)
                self._other.installEventFilter(self)
        self._around, self._before = [], set()

    def _nearest(self) -> QWidget | None:
        for part in filter(isValid, self._around):
            places = list(stops(part))
            if places:
                if (layout := part.layout()) is not None:
                    layout.activate()  # what has just been shown is where it will be
                new = [place for place in places if place not in self._before]
                return min(new or places, key=self._distance)
            if self._takes(part) and part.focusPolicy() != Qt.FocusPolicy.NoFocus:
                return part
        return None

    def _distance(self, place: QWidget) -> int:
        """How many pixels are between a place and where the keyboard was; a row counts more than what is in it."""
        area = QRect(place.mapTo(self._window, QPoint(0, 0)), place.size())
        across = max(area.left() - self._area.right(), self._area.left() - area.right(), 0)
        down = max(area.top() - self._area.bottom(), self._area.top() - area.bottom(), 0)
        return across + 4 * down

    def _forget(self) -> None:
        for watched in (*self._lost, self._other, self._window.windowHandle()):
            if watched is not None and isValid(watched):
                watched.removeEventFilter(self)
        self._lost, self._around, self._before, self._other = [], [], set(), None


def _ancestors(widget: QWidget) -> list[QWidget]:
    found: list[QWidget] = []
    part = widget.parentWidget()
    while part is not None:
        found.append(part)
        part = None if part.isWindow() else part.parentWidget()
    return found


def _is_typed(event: QEvent) -> bool:
    """Whether it is a press of a key that no shortcut has taken, and does not only begin one."""
    if not isinstance(event, QKeyEvent) or event.type() != QEvent.Type.KeyPress or event.isAutoRepeat():
        return False
    return event.key() not in (Qt.Key.Key_Shift, Qt.Key.Key_Control, Qt.Key.Key_Alt, Qt.Key.Key_AltGr, Qt.Key.Key_Meta)
