"""How the numbers in files become the levels 0..255: every reader of pixels decides it here.

Array files must hold exactly 8-bit pixels in some form (`exact_levels`), because bits per dimension are defined for
those. Image files of other depths are rounded (`scaled_levels`, `rounded_levels`), and the notes of the image say so.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from nvp_studio.data.dataset import DataError, Images


def exact_levels(values: npt.NDArray[Any], name: str) -> tuple[Images, tuple[str, ...]]:
    """Return `values` of an array file as uint8 of the same shape, with a note of what was done.

    Bytes stay as they are. Other numbers must be whole in 0..255, or multiples of 1/255 in 0..1; false and true are 0
    and 255. Raises `DataError` for all others.
    """
    if values.dtype == np.uint8:
        return values, ()
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255), ("true and false to white and black",)
    if values.dtype.kind not in "iuf":
        raise DataError(f"{name} holds {values.dtype}, not pixels")
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= 255):  # also when there is a NaN
        raise DataError(f"{name} has values from {low} to {high}; pixels must be 0..255")
    if values.dtype.kind == "f" and high <= 1:
        levels = np.rint(values * 255).astype(np.uint8)
        if np.abs(values * 255 - levels).max() > 0.02:
            raise DataError(f"{name} is not 8-bit: its values in 0..1 are no multiples of 1/255")
        return levels, ("float 0..1 to 8-bit",)
    levels = values.astype(np.uint8)
    if not np.array_equal(levels, values):
        raise DataError(f"{name} is not 8-bit: its values in 0..255 are not whole numbers")
    return levels, (f"{values.dtype} to 8-bit",)


def scaled_levels(values: npt.NDArray[Any], white: int) -> Images:
    """Map whole numbers 0..`white` to 0..255, rounded to nearest."""
    return ((values.astype(np.uint32) * 255 + white // 2) // white).astype(np.uint8)


def rounded_levels(values: npt.NDArray[np.float64]) -> tuple[Images, tuple[str, ...]]:
    """Round numbers in 0..1 (where none is above 1) or in 0..255 to levels, with a note of which it was."""
    if values.max() <= 1:
        return np.rint(values * 255).astype(np.uint8), ("float 0..1 to 8-bit",)
    return np.rint(values).astype(np.uint8), ("float 0..255 to 8-bit",)
