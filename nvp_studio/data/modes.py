"""From any of Pillow's pixel modes to 8-bit grey or colour, with every conversion named.

Pillow's own `convert` clips 16-bit grey to white, turns floats in [0, 1] to black and shows the colours hidden under
transparent pixels, all without a word; so each mode has its own way here and an unknown mode is refused.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image

from nvp_studio.data.dataset import Images
from nvp_studio.data.levels import rounded_levels, scaled_levels

GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N", "F"})
# PNG grey below 8 bits is spread over 0..255 by Pillow, the transparent grey in `info` is not.
_SPREAD = {"1": 255, "L;2": 85, "L;4": 17}


class UnsupportedPixelsError(ValueError):
    """Pixels that have no faithful 8-bit form; the message says why."""


def natural_channels(mode: str) -> int:
    """Return 1 for a grey mode and 3 for all others, without a look at the pixels."""
    return 1 if mode in GREY_MODES else 3


def to_uint8(image: Image.Image, rawmode: str) -> tuple[Images, tuple[str, ...]]:
    """Return the pixels of a loaded `image` as `(H, W, C)`, C 1 or 3, with what was done to them.

    `rawmode` is the layout in the file as Pillow names it (``"RGB;16B"``), known only before loading. Raises
    `UnsupportedPixelsError`.
    """
    mode = image.mode
    if mode in ("L", "RGB"):
        return _plain(image, rawmode)
    convert = _WAYS.get(mode)
    if convert is None:
        raise UnsupportedPixelsError(f"its pixel mode {mode} is not supported; save it as 8-bit PNG")
    pixels, notes = convert(image, rawmode)
    return (pixels[..., None] if pixels.ndim == 2 else pixels), notes


def _plain(image: Image.Image, rawmode: str) -> tuple[Images, tuple[str, ...]]:
    pixels = np.array(image).reshape(image.height, image.width, -1)
    key = image.info.get("transparency")
    notes = ("16-bit to 8-bit",) if ";16" in rawmode else ()
    if not isinstance(key, int | tuple):
        return pixels, notes
    # One grey or colour stands for "transparent".
    shift = 8 if ";16" in rawmode else 0
    transparent = (np.array(key) >> shift) * _SPREAD.get(rawmode, 1)
    pixels[(pixels == transparent).all(axis=-1)] = 255
    return pixels, (*notes, "alpha over white")


def _one_bit(image: Image.Image, rawmode: str) -> tuple[Images, tuple[str, ...]]:
    pixels, notes = _plain(image.convert("L"), rawmode)
    return pixels, ("1-bit to 8-bit", *notes)


def _palette(image: Image.Image, rawmode: str) -> tuple[Images, tuple[str, ...]]:
    if "transparency" in image.info or image.mode == "PA":
        pixels, notes = _with_alpha(image.convert("RGBA"), "")
        return pixels, ("palette to colour", *notes)
    return np.array(image.convert("RGB")), ("palette to colour",)


def _with_alpha(image: Image.Image, rawmode: str) -> tuple[Images, tuple[str, ...]]:
    if image.mode in ("La", "RGBa"):
        image = image.convert({"La": "LA", "RGBa": "RGBA"}[image.mode])
    depth = ("16-bit to 8-bit",) if ";16" in rawmode else ()
    pixels = np.array(image)
    colour, alpha = pixels[..., :-1], pixels[..., -1:]
    if alpha.min() == 255:
        return np.ascontiguousarray(colour), (*depth, "opaque alpha dropped")
    weight = alpha.astype(np.uint16)
    over_white = (colour * weight + 255 * (255 - weight) + np.uint16(127)) // np.uint16(255)
    return over_white.astype(np.uint8), (*depth, "alpha over white")


def _sixteen_bit(image: Image.Image, rawmode: str) -> tuple[Images, tuple[str, ...]]:
    values = np.array(image).astype(np.uint16)
    white = 4095 if rawmode == "I;12" else 65535
    pixels = scaled_levels(values, white)
    notes: tuple[str, ...] = ("12-bit to 8-bit" if white == 4095 else "16-bit to 8-bit",)
    if getattr(image, "tag_v2", {}).get(262) == 0:  # TIFF's WhiteIsZero, which Pillow applies to 8 bits only
        pixels = 255 - pixels
        notes += ("white-is-zero inverted",)
    key = image.info.get("transparency")
    if isinstance(key, int):
        pixels[values == key] = 255
        notes += ("alpha over white",)
    return pixels, notes


def _integer(image: Image.Image, rawmode: str) -> tuple[Images, tuple[str, ...]]:
    values = np.array(image)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        raise UnsupportedPixelsError(f"its integer pixels range from {low} to {high}; save it as 8- or 16-bit grey")
    always_sixteen = image.format in ("PNG", "PPM", "JPEG2000")
    if high <= 255 and not always_sixteen:
        return values.astype(np.uint8), ("32-bit integers to 8-bit",)
    return scaled_levels(values, 65535), ("16-bit to 8-bit",)


def _float(image: Image.Image, rawmode: str) -> tuple[Images, tuple[str, ...]]:
    values = np.array(image, dtype=np.float64)
    if not np.isfinite(values).all():
        raise UnsupportedPixelsError("its float pixels are not all finite")
    low, high = values.min(), values.max()
    if low < 0 or high > 255:
        raise UnsupportedPixelsError(f"its float pixels range from {low:g} to {high:g}; scale them to 0..1")
    return rounded_levels(values)


def _to_rgb(image: Image.Image, rawmode: str) -> tuple[Images, tuple[str, ...]]:
    return np.array(image.convert("RGB")), (f"{image.mode} to RGB",)


_WAYS: dict[str, Callable[[Image.Image, str], tuple[Images, tuple[str, ...]]]] = {
    "1": _one_bit,
    "P": _palette,
    "PA": _palette,
    "LA": _with_alpha,
    "La": _with_alpha,
    "RGBA": _with_alpha,
    "RGBa": _with_alpha,
    "I;16": _sixteen_bit,
    "I;16B": _sixteen_bit,
    "I;16L": _sixteen_bit,
    "I;16N": _sixteen_bit,
    "I": _integer,
    "F": _float,
    "CMYK": _to_rgb,
    "YCbCr": _to_rgb,
    "HSV": _to_rgb,
    "RGBX": _to_rgb,
}
