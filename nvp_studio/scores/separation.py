"""How well a score tells two groups apart: the area under the ROC curve, with a bootstrap interval."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Interval(NamedTuple):
    """An estimate with the interval that covers it in 95 % of cases."""

    value: float
    low: float
    high: float


def auroc(usual: Floats, unusual: Floats) -> float:
    """The probability that a score of `unusual` (m,) exceeds one of `usual` (n,), ties counting half."""
    usual = np.sort(usual)
    below = np.searchsorted(usual, unusual, side="left")
    up_to = np.searchsorted(usual, unusual, side="right")
    return float((below + up_to).mean() / (2 * len(usual)))


def auroc_interval(usual: Floats, unusual: Floats, rounds: int = 500, seed: int = 0) -> Interval:
    """`auroc` with the 2.5 % and 97.5 % points of `rounds` bootstrap samples, drawn with repetition."""
    generator = np.random.default_rng(seed)
    drawn = [auroc(generator.choice(usual, len(usual)), generator.choice(unusual, len(unusual))) for _ in range(rounds)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(auroc(usual, unusual), float(low), float(high))


def share_interval(count: int, total: int) -> Interval:
    """The share `count` of `total`, with Wilson's 95 % interval."""
    share, z = count / total, 1.959964
    centre = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * np.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return Interval(share, float(max(centre - half, 0.0)), float(min(centre + half, 1.0)))
