"""The architecture of the open model as a drawing, with the layer that is looked at lit."""

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QPoint, Qt
from PySide6.QtGui import QImage, QImageWriter, QMouseEvent, QPainter, QPaintEvent, QWheelEvent
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QDialogButtonBox, QScrollArea, QWidget

from nvp_studio.explore.diagram import DiagramColours, architecture_svg, boxes, drawing_size
from nvp_studio.state.inspect import InspectState
from nvp_studio.views.context import WindowContext
from nvp_studio.views.dialogs import Dialog
from nvp_studio.views.file_writing import write_file
from nvp_studio.views.theme import SPACE, colors, theme

_LONGEST = 16_000
"""Pixels of the longest side of a PNG."""
_ZOOMS = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0)


class Diagram(QWidget):
    """The drawing; a click on a box goes to its layer, Ctrl and the wheel zoom."""

    def __init__(self, state: InspectState) -> None:
        super().__init__()
        self._state = state
        self._renderer = QSvgRenderer(self)
        self._zoom = _ZOOMS.index(1.0)
        self.setAccessibleName(self.tr("The layers of the model"))
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
        width, height = drawing_size(inspection.stages)
        zoom = _ZOOMS[self._zoom]
        self.setFixedSize(round(width * zoom), round(height * zoom))
        self.update()

    def zoom(self, steps: int) -> None:
        """Show it larger or smaller."""
        self._zoom = min(max(self._zoom + steps, 0), len(_ZOOMS) - 1)
        self.refresh()

    def place(self) -> QPoint:
        """The middle of the present layer's box."""
        assert self._state.inspection is not None
        box = boxes(self._state.inspection.stages)[self._state.position]
        zoom = _ZOOMS[self._zoom]
        return QPoint(round((box.x + box.width / 2) * zoom), round((box.y + box.height / 2) * zoom))

    def paintEvent(self, event: QPaintEvent) -> None:
        self._renderer.render(QPainter(self))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if self._state.inspection is None or event.button() != Qt.MouseButton.LeftButton:
            return
        place = event.position() / _ZOOMS[self._zoom]
        for index, box in enumerate(boxes(self._state.inspection.stages)):
            if 0 <= place.x() - box.x < box.width and 0 <= place.y() - box.y < box.height:
                self._state.move_to(index)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.zoom(1 if event.angleDelta().y() > 0 else -1)
            event.accept()
        else:
            event.ignore()


class DiagramDialog(Dialog):
    """Shows the `Diagram` and writes it as an SVG or PNG file."""

    def __init__(self, context: WindowContext, state: InspectState, parent: QWidget) -> None:
        super().__init__(parent)
        self._context, self._state = context, state
        self.setWindowTitle(self.tr("Architecture"))
        self.resize(96 * SPACE, 68 * SPACE)
        self.diagram = Diagram(state)
        self._area = QScrollArea()
        self._area.setWidget(self.diagram)
        self.column.addWidget(self._area)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        role = QDialogButtonBox.ButtonRole.ActionRole
        buttons.addButton(self.tr("Smaller"), role).clicked.connect(lambda: self.diagram.zoom(-1))
        buttons.addButton(self.tr("Larger"), role).clicked.connect(lambda: self.diagram.zoom(1))
        self.export = buttons.addButton(self.tr("Export…"), role)
        self.export.clicked.connect(self._export)
        buttons.rejected.connect(self.reject)
        self.column.addWidget(buttons)
        state.moved.connect(self._follow)
        state.changed.connect(self._follow)
        theme().changed.connect(self.diagram.refresh)

    def _follow(self) -> None:
        self.diagram.refresh()
        if self._state.inspection is not None:
            place = self.diagram.place()
            self._area.ensureVisible(place.x(), place.y(), 20 * SPACE, 10 * SPACE)

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
