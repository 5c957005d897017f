"""The map that a coupling applies to the values of one pixel, with the value that went in and the one that came out."""

from collections.abc import Sequence

from PySide6.QtCore import QCoreApplication, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from nvp_studio.explore.cells import CURVE_RANGE, Cell
from nvp_studio.text import figure
from nvp_studio.views.theme import SPACE, colors, scaled_font, theme
from nvp_studio.views.widgets.labels import SEPARATOR, plain_tip
from nvp_studio.views.widgets.series import series_colour

_BETWEEN = " | "
_SERIES = (4, 2, 0)
"""The series colours that are red, green and blue."""


class CellCurve(QWidget):
    """One curve for each colour channel, over a fixed range; those of a second picture are dashed.

    Dots on the curve are the values that went in and came out, small ones the knots between the bins of a spline, or
    the ends of the probable grey levels of a mixture, whose values before it are from 0 to 1.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName(self.tr("What the coupling does to the values of the pixel"))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.setMinimumHeight(13 * SPACE)
        self.setMaximumHeight(26 * SPACE)
        self.cells: tuple[Cell, ...] = ()
        self.second: tuple[Cell, ...] = ()
        self._show_tip()
        theme().changed.connect(self.update)

    def sizeHint(self) -> QSize:
        return QSize(22 * SPACE, 13 * SPACE)

    def show_cells(self, cells: Sequence[Cell], second: Sequence[Cell] = ()) -> None:
        """Show the values of a pixel, and those of the same pixel of a second picture."""
        self.cells, self.second = tuple(cells), tuple(second)
        self._show_tip()
        self.setAccessibleDescription(cells_text(cells))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        c = colors()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(scaled_font(11))
        area = QRectF(0.5, 2.5 * SPACE, self.width() - 1.0, self.height() - 4.5 * SPACE)
        painter.setPen(QColor(c.dim))
        heading = painter.fontMetrics().elidedText(self._heading(), Qt.TextElideMode.ElideRight, self.width())
        painter.drawText(QRectF(0, 0, self.width(), 2 * SPACE), int(Qt.AlignmentFlag.AlignLeft), heading)
        low = QRectF(0, area.bottom() + 2, self.width(), 2 * SPACE)
        levels = self._components > 0
        for text, side in (
            ("0" if levels else figure(-CURVE_RANGE), Qt.AlignmentFlag.AlignLeft),
            ("0.5" if levels else "0", Qt.AlignmentFlag.AlignHCenter),
            ("1" if levels else f"{CURVE_RANGE:g}", Qt.AlignmentFlag.AlignRight),
        ):
            painter.drawText(low, int(side | Qt.AlignmentFlag.AlignTop), text)
        painter.setPen(QPen(QColor(c.border), 1))
        painter.drawRect(area)
        painter.setClipRect(area)
        painter.drawLine(_on(area, -CURVE_RANGE, 0), _on(area, CURVE_RANGE, 0))
        painter.drawLine(_on(area, 0, -CURVE_RANGE), _on(area, 0, CURVE_RANGE))
        if not levels:
            painter.setPen(QPen(QColor(c.border), 1, Qt.PenStyle.DashLine))
            painter.drawLine(_on(area, -CURVE_RANGE, -CURVE_RANGE), _on(area, CURVE_RANGE, CURVE_RANGE))
        for cells, dashed in ((self.second, True), (self.cells, False)):
            for number, cell in enumerate(cells):
                colour = c.accent if len(cells) == 1 else series_colour(_SERIES[number])
                _draw(painter, area, cell, QColor(colour), dashed=dashed)

    def _heading(self) -> str:
        splines = any(cell.knots_x for cell in self.cells)
        if not any(cell.x for cell in self.cells):
            return self.tr("No map: the values stay")
        if self._components:
            return self.tr("Mixture of {0} logistics over grey levels").format(self._components)
        return self.tr("Spline of the pixel") if splines else self.tr("Map of the pixel")

    @property
    def _components(self) -> int:
        """Of the pixel's mixture; 0 where its map is another."""
        return max((cell.components for cell in self.cells), default=0)

    def _show_tip(self) -> None:
        if self._components:
            tip = self.tr(
                "The value before the coupling across, from 0 to 1, the value after it upwards, from {0} to {1}.\n"
                "Each curve is that of a colour, given the colours before it: the more probable a grey level is, the "
                "more of the height it takes.\n"
                "Large dot: the value of this pixel. Small dots: the ends of grey levels of 2 % and more.\n"
                "Point at a pixel of the picture, or choose it by the arrow keys."
            )
        else:
            tip = self.tr(
                "The value before the coupling across, the value after it upwards, both from {0} to {1}.\n"
                "Large dot: the value of this pixel. Small dots: where the bins of the spline meet.\n"
                "Point at a pixel of the picture, or choose it by the arrow keys."
            )
        self.setToolTip(plain_tip(tip.format(figure(-CURVE_RANGE), f"{CURVE_RANGE:g}")))


def _on(area: QRectF, x: float, y: float) -> QPointF:
    across = (x + CURVE_RANGE) / (2 * CURVE_RANGE)
    up = (y + CURVE_RANGE) / (2 * CURVE_RANGE)
    return QPointF(area.left() + area.width() * across, area.bottom() - area.height() * up)


def _across(cell: Cell, x: float) -> float:
    """A value before the coupling on the axis from -`CURVE_RANGE` to `CURVE_RANGE`."""
    return CURVE_RANGE * (2 * x - 1) if cell.components else x


def _draw(painter: QPainter, area: QRectF, cell: Cell, colour: QColor, *, dashed: bool) -> None:
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(colour, 1.5, Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine))
    painter.drawPolyline(QPolygonF([_on(area, _across(cell, x), y) for x, y in zip(cell.x, cell.y, strict=True)]))
    if not cell.x:
        return
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)
    if not dashed:
        for x, y in zip(cell.knots_x, cell.knots_y, strict=True):
            painter.drawEllipse(_on(area, _across(cell, x), y), 1.75, 1.75)
    x, y = (min(max(value, -CURVE_RANGE), CURVE_RANGE) for value in (_across(cell, cell.before), cell.after))
    place = _on(area, x, y)
    painter.setPen(QPen(QColor(colors().text), 1.5))
    painter.setBrush(Qt.BrushStyle.NoBrush if dashed else colour)
    painter.drawEllipse(place, 4, 4)


def cells_text(cells: Sequence[Cell]) -> str:
    """The values of a pixel in words; of a colour picture red, green and blue, in this order."""

    def tr(text: str) -> str:
        return QCoreApplication.translate("CellCurve", text)

    others = {"stays": tr("{0} stays, the network sees it"), "left": tr("{0} is a latent already")}
    values, changing = [], [cell for cell in cells if cell.state == "changes"]
    for cell in cells:
        if cell.state == "changes":
            values.append(f"{figure(cell.before, '.3g')} → {figure(cell.after, '.3g')}")
        else:
            values.append(others.get(cell.state, "{0}").format(figure(cell.after, ".3g")))
    parts = [_BETWEEN.join(values)]
    if any(cell.components for cell in changing):
        levels = [f"{min(255, int(cell.before * 256))}" for cell in changing]
        shares = [f"{100 * cell.probability:.3g} %" for cell in changing]
        parts.append(tr("grey level {0}").format(_BETWEEN.join(levels)))
        parts.append(tr("probability {0}").format(_BETWEEN.join(shares)))
        return SEPARATOR.join(parts)
    for name, numbers in (
        (tr("slope {0}"), [cell.slope for cell in changing]),
        (tr("s {0}"), [cell.scale for cell in changing]),
        (tr("t {0}"), [cell.shift for cell in changing]),
    ):
        if numbers:
            parts.append(name.format(_BETWEEN.join(figure(number, ".3g") for number in numbers)))
    return SEPARATOR.join(parts)
