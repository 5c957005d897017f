"""Ranges of axes that suit the curves of one run; plain arithmetic."""

import math

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]

_LEAST_SPAN = 0.05
"""Bits/dim; a flat curve is not blown up beyond this."""


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
