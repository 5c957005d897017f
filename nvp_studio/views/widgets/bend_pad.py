"""Change of variables in one dimension: the map in the middle, p(x) above it, p(y) at its right, on one scale."""

import math

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPolygonF,
    QResizeEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from nvp_studio.lab.one_dimension import Floats, Knot, pushed_density
from nvp_studio.state.bent_map import HIGH, LOW, Bent, BentMap
from nvp_studio.text import figure
from nvp_studio.views.theme import SPACE, colors, scaled_font, theme
from nvp_studio.views.widgets.plot_parts import (
    ARROWS,
    CURVE_STEPS,
    draw_handle,
    draw_ticks,
    keeps_key,
    polygon,
    with_alpha,
)

_DENSITY_SHARE = 0.3
"""The thickness of the panels of densities, as a share of the side of the map."""
_TOP = 0.8
"""The density at their edge; equal areas on screen are equal probabilities on both axes."""
_REACH = 11.0
"""Pixels within which a handle is taken."""
_STEP, _LARGE_STEP = 0.05, 0.25
_KEYS = (*ARROWS, Qt.Key.Key_Comma, Qt.Key.Key_Period)
_LEFT, _BELOW, _GAP = 26.0, 20.0, 6.0
_BETWEEN = -2
"""The handle that stands for the interval as a whole."""
_DRAWING = -3


class BendPad(QWidget):
    """Points of the map and ends of the interval are dragged, or moved by keys; a curve is drawn on free places."""

    pointed = Signal(object)
    """The x under the pointer, or None."""

    def __init__(self, state: BentMap) -> None:
        super().__init__()
        self._state = state
        self.selected = 0
        """The handle that keys move: a point of the map, then the low and the high end of the interval."""
        self._held: int | None = None
        self._grip = 0.0
        self._curve: list[Knot] = []
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(26 * SPACE, 24 * SPACE)
        self.setAccessibleName(self.tr("Map from x to y, with the densities above and at the side"))
        state.changed.connect(self._on_changed)
        theme().changed.connect(self.update)
        self._on_changed()

    def sizeHint(self) -> QSize:
        return QSize(70 * SPACE, 60 * SPACE)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Be no wider than the drawing, which is as wide as its height allows."""
        super().resizeEvent(event)
        self.setMaximumWidth(math.ceil(self.height() - _BELOW + _LEFT))

    # Places

    @property
    def bent(self) -> Bent:
        """What is seen."""
        return self._state.value

    def map_area(self) -> QRectF:
        """Where the map is drawn."""
        room = min(self.width() - _LEFT, self.height() - _BELOW) - _GAP - 1
        side = max(10.0, room / (1 + _DENSITY_SHARE))
        return QRectF(_LEFT, _DENSITY_SHARE * side + _GAP, side, side)

    def above_area(self) -> QRectF:
        """Where p(x) is drawn."""
        area = self.map_area()
        thickness = _DENSITY_SHARE * area.width()
        return QRectF(area.left(), area.top() - _GAP - thickness, area.width(), thickness)

    def side_area(self) -> QRectF:
        """Where p(y) is drawn."""
        area = self.map_area()
        return QRectF(area.right() + _GAP, area.top(), _DENSITY_SHARE * area.width(), area.height())

    def place_of(self, x: float, y: float) -> QPointF:
        """Where on the widget a point of the map is."""
        area = self.map_area()
        return QPointF(
            area.left() + (x - LOW) / (HIGH - LOW) * area.width(),
            area.bottom() - (y - LOW) / (HIGH - LOW) * area.height(),
        )

    def point_at(self, place: QPointF) -> Knot:
        """The (x, y) at a place."""
        area = self.map_area()
        return (
            LOW + (place.x() - area.left()) / area.width() * (HIGH - LOW),
            LOW + (area.bottom() - place.y()) / area.height() * (HIGH - LOW),
        )

    def handle_place(self, handle: int) -> QPointF:
        """Where a handle is."""
        knots = self.bent.knots
        if handle < len(knots):
            return self.place_of(*knots[handle])
        return QPointF(self.place_of(self.bent.interval[handle - len(knots)], LOW).x(), self.above_area().bottom() - 1)

    def _handle_at(self, place: QPointF) -> int:
        """The handle that is taken at a place: one of the points or ends, the interval, or a curve to be drawn."""
        handles = range(len(self.bent.knots) + 2)
        near = min(handles, key=lambda handle: _distance(self.handle_place(handle), place))
        if _distance(self.handle_place(near), place) <= _REACH:
            return near
        if self.above_area().adjusted(0, 0, 0, _GAP / 2).contains(place):
            low, high = self.bent.interval
            return _BETWEEN if low < self.point_at(place)[0] < high else -1
        return _DRAWING if self.map_area().contains(place) else -1

    # Mouse and keys

    def mousePressEvent(self, event: QMouseEvent) -> None:
        handle = self._handle_at(event.position())
        if event.button() != Qt.MouseButton.LeftButton or handle == -1:
            event.ignore()
            return
        self._held = handle
        self._state.begin_gesture()
        point = self.point_at(event.position())
        if handle >= 0:
            self.selected = handle
        elif handle == _BETWEEN:
            self._grip = point[0] - self.bent.interval[0]
        else:
            self._curve = [point]
        self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        x, y = self.point_at(event.position())
        self.pointed.emit(x if LOW <= x <= HIGH else None)
        if self._held is None:
            free = self._handle_at(event.position()) in (-1, _DRAWING)
            self.setCursor(Qt.CursorShape.ArrowCursor if free else Qt.CursorShape.PointingHandCursor)
        elif self._held == _DRAWING:
            self._curve.append((x, min(max(y, LOW), HIGH)))
            self.update()
        elif self._held == _BETWEEN:
            self._state.move_interval(x - self._grip)
        else:
            self._move(self._held, x, y)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._let_go()

    def leaveEvent(self, event: object) -> None:
        self.pointed.emit(None)

    def focusInEvent(self, event: QFocusEvent) -> None:
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self._let_go()
        self.update()

    def event(self, event: QEvent) -> bool:
        return keeps_key(event, _KEYS) or super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        arrow, key = ARROWS.get(Qt.Key(event.key())), event.key()
        handles = len(self.bent.knots) + 2
        if key in (Qt.Key.Key_Comma, Qt.Key.Key_Period):
            self.selected = (self.selected + (1 if key == Qt.Key.Key_Period else -1)) % handles
            self._on_changed()
        elif arrow is None:
            super().keyPressEvent(event)
        else:
            step = _LARGE_STEP if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else _STEP
            index = self.selected - len(self.bent.knots)
            x, y = self.bent.knots[self.selected] if index < 0 else (self.bent.interval[index], 0.0)
            self._move(self.selected, x + step * arrow[0], y + step * arrow[1], f"handle {self.selected}")

    def _move(self, handle: int, x: float, y: float, merge_key: str = "") -> None:
        knots = len(self.bent.knots)
        if handle < knots:
            self._state.move_knot(handle, x, y, merge_key)
        else:
            self._state.move_end(handle - knots, x, merge_key)

    def _let_go(self) -> None:
        held, self._held = self._held, None
        if held == _DRAWING:
            curve, self._curve = self._curve, []
            if len(curve) > 1:
                self._state.draw(curve)
        if held is not None:
            self._state.end_gesture(self.tr("interval") if held == _BETWEEN else self.tr("map"))
        self.update()

    def _on_changed(self) -> None:
        knots = self.bent.knots
        if self.selected < len(knots):
            x, y = knots[self.selected]
            text = self.tr("Point {0} of the map: x {1}, y {2}").format(
                self.selected + 1, figure(x, ".2f"), figure(y, ".2f")
            )
        else:
            end = self.bent.interval[self.selected - len(knots)]
            text = self.tr("End of the interval: x {0}").format(figure(end, ".2f"))
        self.setAccessibleDescription(text)
        self.update()

    # Drawing

    def paintEvent(self, event: QPaintEvent) -> None:
        c, painter = colors(), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(scaled_font(11))
        area, above, side = self.map_area(), self.above_area(), self.side_area()
        for panel in (area, above, side):
            painter.setPen(QPen(QColor(c.border), 1))
            painter.setBrush(QColor(c.surface))
            painter.drawRect(panel)
        self._draw_bands(painter)
        for panel in (area, above, side):
            painter.save()
            painter.setClipRect(panel)
            if panel is area:
                self._draw_map(painter)
            else:
                self._draw_density(painter, across=panel is above)
            painter.restore()
        draw_ticks(painter, area, (LOW, HIGH), (LOW, HIGH))
        self._draw_names(painter)
        for handle in range(len(self.bent.knots) + 2):
            draw_handle(painter, self.handle_place(handle), chosen=self.hasFocus() and handle == self.selected)

    def _draw_bands(self, painter: QPainter) -> None:
        """From the interval down to the map, and from there to its image."""
        area, above, side = self.map_area(), self.above_area(), self.side_area()
        (low, high), image = self.bent.interval, self.bent.image
        corner_low, corner_high = self.place_of(low, image[0]), self.place_of(high, image[1])
        painter.save()
        painter.setClipRect(QRectF(area.left(), above.top(), side.right() - area.left(), area.bottom() - above.top()))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(with_alpha(colors().accent, 28))
        painter.drawRect(QRectF(QPointF(corner_low.x(), above.bottom()), QPointF(corner_high.x(), corner_low.y())))
        painter.drawRect(QRectF(QPointF(corner_low.x(), corner_high.y()), QPointF(side.left(), corner_low.y())))
        painter.restore()

    def _draw_map(self, painter: QPainter) -> None:
        c = colors()
        painter.setPen(QPen(QColor(c.border), 1, Qt.PenStyle.DashLine))
        painter.drawLine(self.place_of(LOW, LOW), self.place_of(HIGH, HIGH))
        x = np.linspace(LOW, HIGH, CURVE_STEPS)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(c.accent), 2))
        painter.drawPolyline(polygon(*self._pixels(x, self.bent.bend(x))))
        if self._curve:
            painter.setPen(QPen(QColor(c.warning), 2))
            painter.drawPolyline(polygon(*self._pixels(*np.array(self._curve).T)))

    def _draw_density(self, painter: QPainter, *, across: bool) -> None:
        """p(x) upwards from the axis, or p(y) to the right; what belongs to the interval is filled stronger."""
        c, bent = colors(), self.bent
        at = np.linspace(LOW, HIGH, CURVE_STEPS)
        ends = bent.interval if across else bent.image
        for low, high, shade in ((LOW, HIGH, with_alpha(c.accent, 50)), (*ends, with_alpha(c.accent, 150))):
            places = np.concatenate([[low], at[(at > low) & (at < high)], [high]])
            values = bent.density.value(places) if across else pushed_density(bent.density, bent.bend, places)
            around, lengths = np.concatenate([[low], places, [high]]), np.concatenate([[0.0], values, [0.0]])
            outline = self._density_line(around, lengths, across=across)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(shade)
            painter.drawPolygon(outline)
            if (low, high) == (LOW, HIGH):
                painter.setPen(QPen(QColor(c.accent), 1.5))
                painter.drawPolyline(outline)
        if not across:
            self._draw_prior(painter)

    def _draw_prior(self, painter: QPainter) -> None:
        """N(0, 1) over the y axis, which a flow would make of p(x)."""
        y = np.linspace(LOW, HIGH, CURVE_STEPS)
        density = np.exp(-0.5 * y * y) / math.sqrt(2 * math.pi)
        painter.setPen(QPen(QColor(colors().text), 1, Qt.PenStyle.DashLine))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPolyline(self._density_line(y, density, across=False))

    def _density_line(self, at: Floats, values: Floats, *, across: bool) -> QPolygonF:
        """Where the values of a density are drawn, above the x axis or at the right of the y axis."""
        lengths = values / _TOP * _DENSITY_SHARE * self.map_area().width()
        x, y = self._pixels(at, at)
        if across:
            return polygon(x, self.above_area().bottom() - lengths)
        return polygon(self.side_area().left() + lengths, y)

    def _pixels(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Where on the widget points of the map are."""
        area = self.map_area()
        share_x, share_y = ((np.asarray(values) - LOW) / (HIGH - LOW) for values in (x, y))
        return area.left() + share_x * area.width(), area.bottom() - share_y * area.height()

    def _draw_names(self, painter: QPainter) -> None:
        painter.setFont(scaled_font(12))
        painter.setPen(QColor(colors().dim))
        area, above, side = (
            panel.adjusted(6, 4, -6, -4) for panel in (self.map_area(), self.above_area(), self.side_area())
        )
        left = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop
        painter.drawText(area, left, self.tr("y = f(x)"))
        painter.drawText(above, left, self.tr("p(x)"))
        painter.drawText(side, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop, self.tr("p(y)"))


def _distance(one: QPointF, other: QPointF) -> float:
    return math.hypot(one.x() - other.x(), one.y() - other.y())
