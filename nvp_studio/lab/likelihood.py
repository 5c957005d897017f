"""The likelihood of points under a Gaussian: L(mu, sigma; x1 ... xn), the product of N(xi; mu, sigma^2)."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Fit(NamedTuple):
    """Where the likelihood is largest."""

    mu: float
    """The mean of the points."""
    sigma: float
    """The root of their mean squared distance from it (divided by n, not n - 1)."""
    log_likelihood: float
    """In nats."""


def log_likelihood(points: Sequence[float], mu: npt.ArrayLike, sigma: npt.ArrayLike) -> Floats:
    """log L in nats: -n/2 log(2 pi) - n log sigma - sum (xi - mu)^2 / (2 sigma^2), of the shape of mu and sigma.

    0 for no points, of which every Gaussian is equally likely.
    """
    mu, sigma = np.asarray(mu, np.float64), np.asarray(sigma, np.float64)
    n, x = len(points), np.array(points, np.float64)
    mean = x.mean() if n else 0.0
    squares = ((x - mean) ** 2).sum() + n * (mu - mean) ** 2
    return np.asarray(-0.5 * n * math.log(2 * math.pi) - n * np.log(sigma) - squares / (2 * sigma**2))


def largest(points: Sequence[float]) -> Fit | None:
    """The maximum; None where there is none: without points, and where all are equal, as it grows with sigma -> 0."""
    if not points or max(points) == min(points):
        return None
    x = np.array(points, np.float64)
    mu, sigma = float(x.mean()), float(x.std())
    if sigma == 0:  # so close together that their distance is lost in rounding
        return None
    return Fit(mu, sigma, float(log_likelihood(points, mu, sigma)))
