"""The plot of learning curves. Importing this brings pyqtgraph, slow; `curves` does it when the window is up."""

from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent
from PySide6.QtWidgets import QWidget

from nvp_studio.runs.curves import QUANTITIES, curve
from nvp_studio.runs.history import RunHistory
from nvp_studio.views.theme import colors, scaled_font, theme
from nvp_studio.views.widgets.curve_data import extremes, fitting_bits, fitting_steps, joined, means

_LEFT_AXIS_WIDTH = 46
_MARGIN = 1.015
"""Room at the right for a mark on the last step."""


class CurvePlot(pg.PlotWidget):  # type: ignore[misc] # pyqtgraph has no types
    """Draws a `RunHistory`, reduced to the pixels there are; a raw curve is one pixel wide, for wider ones are slow."""

    following_changed = Signal(bool)
    """Whether the axes follow the curves; False after a person zoomed."""
    pointed = Signal()
    """The mouse points at another step: `step_pointed`."""
    fit_asked = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.step_pointed: float | None = None
        self.following = True
        self._history = RunHistory()
        self._total_steps: int | None = None
        self._drawn: tuple[object, ...] = ()
        self._item: Any = self.getPlotItem()
        self._view: Any = self._item.getViewBox()
        self._item.hideButtons()
        self._item.setMenuEnabled(False)
        self._view.disableAutoRange()
        self._view.setMouseMode(self._view.PanMode)
        self._view.setLimits(xMin=0, yMin=-100, yMax=1000, minXRange=5, minYRange=0.005)
        self.setFrameShape(self.Shape.NoFrame)
        self._raw = self._item.plot(antialias=False, connect="finite")
        self._smoothed = self._item.plot(antialias=True, connect="finite")
        self._dots = pg.ScatterPlotItem(size=6, pxMode=True)
        self._ring = pg.ScatterPlotItem(size=12, pxMode=True)
        self._pointer = pg.InfiniteLine(angle=90, movable=False)
        self._pointer.setVisible(False)
        for item in (self._dots, self._ring, self._pointer):
            self._item.addItem(item, ignoreBounds=True)
        self._view.sigRangeChangedManually.connect(self._on_zoomed)
        self._view.sigRangeChanged.connect(lambda *_: self._draw())
        self._view.sigResized.connect(lambda *_: self._draw())
        self.scene().sigMouseMoved.connect(self._on_mouse_moved)
        theme().changed.connect(self._paint_in_theme)
        self._paint_in_theme()

    def show_history(self, history: RunHistory, total_steps: int | None) -> None:
        """Draw `history` from now on."""
        self._history, self._total_steps = history, total_steps
        self._drawn = ()
        self.refresh()

    def refresh(self) -> None:
        """The history grew: follow it, unless a person zoomed."""
        if self.following:
            self._fit()
        self._draw()

    def follow(self) -> None:
        """Show all of it and follow."""
        self._set_following(True)
        self.refresh()

    def _fit(self) -> None:
        history = self._history
        last = history.steps.values[-1] if len(history.steps) else 0.0
        low, high = fitting_bits(history.train.values, history.smoothed.values, history.validation.values)
        self._view.setRange(
            xRange=(0, _MARGIN * fitting_steps(float(last), self._total_steps)), yRange=(low, high), padding=0
        )

    def _draw(self) -> None:
        history = self._history
        (low, high), _ = self._view.viewRange()
        bins = max(50, int(self._view.width()))
        state = (history, history.version, low, high, bins)
        if state == self._drawn:
            return
        self._drawn = state
        steps = history.steps.values
        segments = curve(history, QUANTITIES["train"]).segments()
        for line, column, reduce in ((self._raw, history.train, extremes), (self._smoothed, history.smoothed, means)):
            line.setData(*joined(steps, column.values, segments, (low, high), reduce, bins))
        self._dots.setData(*extremes(history.validation_steps.values, history.validation.values, bins))
        best = history.best
        self._ring.setData([best[0]] if best else [], [best[1]] if best else [])

    def _set_following(self, following: bool) -> None:
        if following != self.following:
            self.following = following
            self.following_changed.emit(following)

    def _on_zoomed(self, *_: object) -> None:
        self._set_following(False)

    def _on_mouse_moved(self, place: QPointF) -> None:
        inside = self._view.sceneBoundingRect().contains(place)
        self._point_at(self._view.mapSceneToView(place).x() if inside else None)

    def _point_at(self, step: float | None) -> None:
        self.step_pointed = step
        self._pointer.setVisible(step is not None)
        if step is not None:
            self._pointer.setPos(step)
        self.pointed.emit()

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self._point_at(None)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.fit_asked.emit()

    def _paint_in_theme(self) -> None:
        c = colors()
        self.setBackground(QColor(c.surface))
        self._raw.setPen(pg.mkPen(c.plot_raw, width=1))
        self._smoothed.setPen(pg.mkPen(c.accent, width=2))
        self._dots.setPen(pg.mkPen(None))
        self._dots.setBrush(pg.mkBrush(c.text))
        self._ring.setPen(pg.mkPen(c.good, width=2))
        self._ring.setBrush(pg.mkBrush(None))
        self._pointer.setPen(pg.mkPen(c.dim, width=1, style=Qt.PenStyle.DotLine))
        for name in ("left", "bottom"):
            axis: Any = self._item.getAxis(name)
            axis.setPen(pg.mkPen(c.border))
            axis.setTextPen(pg.mkPen(c.dim))
            axis.setStyle(tickFont=scaled_font(11), tickLength=-4)
            axis.enableAutoSIPrefix(False)
        self._item.getAxis("left").setWidth(_LEFT_AXIS_WIDTH)
        self._item.showGrid(x=False, y=True, alpha=0.12)
