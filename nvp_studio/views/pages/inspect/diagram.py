"""The architecture of the open model as a drawing, with the layer that is looked at lit."""

from PySide6.QtCore import QBuffer, QByteArray, QEvent, QIODevice, QPoint, QPointF, QRectF, QSizeF, Qt
from PySide6.QtGui import (
    QColor,
    QImage,
    QImageWriter,
    QKeyEvent,
    QMouseEvent,
    QNativeGestureEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QDialogButtonBox, QWidget

from nvp_studio.explore.diagram import DiagramColours, architecture_svg, boxes, drawing_size
from nvp_studio.state.inspect import InspectState
from nvp_studio.views.context import WindowContext
from nvp_studio.views.dialogs import Dialog
from nvp_studio.views.file_writing import write_file
from nvp_studio.views.theme import SPACE, colors, theme

_LONGEST = 16_000
"""Pixels of the longest side of a PNG."""
_READABLE = 0.7
"""The drawing begins no smaller than this."""
_STEP = 1.25
_LEAST, _MOST = 0.1, 4.0
"""Logical pixels for each unit of the drawing."""
_ROOM = 3 * SPACE
"""Of the drawing that stays in view at least, and around the present layer."""
_WHEEL_STEP = 120
_CLICK = 4
"""Pixels that the pointer may move in a click."""
_ARROWS = {
    Qt.Key.Key_Left: QPointF(1, 0),
    Qt.Key.Key_Right: QPointF(-1, 0),
    Qt.Key.Key_Up: QPointF(0, 1),
    Qt.Key.Key_Down: QPointF(0, -1),
}


class Diagram(QWidget):
    """The drawing; a click on a box goes to its layer.

    Wheel, pinch, `+` and `-` zoom; dragging and arrow keys move it; a double click beside the boxes or `0` shows all of
    it; comma and point go from layer to layer.
    """

    def __init__(self, state: InspectState) -> None:
        super().__init__()
        self._state = state
        self._renderer = QSvgRenderer(self)
        self._size = QSizeF()
        """Of the drawing, in its own units."""
        self._scale = 1.0
        self._corner = QPointF()
        """Where the drawing's corner is, in the widget's coordinates."""
        self._placed = False
        self._pressed: QPointF | None = None
        self._dragged: QPointF | None = None
        self._wheel = 0
        self.setAccessibleName(self.tr("The layers of the model"))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(30 * SPACE, 20 * SPACE)
        self.setToolTip(
            self.tr(
                "Click a box to go to its layer; comma and point go on from it.\n"
                "Zoom: wheel, or + and -. Move: drag, or arrow keys. All of it: 0."
            )
        )
        self.refresh()

    def refresh(self) -> None:
        """Draw the layers of the present model, with the present one lit."""
        inspection = self._state.inspection
        if inspection is None:
            return
        c = colors()
        shades = DiagramColours(c.surface, c.raised, c.border, c.text, c.dim, c.accent, c.on_accent)
        svg = architecture_svg(inspection.stages, shades, self._state.position)
        self._renderer.load(QByteArray(svg.encode()))
        self._size = QSizeF(*drawing_size(inspection.stages))
        self.update()

    @property
    def scale(self) -> float:
        """Logical pixels for each unit of the drawing."""
        return self._scale

    def zoom(self, steps: int, place: QPointF | None = None) -> None:
        """Show it larger or smaller, with what is at `place`, else in the middle, staying where it is."""
        fixed = QPointF(self.width() / 2, self.height() / 2) if place is None else place
        scale = min(max(self._scale * _STEP**steps, _LEAST), _MOST)
        self._corner = fixed - (fixed - self._corner) * (scale / self._scale)
        self._scale = scale
        self.move_by(QPointF())

    def fit(self) -> None:
        """Show all of it, as large as that allows, but not enlarged."""
        if self._size.isEmpty():
            return
        across, down = self.width() / self._size.width(), self.height() / self._size.height()
        self._scale = min(max(min(across, down, 1.0), _LEAST), _MOST)
        whole = self._size * self._scale
        self._corner = QPointF((self.width() - whole.width()) / 2, (self.height() - whole.height()) / 2)
        self.update()

    def move_by(self, distance: QPointF) -> None:
        """Move the drawing, some of which stays in view."""
        whole, corner = self._size * self._scale, self._corner + distance
        self._corner = QPointF(
            min(max(corner.x(), _ROOM - whole.width()), self.width() - _ROOM),
            min(max(corner.y(), _ROOM - whole.height()), self.height() - _ROOM),
        )
        self.update()

    def follow(self) -> None:
        """Bring the present layer into view."""
        if self._state.inspection is not None:
            place = QPointF(self.place())
            x, y = min(20 * SPACE, self.width() / 2), min(10 * SPACE, self.height() / 2)
            across = max(0.0, x - place.x()) - max(0.0, place.x() - (self.width() - x))
            down = max(0.0, y - place.y()) - max(0.0, place.y() - (self.height() - y))
            self.move_by(QPointF(across, down))

    def place(self, position: int | None = None) -> QPoint:
        """The middle of the box of a layer, by default of the present one."""
        assert self._state.inspection is not None
        box = boxes(self._state.inspection.stages)[self._state.position if position is None else position]
        middle = QPointF(box.x + box.width / 2, box.y + box.height / 2)
        return (self._corner + middle * self._scale).toPoint()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(colors().surface))
        self._renderer.render(painter, QRectF(self._corner, self._size * self._scale))
        if self.hasFocus():
            painter.setPen(QPen(QColor(colors().accent), 1))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    def resizeEvent(self, event: QResizeEvent) -> None:
        if not self._placed:  # it begins at the top, with whole columns
            self._placed = True
            self.fit()
            if self._scale < _READABLE:
                self._scale, self._corner = _READABLE, QPointF()
                self.follow()
        self.move_by(QPointF())

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._pressed = self._dragged = event.position()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._pressed is None or self._dragged is None:
            return
        if (event.position() - self._pressed).manhattanLength() >= _CLICK:
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
        if self.cursor().shape() == Qt.CursorShape.ClosedHandCursor:
            self.move_by(event.position() - self._dragged)
            self._dragged = event.position()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        pressed, self._pressed, self._dragged = self._pressed, None, None
        dragged = self.cursor().shape() == Qt.CursorShape.ClosedHandCursor
        self.unsetCursor()
        number = self._box_at(event.position())
        if event.button() == Qt.MouseButton.LeftButton and pressed is not None and not dragged and number is not None:
            self._state.move_to(number)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self._box_at(event.position()) is None:
            self.fit()

    def _box_at(self, place: QPointF) -> int | None:
        if self._state.inspection is None:
            return None
        at = (place - self._corner) / self._scale
        for index, box in enumerate(boxes(self._state.inspection.stages)):
            if 0 <= at.x() - box.x < box.width and 0 <= at.y() - box.y < box.height:
                return index
        return None

    def wheelEvent(self, event: QWheelEvent) -> None:
        self._wheel += event.angleDelta().y()
        steps = int(self._wheel / _WHEEL_STEP)
        if steps:
            self._wheel -= steps * _WHEEL_STEP
            self.zoom(steps, event.position())
        event.accept()

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QNativeGestureEvent) and event.gestureType() == Qt.NativeGestureType.ZoomNativeGesture:
            self.zoom(1 if event.value() > 0 else -1, event.position())
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        if key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self.zoom(1)
        elif key in (Qt.Key.Key_Minus, Qt.Key.Key_Underscore):
            self.zoom(-1)
        elif key == Qt.Key.Key_0:
            self.fit()
        elif key in (Qt.Key.Key_Comma, Qt.Key.Key_Period):
            self._state.move_to(self._state.position + (1 if key == Qt.Key.Key_Period else -1))
        elif key in _ARROWS:
            self.move_by(_ARROWS[key] * (min(self.width(), self.height()) / 8))
        else:
            super().keyPressEvent(event)


class DiagramDialog(Dialog):
    """Shows the `Diagram` and writes it as an SVG or PNG file."""

    def __init__(self, context: WindowContext, state: InspectState, parent: QWidget) -> None:
        super().__init__(parent)
        self._context, self._state = context, state
        self.setWindowTitle(self.tr("Architecture"))
        self.resize(96 * SPACE, 68 * SPACE)
        self.diagram = Diagram(state)
        self.column.addWidget(self.diagram, 1)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        role = QDialogButtonBox.ButtonRole.ActionRole
        buttons.addButton(self.tr("Smaller"), role).clicked.connect(lambda: self.diagram.zoom(-1))
        buttons.addButton(self.tr("Larger"), role).clicked.connect(lambda: self.diagram.zoom(1))
        buttons.addButton(self.tr("All of it"), role).clicked.connect(self.diagram.fit)
        self.export = buttons.addButton(self.tr("Export…"), role)
        self.export.clicked.connect(self._export)
        buttons.rejected.connect(self.reject)
        self.column.addWidget(buttons)
        state.moved.connect(self._follow)
        state.changed.connect(self._follow)
        theme().changed.connect(self.diagram.refresh)

    def _follow(self) -> None:
        self.diagram.refresh()
        self.diagram.follow()

    def _export(self) -> None:
        inspection = self._state.inspection
        if inspection is None:
            return
        title, kinds = self.tr("Export the architecture"), "SVG (*.svg);;PNG (*.png)"
        path = self._context.ask_save("pictures", title, "architecture.svg", kinds)
        if path is not None:
            svg = architecture_svg(inspection.stages).encode()
            write_file(path, lambda: _png(svg) if path.suffix.lower() == ".png" else svg)


def _png(svg: bytes) -> bytes:
    """The drawing as a PNG of twice its size in pixels, smaller where a side would be too long."""
    renderer = QSvgRenderer(QByteArray(svg))
    size = renderer.defaultSize()
    factor = min(2.0, _LONGEST / max(size.width(), size.height()))
    image = QImage(size * factor, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    renderer.render(painter)
    painter.end()
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    QImageWriter(buffer, QByteArray(b"PNG")).write(image)
    return bytes(buffer.data().data())
