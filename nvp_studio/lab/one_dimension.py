"""Change of variables in one dimension: densities on the x axis, rising maps y = f(x), and the densities that they push
onto the y axis, p(y) = p(x) / f'(x) at x = f^-1(y). The same as p(x) = p(y) |dy/dx|.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Knot = tuple[float, float]
LEAST_STEP = 0.05
"""By how much x and y rise from a knot to the next one at least."""
_QUADRATURE_POINTS = 8001
_RANGE = 12.0
"""Beyond it no density here has a probability that counts."""


class NotRisingError(ValueError):
    """The points do not rise from left to right; its text says where, in plain words."""


@dataclass(frozen=True)
class Density:
    """A density on the x axis."""

    value: Callable[[Floats], Floats]
    """p(x), of any shape."""
    below: Callable[[float], float]
    """The probability of values up to x."""
    support: tuple[float, float] = (-math.inf, math.inf)
    """Where it is not zero."""


def _normal(x: Floats, mean: float, deviation: float) -> Floats:
    z = (x - mean) / deviation
    return np.asarray(np.exp(-0.5 * z * z) / (deviation * math.sqrt(2 * math.pi)))


def _normal_below(x: float, mean: float, deviation: float) -> float:
    return 0.5 * (1 + math.erf((x - mean) / (deviation * math.sqrt(2))))


_PEAKS = ((-1.2, 0.5), (1.2, 0.5))
_HALF = 2.0

DENSITIES = {
    "normal": Density(lambda x: _normal(x, 0.0, 1.0), lambda x: _normal_below(x, 0.0, 1.0)),
    "uniform": Density(
        lambda x: np.where(np.abs(x) <= _HALF, 1 / (2 * _HALF), 0.0),
        lambda x: min(max((x + _HALF) / (2 * _HALF), 0.0), 1.0),
        (-_HALF, _HALF),
    ),
    "two-peaks": Density(
        lambda x: np.asarray(sum(_normal(x, *peak) for peak in _PEAKS) / len(_PEAKS)),
        lambda x: sum(_normal_below(x, *peak) for peak in _PEAKS) / len(_PEAKS),
    ),
}
"""N(0, 1); uniform from -2 to 2; the mean of N(-1.2, 0.5^2) and N(1.2, 0.5^2)."""


class MonotoneMap:
    """y = f(x) through given knots, by rational-quadratic splines (Durkan et al. 2019, equations 4 to 8).

    The derivative at a knot is the harmonic mean of the slopes beside it, as in `flow/spline.py`; beyond the first and
    last knot the map is a straight line with the slope of the bin there.
    """

    def __init__(self, knots: Sequence[Knot]) -> None:
        """`knots` are two or more (x, y), from left to right; raises `NotRisingError` where they do not rise."""
        check_rising(knots)
        self.x, self.y = np.array(knots, np.float64).T
        self._slopes = np.diff(self.y) / np.diff(self.x)
        before, after = np.append(self._slopes[0], self._slopes), np.append(self._slopes, self._slopes[-1])
        self._derivatives = 2 * before * after / (before + after)

    def __call__(self, x: npt.ArrayLike) -> Floats:
        """f(x), of the shape of x."""
        x = np.asarray(x, np.float64)
        inside, k, xi = self._place(x)
        s, left, right = self._slopes[k], self._derivatives[k], self._derivatives[k + 1]
        height = self.y[k + 1] - self.y[k]
        rise = height * (s * xi**2 + left * xi * (1 - xi)) / (s + (left + right - 2 * s) * xi * (1 - xi))
        return np.asarray(self.y[k] + rise + (x - inside) * self.derivative(x))

    def derivative(self, x: npt.ArrayLike) -> Floats:
        """dy/dx, of the shape of x; greater than 0."""
        _, k, xi = self._place(np.asarray(x, np.float64))
        s, left, right = self._slopes[k], self._derivatives[k], self._derivatives[k + 1]
        over = s**2 * (right * xi**2 + 2 * s * xi * (1 - xi) + left * (1 - xi) ** 2)
        return np.asarray(over / (s + (left + right - 2 * s) * xi * (1 - xi)) ** 2)

    def inverse(self, y: npt.ArrayLike) -> Floats:
        """The x with f(x) = y, of the shape of y."""
        y = np.asarray(y, np.float64)
        inside = np.clip(y, self.y[0], self.y[-1])
        k = np.clip(np.searchsorted(self.y, inside, side="right") - 1, 0, len(self._slopes) - 1)
        s, left, right = self._slopes[k], self._derivatives[k], self._derivatives[k + 1]
        rise, height = inside - self.y[k], self.y[k + 1] - self.y[k]
        bend = left + right - 2 * s
        a, b, c = height * (s - left) + rise * bend, height * left - rise * bend, -s * rise
        xi = 2 * c / (-b - np.sqrt(np.maximum(b * b - 4 * a * c, 0.0)))
        x = self.x[k] + xi * (self.x[k + 1] - self.x[k])
        return np.asarray(x + (y - inside) / self.derivative(x))

    def _place(self, x: Floats) -> tuple[Floats, npt.NDArray[np.intp], Floats]:
        """x within the knots, its bin, and how far (0 to 1) it is in the bin."""
        inside = np.clip(x, self.x[0], self.x[-1])
        k = np.clip(np.searchsorted(self.x, inside, side="right") - 1, 0, len(self._slopes) - 1)
        return inside, k, (inside - self.x[k]) / (self.x[k + 1] - self.x[k])


def check_rising(knots: Sequence[Knot]) -> None:
    """Raise `NotRisingError` unless there are two knots or more, finite, each to the right of and above the last."""
    if len(knots) < 2:
        raise NotRisingError("A map needs two points at least.")
    if not np.isfinite(np.array(knots, np.float64)).all():
        raise NotRisingError("A point at infinity cannot be on the curve.")
    for (x0, y0), (x1, y1) in pairwise(knots):
        if x1 <= x0 or y1 <= y0:
            raise NotRisingError(
                f"The curve does not rise between x = {x0:.2f} and x = {x1:.2f}: a map that can be inverted must rise "
                "from left to right everywhere."
            )


def knots_of_curve(points: Sequence[Knot], count: int) -> tuple[Knot, ...]:
    """`count` knots, evenly spaced in x, on a curve drawn by hand from left to right.

    Raises `NotRisingError` for one that turns back or falls, or that is too short for so many knots.
    """
    if len(points) < 2 or abs(points[-1][0] - points[0][0]) < LEAST_STEP * (count - 1):
        raise NotRisingError("The curve is too short: draw it from the left to the right.")
    x, y = np.array(points, np.float64).T
    if (np.diff(x) < 0).any():
        raise NotRisingError("The curve turns back to the left: draw it from the left to the right.")
    keep = np.append(True, np.diff(x) > 0)
    places = np.linspace(x[0], x[-1], count)
    knots = tuple(zip(places.tolist(), np.interp(places, x[keep], y[keep]).tolist(), strict=True))
    check_rising(knots)
    falls = np.flatnonzero(np.diff(y) < 0)
    if falls.size:
        raise NotRisingError(
            f"The curve falls near x = {x[falls[0]]:.2f}: two values of x would have the same y, so that it could not "
            "be inverted."
        )
    return knots


def pushed_density(density: Density, bend: MonotoneMap, y: npt.ArrayLike) -> Floats:
    """p(y) of y = f(x) with x from `density`: p(x) / f'(x), of the shape of y."""
    x = bend.inverse(y)
    return density.value(x) / bend.derivative(x)


def probability(density: Density, low: float, high: float) -> float:
    """The probability of low <= x <= high, exactly."""
    return density.below(high) - density.below(low)


def pushed_probability(density: Density, bend: MonotoneMap, low: float, high: float) -> float:
    """The area below p(y) from `low` to `high`, added up numerically from the pushed density alone."""
    if math.isfinite(density.support[0]):
        low, high = max(low, float(bend(density.support[0]))), min(high, float(bend(density.support[1])))
    if high <= low:
        return 0.0
    # Evenly spaced in x, with the knots among them: p(y) changes fast where the map bends.
    ends = bend.inverse([low, high])
    knots = bend.x[(bend.x > ends[0]) & (bend.x < ends[1])]
    y = bend(np.union1d(np.linspace(ends[0], ends[1], _QUADRATURE_POINTS), knots))
    # The ends of a support belong to it, whatever rounding makes of their inverse.
    x = np.clip(bend.inverse(y), *density.support)
    p = density.value(x) / bend.derivative(x)
    return float(np.sum((p[1:] + p[:-1]) * np.diff(y)) / 2)


def divergence_from_normal(density: Density, bend: MonotoneMap) -> float:
    """KL(p(y) || N(0, 1)) of y = f(x) in nats: the mean of log p(x) - log f'(x) - log N(f(x); 0, 1), numerically."""
    low, high = max(density.support[0], -_RANGE), min(density.support[1], _RANGE)
    knots = bend.x[(bend.x > low) & (bend.x < high)]
    x = np.union1d(np.linspace(low, high, _QUADRATURE_POINTS), knots)
    p, y = density.value(x), bend(x)
    log_prior = -0.5 * y * y - 0.5 * math.log(2 * math.pi)
    terms = p * (np.log(np.maximum(p, 1e-300)) - np.log(bend.derivative(x)) - log_prior)
    return float(np.sum((terms[1:] + terms[:-1]) * np.diff(x)) / 2)


def knots_to_normal(density: Density, heights: Sequence[float]) -> tuple[Knot, ...]:
    """Knots at these y, from low to high, of the map that makes N(0, 1) of a density: x is its quantile of Phi(y)."""
    return tuple((_quantile(density, NormalDist().cdf(y)), y) for y in heights)


def _quantile(density: Density, share: float) -> float:
    """The x below which is this share of the probability, by bisection."""
    low, high = -_RANGE, _RANGE
    for _ in range(60):
        middle = (low + high) / 2
        if density.below(middle) < share:
            low = middle
        else:
            high = middle
    return (low + high) / 2
