"""Bringing uint8 pixels to a model's shape: centre crop, resizing by area, grey to colour and back."""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from nvp_studio.data.dataset import Images

_SMALL_SIZE = 100_000
"""Up to this many values in an image, running sums are faster than one row after the other."""


def fit(pixels: Images, image_shape: tuple[int, int, int]) -> tuple[Images, tuple[str, ...]]:
    """Crop and resize one image `(H, W, C)` to `image_shape` (C, H, W); return it with a note of each conversion.

    The image is cropped around its centre to the aspect, then made smaller by averaging areas or larger by bilinear
    interpolation, then turned to grey or colour. What already fits is returned as it is, the same array.
    """
    channels, height, width = image_shape
    size = f"{pixels.shape[1]}x{pixels.shape[0]}"
    notes = []
    if pixels.shape[:2] != (height, width):
        cropped = crop_to_aspect(pixels, height, width)
        was_cropped = cropped.shape != pixels.shape
        if cropped.shape[:2] == (height, width):
            notes.append(f"centre-cropped from {size}")
            pixels = np.ascontiguousarray(cropped)
        else:
            enlarging = cropped.shape[0] < height or cropped.shape[1] < width
            notes.append(f"enlarged from {size}" if enlarging else f"resized from {size}")
            notes += ["centre-cropped"] if was_cropped else []
            resize = enlarge if enlarging else average_areas
            pixels = resize(cropped, height, width)
    if pixels.shape[2] != channels:
        notes.append("grey to colour" if channels == 3 else "colour to grey")
        pixels = with_channels(pixels, channels)
    return pixels, tuple(notes)


def crop_to_aspect(pixels: Images, height: int, width: int) -> Images:
    """Return the largest centred part (a view) of `pixels` (H, W, C) with the aspect height : width, to a pixel."""
    old_height, old_width = pixels.shape[:2]
    new_height = min(old_height, max(1, round(old_width * height / width)))
    new_width = min(old_width, max(1, round(old_height * width / height)))
    top, left = (old_height - new_height) // 2, (old_width - new_width) // 2
    return pixels[top : top + new_height, left : left + new_width]


def average_areas(pixels: Images, height: int, width: int) -> Images:
    """Make `pixels` (H, W, C) smaller: each new pixel is the mean of the area it covers, rounded half up.

    Pillow's BOX filter counts a pixel on the edge of an area wholly or not at all, which aliases at small ratios;
    here it counts by its part. All sums are integers below 2**53, so the float64 products are exact, whatever
    their order, and equal to those of the running sums that small images go by.
    """
    old_height, old_width = pixels.shape[:2]
    if pixels.size <= _SMALL_SIZE:
        columns = _area_sums(_area_sums(pixels, height).swapaxes(0, 1), width).swapaxes(0, 1)
        return _means(columns, old_height * old_width)
    rows = np.empty((height, *pixels.shape[1:]), np.float64)
    for row in range(height):
        first, weights = _overlaps(old_height, height, row)
        rows[row] = np.tensordot(weights, pixels[first : first + len(weights)].astype(np.float64), axes=1)
    across = np.zeros((width, old_width))
    for column in range(width):
        first, weights = _overlaps(old_width, width, column)
        across[column, first : first + len(weights)] = weights
    sums = np.matmul(across, rows).astype(np.int64)  # (height, width, C), in units of 1 / (old height * old width)
    return _means(sums, old_height * old_width)


def _area_sums(values: npt.NDArray[Any], new: int) -> npt.NDArray[np.int64]:
    """Sum `values` (old, ...) over each of `new` equal intervals of the first axis, in units of 1/new.

    By running sums: where an interval ends inside an element, that counts by its part.
    """
    old = len(values)
    running = np.zeros((old + 1, *values.shape[1:]), np.int64)
    np.cumsum(values, axis=0, dtype=np.int64, out=running[1:])
    whole, rest = np.divmod(np.arange(new + 1) * old, new)
    parts = rest.reshape(-1, *(1 for _ in values.shape[1:])) * values[np.minimum(whole, old - 1)].astype(np.int64)
    sums: npt.NDArray[np.int64] = np.diff(new * running[whole] + parts, axis=0)
    return sums


def _means(sums: npt.NDArray[np.int64], area: int) -> Images:
    averages: Images = ((2 * sums + area) // (2 * area)).astype(np.uint8)
    return np.ascontiguousarray(averages)


def _overlaps(old: int, new: int, index: int) -> tuple[int, npt.NDArray[np.float64]]:
    """Return the first of the `old` pixels under new pixel `index`, and how much of it each covers (sum: `old`)."""
    start, stop = index * old, (index + 1) * old
    first, last = start // new, -(-stop // new)
    edges = np.clip(np.arange(first, last + 1) * new, start, stop)
    return first, np.diff(edges).astype(np.float64)


def enlarge(pixels: Images, height: int, width: int) -> Images:
    """Make `pixels` (H, W, C) larger by bilinear interpolation."""
    grey = pixels.shape[2] == 1
    image = Image.fromarray(np.ascontiguousarray(pixels[..., 0] if grey else pixels))
    resized = np.array(image.resize((width, height), Image.Resampling.BILINEAR))
    return resized[..., None] if grey else resized


def with_channels(images: Images, channels: int) -> Images:
    """Turn images `(..., C)` to grey by ITU-R 601 luma or to colour by repetition; equal channels keep their value."""
    if images.shape[-1] == channels:
        return images
    if channels == 3:
        return np.repeat(images, 3, axis=-1)
    red, green, blue = (images[..., channel].astype(np.uint32) for channel in range(3))
    # Pillow's weights in 1/65536, which add up to 65536.
    return ((red * 19595 + green * 38470 + blue * 7471 + 32768) >> 16).astype(np.uint8)[..., None]
