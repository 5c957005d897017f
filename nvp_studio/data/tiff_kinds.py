"""TIFF files whose numbers Pillow does not read, or takes for others without a word: why, so that they are refused."""

import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, BinaryIO

from PIL import Image, TiffImagePlugin

from nvp_studio.data.sixteen_bits import SEPARATE_PLANES

_BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _PLANES, _PALETTE, _FORMAT = 258, 259, 262, 277, 284, 320, 339
"""Tags."""
_GREY, _RGB, _YCBCR = (0, 1), 2, 6
"""Values of the tag photometric interpretation."""
_JPEG = (6, 7)
"""Values of the tag compression."""
_SIGNED, _FLOAT = 2, 3
"""Values of the tag sample format."""
_SAVE = "save it as 8-bit or 16-bit PNG"


def why_misread(image: Image.Image) -> str:
    """Why the pixels of an open TIFF file would come out wrong; empty where they do not."""
    tags: Mapping[int, Any] = getattr(image, "tag_v2", {})
    bits, colours, samples = max(tags.get(_BITS, (1,))), tags.get(_PHOTOMETRIC), tags.get(_SAMPLES, 1)
    tile = next(iter(getattr(image, "tile", ())), None)
    packed = tile is not None and tile[0] == "libtiff"
    planes = samples > 1 and tags.get(_PLANES) == SEPARATE_PLANES
    if _SIGNED in tags.get(_FORMAT, ()) and bits == 8:
        return f"signed numbers of 8 bits in TIFF are not supported; {_SAVE}"
    if colours in _GREY and samples > 2:
        return f"{samples} numbers a pixel are not supported; save the channels as images of their own"
    if planes and colours in _GREY:
        return f"grey with alpha in separate planes is not supported; {_SAVE}"
    if planes and bits == 16 and not packed:
        return f"16-bit colour in separate planes is not supported; {_SAVE}"
    if packed and getattr(tags, "prefix", b"") == _OTHER_ORDER and _swapped_twice(tile):
        return f"compressed numbers of {bits} bits in the other byte order are not supported; save it uncompressed"
    if colours == _YCBCR and packed and tags.get(_COMPRESSION) not in _JPEG:
        return f"YCbCr with another compression than JPEG is not supported; {_SAVE}"
    if image.mode == "P" and 0 < max(tags.get(_PALETTE, (0,))) < 256:
        return f"its palette has numbers of 8 bits, where TIFF has 16; {_SAVE}"
    return ""


def _swapped_twice(tile: Any) -> bool:
    """Whether Pillow swaps bytes that libtiff has swapped already."""
    rawmode = str(tile[3][0])
    return rawmode.endswith(("B", "BS", "BF")) and rawmode.startswith(("I;", "F;"))


def why_unknown(file: BinaryIO) -> str:
    """Why Pillow does not know a TIFF file, from its first page; empty where that cannot be told."""
    with suppress(Exception):  # damaged directories fail in many ways
        file.seek(0)
        head = file.read(16)
        if head[:4] == b"MM\0+":
            return "BigTIFF with the most significant byte first is not supported; save it with the least one first"
        if head[:4] not in (b"II*\0", b"MM\0*", b"II+\0"):
            return ""
        tags = TiffImagePlugin.ImageFileDirectory_v2(head if head[2] == 43 else head[:8])
        file.seek(tags.next)
        tags.load(file)
        return _kind_of(tags)
    return ""


def _kind_of(tags: Mapping[int, Any]) -> str:
    bits, samples = max(tags.get(_BITS, (1,))), tags.get(_SAMPLES, 1)
    numbers = "floats" if _FLOAT in tags.get(_FORMAT, ()) else "numbers"
    if tags.get(_PHOTOMETRIC) in _GREY:
        what = {1: "grey", 2: "grey with alpha"}.get(samples, f"{samples} numbers a pixel")
    else:
        what = f"colour ({samples} numbers a pixel)"
    advice = "save it as 32-bit float or 16-bit" if numbers == "floats" and samples == 1 else _SAVE
    return f"{what} in {numbers} of {bits} bits is not supported in TIFF; {advice}"


_OTHER_ORDER = b"MM" if sys.byteorder == "little" else b"II"
