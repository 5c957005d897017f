"""Bringing uint8 pixels to a model's shape: crop, pad or stretch, resizing by area, grey to colour and back."""

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from nvp_studio.data.dataset import Images
from nvp_studio.data.reading import UNDECIDED, Reading

_BAND_SIZE = 2**19
"""About how many values are averaged over rows at once: more do not fit into a processor's cache."""


def fit(
    pixels: Images, image_shape: tuple[int, int, int], reading: Reading = UNDECIDED
) -> tuple[Images, tuple[str, ...]]:
    """Bring one image `(H, W, C)` to `image_shape` (C, H, W); return it with a note of each conversion.

    To the aspect it is cropped around its centre, or padded, or stretched, as `reading.fit` says. It is made smaller by
    averaging areas or larger by bilinear interpolation, then turned to grey or colour. What already fits is returned as
    it is, the same array.
    """
    channels, height, width = image_shape
    notes: tuple[str, ...] = ()
    if pixels.shape[:2] != (height, width):
        bring = {"pad": _padded, "stretch": _stretched}.get(reading.fit, _cropped)
        pixels, notes = bring(pixels, height, width, reading)
    if pixels.shape[2] != channels:
        notes = (*notes, "grey to colour" if channels == 3 else "colour to grey")
        pixels = with_channels(pixels, channels)
    return pixels, notes


def _cropped(pixels: Images, height: int, width: int, reading: Reading) -> tuple[Images, tuple[str, ...]]:
    size = f"{pixels.shape[1]}x{pixels.shape[0]}"
    cropped = crop_to_aspect(pixels, height, width)
    if cropped.shape[:2] == (height, width):
        return np.ascontiguousarray(cropped), (f"centre-cropped from {size}",)
    enlarging = cropped.shape[0] < height or cropped.shape[1] < width
    note = f"enlarged from {size}" if enlarging else f"resized from {size}"
    resize = enlarge if enlarging else average_areas
    return resize(cropped, height, width), (note,) if cropped.shape == pixels.shape else (note, "centre-cropped")


def _padded(pixels: Images, height: int, width: int, reading: Reading) -> tuple[Images, tuple[str, ...]]:
    old_height, old_width = pixels.shape[:2]
    inner_height = min(height, max(1, round(old_height * width / old_width)))
    inner_width = min(width, max(1, round(old_width * height / old_height)))
    inner: Images = pixels
    notes: tuple[str, ...] = ()
    if (old_height, old_width) != (inner_height, inner_width):
        inner, notes = _stretched(pixels, inner_height, inner_width, reading, "resized")
    above, before = (height - inner_height) // 2, (width - inner_width) // 2
    margins = ((above, height - inner_height - above), (before, width - inner_width - before), (0, 0))
    if reading.pad in ("black", "white"):
        padded = np.pad(inner, margins, constant_values=0 if reading.pad == "black" else 255)
    else:
        padded = np.pad(inner, margins, "edge")
    if padded.shape == inner.shape:
        return inner, notes
    return padded, (*notes, "padded" if notes else f"padded from {old_width}x{old_height}")


def _stretched(
    pixels: Images, height: int, width: int, reading: Reading, word: str = "stretched"
) -> tuple[Images, tuple[str, ...]]:
    """Resize without regard to the aspect; a side that becomes smaller is averaged before another is enlarged."""
    old_height, old_width = pixels.shape[:2]
    smaller = average_areas(pixels, min(height, old_height), min(width, old_width))
    if smaller.shape[:2] != (height, width):
        smaller = enlarge(smaller, height, width)
    return smaller, (f"{word} from {old_width}x{old_height}",)


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
    here it counts by its part. All sums are integers that their type holds exactly, whatever their order.
    """
    old_height, old_width, channels = pixels.shape
    of_column, of_all = _type_of_sums(old_height), _type_of_sums(old_height * old_width)
    down, across = _overlaps(old_height, height, of_column), _overlaps(old_width, width, of_all)
    rows = np.empty((height, old_width * channels), of_column)
    step = max(1, _BAND_SIZE * height // pixels.size)
    for start in range(0, height, step):
        band = slice(start, min(start + step, height))
        first, last = start * old_height // height, -(-band.stop * old_height // height)
        covered = pixels[first:last].reshape(last - first, -1).astype(of_column)
        rows[band] = down[band, first:last] @ covered
    columns = rows.astype(of_all).reshape(height, old_width, channels).swapaxes(0, 1).reshape(old_width, -1)
    sums = (across @ columns).astype(np.int64).reshape(width, height, channels).swapaxes(0, 1)
    area = old_height * old_width  # each overlap is in units of 1 / the new size
    return np.ascontiguousarray((2 * sums + area) // (2 * area), dtype=np.uint8)


def _type_of_sums(pixels: int) -> "np.dtype[np.floating[Any]]":
    """The type for sums of so many bytes: float32 is exact below 2**24, twice as fast, float64 below 2**53."""
    return np.dtype(np.float32 if 255 * pixels < 2**24 else np.float64)


@functools.lru_cache(64)
def _overlaps(old: int, new: int, sums: "np.dtype[np.floating[Any]]") -> npt.NDArray[np.floating[Any]]:
    """How much of each of the `old` pixels lies under each of the `new` ones, (new, old); each row's sum is `old`."""
    starts, edges = np.arange(new)[:, None] * old, np.arange(old) * new
    return (np.minimum(starts + old, edges + new) - np.maximum(starts, edges)).clip(0).astype(sums)


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
