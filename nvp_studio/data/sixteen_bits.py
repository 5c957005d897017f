"""Colour with 16 bits a channel, of which Pillow keeps the high bytes: the low ones are read in a second pass.

Pillow has a way to unpack such pixels in either order of their two bytes. In the order of the file it gives the high
bytes, in the other one the low bytes; decoding itself does not depend on it.
"""

import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image

_BAND = 2**20
"""Pixels that are taken at once."""
SEPARATE_PLANES = 2
"""Value of TIFF's tag 284 where each channel is stored by itself."""
_OTHER_ORDER = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
_GREY_WITH_ALPHA = "LA;16B"
"""Whose four bytes Pillow can unpack as those of an 8-bit mode."""
LOW_BYTES = {
    f"{mode};16{order}": f"{mode};16{other}"
    for mode in ("RGB", "RGBA", "RGBX")
    for order, other in _OTHER_ORDER.items()
}
LOW_BYTES[_GREY_WITH_ALPHA] = "RGBA"
"""How Pillow unpacks 16-bit colour, and how it is to unpack the low bytes of the same."""


def significant_bits(file: BinaryIO) -> int:
    """The bits in use that a PNG states of its grey or colours (chunk sBIT), 0 where it states none."""
    place = file.tell()
    file.seek(8)
    bits = 0
    while len(head := file.read(8)) == 8 and head[4:] not in (b"IDAT", b"IEND"):
        size = int.from_bytes(head[:4])
        if head[4:] == b"sBIT" and size in (1, 2, 3, 4):
            values = file.read(size)
            bits = max(values[:-1] if size in (2, 4) else values, default=0)  # without that of alpha
            break
        file.seek(size + 4, 1)
    file.seek(place)
    return bits


def read_low_bytes(image: Image.Image, rawmode: str, page: int) -> Image.Image:
    """Decode a page of the file of `image`, which is open and not loaded, once more, for the low bytes.

    `rawmode` is a key of `LOW_BYTES`. The result is to be turned and cropped as the image is.
    """
    file: Any = getattr(image, "fp", None)
    second = Image.open(file, formats=[image.format or ""])
    second.seek(page)
    for number, tile in enumerate(second.tile):
        arguments = tile[3]
        ours = (LOW_BYTES[rawmode], *arguments[1:]) if isinstance(arguments, tuple) else LOW_BYTES[rawmode]
        second.tile[number] = type(tile)(*tile[:3], ours)
    second.load()
    return second


def bands(image: Image.Image, low: Image.Image, rawmode: str) -> Iterator[tuple[slice, npt.NDArray[np.uint16]]]:
    """Yield the numbers (n, W, C) of some rows, and which rows these are; C counts alpha."""
    width, height = image.size
    step = max(1, _BAND // width)
    for top in range(0, height, step):
        box = (0, top, width, min(top + step, height))
        second = np.asarray(low.crop(box))
        if rawmode == _GREY_WITH_ALPHA:
            values = second.view(">u2").astype(np.uint16)
        else:
            values = np.asarray(image.crop(box)).astype(np.uint16) << 8 | second
        yield slice(box[1], box[3]), values
