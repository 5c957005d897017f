"""A row of controls whose middle part moves to a second row when the width does not suffice."""

from PySide6.QtCore import QEvent, QSize
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QWidget

from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.layout import hbox


class WrappingRow(QWidget):
    """`first` at the left, `last` at the right end, `middle` after the first or, where there is no room, below it.

    A `filler` takes the room that is left between first and middle, and needs none.
    """

    def __init__(self, first: QWidget, middle: QWidget, last: QWidget, filler: QWidget | None = None) -> None:
        super().__init__()
        self._first, self._middle, self._last = first, middle, last
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(SPACE)
        self._grid.setVerticalSpacing(SPACE // 2)
        self._column = 1 if filler is None else 2
        self._grid.setColumnStretch(3 - self._column, 1)
        self._grid.addWidget(first, 0, 0)
        if filler is not None:
            self._grid.addWidget(filler, 0, 1)
        self._grid.addWidget(middle, 0, self._column)
        self._grid.addWidget(last, 0, 3)
        self.wrapped = False
        """Whether the middle is below."""

    def minimumSizeHint(self) -> QSize:
        first = self._first.minimumWidth() or self._first.sizeHint().width()
        ends = first + 3 * SPACE + self._last.sizeHint().width()
        return QSize(max(ends, self._middle.sizeHint().width()), super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def event(self, event: QEvent) -> bool:
        handled = super().event(event)
        if event.type() == QEvent.Type.LayoutRequest:  # a part has become wider or narrower
            self._fit()
        return handled

    def _fit(self) -> None:
        parts = (self._first, self._middle, self._last)
        self._wrap(self.width() < sum(max(part.sizeHint().width(), part.minimumWidth()) for part in parts) + 3 * SPACE)

    def _wrap(self, wrapped: bool) -> None:
        if wrapped == self.wrapped:
            return
        self.wrapped = wrapped
        self._grid.removeWidget(self._middle)
        if wrapped:
            self._grid.addWidget(self._middle, 1, 0, 1, 4)
        else:
            self._grid.addWidget(self._middle, 0, self._column)


def group(*widgets: QWidget, spacing: int = SPACE) -> QWidget:
    """The widgets side by side, each as wide as it wants to be."""
    held = QWidget()
    row = hbox(held, spacing=spacing)
    for widget in widgets:
        row.addWidget(widget)
    row.addStretch(1)
    return held
