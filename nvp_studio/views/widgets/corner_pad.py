"""A square between four pictures: a handle that is dragged or moved by the arrow keys, over a grid of the pictures."""

from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from nvp_studio.image_batch import ImageBatch
from nvp_studio.state.corners import GRID_SIDE
from nvp_studio.state.qimages import qimages
from nvp_studio.views.theme import colors, scaled_font

_STEP = 0.05
_LARGE_STEP = 0.25
_RADIUS = 7
_ARROWS = {
    Qt.Key.Key_Up: (-1, 0),
    Qt.Key.Key_Down: (1, 0),
    Qt.Key.Key_Left: (0, -1),
    Qt.Key.Key_Right: (0, 1),
}


class CornerPad(QWidget):
    """The place is (down, right) from the middle of the first picture (0, 0) to that of the last one (1, 1)."""

    moved = Signal(float, float)
    pressed = Signal()
    released = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.place = (0.5, 0.5)
        self.active = False
        """Whether the picture on screen lies here; else there is no handle."""
        self.placeholder = ""
        self._held = False
        self._grid = qimages(ImageBatch((0, 1, 1, 1), b""))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(self.tr("Place between the four corners"))
        self.setToolTip(
            self.tr("Drag, or move by the arrow keys, with Shift in larger steps. A double click goes to the middle.")
        )

    @property
    def count(self) -> int:
        """Number of pictures of the grid; 0 while there is none."""
        return len(self._grid)

    def show_grid(self, batch: ImageBatch | None, placeholder: str) -> None:
        """Show GRID_SIDE times GRID_SIDE pictures, or the placeholder where there are none."""
        self._grid = qimages(batch) if batch is not None else []
        self.placeholder = placeholder
        self.update()

    def show_place(self, place: tuple[float, ...], *, active: bool) -> None:
        """Put the handle at a place; without a handle where the picture is of another kind."""
        self.place, self.active = (place[0], place[1]), active
        down, right = (f"{100 * value:.0f}" for value in self.place)
        self.setAccessibleDescription(self.tr("{0} % to the right, {1} % down").format(right, down))
        self.update()

    def point_of(self, place: tuple[float, float]) -> QPointF:
        """Where on the widget a place is."""
        down, right = (min(max(value, 0.0), 1.0) for value in place)
        cell = self._cell()
        return QPointF((0.5 + right * (GRID_SIDE - 1)) * cell, (0.5 + down * (GRID_SIDE - 1)) * cell)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        c = colors()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(c.accent if self.hasFocus() else c.border), 1))
        if not self._grid:
            painter.drawRoundedRect(self.rect().adjusted(0, 0, -1, -1), 6, 6)
            painter.setPen(QColor(c.dim))
            painter.setFont(scaled_font(12))
            place = self.rect().adjusted(8, 8, -8, -8)
            painter.drawText(place, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self.placeholder)
            return
        cell = self._cell()
        for index, image in enumerate(self._grid):
            painter.drawImage(QRectF(index % GRID_SIDE * cell, index // GRID_SIDE * cell, cell, cell), image)
        if self.active:
            point = self.point_of(self.place)
            for width, shade in ((5, "#000000"), (2.5, c.accent if self.hasFocus() else "#ffffff")):
                painter.setPen(QPen(QColor(shade), width))
                painter.drawEllipse(point, _RADIUS, _RADIUS)
        if self.hasFocus():
            painter.setPen(QPen(QColor(c.accent), 2))
            painter.drawRect(self.rect().adjusted(1, 1, -1, -1))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton or not self._grid:
            event.ignore()
            return
        self._held = True
        self.pressed.emit()
        self._go_to(event.position())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._held:
            self._go_to(event.position())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._let_go()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self._grid:
            self.moved.emit(0.5, 0.5)

    def focusInEvent(self, event: QFocusEvent) -> None:
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self._let_go()
        self.update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        arrow = _ARROWS.get(Qt.Key(event.key()))
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace) and self._grid:
            self.moved.emit(0.5, 0.5)
        elif arrow is None or not self._grid:
            super().keyPressEvent(event)
        else:
            step = _LARGE_STEP if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else _STEP
            down, right = (
                round(min(max(one + step * way, 0.0), 1.0), 6) for one, way in zip(self.place, arrow, strict=True)
            )
            self.moved.emit(down, right)

    def _cell(self) -> float:
        return self.width() / GRID_SIDE

    def _let_go(self) -> None:
        if self._held:
            self._held = False
            self.released.emit()

    def _go_to(self, point: QPointF) -> None:
        cell = self._cell()
        right, down = ((value / cell - 0.5) / (GRID_SIDE - 1) for value in (point.x(), point.y()))
        self.moved.emit(min(max(down, 0.0), 1.0), min(max(right, 0.0), 1.0))
