"""Curves of several runs: options above, the plot, and beside it the runs with their values under the mouse."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from PySide6.QtCore import QCoreApplication, Signal
from PySide6.QtGui import QResizeEvent

from nvp_studio.runs.curves import Quantity, curves_csv, nearest, place_of_step, stack, step_at
from nvp_studio.runs.names import Axis
from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.curve_drawing import comparison
from nvp_studio.views.widgets.curve_list import WIDTHS, CurveList, ListedCurve
from nvp_studio.views.widgets.curve_options import CurveOptions
from nvp_studio.views.widgets.curve_panel import CurvePanel
from nvp_studio.views.widgets.layout import hbox, text_label, vbox
from nvp_studio.views.widgets.series import Series


class CurveComparison(CurvePanel):
    """Compares one quantity of the runs that it is given."""

    step_pointed = Signal(float)
    """Under the mouse, a step of the current run."""

    def __init__(self) -> None:
        super().__init__(QCoreApplication.translate("CurveComparison", "Curves of the chosen runs"), axis_width=58)
        self._series: list[Series] = []
        self._current = ""
        self._step: float | None = None
        self.controls = CurveOptions(self.fit)
        self.list = CurveList()
        self.reading = text_label()
        self._shown_options = self.controls.options
        self._lay_out()
        self.controls.changed.connect(self._on_options_changed)
        self.list.hidden_changed.connect(self.refresh)

    def show_series(self, series: Sequence[Series], current: str) -> None:
        """Draw these runs; `current` is the key of the one that the cursor belongs to."""
        self._series, self._current = list(series), current
        self.refresh()

    def show_step(self, step: float | None) -> None:
        """Put the cursor at a step of the current run."""
        self._step = step
        self._place_cursor()

    def content(self, form: str) -> bytes:
        """The plot as the content of a ``png``, ``svg`` or ``csv`` file; CSV holds what is drawn, smoothed as it is."""
        assert self.plot is not None
        if form == "csv":
            axis: Axis = self.controls.axis.currentData()
            curves = self.drawing.curves
            named = [(one.name, curves[one.key]) for one in self._shown if one.key in curves]
            return curves_csv(axis, self.controls.chosen.key, named).encode()
        return self.plot.svg() if form == "svg" else self.plot.png()

    def refresh(self) -> None:
        """Draw again: a history grew, or there are others to show."""
        drawing = comparison(self._shown, self._current, self.controls.options)
        some = any(len(points.x) for points in drawing.curves.values())
        text = self._why_empty(bool(drawing.bands) if self.controls.chosen.stacked else some)
        self.show_drawing(drawing, text)
        self.controls.save.setEnabled(self.plot is not None and not text)
        for widget in (self.reading, self.list):
            widget.setVisible(bool(self._series))
        self._place_cursor()

    def show_values(self) -> None:
        """Show the value of each run, or of each scale, under the mouse, else at the end."""
        if self.controls.chosen.stacked:
            self._show_scales()
        else:
            self._show_runs()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave most of the width to the plot."""
        super().resizeEvent(event)
        width = min(max(self.width() // 3, WIDTHS[0]), WIDTHS[1])
        if width != self.list.width():
            self.list.setFixedWidth(width)
            self.show_values()

    # Construction

    def _lay_out(self) -> None:
        column = vbox(self, spacing=SPACE // 2)
        column.addWidget(self.controls)
        row = hbox()
        row.addLayout(self.stack, 1)
        side = vbox(spacing=SPACE // 2)
        side.addWidget(self.reading)
        side.addWidget(self.list, 1)
        row.addLayout(side)
        column.addLayout(row, 1)

    # What changes

    @property
    def _shown(self) -> list[Series]:
        return [one for one in self._series if one.key not in self.list.hidden]

    def _why_empty(self, some: bool) -> str:
        """The text in place of the curves; empty when there are `some` to draw."""
        if not self._series:
            return self.empty_text
        if not any(len(one.history.steps) for one in self._series):
            return self.tr("No steps yet")
        if not self._shown:
            return self.tr("No curve is ticked")
        validated = any(len(one.history.validation_steps) for one in self._shown)
        if self.controls.chosen.at_validations and not validated:
            return self.tr("No validation yet")
        return "" if some else self.tr("{0}: no values yet").format(self.controls.quantity.currentText())

    def _on_options_changed(self) -> None:
        """Another quantity, axis or part is shown in full; smoothing alone keeps the zoom."""
        before, self._shown_options = self._shown_options, self.controls.options
        if replace(before, memory=0) != replace(self._shown_options, memory=0):
            self.follow()
        self.refresh()

    def _on_pointed(self, place: float | None) -> None:
        super()._on_pointed(place)
        current = next((one for one in self._series if one.key == self._current), None)
        if place is not None and current is not None:
            self.step_pointed.emit(step_at(current.history, place, self.controls.axis.currentData()))

    def _place_cursor(self) -> None:
        shown = next((one for one in self._shown if one.key == self._current), None)
        place = None
        if shown is not None and self._step is not None:
            place = place_of_step(shown.history, self._step, self.controls.axis.currentData())
        if self.plot is not None:
            self.plot.show_cursor(place)

    # The list at the right

    def _show_runs(self) -> None:
        quantity = self.controls.chosen
        entries, values = [], []
        for one in self._series:
            points = self.drawing.curves.get(one.key)
            text = self._no_value_text(quantity, one)
            if points is not None and len(points.x) and (self.pointed is None or self.pointed <= points.x[-1]):
                index = len(points.x) - 1 if self.pointed is None else nearest(points, self.pointed)
                text = f"{_number(float(points.y[index]), quantity.digits)} {quantity.unit}".rstrip()
            is_current = one.key == self._current and len(self._series) > 1
            entries.append(ListedCurve(one.name, one.colour, one.key, is_current))
            values.append(text)
        self.list.show_entries(entries, values)
        self.reading.setText(self._place_text())

    def _no_value_text(self, quantity: Quantity, one: Series) -> str:
        """Why a run has no value of a quantity at the place that is told."""
        points = self.drawing.curves.get(one.key)
        if points is not None and len(points.x):
            return self.tr("ended before")
        return self.tr("no validation yet") if quantity.at_validations else self.tr("no values yet")

    def _show_scales(self) -> None:
        """The part of each scale of the run that is drawn, the finest at the bottom, as in the plot."""
        shown = self._shown
        one = next((one for one in shown if one.key == self._current), None) or next(iter(shown), None)
        values: list[str] = []
        if one is not None:
            steps, layers = stack(one.history)
            index = len(steps) - 1
            if self.pointed is not None and len(steps):
                step = step_at(one.history, self.pointed, self.controls.axis.currentData())
                index = int(np.abs(np.asarray(steps) - step).argmin())
            tops = [0.0, *(float(layer[index]) for layer in layers)]
            values = [f"{top - bottom:.3f} bits/dim" for bottom, top in pairwise(tops)]
        entries = [ListedCurve(self.tr("Scale {0}").format(scale + 1), scale) for scale in range(len(values))]
        self.list.show_entries(entries[::-1], values[::-1])
        self.reading.setText(self.list.short(one.name) if one is not None else "")

    def _place_text(self) -> str:
        if self.pointed is None:
            return self.tr("At the end")
        axis = self.controls.axis.currentData()
        if axis == "steps":
            return self.tr("At step {0}").format(f"{max(0, self.pointed):,.0f}")
        if axis == "epochs":
            return self.tr("At epoch {0}").format(f"{self.pointed:.2f}")
        return self.tr("After {0} min").format(f"{self.pointed / 60:.1f}")


def _number(value: float, digits: int) -> str:
    if digits == 0:
        return f"{value:,.0f}"
    return f"{value:.{digits}f}" if abs(value) >= 1e-3 else f"{value:.3g}"
