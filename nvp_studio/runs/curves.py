"""What can be drawn of a run and how: quantities, axes, smoothing, clipping, segments; plain arithmetic on arrays."""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from nvp_studio.csv_file import csv_cell, csv_text
from nvp_studio.runs.history import Column, Numbers, RunHistory
from nvp_studio.runs.names import Axis

_RATE_STEPS = 20
"""Images/s are taken over this many steps."""
_MIN_MEMORY = 1.0
_MAX_MEMORY_FRACTION = 0.25
"""The memory of a smoothed curve is at most this fraction of its points; with more it would lag behind the run."""
_TAIL = 0.01
_CLIP_MARGIN = 1.5
_MIN_CLIPPED = 5
"""Of fewer values none is an outlier; of more, one at either end may be, as among twelve validations."""


@dataclass(frozen=True)
class Curve:
    """Points of one quantity; x grows within a segment. `breaks` are places where a segment begins."""

    x: Numbers
    y: Numbers
    breaks: tuple[int, ...] = ()

    def segments(self) -> list[slice]:
        """The ranges of points between breaks, each to be drawn on its own."""
        places = [0, *self.breaks, len(self.x)]
        return [slice(first, last) for first, last in itertools.pairwise(places) if last > first]


@dataclass(frozen=True)
class Quantity:
    """A quantity that is measured at each step of a run, or at each validation."""

    key: str
    unit: str
    at_validations: bool
    """Few points, which are marked."""
    values: Callable[[RunHistory], Numbers]
    stacked: bool = False
    """Layers that add up; drawn by `stack`."""
    digits: int = 3
    noisy: bool = False
    """Whether the values scatter from step to step, so that smoothing shows more of them than it hides."""


_QUANTITIES = (
    Quantity("train", "bits/dim", False, lambda history: history.train.values, noisy=True),
    Quantity("validation", "bits/dim", True, lambda history: history.validation.values),
    Quantity(
        "images_per_second",
        "images/s",
        False,
        lambda history: rates(history.seconds.values, history.images.values),
        digits=0,
        noisy=True,
    ),
    Quantity("learning_rate", "", False, lambda history: history.learning_rate.values, digits=6),
    Quantity("gradient_norm", "", False, lambda history: history.gradient_norm.values, noisy=True),
    Quantity("scale_bits", "bits/dim", True, lambda history: history.validation.values, stacked=True),
    Quantity("inverse_error", "", True, lambda history: history.inverse_error.values, digits=8),
    Quantity("noise_inverse_error", "", True, lambda history: history.noise_inverse_error.values, digits=8),
)
QUANTITIES = {quantity.key: quantity for quantity in _QUANTITIES}


def rates(seconds: Numbers, images: Numbers) -> Numbers:
    """Images/s at each step, over the steps up to it; NaN where no time has passed, as at the first."""
    count = len(seconds)
    before = np.maximum(0, np.arange(count) - _RATE_STEPS)
    elapsed = seconds - seconds[before] if count else seconds
    done = images - images[before] if count else images
    with np.errstate(divide="ignore", invalid="ignore"):
        per_second: Numbers = np.where(elapsed > 0, done / elapsed, np.nan)
    return per_second


def curve(history: RunHistory, quantity: Quantity, axis: Axis = "steps") -> Curve:
    """The points of `quantity` that are numbers, by `axis`, cut into the run's segments."""
    x, y = axis_values(history, axis, at_validations=quantity.at_validations), quantity.values(history)
    steps = (history.validation_steps if quantity.at_validations else history.steps).values
    finite = np.isfinite(y)
    if not finite.all():
        x, y, steps = x[finite], y[finite], steps[finite]
    places = np.searchsorted(steps, history.breaks, side="right")
    return Curve(x, y, tuple(sorted({int(place) for place in places if 0 < place < len(x)})))


def axis_values(history: RunHistory, axis: Axis, *, at_validations: bool) -> Numbers:
    """The position of each step or validation on `axis`."""
    column: Column = getattr(history, f"validation_{axis}" if at_validations else axis)
    return column.values


def place_of_step(history: RunHistory, step: float, axis: Axis) -> float:
    """The position of `step` on `axis`, interpolated between the points that are known; 0 before any."""
    if axis == "steps":
        return float(step)
    if not len(history.steps):
        return 0.0
    return float(np.interp(step, history.steps.values, axis_values(history, axis, at_validations=False)))


def step_at(history: RunHistory, place: float, axis: Axis) -> float:
    """The step at `place` on `axis`: the inverse of `place_of_step`."""
    if axis == "steps":
        return float(place)
    if not len(history.steps):
        return 0.0
    return float(np.interp(place, axis_values(history, axis, at_validations=False), history.steps.values))


def stack(history: RunHistory) -> tuple[Numbers, list[Numbers]]:
    """Validation steps, and the running sums of the scales' bits/dim, the finest at the bottom: the top is the score.

    Validations of which the scales are not known are left out.
    """
    count = max(map(len, history.scale_bits), default=0)
    known = [place for place, bits in enumerate(history.scale_bits) if count and len(bits) == count]
    if not known:
        return np.empty(0), []
    layers = np.cumsum(np.array([history.scale_bits[place] for place in known]), axis=1)
    return history.validation_steps.values[known], [layers[:, scale] for scale in range(count)]


def smooth(values: Numbers, memory: float) -> Numbers:
    """Exponential average whose weights fall by a factor e in about `memory` points, corrected for its start.

    The first value is the first point's own, and a constant stays what it is. A memory of 1 or less changes nothing;
    one of more than a quarter of all points is cut to that.
    """
    memory = min(memory, _MAX_MEMORY_FRACTION * len(values))
    if memory <= _MIN_MEMORY or not len(values):
        return values
    keep = 1.0 - 1.0 / memory
    smoothed = np.empty(len(values))
    block = max(16, int(8 * memory))  # within a block the powers of `keep` stay far from underflow
    powers = keep ** np.arange(1, block + 1)
    carried = 0.0
    for first in range(0, len(values), block):
        part = values[first : first + block]
        scale = powers[: len(part)]
        smoothed[first : first + block] = scale * (carried + (1.0 - keep) * np.cumsum(part / scale))
        carried = float(smoothed[min(first + block, len(values)) - 1])
    weights: Numbers = -np.expm1(np.log(keep) * np.arange(1, len(values) + 1))
    return smoothed / weights


def smooth_curve(points: Curve, memory: float) -> Curve:
    """The curve with each segment smoothed on its own, so that none depends on the points of another segment."""
    parts = [smooth(points.y[part], memory) for part in points.segments()]
    return Curve(points.x, np.concatenate(parts) if parts else points.y, points.breaks)


def without_outliers(points: Curve) -> Curve:
    """The curve with what lies far outside the middle 98 % of its values brought to the bounds of the others."""
    if not len(points.y):
        return points
    return Curve(points.x, np.clip(points.y, *_common_range(points.y)), points.breaks)


def last_points(points: Curve, fraction: float) -> Curve:
    """The end of a curve: its last `fraction` of the axis, 0 to 1."""
    if fraction >= 1 or not len(points.x):
        return points
    low, high = float(points.x[0]), float(points.x[-1])
    first = int(np.searchsorted(points.x, high - fraction * (high - low)))
    breaks = tuple(place - first for place in points.breaks if place > first)
    return Curve(points.x[first:], points.y[first:], breaks)


def can_be_log(values: Iterable[Numbers]) -> bool:
    """Whether a logarithmic axis shows all of it: there are values, and every one is positive."""
    some = [part for part in values if len(part)]
    return bool(some) and all(float(part.min()) > 0 for part in some)


def value_range(values: Sequence[Numbers], *, clip: bool) -> tuple[float, float] | None:
    """The range of all values; with `clip`, without outliers: what lies far outside the middle 98 % of each curve.

    A range without extent is widened a little. None when there are no values.
    """
    some = [part for part in values if len(part)]
    if not some:
        return None
    ranges = [_common_range(part) if clip else (float(part.min()), float(part.max())) for part in some]
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    if high - low < 1e-12 * max(abs(low), abs(high), 1e-300):
        spread = 0.05 * abs(high) or 1.0
        return low - spread, high + spread
    return low, high


def _common_range(values: Numbers) -> tuple[float, float]:
    ordered = np.sort(values)
    left_out = math.ceil(_TAIL * len(values)) if len(values) >= _MIN_CLIPPED else 0
    low, high = float(ordered[left_out]), float(ordered[-1 - left_out])
    margin = _CLIP_MARGIN * (high - low) / 2
    least, most = float(values.min()), float(values.max())
    return max(least, low - margin), min(most, high + margin)


def nearest(points: Curve, place: float) -> int | None:
    """Which point of the curve is closest to `place` on the axis; None when there are none."""
    right = int(np.searchsorted(points.x, place))
    beside = range(max(0, right - 1), min(right + 1, len(points.x)))
    return min(beside, key=lambda index: abs(float(points.x[index]) - place), default=None)


def curves_csv(axis: Axis, quantity: str, named: Sequence[tuple[str, Curve]]) -> str:
    """Curves as CSV text in long form: a line for each point of each run."""
    rows = (
        (csv_cell(name), number, f"{x:.10g}", f"{y:.10g}")
        for name, points in named
        for number, part in enumerate(points.segments(), 1)
        for x, y in zip(points.x[part], points.y[part], strict=True)
    )
    return csv_text(("run", "segment", axis, quantity), rows)


def axis_limits(curves: Sequence[Curve]) -> tuple[float, float] | None:
    """The least and the greatest place on the axis; None when there are no points."""
    some = [points for points in curves if len(points.x)]
    if not some:
        return None
    low, high = min(float(points.x[0]) for points in some), max(float(points.x[-1]) for points in some)
    return (low, high) if high > low else (low, low + max(1.0, math.ulp(low)))
