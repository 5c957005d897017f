"""From any of Pillow's pixel modes to 8-bit grey or colour, with every conversion named.

Pillow's own `convert` clips 16-bit grey to white, turns floats in [0, 1] to black and shows the colours hidden under
transparent pixels, all without a word; so each mode has its own way here and an unknown mode is refused.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from PIL import Image

from nvp_studio.data.dataset import Images
from nvp_studio.data.reading import HIGH_BYTE, UNDECIDED, Reading, ValueFacts, parse_values
from nvp_studio.data.reading import Mapping as Range
from nvp_studio.data.sixteen_bits import LOW_BYTES, SEPARATE_PLANES, bands, read_low_bytes, significant_bits
from nvp_studio.data.tiff_kinds import why_misread
from nvp_studio.data.values import apply, choose, facts_of, range_for

GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N", "F"})
_KINDS = {"I;16": "16-bit", "I;16B": "16-bit", "I;16L": "16-bit", "I;16N": "16-bit", "I": "int", "F": "float"}
_KINDS |= dict.fromkeys(("L", "LA", "La", "RGB", "RGBA", "RGBa"), "8-bit")
# PNG grey below 8 bits is spread over 0..255 by Pillow, the transparent grey in `info` is not.
_SPREAD = {"1": 255, "L;2": 85, "L;4": 17}
_BAND = 2**20
"""Pixels that are laid over white at once."""


class UnsupportedPixelsError(ValueError):
    """Pixels that have no faithful 8-bit form; the message says why."""


class Stored(NamedTuple):
    """How the pixels are stored that an image was made from, known before it is loaded or turned.

    `rawmode` is the layout as Pillow names it (``"RGB;16B"``); `kind` is that of its numbers, empty for images whose
    numbers are no levels, as those of a palette; `declared` are the bits that the file says are in use, or 0.
    """

    rawmode: str
    kind: str
    declared: int = 0
    white_is_zero: bool = False
    """TIFF's WhiteIsZero, which Pillow applies to 8 bits only."""


def natural_channels(mode: str, rawmode: str = "") -> int:
    """Return 1 for a grey mode and 3 for all others, without a look at the pixels."""
    return 1 if mode in GREY_MODES or rawmode.startswith("LA;") else 3


def stored_as(image: Image.Image) -> Stored:
    """What is known of an image that is open and not loaded; raises `UnsupportedPixelsError`."""
    tiles = getattr(image, "tile", None)
    arguments = tiles[0][3] if tiles else ""
    first = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    rawmode = first if isinstance(first, str) else ""
    kind = _KINDS.get(image.mode, "")
    if kind == "int" and image.format in ("PNG", "PPM", "JPEG2000"):  # older versions of Pillow
        kind = "16-bit"
    tags = getattr(image, "tag_v2", {})
    planes = tags.get(_PLANES) == SEPARATE_PLANES
    if image.format == "TIFF" and (why := why_misread(image)):
        raise UnsupportedPixelsError(why)
    if rawmode in LOW_BYTES and not planes:
        kind = "16-bit"
    declared = 12 if rawmode == "I;12" else _declared(image, tags) if kind == "16-bit" else 0
    return Stored(rawmode, kind, declared, tags.get(_PHOTOMETRIC) == 0 and kind != "8-bit")


def _declared(image: Image.Image, tags: Mapping[int, Any]) -> int:
    """The bits in use that a file of 16 bits states, if they are from 9 to 15; else 0."""
    stated = tags.get(_MAX_SAMPLE, 0)
    most = max(stated) if isinstance(stated, tuple) and stated else stated
    bits = int(most).bit_length() if isinstance(most, int) and most & (most + 1) == 0 else 0
    file = getattr(image, "fp", None)
    if image.format == "PNG" and file is not None:
        bits = significant_bits(file)
    return bits if 8 < bits < 16 else 0


def low_bytes(image: Image.Image, stored: Stored, page: int) -> Image.Image | None:
    """The low bytes of an open image of 16-bit colour, None for all others; the image can be loaded after that."""
    deep = stored.kind == "16-bit" and stored.rawmode in LOW_BYTES
    return read_low_bytes(image, stored.rawmode, page) if deep else None


def facts_of_image(image: Image.Image, stored: Stored, low: Image.Image | None = None) -> ValueFacts | None:
    """The facts of a loaded image's numbers; None where these are no levels. `low` is that of `low_bytes`."""
    if not stored.kind:
        return None
    if low is not None:
        facts = ValueFacts(kind=stored.kind)
        colours = _colours(image, stored)
        for _, values in bands(image, low, stored.rawmode):
            facts += facts_of(values[..., :colours], stored.kind, stored.declared)
        return facts
    pixels = _numbers(image, stored)
    return facts_of(pixels[..., :-1] if image.mode in ("LA", "RGBA") else pixels, stored.kind, stored.declared)


def to_uint8(
    image: Image.Image, stored: Stored, reading: Reading, low: Image.Image | None = None
) -> tuple[Images, tuple[str, ...]]:
    """Return the pixels of a loaded `image` as `(H, W, C)`, C 1 or 3, with what was done to them.

    Numbers have the range that `reading` gives their kind; without one, those of more than 8 bits are judged by
    themselves. `low` is that of `low_bytes`, turned as the image is. Raises `UnsupportedPixelsError`.
    """
    if low is not None:
        pixels, notes = _deep_colour(image, low, stored, reading)
        return pixels, tuple(filter(None, notes))
    convert = _WAYS.get(image.mode)
    if convert is None:
        raise UnsupportedPixelsError(f"its pixel mode {image.mode} is not supported; save it as 8-bit PNG")
    pixels, notes = convert(image, stored, reading)
    return (pixels[..., None] if pixels.ndim == 2 else pixels), tuple(filter(None, notes))


def over_white(colour: Images, alpha: Images) -> Images:
    """Lay `colour` (..., H, W, C) over white where `alpha` (..., H, W, 1) is below 255."""
    laid = np.empty(colour.shape, np.uint8)
    step = max(1, _BAND // max(1, alpha[0].size))
    for start in range(0, len(colour), step):
        rows = slice(start, start + step)
        weight = alpha[rows].astype(np.uint16)
        laid[rows] = (colour[rows] * weight + 255 * (255 - weight) + np.uint16(127)) // np.uint16(255)
    return laid


def _bytes(image: Image.Image, stored: Stored, reading: Reading) -> tuple[Images, tuple[str, ...]]:
    raw = np.frombuffer(image.tobytes(), np.uint8).reshape(image.height, image.width, -1).copy()
    pixels, notes = _levels(raw, stored, reading)
    key = image.info.get("transparency")
    if not isinstance(key, int | tuple):
        return pixels, notes
    # One grey or colour stands for "transparent".
    shift = 8 if ";16" in stored.rawmode else 0
    transparent = (np.array(key) >> shift) * _SPREAD.get(stored.rawmode, 1)
    pixels[(raw == transparent).all(axis=-1)] = 255
    return pixels, (*notes, "alpha over white")


def _one_bit(image: Image.Image, stored: Stored, reading: Reading) -> tuple[Images, tuple[str, ...]]:
    pixels, notes = _bytes(image.convert("L"), stored, Reading(white=reading.white))
    return pixels, ("1-bit to 8-bit", *notes)


def _palette(image: Image.Image, stored: Stored, reading: Reading) -> tuple[Images, tuple[str, ...]]:
    if "transparency" in image.info or image.mode == "PA":
        pixels, notes = _with_alpha(image.convert("RGBA"), Stored("", ""), UNDECIDED)
        return pixels, ("palette to colour", *notes)
    return np.array(image.convert("RGB")), ("palette to colour",)


def _with_alpha(image: Image.Image, stored: Stored, reading: Reading) -> tuple[Images, tuple[str, ...]]:
    if image.mode in ("La", "RGBa"):
        image = image.convert({"La": "LA", "RGBa": "RGBA"}[image.mode])
    width, height = image.size
    opaque = image.getextrema()[-1] == (255, 255)
    pixels = np.empty((height, width, len(image.getbands()) - 1), np.uint8)
    notes: dict[str, None] = {}
    step = max(1, _BAND // width)
    for top in range(0, height, step):  # another copy of a large image would not fit
        band = np.asarray(image.crop((0, top, width, min(top + step, height))))
        colour, of_band = _levels(band[..., :-1], stored, reading)
        pixels[top : top + step] = colour if opaque else over_white(colour, band[..., -1:])
        notes |= dict.fromkeys(of_band)
    return pixels, (*notes, "opaque alpha dropped" if opaque else "alpha over white")


def _deep(image: Image.Image, stored: Stored, reading: Reading) -> tuple[Images, tuple[str, ...]]:
    values = _numbers(image, stored)
    if stored.kind == "float" and not np.isfinite(values).all():
        raise UnsupportedPixelsError("its float pixels are not all finite")
    pixels, notes = _levels(values, stored, reading)
    key = image.info.get("transparency")
    if isinstance(key, int):
        pixels[values == key] = 255
        notes += ("alpha over white",)
    return pixels, notes


def _colours(image: Image.Image, stored: Stored) -> int:
    """The channels of 16-bit colour without alpha."""
    return natural_channels(image.mode, stored.rawmode)


def _deep_colour(
    image: Image.Image, low: Image.Image, stored: Stored, reading: Reading
) -> tuple[Images, tuple[str, ...]]:
    width, height = image.size
    colours = _colours(image, stored)
    if stored.kind not in parse_values(reading.values):
        facts = facts_of_image(image, stored, low) or ValueFacts(kind=stored.kind)
        decided = choose(facts, reading)[0].text
        reading = msgspec.structs.replace(reading, values=decided)
    key = image.info.get("transparency")
    pixels = np.empty((height, width, colours), np.uint8)
    notes: dict[str, None] = {}
    for rows, values in bands(image, low, stored.rawmode):
        colour, alpha = values[..., :colours], values[..., colours:]
        levels, of_band = _levels(colour, stored, reading)
        if alpha.size:
            opaque = bool((alpha == 65535).all())
            levels = levels if opaque else over_white(levels, np.rint(alpha / 257).astype(np.uint8))
            of_band += ("opaque alpha dropped" if opaque else "alpha over white",)
        elif isinstance(key, tuple):
            levels[(colour == key).all(axis=-1)] = 255
            of_band += ("alpha over white",)
        pixels[rows] = levels
        notes |= dict.fromkeys(of_band)
    if "alpha over white" in notes:
        notes.pop("opaque alpha dropped", None)  # which holds of a part
    return pixels, tuple(notes)


def _to_rgb(image: Image.Image, stored: Stored, reading: Reading) -> tuple[Images, tuple[str, ...]]:
    return np.array(image.convert("RGB")), (f"{image.mode} to RGB",)


def _numbers(image: Image.Image, stored: Stored) -> npt.NDArray[Any]:
    width, height = image.size
    if image.mode != "F" or width * height <= _BAND:
        values = np.asarray(image)
        if stored.rawmode.startswith("I;32") and not stored.rawmode.endswith("S"):  # Pillow has signed ones alone
            values = values.view(np.uint32)
        return values.astype(np.uint16, copy=False) if stored.kind == "16-bit" else values
    values = np.empty((height, width), np.float32)
    step = max(1, _BAND // width)
    for top in range(0, height, step):  # Pillow makes two copies of what it hands over
        values[top : top + step] = np.asarray(image.crop((0, top, width, min(top + step, height))))
    return values


def _levels(values: npt.NDArray[Any], stored: Stored, reading: Reading) -> tuple[Images, tuple[str, ...]]:
    """The levels of an image's numbers, by the range of their kind and by which of them are white."""
    scale = _range(values, stored, reading)
    inverted = reading.white == "low" or (stored.white_is_zero and reading.white != "high")
    pixels, outside = apply(values, scale, inverted=inverted)
    depth = HIGH_BYTE if ";16" in stored.rawmode and stored.kind == "8-bit" else ""
    return pixels, (
        depth,
        scale.note,
        "values outside of the range made black or white" if outside else "",
        ("white-is-zero inverted" if stored.white_is_zero else "inverted") if inverted else "",
    )


def _range(values: npt.NDArray[Any], stored: Stored, reading: Reading) -> Range:
    kind = stored.kind or "8-bit"
    if kind == "8-bit" or kind in parse_values(reading.values):
        return range_for(reading, kind)
    return choose(facts_of(values, kind, stored.declared), reading)[0]


_PHOTOMETRIC, _MAX_SAMPLE, _PLANES = 262, 281, 284
"""Tags of TIFF."""
_WAYS: dict[str, Callable[[Image.Image, Stored, Reading], tuple[Images, tuple[str, ...]]]] = {
    "L": _bytes,
    "RGB": _bytes,
    "1": _one_bit,
    "P": _palette,
    "PA": _palette,
    "LA": _with_alpha,
    "La": _with_alpha,
    "RGBA": _with_alpha,
    "RGBa": _with_alpha,
    "I;16": _deep,
    "I;16B": _deep,
    "I;16L": _deep,
    "I;16N": _deep,
    "I": _deep,
    "F": _deep,
    "CMYK": _to_rgb,
    "YCbCr": _to_rgb,
    "HSV": _to_rgb,
    "RGBX": _to_rgb,
}
