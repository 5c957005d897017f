"""Points and a Gaussian above, the surface of their log-likelihood over mu and sigma below, on one horizontal axis."""

import math

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from nvp_studio.state.gaussian_fit import HIGH, LOW, SHOWN_NATS, SIGMA_HIGH, SIGMA_LOW, Fitted, GaussianFit
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

_TOP = 0.8
"""The density at the upper edge."""
_REACH = 11.0
"""Pixels within which a point is taken."""
_STEP, _LARGE_STEP = 0.05, 0.25
_KEYS = (
    *ARROWS,
    Qt.Key.Key_Comma,
    Qt.Key.Key_Period,
    Qt.Key.Key_Insert,
    Qt.Key.Key_Delete,
    Qt.Key.Key_Backspace,
)
_LEFT, _BELOW, _GAP, _LINE = 36.0, 20.0, 8.0, 18.0
_SURFACE = (200, 120)
"""Columns and rows of the surface."""
GAUSSIAN = -1
"""The handle that stands for (mu, sigma)."""
_NONE = -2


class LikelihoodPad(QWidget):
    """Points are dragged along the line, (mu, sigma) over the surface; a double click on the line adds a point."""

    pointed = Signal(object)
    """The (mu, sigma) under the pointer, or None."""

    def __init__(self, state: GaussianFit) -> None:
        super().__init__()
        self._state = state
        self.selected = GAUSSIAN
        """What keys move: a point by its number, or `GAUSSIAN`."""
        self._held = _NONE
        self._image: tuple[object, QImage] | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(30 * SPACE, 24 * SPACE)
        self.setAccessibleName(self.tr("Points with a Gaussian, and the surface of its likelihood"))
        state.changed.connect(self._on_changed)
        theme().changed.connect(self.update)
        self._on_changed()

    def sizeHint(self) -> QSize:
        return QSize(70 * SPACE, 60 * SPACE)

    # Places

    @property
    def fitted(self) -> Fitted:
        """What is seen."""
        return self._state.value

    def density_area(self) -> QRectF:
        """Where the Gaussian is drawn; the points are below it."""
        height = self.height() - _BELOW - _GAP - _LINE - 2
        return QRectF(_LEFT, 1, self.width() - _LEFT - 2 * SPACE, 0.4 * height)

    def surface_area(self) -> QRectF:
        """Where the surface is drawn."""
        above = self.density_area()
        top = above.bottom() + _LINE + _GAP
        return QRectF(above.left(), top, above.width(), self.height() - _BELOW - 1 - top)

    def handle_place(self, handle: int) -> QPointF:
        """Where a point, or (mu, sigma), is on the widget."""
        if handle == GAUSSIAN:
            return self.surface_place(self.fitted.mu, self.fitted.sigma)
        return QPointF(self._across(self.fitted.points[handle]), self.density_area().bottom() + _LINE / 2)

    def surface_place(self, mu: float, sigma: float) -> QPointF:
        """Where (mu, sigma) is on the surface."""
        area = self.surface_area()
        share = (sigma - SIGMA_LOW) / (SIGMA_HIGH - SIGMA_LOW)
        return QPointF(self._across(mu), area.bottom() - share * area.height())

    def surface_point(self, place: QPointF) -> tuple[float, float]:
        """(mu, sigma) at a place."""
        area = self.surface_area()
        share = (area.bottom() - place.y()) / area.height()
        return self._x_at(place), SIGMA_LOW + share * (SIGMA_HIGH - SIGMA_LOW)

    def _across(self, x: float) -> float:
        area = self.density_area()
        return area.left() + (x - LOW) / (HIGH - LOW) * area.width()

    def _x_at(self, place: QPointF) -> float:
        area = self.density_area()
        return LOW + (place.x() - area.left()) / area.width() * (HIGH - LOW)

    def _line(self) -> QRectF:
        area = self.density_area()
        return QRectF(area.left(), area.bottom(), area.width(), _LINE)

    def _handle_at(self, place: QPointF) -> int:
        """The point at a place, or `GAUSSIAN` on the surface."""
        if self.surface_area().contains(place):
            return GAUSSIAN
        count = len(self.fitted.points)
        near = min(range(count), key=lambda index: _distance(self.handle_place(index), place), default=_NONE)
        return near if near != _NONE and _distance(self.handle_place(near), place) <= _REACH else _NONE

    # Mouse and keys

    def mousePressEvent(self, event: QMouseEvent) -> None:
        handle = self._handle_at(event.position())
        if event.button() != Qt.MouseButton.LeftButton or handle == _NONE:
            event.ignore()
            return
        self._held = self.selected = handle
        self._state.begin_gesture()
        if handle == GAUSSIAN:
            self._state.choose(*self.surface_point(event.position()))
        self._on_changed()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        inside = self.surface_area().contains(event.position())
        self.pointed.emit(self.surface_point(event.position()) if inside else None)
        if self._held == GAUSSIAN:
            self._state.choose(*self.surface_point(event.position()))
        elif self._held != _NONE:
            self._state.move_point(self._held, self._x_at(event.position()))
        else:
            free = self._handle_at(event.position()) == _NONE
            self.setCursor(Qt.CursorShape.ArrowCursor if free else Qt.CursorShape.PointingHandCursor)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._let_go()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self._line().contains(event.position()):
            if self._handle_at(event.position()) == _NONE:
                self._add(self._x_at(event.position()))
        else:
            event.ignore()

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
        key, arrow = event.key(), ARROWS.get(Qt.Key(event.key()))
        points = self.fitted.points
        step = _LARGE_STEP if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else _STEP
        if key in (Qt.Key.Key_Comma, Qt.Key.Key_Period):
            way = 1 if key == Qt.Key.Key_Period else -1
            self.selected = (self.selected + 1 + way) % (len(points) + 1) - 1
            self._on_changed()
        elif key == Qt.Key.Key_Insert:
            self._add(self.fitted.mu)
        elif key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace) and self.selected != GAUSSIAN:
            self._state.remove_point(self.selected)
        elif arrow is not None and self.selected == GAUSSIAN:
            self._state.choose(self.fitted.mu + step * arrow[0], self.fitted.sigma + step * arrow[1], "gaussian")
        elif arrow is not None and arrow[0]:
            self._state.move_point(self.selected, points[self.selected] + step * arrow[0], f"point {self.selected}")
        else:
            super().keyPressEvent(event)

    def _add(self, x: float) -> None:
        before = len(self.fitted.points)
        self._state.add_point(x)
        if len(self.fitted.points) > before:
            self.selected = before
            self._on_changed()

    def _let_go(self) -> None:
        held, self._held = self._held, _NONE
        if held != _NONE:
            self._state.end_gesture(self.tr("Gaussian") if held == GAUSSIAN else self.tr("point"))

    def _on_changed(self) -> None:
        fitted = self.fitted
        self.selected = min(self.selected, len(fitted.points) - 1)
        if self.selected == GAUSSIAN:
            text = self.tr("mu {0}, sigma {1}").format(figure(fitted.mu, ".2f"), figure(fitted.sigma, ".2f"))
        else:
            x = fitted.points[self.selected]
            text = self.tr("Point {0} of {1}: {2}").format(self.selected + 1, len(fitted.points), figure(x, ".2f"))
        self.setAccessibleDescription(text)
        self.update()

    # Drawing

    def paintEvent(self, event: QPaintEvent) -> None:
        c, painter = colors(), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(scaled_font(11))
        above, surface = self.density_area(), self.surface_area()
        painter.setPen(QPen(QColor(c.border), 1))
        painter.setBrush(QColor(c.surface))
        painter.drawRect(above)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(surface, self._surface_image())
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(surface)
        self._draw_gaussian(painter)
        self._draw_marks(painter)
        draw_ticks(painter, surface, (LOW, HIGH), (SIGMA_LOW, SIGMA_HIGH))
        painter.setPen(QColor(c.dim))
        painter.setFont(scaled_font(12))
        corner = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop
        painter.drawText(above.adjusted(6, 4, -6, -4), corner, self.tr("N(x; μ, σ²)"))
        middle, tick = Qt.AlignmentFlag.AlignCenter, surface.height() / 8
        painter.drawText(QRectF(0, surface.top() + tick - 10, _LEFT, 20), middle, "σ")
        across = surface.left() + 7 * surface.width() / 8
        painter.drawText(QRectF(across - 20, surface.bottom() + 1, 40, 18), middle, "μ")
        for index in range(len(self.fitted.points)):
            draw_handle(painter, self.handle_place(index), chosen=self.hasFocus() and index == self.selected)
        draw_handle(painter, self.handle_place(GAUSSIAN), chosen=self.hasFocus() and self.selected == GAUSSIAN)

    def _draw_gaussian(self, painter: QPainter) -> None:
        c, fitted, area = colors(), self.fitted, self.density_area()
        painter.save()
        painter.setClipRect(area)
        x = np.linspace(LOW, HIGH, CURVE_STEPS)
        density = np.exp(-0.5 * ((x - fitted.mu) / fitted.sigma) ** 2) / (fitted.sigma * math.sqrt(2 * math.pi))
        share = (x - LOW) / (HIGH - LOW)
        line = polygon(area.left() + share * area.width(), area.bottom() - density / _TOP * area.height())
        painter.setPen(QPen(QColor(c.accent), 2))
        painter.drawPolyline(line)
        painter.setPen(QPen(with_alpha(c.accent, 130), 1.5))
        for point in fitted.points:  # the factors of the product
            painter.drawLine(QPointF(self._across(point), area.bottom()), self._density_place(point))
        painter.restore()

    def _density_place(self, x: float) -> QPointF:
        fitted, area = self.fitted, self.density_area()
        z = (x - fitted.mu) / fitted.sigma
        density = math.exp(-z * z / 2) / (fitted.sigma * math.sqrt(2 * math.pi))
        return QPointF(self._across(x), area.bottom() - density / _TOP * area.height())

    def _draw_marks(self, painter: QPainter) -> None:
        """A line for mu through both parts, and a cross at the maximum."""
        c, fitted, surface = colors(), self.fitted, self.surface_area()
        painter.setPen(QPen(with_alpha(c.accent, 130), 1, Qt.PenStyle.DashLine))
        x = self._across(fitted.mu)
        painter.drawLine(QPointF(x, self.density_area().top()), QPointF(x, surface.bottom()))
        best = fitted.largest
        if best is not None and SIGMA_LOW <= best.sigma <= SIGMA_HIGH:
            place = self.surface_place(best.mu, best.sigma)
            for width, shade in ((4, c.surface), (2, c.text)):
                painter.setPen(QPen(QColor(shade), width))
                painter.drawLine(place - QPointF(6, 0), place + QPointF(6, 0))
                painter.drawLine(place - QPointF(0, 6), place + QPointF(0, 6))

    def _surface_image(self) -> QImage:
        """log L from `SHOWN_NATS` below its maximum, in the colour of the window, to the maximum, in the accent."""
        key = self.fitted.points, colors().name
        if self._image is None or self._image[0] != key:
            values = self.fitted.surface(*_SURFACE)
            best = self.fitted.largest
            top = float(values.max()) if best is None else max(best.log_likelihood, float(values.max()))
            share = np.clip(1 + (values - top) / SHOWN_NATS, 0, 1)[..., np.newaxis]
            low, high = (_rgb(name) for name in (colors().surface, colors().accent))
            pixels = np.ascontiguousarray(np.rint(low + share * (high - low)).astype(np.uint8))
            width, height = _SURFACE
            image = QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()
            self._image = key, image
        return self._image[1]


def _rgb(name: str) -> npt.NDArray[np.int64]:
    shade = QColor(name)
    return np.array([shade.red(), shade.green(), shade.blue()])


def _distance(one: QPointF, other: QPointF) -> float:
    return math.hypot(one.x() - other.x(), one.y() - other.y())
