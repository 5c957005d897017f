"""What a plot of learning curves shows, as plain data: for one run (`run_drawing`) and for several (`comparison`)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np
from PySide6.QtCore import QCoreApplication

from nvp_studio.runs.curves import (
    QUANTITIES,
    Curve,
    axis_limits,
    can_be_log,
    curve,
    last_points,
    place_of_step,
    smooth_curve,
    stack,
    value_range,
    without_outliers,
)
from nvp_studio.runs.history import Numbers, RunHistory
from nvp_studio.runs.names import Axis
from nvp_studio.text import number_text
from nvp_studio.training.changes import Restart, RunChange, StopChange
from nvp_studio.views.numbers import round_step
from nvp_studio.views.widgets.series import Series

_tr = partial(QCoreApplication.translate, "Curves")

Style = Literal["thin", "faint", "bold", "dots", "ring"]
"""`thin`: as it is; `faint`: behind a smoothed curve; `bold`: smoothed; `dots`, `ring`: marks without a line."""
Range = tuple[float, float]

_MARGIN = 0.04
"""Empty part of each axis, at both ends together."""
_RIGHT_MARGIN = 1.015
"""The same for a run of known length, so that a mark on its last step is whole."""
_MAX_DOTS = 400
"""Of a curve with more validations the line alone is drawn."""
_FEW = 3
"""Up to so many validations are all looked at for the range, as there is no curve of them yet."""
_MIN_SPAN = 0.05
"""Bits/dim; a flat curve is not blown up beyond this."""
_LONG_SECONDS = 3 * 3600
"""From here on a time axis counts hours."""


@dataclass(frozen=True)
class Trace:
    """One curve, or marks at its points."""

    points: Curve
    colour: str | int
    """A field of `Colors`, or the number of a series."""
    style: Style


@dataclass(frozen=True)
class Band:
    """A filled area between two lines; `colour` is the number of a series."""

    x: Numbers
    lower: Numbers
    upper: Numbers
    colour: int


@dataclass(frozen=True)
class Drawing:
    """Everything that a plot shows."""

    traces: Sequence[Trace] = ()
    bands: Sequence[Band] = ()
    marks: Sequence[tuple[float, str]] = ()
    """Vertical lines with a text: where something was changed."""
    limits: tuple[Range, Range] | None = None
    """Ranges of x and y that show all of it; y as logarithm to base 10 if `log`."""
    log: bool = False
    labels: tuple[str, str] | None = None
    """Of the bottom and the left axis."""
    x_scale: float = 1.0
    """Factor from x to the numbers at the bottom axis."""
    curves: dict[str, Curve] = field(default_factory=dict)
    """The main curve of each run by its key: smoothed and cut according to the options."""


@dataclass(frozen=True)
class PlotOptions:
    """What to compare and how."""

    quantity: str = "validation"
    axis: Axis = "steps"
    memory: float = 50.0
    """Points that a smoothed curve remembers; 0 for none."""
    log: bool = False
    clip: bool = True
    """Leave outliers out of the range."""
    part: float = 1.0
    """The last part of the axis that is shown, 0 to 1."""
    label: str = ""
    """Of the left axis."""


def run_drawing(history: RunHistory, total_steps: int | None) -> Drawing:
    """Training bits/dim of one run by step, raw and smoothed, with validations as dots and a ring around the best."""
    train, validation = curve(history, QUANTITIES["train"]), curve(history, QUANTITIES["validation"])
    smoothed = Curve(train.x, history.smoothed.values, train.breaks)
    best = history.best
    ring = Curve(np.array([best[0]], float), np.array([best[1]])) if best else Curve(np.empty(0), np.empty(0))
    last = float(train.x[-1]) if len(train.x) else 0.0
    return Drawing(
        traces=(
            Trace(train, "plot_raw", "thin"),
            Trace(smoothed, "accent", "bold"),
            Trace(validation, "text", "dots"),
            Trace(ring, "success", "ring"),
        ),
        limits=(
            (0.0, _RIGHT_MARGIN * fitting_steps(last, total_steps)),
            fitting_bits(train.y, smoothed.y, validation.y),
        ),
    )


def comparison(series: Sequence[Series], current: str, options: PlotOptions) -> Drawing:
    """One quantity of several runs. Layers and marks are those of the run with the key `current`."""
    quantity = QUANTITIES[options.quantity]
    raw = {one.key: last_points(curve(one.history, quantity, options.axis), options.part) for one in series}
    log = options.log and not quantity.stacked and can_be_log(points.y for points in raw.values())
    memory = options.memory if quantity.noisy else 0.0
    curves = {
        key: smooth_curve(without_outliers(points) if options.clip and memory > 1 else points, memory)
        for key, points in raw.items()
    }
    one = next((one for one in series if one.key == current), None)
    bands: list[Band] = []
    traces: list[Trace] = []
    marks: list[tuple[float, str]] = []
    if quantity.stacked:
        bands = _bands(one or next(iter(series), None), options.axis)
        values = [band.upper for band in bands]
        values += [np.zeros(1)] if bands else []
    else:
        for item in series:
            traces += _traces(item.colour, raw[item.key], curves[item.key], memory > 1, quantity.at_validations)
        values = [points.y for points in (curves if options.clip else raw).values()]
        if one is not None:
            marks = [
                (place_of_step(one.history, change.step, options.axis), _change_text(change))
                for change in one.history.changes
            ]
    last = max((float(points.x[-1]) for points in raw.values() if len(points.x)), default=0.0)
    label, scale = _x_axis(options.axis, last)
    clip = options.clip and not quantity.stacked
    limits = _limits(axis_limits(list(raw.values())), value_range(values, clip=clip), log=log, whole=options.part >= 1)
    return Drawing(traces, bands, marks, limits, log, (label, options.label), scale, curves)


def fitting_bits(train: Numbers, smoothed: Numbers, validation: Numbers) -> tuple[float, float]:
    """A range of bits/dim that shows where the curves are now and how they got there.

    The first steps may lie far above all others; a tenth of the steps may therefore leave the range at the top. The
    lowest validation is always within, and the last one unless it is far off. Ends are round numbers, so that the range
    changes seldom while a curve grows.
    """
    if not len(smoothed):
        return 0.0, 8.0
    low = float(min(smoothed.min(), np.quantile(train, 0.02)))
    high = float(max(np.quantile(smoothed, 0.9), smoothed[-1]))
    if len(validation):
        low, high = min(low, float(validation.min())), max(high, float(validation.min()))
        latest = validation[-_FEW:] if len(validation) <= _FEW else validation[-1:]
        near = latest[latest < high + 1.5 * (high - low) + _MIN_SPAN]
        high = max(high, float(near.max(initial=high)))
    middle, span = (low + high) / 2, max(_MIN_SPAN, 1.1 * (high - low))
    step = round_step(span / 5)
    return math.floor((middle - span / 2) / step) * step, math.ceil((middle + span / 2) / step) * step


def fitting_steps(step: float, total: int | None) -> float:
    """The end of an axis of steps: ahead of `step` by a little, and the run's end when that is near."""
    if total is not None and step > 0.4 * total:
        return float(total)
    wanted = max(20.0, 1.1 * step)
    scale = 10.0 ** math.floor(math.log10(wanted))
    end = next(factor * scale for factor in (1, 1.5, 2, 3, 4, 5, 7.5, 10) if factor * scale >= wanted)
    return float(end if total is None else min(end, total))


def _traces(colour: int, raw: Curve, smoothed: Curve, is_smoothed: bool, at_validations: bool) -> list[Trace]:
    if at_validations:
        line = Trace(smoothed, colour, "bold")
        return [line, Trace(raw, colour, "dots")] if len(raw.x) <= _MAX_DOTS else [line]
    if is_smoothed:
        return [Trace(raw, colour, "faint"), Trace(smoothed, colour, "bold")]
    return [Trace(raw, colour, "thin")]


def _bands(one: Series | None, axis: Axis) -> list[Band]:
    """Layers of the scales of a run, the finest at the bottom."""
    if one is None:
        return []
    steps, layers = stack(one.history)
    x = np.array([place_of_step(one.history, step, axis) for step in steps])
    bottoms = [np.zeros(len(x)), *layers]
    return [Band(x, bottom, layer, scale) for scale, (bottom, layer) in enumerate(zip(bottoms, layers, strict=False))]


def _limits(x: Range | None, y: Range | None, *, log: bool, whole: bool) -> tuple[Range, Range] | None:
    if x is None or y is None:
        return None
    low, high = (float(np.log10(value)) for value in y) if log else y
    left = 0.0 if whole else x[0]
    margin = _MARGIN * (high - low)
    return (left, x[1] + _MARGIN / 2 * (x[1] - left)), (low - margin, high + margin)


def _x_axis(axis: Axis, last: float) -> tuple[str, float]:
    """Label of the bottom axis and factor to its numbers; times, of which `last` is the latest, decide their unit."""
    if axis == "seconds":
        return (_tr("hours of training"), 1 / 3600) if last >= _LONG_SECONDS else (_tr("minutes of training"), 1 / 60)
    return (_tr("step") if axis == "steps" else _tr("epoch")), 1.0


def _change_text(change: RunChange) -> str:
    if isinstance(change, Restart):
        return _tr("resumed")
    if isinstance(change, StopChange):
        return _tr("stop rules")
    return _tr("rate {0}").format(number_text(change.learning_rate))
