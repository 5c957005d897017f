"""The plot of learning curves. Importing this imports pyqtgraph, which is slow; `CurvePanel` does it in time."""

from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QBuffer, QEvent, QPointF, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QWidget

from nvp_studio.runs.curves import Curve
from nvp_studio.views.theme import colors, scaled_font, theme
from nvp_studio.views.widgets.curve_drawing import Drawing, Style, Trace
from nvp_studio.views.widgets.series import series_colour

_LABEL_PART = 0.4
"""Part of the height that texts at changes may take."""
_LABEL_GAP = 4
"""Pixels between texts at changes, and around the uppermost."""
_TICK_PIXELS = 18
"""Least distance of two numbers at the left axis."""
_COARSER = (1, 2, 4, 5, 10, 20, 50)
"""Factors to the distance of ticks that pyqtgraph chooses."""
_FAINT, _FILL = 70, 110
"""Opacity of faint curves and of bands, of 255."""
_OPTIONS: dict[Style, dict[str, Any]] = {
    "thin": {"antialias": False},  # antialiased or wider, so many points are slow to draw
    "faint": {"antialias": False},
    "bold": {"antialias": True},
    "dots": {"symbol": "o", "symbolSize": 6, "symbolPen": None},
    "ring": {"symbol": "o", "symbolSize": 12, "symbolBrush": None},
}


class CurvePlot(pg.PlotWidget):  # type: ignore[misc] # pyqtgraph has no types
    """Shows a `Drawing` in the colours of the theme. The axes follow growing curves until a person zooms."""

    following_changed = Signal(bool)
    """Whether the axes follow the curves; False after a person zoomed."""
    pointed = Signal(object)
    """The place on the bottom axis under the mouse, a float, or None."""

    def __init__(self, parent: QWidget | None, axis_width: int, **limits: float) -> None:
        """`axis_width`: pixels of the left axis; `limits` of panning and zooming: see `pyqtgraph.ViewBox.setLimits`."""
        super().__init__(parent, axisItems={"left": _LeftAxis("left")})
        self.following = True
        self.drawing = Drawing()
        self._axis_width = axis_width
        self._item: Any = self.getPlotItem()
        self._view: Any = self._item.getViewBox()
        self._curves: list[tuple[Style, Any]] = []
        self._others: list[Any] = []
        self._marks: list[Any] = []
        """Lines with texts, from left to right."""
        self._item.hideButtons()
        self._item.setMenuEnabled(False)
        self._view.disableAutoRange()
        self._view.setMouseMode(self._view.PanMode)
        self._view.setLimits(**limits)
        self.setFrameShape(self.Shape.NoFrame)
        self._pointer, self._cursor = (pg.InfiniteLine(angle=90, movable=False) for _ in range(2))
        for line in (self._pointer, self._cursor):
            line.setVisible(False)
            self._item.addItem(line, ignoreBounds=True)
        for moved in (self._view.sigRangeChanged, self._view.sigResized):
            moved.connect(lambda *_: self._place_labels())
        self._view.sigRangeChangedManually.connect(lambda *_: self._set_following(False))
        self.scene().sigMouseMoved.connect(self._on_mouse_moved)
        theme().changed.connect(self._paint_in_theme)
        self._paint_in_theme()

    def show_drawing(self, drawing: Drawing) -> None:
        """Show this from now on, at another range if the axes follow."""
        if drawing.log != self.drawing.log:
            self._set_following(True)  # a range in the other unit shows nothing
        self.drawing = drawing
        self._item.setLogMode(y=drawing.log)
        self._view.disableAutoRange()  # which a change of the mode enables
        self._label_axes()
        if self.following:
            self._fit()
        self._draw_curves()
        self._draw_others()

    def follow(self) -> None:
        """Show all of the curves and follow them as they grow."""
        self._set_following(True)
        self._fit()

    def show_cursor(self, place: float | None) -> None:
        """Put the cursor line at a place on the bottom axis."""
        self._cursor.setVisible(place is not None)
        if place is not None:
            self._cursor.setPos(place)

    def svg(self) -> bytes:
        """The plot as the content of an SVG file."""
        buffer = QBuffer()
        generator = QSvgGenerator()  # pyqtgraph's own exporter fails on curves with gaps
        generator.setOutputDevice(buffer)
        generator.setSize(self.size())
        generator.setViewBox(self.rect())
        painter = QPainter(generator)
        self.render(painter)
        painter.end()
        return bytes(buffer.data().data())

    def png(self) -> bytes:
        """The plot as the content of a PNG file, as it is on screen."""
        buffer = QBuffer()
        self.grab().save(buffer, "PNG")
        return bytes(buffer.data().data())

    def _fit(self) -> None:
        if self.drawing.limits is not None:
            x, y = self.drawing.limits
            self._view.setRange(xRange=x, yRange=y, padding=0)

    def _set_following(self, following: bool) -> None:
        if following != self.following:
            self.following = following
            self.following_changed.emit(following)

    # Drawing

    def _draw_curves(self) -> None:
        """Bring the curves up to date; items are made anew only when there are others than before."""
        traces = self.drawing.traces
        if [style for style, _ in self._curves] != [trace.style for trace in traces]:
            for _, item in self._curves:
                self._item.removeItem(item)
            self._curves = [(trace.style, self._make_curve(trace.style)) for trace in traces]
        for trace, (_, item) in zip(traces, self._curves, strict=True):
            item.setData(*_with_gaps(trace.points), **_look(trace))

    def _make_curve(self, style: Style) -> Any:
        item = pg.PlotDataItem(connect="finite", autoDownsampleFactor=1.0, **_OPTIONS[style])
        self._item.addItem(item, ignoreBounds=True)  # which sets reduction to the plot's own: none
        item.setDownsampling(auto=True, method="mean" if style == "bold" else "peak")
        item.setClipToView(True)
        return item

    def _draw_others(self) -> None:
        """Bands and marks, which are few and change seldom."""
        for item in self._others:
            self._item.removeItem(item)
        self._others = []
        for band in self.drawing.bands:
            colour = QColor(series_colour(band.colour))
            lower, upper = pg.PlotCurveItem(band.x, band.lower, pen=None), pg.PlotCurveItem(band.x, band.upper)
            upper.setPen(pg.mkPen(colour, width=1))
            self._add_others(lower, upper, pg.FillBetweenItem(lower, upper, brush=pg.mkBrush(_faded(colour, _FILL))))
        c = colors()
        self._marks = []
        for place, text in sorted(self.drawing.marks, reverse=True):  # so that no line crosses an earlier text
            label = {"color": c.dim, "fill": c.surface}
            pen = pg.mkPen(c.dim, width=1, style=Qt.PenStyle.DashLine)
            line = pg.InfiniteLine(place, angle=90, pen=pen, label=text, labelOpts=label)
            line.label.setFont(scaled_font(11))
            self._add_others(line)
            self._marks.insert(0, line)
        self._place_labels()

    def _place_labels(self) -> None:
        """Put each text of a mark into the first row where it covers no other; one without such a row is left out."""
        area, pixel = self._view.boundingRect(), self._view.viewPixelSize()
        if not self._marks or area.height() <= 0 or not pixel[0]:
            return
        height = self._marks[0].label.boundingRect().height() + 1
        rows = max(1, int((_LABEL_PART * area.height() - _LABEL_GAP) // height))
        ends = [0.0] * rows
        left = self._view.viewRect().left()
        for line in self._marks:
            width = line.label.boundingRect().width()
            middle = (line.value() - left) / pixel[0]
            start = max(0.0, min(middle + 1, area.width() - width))
            row = next((row for row, end in enumerate(ends) if start >= end), None)
            line.label.setVisible(row is not None and 0 <= middle <= area.width())
            if row is None:
                continue
            ends[row] = start + width + _LABEL_GAP
            line.label.anchors = [((middle - start) / max(width, 1.0), 0.5)] * 2
            line.label.setPosition(1 - (_LABEL_GAP + (row + 0.5) * height) / area.height())

    def _add_others(self, *items: Any) -> None:
        for item in items:
            self._item.addItem(item, ignoreBounds=True)
        self._others += items

    def _label_axes(self) -> None:
        bottom, left = (self._item.getAxis(name) for name in ("bottom", "left"))
        bottom.setScale(self.drawing.x_scale)
        for axis, text in zip((bottom, left), self.drawing.labels or (), strict=False):
            # No ranges for prefixes: one would scale the numbers, and without a unit be shown nowhere.
            axis.setLabel(text, siPrefixEnableRanges=(), **{"color": colors().dim, "font-size": "11px"})

    def _paint_in_theme(self) -> None:
        c = colors()
        self.setBackground(QColor(c.surface))
        self._pointer.setPen(pg.mkPen(c.dim, width=1, style=Qt.PenStyle.DotLine))
        self._cursor.setPen(pg.mkPen(c.accent, width=1))
        for name in ("left", "bottom"):
            axis: Any = self._item.getAxis(name)
            axis.setPen(pg.mkPen(c.border))
            axis.setTextPen(pg.mkPen(c.dim))
            axis.setStyle(tickFont=scaled_font(11), tickLength=-4)
            axis.enableAutoSIPrefix(False)
        self._item.getAxis("left").setWidth(self._axis_width)
        self._item.showGrid(x=False, y=True, alpha=0.12)
        self.show_drawing(self.drawing)

    # The mouse

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self._point_at(None)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.follow()

    def _on_mouse_moved(self, place: QPointF) -> None:
        inside = self._view.sceneBoundingRect().contains(place)
        self._point_at(self._view.mapSceneToView(place).x() if inside else None)

    def _point_at(self, place: float | None) -> None:
        self._pointer.setVisible(place is not None)
        if place is not None:
            self._pointer.setPos(place)
        self.pointed.emit(place)


class _LeftAxis(pg.AxisItem):  # type: ignore[misc] # pyqtgraph has no types
    """An axis whose numbers do not cover each other where there is little height."""

    def tickSpacing(self, low: float, high: float, size: float) -> list[tuple[float, float]]:
        levels: list[tuple[float, float]] = super().tickSpacing(low, high, size)
        most = max(1.0, size / _TICK_PIXELS)
        spacing = levels[0][0]
        factor = next((factor for factor in _COARSER if (high - low) / (factor * spacing) <= most), 1)
        return levels if factor == 1 else [(factor * spacing, 0.0)]


def _look(trace: Trace) -> dict[str, Any]:
    """Pen and brush of a trace in the theme in force."""
    colour = QColor(series_colour(trace.colour) if isinstance(trace.colour, int) else getattr(colors(), trace.colour))
    match trace.style:
        case "dots":
            return {"pen": None, "symbolBrush": pg.mkBrush(colour)}
        case "ring":
            return {"pen": None, "symbolPen": pg.mkPen(colour, width=2)}
        case "bold":
            return {"pen": pg.mkPen(colour, width=2)}
        case "faint":
            return {"pen": pg.mkPen(_faded(colour, _FAINT), width=1)}
    return {"pen": pg.mkPen(colour, width=1)}


def _faded(colour: QColor, alpha: int) -> QColor:
    faded = QColor(colour)
    faded.setAlpha(alpha)
    return faded


def _with_gaps(points: Curve) -> tuple[Any, Any]:
    """x and y with a point that is no number between segments, where the line has a gap."""
    places = np.array(points.breaks, int)
    return np.insert(points.x, places, points.x[places]), np.insert(points.y, places, np.nan)
