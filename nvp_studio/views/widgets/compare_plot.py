"""The plot of several runs. Importing this brings pyqtgraph, slow; `curve_board` does it when the window is up."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QBuffer, QIODevice, Qt
from PySide6.QtGui import QColor, QPainter
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QWidget

from nvp_studio.runs.curves import (
    QUANTITIES,
    Axis,
    Curve,
    axis_limits,
    can_be_log,
    curve,
    last_points,
    place_of_step,
    smooth_curve,
    stack,
    value_range,
)
from nvp_studio.runs.history import Numbers
from nvp_studio.training.changes import Restart, StopChange
from nvp_studio.views.theme import colors, scaled_font
from nvp_studio.views.widgets.curve_data import extremes, joined, means
from nvp_studio.views.widgets.live_plot import LivePlot
from nvp_studio.views.widgets.series import Series, series_colour

_MARGIN = 0.04
_LONG_SECONDS = 3 * 3600
"""From here on a time axis counts hours."""
_LABEL_ROWS = (0.95, 0.89, 0.83)
"""Heights of the words at changes, in turn, so that neighbours do not cover each other."""


@dataclass(frozen=True)
class PlotOptions:
    """What is drawn and how."""

    quantity: str = "validation"
    axis: Axis = "steps"
    memory: float = 50.0
    """Points that a smoothed curve remembers; 0 for none."""
    log: bool = False
    clip: bool = True
    share: float = 1.0
    """The last part of the axis that is shown."""
    label: str = ""
    """What stands beside the left axis."""


class ComparePlot(LivePlot):
    """Draws one quantity of several runs. The axes follow growing curves until a person zooms."""

    left_axis_width = 58

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.options = PlotOptions()
        self.log_shown = False
        """Whether the axis is logarithmic: asked for, and every value allows it."""
        self._series: list[Series] = []
        self._front = ""
        self._items: list[Any] = []
        self._curves: dict[str, Curve] = {}
        self._step: float | None = None
        self._cursor = pg.InfiniteLine(angle=90, movable=False)
        self._cursor.setVisible(False)
        self._item.addItem(self._cursor, ignoreBounds=True)
        self._view.sigResized.connect(lambda *_: self.refresh())
        self.paint_in_theme()

    @property
    def curves(self) -> dict[str, Curve]:
        """What is drawn of each run, by its key: smoothed and cut as the options say."""
        return self._curves

    def show_series(self, series: Sequence[Series], front: str) -> None:
        """Draw these runs; stacked layers and changes are those of `front`."""
        self._series, self._front = list(series), front
        self.refresh()

    def show_options(self, options: PlotOptions) -> None:
        """Draw something else, or otherwise; another quantity or axis is shown in full."""
        other = replace(options, memory=0) != replace(self.options, memory=0)
        self.options = options
        if other:
            self.set_following(True)
        self.refresh()

    def show_step(self, step: float | None) -> None:
        """Mark a step of the run in front."""
        self._step = step
        self._place_cursor()

    def refresh(self) -> None:
        """Draw anew: a history grew."""
        for item in self._items:
            self._item.removeItem(item)
        self._items = []
        quantity = QUANTITIES[self.options.quantity]
        raw = {
            one.key: last_points(curve(one.history, quantity, self.options.axis), self.options.share)
            for one in self._series
        }
        self.log_shown = self.options.log and not quantity.stacked and can_be_log(points.y for points in raw.values())
        self._item.getAxis("left").setLogMode(self.log_shown)
        memory = self.options.memory if quantity.noisy else 0.0
        self._curves = {key: smooth_curve(points, memory) for key, points in raw.items()}
        self._label_axes(max((float(points.x[-1]) for points in raw.values() if len(points.x)), default=0.0))
        if self.following:
            self._fit(raw)
        if quantity.stacked:
            self._draw_stack()
        else:
            self._draw_changes()
            for one in self._series:
                self._draw_series(one, raw[one.key], marked=quantity.at_validations)
        self._place_cursor()

    def svg(self) -> bytes:
        """The plot as the content of an SVG file."""
        buffer = QBuffer()
        buffer.open(QIODevice.OpenModeFlag.WriteOnly)
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
        buffer.open(QIODevice.OpenModeFlag.WriteOnly)
        self.grab().save(buffer, "PNG")
        return bytes(buffer.data().data())

    # Drawing

    def _label_axes(self, last: float) -> None:
        """Say what the axes are; times, whose `last` decides the unit, are counted in minutes or hours."""
        bottom, options = self._item.getAxis("bottom"), self.options
        if options.axis == "seconds":
            hours = last >= _LONG_SECONDS
            words = self.tr("hours of training") if hours else self.tr("minutes of training")
            scale = 1 / 3600 if hours else 1 / 60
        else:
            words, scale = self.tr("step") if options.axis == "steps" else self.tr("epoch"), 1.0
        bottom.setScale(scale)
        for axis, text in ((bottom, words), (self._item.getAxis("left"), options.label)):
            # No ranges for prefixes: one would scale the numbers, and without a unit stand nowhere.
            axis.setLabel(text, siPrefixEnableRanges=(), **{"color": colors().dim, "font-size": "11px"})

    def _draw_series(self, one: Series, raw: Curve, *, marked: bool) -> None:
        colour = QColor(series_colour(one.colour))
        smoothed = QUANTITIES[self.options.quantity].noisy and self.options.memory > 1
        if smoothed:
            faint = QColor(colour)
            faint.setAlpha(70)
            self._add_line(raw, pg.mkPen(faint, width=1), smooth=False)
        width = 2 if marked or smoothed else 1
        self._add_line(self._curves[one.key], pg.mkPen(colour, width=width), smooth=width == 2)
        if marked and len(raw.x) <= 400:
            dots = pg.ScatterPlotItem(raw.x, self._shown(raw.y), size=6, pen=pg.mkPen(None), brush=pg.mkBrush(colour))
            self._add(dots)

    def _add_line(self, points: Curve, pen: Any, *, smooth: bool) -> None:
        """One line item of all segments, with a gap between them, reduced to the pixels there are."""
        (low, high), _ = self._view.viewRange()
        bins = max(50, int(self._view.width()))
        reduce = means if smooth else extremes
        x, y = joined(points.x, points.y, points.segments(), (low, high), reduce, bins)
        if len(x):
            self._add(pg.PlotDataItem(x, self._shown(y), pen=pen, antialias=smooth, connect="finite"))

    def _draw_stack(self) -> None:
        """Layers of the scales of the run in front, the finest at the bottom."""
        one = next((one for one in self._series if one.key == self._front), None) or next(iter(self._series), None)
        if one is None:
            return
        steps, layers = stack(one.history)
        if not layers:
            return
        x = np.array([place_of_step(one.history, step, self.options.axis) for step in steps])
        below = pg.PlotCurveItem(x, np.zeros(len(x)), pen=pg.mkPen(None))
        self._add(below)
        for scale, layer in enumerate(layers):
            colour = QColor(series_colour(scale))
            line = pg.PlotCurveItem(x, layer, pen=pg.mkPen(colour, width=1))
            fill = QColor(colour)
            fill.setAlpha(110)
            self._add(line)
            self._add(pg.FillBetweenItem(below, line, brush=pg.mkBrush(fill)))
            below = line

    def _draw_changes(self) -> None:
        """Where the run in front was restarted, or something was changed."""
        one = next((one for one in self._series if one.key == self._front), None)
        if one is None:
            return
        changes = enumerate(one.history.changes)
        for number, change in reversed(list(changes)):  # so that no line crosses the words of the one before it
            place = place_of_step(one.history, change.step, self.options.axis)
            if isinstance(change, Restart):
                words = self.tr("went on")
            elif isinstance(change, StopChange):
                words = self.tr("stop rules")
            else:
                words = self.tr("rate {0}").format(f"{change.learning_rate:g}")
            line = pg.InfiniteLine(
                place,
                angle=90,
                pen=pg.mkPen(colors().dim, width=1, style=Qt.PenStyle.DashLine),
                label=words,
                labelOpts={
                    "position": _LABEL_ROWS[number % len(_LABEL_ROWS)],
                    "color": colors().dim,
                    "fill": colors().surface,
                },
            )
            line.label.setFont(scaled_font(11))
            self._add(line)

    def _add(self, item: Any) -> None:
        self._item.addItem(item, ignoreBounds=True)
        self._items.append(item)

    def _shown(self, y: Numbers) -> Numbers:
        return np.log10(y) if self.log_shown else y

    def _fit(self, raw: dict[str, Curve]) -> None:
        limits = axis_limits(list(raw.values()))
        quantity = QUANTITIES[self.options.quantity]
        if quantity.stacked:
            values = [layer for one in self._series for layer in stack(one.history)[1]]
            values.append(np.zeros(1))
        else:
            shown = self._curves if self.options.clip else raw
            values = [points.y for points in shown.values()]
        span = value_range(values, clip=self.options.clip and not quantity.stacked)
        if limits is None or span is None:
            return
        low, high = (float(np.log10(value)) for value in span) if self.log_shown else span
        if self.options.share >= 1:
            limits = (0.0, limits[1])
        room_x, room_y = _MARGIN / 2 * (limits[1] - limits[0]), _MARGIN * (high - low)
        self._view.setRange(
            xRange=(limits[0], limits[1] + room_x),
            yRange=(low - room_y, high + room_y),
            padding=0,
            disableAutoRange=True,
        )

    def _place_cursor(self) -> None:
        one = next((one for one in self._series if one.key == self._front), None)
        self._cursor.setVisible(one is not None and self._step is not None)
        if one is not None and self._step is not None:
            self._cursor.setPos(place_of_step(one.history, self._step, self.options.axis))

    def paint_in_theme(self) -> None:
        """Take the colours of the theme in force, those of the runs too."""
        super().paint_in_theme()
        self._cursor.setPen(pg.mkPen(colors().accent, width=1))
        self.refresh()
