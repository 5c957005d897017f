"""What a curve of many points is reduced to before it is drawn, and the axes that suit it; plain arithmetic."""

import math
from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Reduce = Callable[[Numbers, Numbers, int], tuple[Numbers, Numbers]]
"""`extremes` or `means`."""

_LEAST_SPAN = 0.05
"""Bits/dim; a flat curve is not blown up beyond this."""


def visible(x: Numbers, low: float, high: float) -> slice:
    """The part of sorted `x` between `low` and `high`, with one neighbour on each side."""
    first = max(0, int(np.searchsorted(x, low)) - 1)
    last = min(len(x), int(np.searchsorted(x, high, side="right")) + 1)
    return slice(first, max(first, last))


def extremes(x: Numbers, y: Numbers, bins: int) -> tuple[Numbers, Numbers]:
    """At most two points for each of `bins` equal groups: the least and the greatest y, in the order they come."""
    if len(x) <= 2 * bins:
        return x, y
    size = -(-len(x) // bins)
    whole = len(x) // size * size
    groups = y[:whole].reshape(-1, size)
    starts = np.arange(0, whole, size)
    pairs = np.sort(np.stack([groups.argmin(1), groups.argmax(1)], axis=1), axis=1) + starts[:, None]
    picked = pairs.reshape(-1)
    if whole < len(x):
        rest = y[whole:]
        picked = np.concatenate([picked, whole + np.sort([int(rest.argmin()), int(rest.argmax())])])
    return x[picked], y[picked]


def means(x: Numbers, y: Numbers, bins: int) -> tuple[Numbers, Numbers]:
    """At most `bins` + 1 points: the mean of each of equal groups, and the last point as it is."""
    if len(x) <= bins:
        return x, y
    size = -(-len(x) // bins)
    whole = len(x) // size * size
    mean_x, mean_y = x[:whole].reshape(-1, size).mean(1), y[:whole].reshape(-1, size).mean(1)
    return np.append(mean_x, x[-1]), np.append(mean_y, y[-1])


def joined(
    x: Numbers, y: Numbers, segments: Iterable[slice], limits: tuple[float, float], reduce: Reduce, bins: int
) -> tuple[Numbers, Numbers]:
    """What is visible of each segment, reduced on its own, with a gap (not a number) after each."""
    xs: list[Numbers] = [np.empty(0)]
    ys: list[Numbers] = [np.empty(0)]
    gap = np.array([np.nan])
    for segment in segments:
        part_x, part_y = x[segment], y[segment]
        seen = visible(part_x, *limits)
        few_x, few_y = reduce(part_x[seen], part_y[seen], bins)
        xs += [few_x, gap]
        ys += [few_y, gap]
    return np.concatenate(xs), np.concatenate(ys)


def fitting_bits(train: Numbers, smoothed: Numbers, validation: Numbers) -> tuple[float, float]:
    """A range of bits/dim that shows where the curves are now and how they got there.

    The first steps may lie far above all others; a tenth of the steps may therefore leave the range at the top. Ends
    are round numbers, so that the range changes seldom while a curve grows.
    """
    if not len(smoothed):
        return 0.0, 8.0
    low = float(min(smoothed.min(), np.quantile(train, 0.02)))
    high = float(max(np.quantile(smoothed, 0.9), smoothed[-1]))
    if len(validation):
        low = min(low, float(validation.min()))
        if validation[-1] < high + 1.5 * (high - low) + _LEAST_SPAN:
            high = max(high, float(validation[-1]))
    middle, span = (low + high) / 2, max(_LEAST_SPAN, 1.1 * (high - low))
    step = _round_step(span / 5)
    return math.floor((middle - span / 2) / step) * step, math.ceil((middle + span / 2) / step) * step


def fitting_steps(step: float, total: int | None) -> float:
    """The end of an axis of steps: ahead of `step` by a little, and the run's end when that is near."""
    if total is not None and step > 0.4 * total:
        return float(total)
    wanted = max(20.0, 1.1 * step)
    scale = 10.0 ** math.floor(math.log10(wanted))
    end = next(factor * scale for factor in (1, 1.5, 2, 3, 4, 5, 7.5, 10) if factor * scale >= wanted)
    return float(end if total is None else min(end, total))


def _round_step(step: float) -> float:
    scale = 10.0 ** math.floor(math.log10(step))
    return scale * next(factor for factor in (1.0, 2.0, 5.0, 10.0) if factor * scale >= step * 0.999)
