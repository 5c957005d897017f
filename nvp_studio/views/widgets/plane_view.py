"""Views of the plane: points, a heat map, a grid whose cells have colours, and an outline; and the curve of a loss.

Importing this imports pyqtgraph, which is slow.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
    QPolygonF,
    QResizeEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from nvp_studio.text import figure
from nvp_studio.views.theme import SPACE, colors, scaled_font, theme

Floats = npt.NDArray[np.float32]
DET_RANGE = math.log(20)
"""Of log|det J|, that the colours of a grid tell apart."""
LEVELS = 32
_LINE_EVERY = 5
_STEP, _LARGE_STEP = 0.05, 0.25
_ARROWS = {
    Qt.Key.Key_Up: (0, 1),
    Qt.Key.Key_Down: (0, -1),
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
}
_CLOSED = np.array((1, 1, 1, 1, 0), np.int32)
_CLICK = 3
"""Pixels that a pointer may move in a click."""


@dataclass
class Scene:
    """What a view shows."""

    heat: QImage | None = None
    """Over the square, upside up."""
    mesh: tuple[Floats, Floats] | None = None
    """Corners ((n + 1)^2, 2) of the n * n cells of a grid, row by row, and log|det J| at each."""
    dots: Sequence[tuple[Floats, str]] = field(default_factory=tuple)
    """Points (N, 2), each set with a colour."""
    outline: Floats | None = None
    """Middle and outline of a square, or the middle alone."""

    @property
    def empty(self) -> bool:
        """Whether nothing is shown."""
        return self.heat is None and self.mesh is None and not self.dots and self.outline is None


class PlaneView(QWidget):
    """The square from -`half` to `half` about zero, as large as fits."""

    pointed = Signal(object)
    """(x, y) under the pointer, or None once it has left."""
    drawn = Signal(float, float, float)
    """A click or drag ended: x, y of where it began, and half of the side of the square to where it ended, or 0."""
    stroked = Signal(float, float, bool)
    """With `strokes`: x, y of the pointer while the button is held, and whether it was let go."""
    moved = Signal(float, float)
    """An arrow key was pressed: by how much to move, across and up."""
    cleared = Signal()
    """Delete was pressed."""

    def __init__(self, half: float, name: str) -> None:
        super().__init__()
        self.half = half
        self.scene = Scene()
        self.empty_text = ""
        """What is said while there is nothing to show."""
        self.strokes = False
        """Whether a drag paints points rather than a square."""
        self._pressed: QPointF | None = None
        self._at: QPointF | None = None
        self.setAccessibleName(name)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(12 * SPACE, 12 * SPACE)
        theme().changed.connect(self.update)

    def sizeHint(self) -> QSize:
        return QSize(40 * SPACE, 40 * SPACE)

    def show_scene(self, scene: Scene) -> None:
        """Show this from now on."""
        self.scene = scene
        self.update()

    # Places

    def square(self) -> QRectF:
        """Where the square lies, at the upper left of the widget."""
        side = min(self.width(), self.height()) - 2
        return QRectF(1, 1, side, side)

    def place_of(self, x: float, y: float) -> QPointF:
        """Where (x, y) is on the widget."""
        square = self.square()
        scale = square.width() / (2 * self.half)
        return QPointF(square.center().x() + x * scale, square.center().y() - y * scale)

    def _value_of(self, place: QPointF) -> tuple[float, float]:
        square = self.square()
        scale = square.width() / (2 * self.half)
        return (place.x() - square.center().x()) / scale, (square.center().y() - place.y()) / scale

    # Drawing

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.setMaximumHeight(max(self.minimumHeight(), self.width()))  # what is below it stays beside the square

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, square, c = QPainter(self), self.square(), colors()
        draw_scene(painter, square, self.half, self.scene)
        if self.scene.empty and self.empty_text:
            painter.setPen(QColor(c.dim))
            painter.setFont(scaled_font(12))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(square.adjusted(SPACE, SPACE, -SPACE, -SPACE), flags, self.empty_text)
        if self._pressed is not None and self._at is not None and not self.strokes:
            half = self._half_drawn() * square.width() / (2 * self.half)
            painter.setPen(QPen(QColor(c.warning), 1.5, Qt.PenStyle.DashLine))
            painter.drawRect(QRectF(self._pressed.x() - half, self._pressed.y() - half, 2 * half, 2 * half))
        if self.hasFocus():
            painter.setPen(QPen(QColor(c.accent), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(square)

    # Mouse and keys

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            event.ignore()
            return
        self._pressed = self._at = event.position()
        if self.strokes:
            self.stroked.emit(*self._value_of(event.position()), False)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._at = event.position()
        if self._pressed is None:
            inside = self.square().contains(event.position())
            self.pointed.emit(self._value_of(event.position()) if inside else None)
        elif self.strokes:
            self.stroked.emit(*self._value_of(event.position()), False)
        else:
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._pressed is None or event.button() != Qt.MouseButton.LeftButton:
            return
        self._at = event.position()
        pressed, half = self._pressed, self._half_drawn()
        self._pressed = None
        if self.strokes:
            self.stroked.emit(*self._value_of(event.position()), True)
        else:
            self.drawn.emit(*self._value_of(pressed), half)
        self.update()

    def _half_drawn(self) -> float:
        """Half of the side of the square that is being drawn, in units of the plane; 0 for a click."""
        if self._pressed is None or self._at is None:
            return 0.0
        way = self._at - self._pressed
        longest = max(abs(way.x()), abs(way.y()))
        return 0.0 if longest <= _CLICK else longest * 2 * self.half / self.square().width()

    def leaveEvent(self, event: object) -> None:
        self.pointed.emit(None)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        arrow = _ARROWS.get(Qt.Key(event.key()))
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.cleared.emit()
        elif arrow is None:
            super().keyPressEvent(event)
        else:
            step = _LARGE_STEP if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else _STEP
            self.moved.emit(step * arrow[0], step * arrow[1])

    def focusInEvent(self, event: QFocusEvent) -> None:
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self._pressed = None
        self.update()


def draw_scene(painter: QPainter, square: QRectF, half: float, scene: Scene) -> None:
    """Draw what lies between -`half` and `half` into a square of any device; may be called from any thread."""
    c = colors()
    painter.save()
    painter.fillRect(square, QColor(c.surface))
    painter.setClipRect(square)
    if scene.heat is not None:
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(square, scene.heat)
    if scene.mesh is not None:
        corners, log_dets = scene.mesh
        _draw_mesh(painter, _pixels(corners, square, half), log_dets)
    for points, colour in scene.dots:
        _draw_dots(painter, _pixels(points, square, half), QColor(colour), square)
    if scene.outline is not None:
        _draw_outline(painter, _pixels(scene.outline, square, half))
    painter.setPen(QPen(QColor(c.border), 1))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setClipping(False)
    painter.drawRect(square)
    painter.restore()


def _pixels(points: Floats, square: QRectF, half: float) -> npt.NDArray[np.float64]:
    scale = square.width() / (2 * half)
    far = np.clip(np.nan_to_num(points.astype(np.float64)), -50 * half, 50 * half)
    return np.asarray(far * (scale, -scale) + (square.center().x(), square.center().y()))


def _draw_mesh(painter: QPainter, pixels: npt.NDArray[np.float64], log_dets: Floats) -> None:
    side = math.isqrt(len(pixels))
    pixels = pixels.reshape(side, side, 2)
    values = log_dets.reshape(side, side)
    cells = np.stack((pixels[:-1, :-1], pixels[:-1, 1:], pixels[1:, 1:], pixels[1:, :-1], pixels[:-1, :-1]), 2)
    middle = (values[:-1, :-1] + values[1:, 1:] + values[:-1, 1:] + values[1:, :-1]) / 4
    level = np.clip(((middle / DET_RANGE + 1) / 2 * LEVELS).astype(int), 0, LEVELS - 1).ravel()
    cells = cells.reshape(-1, 5, 2)
    shades = det_colours(colors().surface)
    for one in np.unique(level):
        painter.fillPath(_closed_path(cells[level == one]), shades[one])
    joined = np.ones(side, np.int32)
    joined[-1] = 0
    line_colour = QColor(colors().text)
    line_colour.setAlpha(110)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(line_colour, 0))
    for lines in (pixels[::_LINE_EVERY], pixels[:, ::_LINE_EVERY].swapaxes(0, 1)):
        x, y = np.ascontiguousarray(lines.reshape(-1, 2).T)
        painter.drawPath(pg.arrayToQPath(x, y, np.tile(joined, len(lines)), finiteCheck=False))


def _closed_path(polygons: npt.NDArray[np.float64]) -> QPainterPath:
    """Polygons (N, 5, 2), whose last point is their first, as one path."""
    x, y = np.ascontiguousarray(polygons.reshape(-1, 2).T)
    path: QPainterPath = pg.arrayToQPath(x, y, np.tile(_CLOSED, len(polygons)), finiteCheck=False)
    path.setFillRule(Qt.FillRule.WindingFill)
    return path


def _draw_outline(painter: QPainter, pixels: npt.NDArray[np.float64]) -> None:
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for width, shade in ((4.0, colors().surface), (2.0, colors().warning)):
        painter.setPen(QPen(QColor(shade), width))
        painter.drawEllipse(QPointF(*pixels[0]), 2.5, 2.5)
        if len(pixels) > 1:
            painter.drawPolygon(QPolygonF([QPointF(x, y) for x, y in pixels[1:]]))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)


def _draw_dots(painter: QPainter, pixels: npt.NDArray[np.float64], colour: QColor, square: QRectF) -> None:
    """Dots of 2x2 pixels, as one path."""
    inside = (np.abs(pixels - (square.center().x(), square.center().y())) <= square.width() / 2).all(1)
    pixels = np.round(pixels[inside])
    corners = np.array(((0, 0), (2, 0), (2, 2), (0, 2), (0, 0)))
    painter.fillPath(_closed_path(pixels[:, np.newaxis] + corners), colour)


@cache
def det_colours(middle: str) -> tuple[QColor, ...]:
    """`LEVELS` colours from blue (areas shrink) over the colour `middle` (they stay) to red (they grow)."""
    low, mid, high = QColor("#2f6fd0"), QColor(middle), QColor("#d8542f")
    shades = []
    for level in range(LEVELS):
        part = 2 * (level + 0.5) / LEVELS - 1
        end = high if part > 0 else low
        mixed = (
            round(a + abs(part) * (b - a))
            for a, b in ((mid.red(), end.red()), (mid.green(), end.green()), (mid.blue(), end.blue()))
        )
        shades.append(QColor(*mixed))
    return tuple(shades)


def heat_image(log_density: Floats) -> tuple[QImage, float]:
    """The picture of a density from log p (side, side), lowest y first, and the density that is brightest."""
    density = np.exp(np.clip(np.nan_to_num(log_density.astype(np.float64), nan=-100.0), -100, 50))
    top = float(density.max()) or 1.0
    shades = pg.colormap.get("viridis").getLookupTable(nPts=256, alpha=False).astype(np.uint8)
    pixels = np.ascontiguousarray(shades[(255 * np.sqrt(density / top)).astype(np.uint8)][::-1])
    height, width, _ = pixels.shape
    return QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy(), top


class LossView(QWidget):
    """The curve of a loss over the steps: its mean in each of some hundred parts, and its range behind it."""

    _PARTS = 300

    def __init__(self, name: str) -> None:
        super().__init__()
        self.losses: npt.NDArray[np.float64] = np.empty(0)
        self.empty_text = ""
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(12 * SPACE, 8 * SPACE)
        theme().changed.connect(self.update)

    def sizeHint(self) -> QSize:
        return QSize(40 * SPACE, 20 * SPACE)

    def show_losses(self, losses: Sequence[float]) -> None:
        """Show the loss of each step, in nats; those that are not finite are left out."""
        values = np.asarray(losses, np.float64)
        self.losses = values[np.isfinite(values)]
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        self.draw(QPainter(self), QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5))

    def draw(self, painter: QPainter, area: QRectF) -> None:
        """Draw the curve into a rectangle, of this or of another device."""
        c, values = colors(), self.losses
        painter.save()
        painter.fillRect(area, QColor(c.surface))
        painter.setPen(QPen(QColor(c.border), 1))
        painter.drawRect(area)
        painter.setFont(scaled_font(11))
        painter.setPen(QColor(c.dim))
        if len(values) < 2:
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(area.adjusted(SPACE, SPACE, -SPACE, -SPACE), flags, self.empty_text)
            painter.restore()
            return
        parts = np.array_split(values, min(self._PARTS, len(values)))
        mean = np.array([part.mean() for part in parts])
        least, most = np.array([part.min() for part in parts]), np.array([part.max() for part in parts])
        low, high = float(least.min()), float(np.quantile(most, 0.98))
        high = max(high, low + 0.1)
        plot = area.adjusted(6 * SPACE, SPACE, -SPACE, -2.5 * SPACE)
        x = plot.left() + plot.width() * np.arange(len(parts)) / (len(parts) - 1)

        def down(y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
            return np.asarray(plot.bottom() - plot.height() * np.clip((y - low) / (high - low), 0, 1))

        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        band = QPainterPath()
        band.addPolygon(QPolygonF([QPointF(*p) for p in [*zip(x, down(most)), *zip(x[::-1], down(least)[::-1])]]))  # noqa: B905
        shade = QColor(c.plot_raw)
        shade.setAlpha(120)
        painter.fillPath(band, shade)
        for value in (low, high):
            place = QRectF(area.left(), float(down(np.array(value))) - SPACE, 5.5 * SPACE, 2 * SPACE)
            painter.drawText(
                place, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), figure(value, ".2f")
            )
        row = QRectF(plot.left(), plot.bottom() + 2, plot.width(), 2 * SPACE)
        painter.drawText(row, int(Qt.AlignmentFlag.AlignLeft), "1")
        painter.drawText(row, int(Qt.AlignmentFlag.AlignRight), f"{len(values):,}")
        painter.setPen(QPen(QColor(c.accent), 1.5))
        painter.drawPolyline(QPolygonF([QPointF(*p) for p in zip(x, down(mean), strict=True)]))
        painter.restore()
