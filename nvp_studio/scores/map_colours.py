"""The colours of maps of bits: from few to many, over the image."""

import numpy as np
import numpy.typing as npt

_RAMP = np.array([[0, 0, 4], [51, 16, 104], [136, 34, 106], [203, 65, 73], [249, 142, 9], [252, 255, 164]], np.float64)
"""Colours from few bits to many, each lighter than the one before, so that they differ in grey too."""
SLOPES = (-3.0, 1.0)
"""Powers of ten of nats per grey level that the darkest and the brightest colour stand for."""


def colours(values: npt.NDArray[np.float64], low: float, high: float) -> npt.NDArray[np.uint8]:
    """RGB (H, W, 3) of values (H, W): dark at `low` and below, bright at `high` and above."""
    place = np.clip((values - low) / max(high - low, 1e-12), 0, 1) * (len(_RAMP) - 1)
    below = np.minimum(place.astype(np.int64), len(_RAMP) - 2)
    share = (place - below)[..., np.newaxis]
    mixed: npt.NDArray[np.float64] = (1 - share) * _RAMP[below] + share * _RAMP[below + 1]
    return mixed.round().astype(np.uint8)


def overlay(
    image: npt.NDArray[np.uint8], values: npt.NDArray[np.float64], low: float, high: float
) -> npt.NDArray[np.uint8]:
    """The colours of values (H, W) over the grey image (H, W, C), which shows through by a quarter."""
    grey = image.mean(2, keepdims=True)
    mixed: npt.NDArray[np.float64] = 0.75 * colours(values, low, high) + 0.25 * grey
    return mixed.round().astype(np.uint8)
