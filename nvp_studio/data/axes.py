"""The meaning of an array's axes: told from its shape and from where neighbouring numbers differ most.

Neighbours along height and width are alike, and so are channels. Along the axis that counts images they are not: the
mean difference is about the standard deviation there, and a third of it or less along the others.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from nvp_studio.data.dataset import DataError
from nvp_studio.data.reading import Reading, Suspicion

Numbers = npt.NDArray[Any]

CHANNELS = (1, 2, 3, 4)
"""Grey, grey with alpha, colour, colour with alpha."""
_LOOKED_AT = 64
"""Numbers along each axis, from its middle, by which it is told what counts images."""
_ROUGHER = 1.8
"""The axis that counts is so many times as rough as others."""
_ROUGH = 0.5
"""Least roughness of the axis that counts; frames of a film, which resemble each other, are below."""
_MIN_FLAT = 64
"""Least length of rows that are taken for flattened images."""
_SMALLEST_PICTURE = 8


def choose_axes(values: Numbers, reading: Reading, name: str) -> tuple[str, list[Suspicion]]:
    """Return the order of the axes of `values`, letters as in `Reading.axes` or "flat", with the doubts about it.

    Raises `DataError` where the array is one picture or cannot be images.
    """
    if 0 in values.shape:
        raise DataError(f"{name} has shape {values.shape}: there is nothing in it")
    if reading.axes not in ("", "N"):
        return _given(values, reading.axes, name), []
    if values.ndim == 4:
        return _of_four(values, reading.axes == "N", name)
    if reading.axes == "N" and values.ndim in (2, 3):
        return _given(values, "flat" if values.ndim == 2 else "NHW", name), []
    if values.ndim == 3:
        return _of_three(values, name)
    if values.ndim == 2:
        return _of_two(values, name)
    raise _no_images(values, name)


def to_nhwc(values: Numbers, order: str) -> Numbers:
    """Return a view of `values`, whose axes have this order, as (N, H, W, C)."""
    if order == "flat":
        return _unflattened(values)
    if "C" not in order:
        values, order = values[..., None], order + "C"
    return values.transpose([order.index(axis) for axis in "NHWC"])


def _given(values: Numbers, order: str, name: str) -> str:
    """`order`, when an array of this shape may have it."""
    if order == "flat":
        fits = values.ndim == 2 and _flat_shape(values.shape[1]) is not None
    else:
        fits = len(order) == values.ndim and ("C" not in order or values.shape[order.index("C")] in CHANNELS)
    if not fits:
        raise DataError(f"{name} has shape {values.shape}, which cannot be read as --axes {order}")
    return order


def _of_four(values: Numbers, count_first: bool, name: str) -> tuple[str, list[Suspicion]]:
    places = [place for place in ((3, 1) if count_first else (3, 1, 2, 0)) if values.shape[place] in CHANNELS]
    if not places:
        raise _no_images(values, name)
    order = {3: "NHWC", 1: "NCHW", 2: "HWCN", 0: "CHWN"}[places[0]]
    if places[:2] == [3, 1] and values.shape[1] in (3, 4) and values.shape[2] > 4:
        return order, [_doubt(values, order, "NCHW")]
    return order, []


def _of_three(values: Numbers, name: str) -> tuple[str, list[Suspicion]]:
    first, second, third = values.shape
    counting = _counting_axis(values)
    if counting != 0 and (
        (third in (3, 4) and min(first, second) > _SMALLEST_PICTURE)
        or (first in (3, 4) and min(second, third) > _SMALLEST_PICTURE)
    ):
        raise _one_picture(values, "NHW", f"{first} images of {third}x{second}", name)
    if counting == 2 and not second == third != first:
        return "HWN", []
    if counting == 0:
        return "NHW", [_doubt(values, "NHW", "HWN")] if first == second != third else []
    if first == second != third:
        return "HWN", [_doubt(values, "HWN", "NHW")]
    return "NHW", [] if second == third != first and counting is None else [_doubt(values, "NHW", "HWN")]


def _of_two(values: Numbers, name: str) -> tuple[str, list[Suspicion]]:
    count, length = values.shape
    shape = _flat_shape(length)
    if shape is None or length < _MIN_FLAT or count == length:
        raise _one_picture(values, "", "", name)
    if _roughness(values)[0] < _ROUGH:
        raise _one_picture(values, "flat", f"{count} images of {shape[1]}x{shape[0]}, each in a row", name)
    return "flat", []


def _counting_axis(values: Numbers) -> int | None:
    """Which of the first and the last axis counts the images, None where that cannot be told."""
    roughness = _roughness(values)
    first, last = roughness[0], roughness[-1]
    if max(first, last) < max(_ROUGH, _ROUGHER * min(first, last)):
        return None
    return 0 if first > last else values.ndim - 1


def _roughness(values: Numbers) -> list[float]:
    """The mean difference of neighbours along each axis, in standard deviations."""
    middle = tuple(slice(start := max(0, (size - _LOOKED_AT) // 2), start + _LOOKED_AT) for size in values.shape)
    part = np.nan_to_num(values[middle].astype(np.float64), posinf=0, neginf=0)
    deviation = part.std() or 1.0
    return [
        float(np.abs(np.diff(part, axis=axis)).mean() / deviation) if part.shape[axis] > 1 else 0.0
        for axis in range(part.ndim)
    ]


def _flat_shape(length: int) -> tuple[int, int, int] | None:
    """Height, width and channels of a square image of so many numbers, grey or in colour; None where there is none."""
    for channels in (1, 3):
        side = math.isqrt(length // channels)
        if side and side * side * channels == length:
            return side, side, channels
    return None


def _unflattened(values: Numbers) -> Numbers:
    """Rows as images; those in colour hold it pixel by pixel or one channel after the other, whichever is smoother."""
    shape = _flat_shape(values.shape[1])
    if shape is None:
        raise ValueError(f"rows of {values.shape[1]} numbers are no square images")
    height, width, channels = shape
    by_pixel = values.reshape(len(values), height, width, channels)
    by_channel = values.reshape(len(values), channels, height, width).transpose(0, 2, 3, 1)
    if channels == 1 or _across(by_pixel) < _across(by_channel):
        return by_pixel
    return by_channel


def _across(images: Numbers) -> float:
    """The mean difference of neighbours along the width of some images (N, H, W, C)."""
    return float(np.abs(np.diff(images[:_LOOKED_AT].astype(np.float64), axis=2)).mean())


# Words


def _doubt(values: Numbers, order: str, other: str) -> Suspicion:
    words = f"shape {values.shape} read as {order}, {_counted(values, order)}; it may be {_counted(values, other)}"
    return Suspicion(kind="axes", words=words, option=("--axes", other), serious=True)


def _counted(values: Numbers, order: str) -> str:
    count, height, width = (values.shape[order.index(axis)] for axis in "NHW")
    return f"{count} images of {width}x{height}"


def _one_picture(values: Numbers, axes: str, otherwise: str, name: str) -> DataError:
    hint = f"; give --axes {axes} if these are {otherwise}" if axes else ""
    return DataError(f"{name}, of shape {values.shape}, is one picture; at least two images are needed{hint}")


def _no_images(values: Numbers, name: str) -> DataError:
    return DataError(
        f"{name} has shape {values.shape}; images are (N, H, W), (N, H, W, C) or (N, C, H, W) with 1 to 4 channels, "
        "those with N last, or (N, H*W)"
    )
