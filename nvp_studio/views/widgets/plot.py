"""The plot of learning curves. Importing this brings pyqtgraph, slow; `curves` does it when the window is up."""

import pyqtgraph as pg
from PySide6.QtWidgets import QWidget

from nvp_studio.runs.curves import QUANTITIES, curve
from nvp_studio.runs.history import RunHistory
from nvp_studio.views.theme import colors
from nvp_studio.views.widgets.curve_data import extremes, fitting_bits, fitting_steps, joined, means
from nvp_studio.views.widgets.live_plot import LivePlot

_MARGIN = 1.015
"""Room at the right for a mark on the last step."""


class CurvePlot(LivePlot):
    """Draws a `RunHistory`, reduced to the pixels there are; a raw curve is one pixel wide, for wider ones are slow."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._history = RunHistory()
        self._total_steps: int | None = None
        self._drawn: tuple[object, ...] = ()
        self._view.setLimits(xMin=0, yMin=-100, yMax=1000, minXRange=5, minYRange=0.005)
        self._raw = self._item.plot(antialias=False, connect="finite")
        self._smoothed = self._item.plot(antialias=True, connect="finite")
        self._dots = pg.ScatterPlotItem(size=6, pxMode=True)
        self._ring = pg.ScatterPlotItem(size=12, pxMode=True)
        for item in (self._dots, self._ring):
            self._item.addItem(item, ignoreBounds=True)
        self._view.sigRangeChanged.connect(lambda *_: self._draw())
        self._view.sigResized.connect(lambda *_: self._draw())
        self.paint_in_theme()

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

    def paint_in_theme(self) -> None:
        """Take the colours of the theme in force."""
        super().paint_in_theme()
        c = colors()
        self._raw.setPen(pg.mkPen(c.plot_raw, width=1))
        self._smoothed.setPen(pg.mkPen(c.accent, width=2))
        self._dots.setPen(pg.mkPen(None))
        self._dots.setBrush(pg.mkBrush(c.text))
        self._ring.setPen(pg.mkPen(c.good, width=2))
        self._ring.setBrush(pg.mkBrush(None))
