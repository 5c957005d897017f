"""Kinds of TIFF: each is read as meant or refused with the reason, and none is read as something else."""

import struct
import zlib
from typing import Any

import numpy as np
import pytest

from nvp_studio.data.images import ImageError, read_image

Y, X = np.mgrid[0:16, 0:24]
DEEP = ((Y * 24 + X) * 150)[..., None].astype(np.uint16)
COLOUR = np.concatenate([DEEP, DEEP[::-1], DEEP[:, ::-1]], -1)
ALPHA = np.where(Y < 8, 30000, 65535)[..., None].astype(np.uint16)
OPTIONS = {"plain": {}, "tiled": {"tile": 16}, "packed": {"packed": True}, "big": {"big": True}}


def tiff(
    values: np.ndarray,
    photometric: int,
    *,
    order: str = "<",
    big: bool = False,
    planes: bool = False,
    tile: int = 0,
    packed: bool = False,
    extra: int | None = None,
    palette: list[int] | None = None,
) -> bytes:
    """Numbers (H, W, C) as a TIFF file; `extra` is the kind of a further channel, `palette` a table of colours."""
    height, width, channels = values.shape
    values = values.astype(values.dtype.newbyteorder(order))
    parts = [values[..., [channel]] for channel in range(channels)] if planes else [values]
    size = (tile, tile) if tile else (height, width)
    chunks = []
    for part in parts:
        for top in range(0, height, size[0]):
            for left in range(0, width, size[1]):
                chunk = np.zeros((*size, part.shape[2]), values.dtype)
                piece = part[top : top + size[0], left : left + size[1]]
                chunk[: piece.shape[0], : piece.shape[1]] = piece
                chunks.append(zlib.compress(chunk.tobytes()) if packed else chunk.tobytes())
    kind = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    tags = {256: [width], 257: [height], 258: [values.dtype.itemsize * 8] * channels, 259: [8 if packed else 1]}
    tags |= {262: [photometric], 277: [channels], 284: [2 if planes else 1], 339: [kind] * channels}
    tags |= {} if extra is None else {338: [extra]}
    tags |= {} if palette is None else {320: palette}
    start = 16 if big else 8
    places = [start + sum(map(len, chunks[:number])) for number in range(len(chunks))]
    lengths = list(map(len, chunks))
    tags |= (
        {322: [tile], 323: [tile], 324: places, 325: lengths} if tile else {273: places, 278: [height], 279: lengths}
    )
    place, room = ("Q", 8) if big else ("I", 4)
    content = b"".join(chunks)
    table = struct.pack(f"{order}{'Q' if big else 'H'}", len(tags))
    for tag in sorted(tags):
        form = place if tag in (273, 324) else "I" if tag in (279, 325) else "H"
        raw = struct.pack(f"{order}{len(tags[tag])}{form}", *tags[tag])
        table += struct.pack(f"{order}HH{place}", tag, {"H": 3, "I": 4, "Q": 16}[form], len(tags[tag]))
        table += raw.ljust(room, b"\0") if len(raw) <= room else struct.pack(f"{order}{place}", start + len(content))
        content += raw if len(raw) > room else b""
    mark = b"II" if order == "<" else b"MM"
    head = (
        struct.pack(f"{order}HHHQ", 43, 8, 0, 16 + len(content))
        if big
        else struct.pack(f"{order}HI", 42, 8 + len(content))
    )
    return mark + head + content + table + b"\0" * room


def over_white(values: np.ndarray) -> np.ndarray:
    return values * (ALPHA / 65535) + 65535 * (1 - ALPHA / 65535)


def bytes_of(values: np.ndarray) -> np.ndarray:
    return (values >> 8).astype(np.uint8)


with_alpha = np.concatenate([COLOUR, ALPHA], -1)
READ: dict[str, tuple[np.ndarray, dict[str, Any], np.ndarray]] = {
    "grey": (bytes_of(DEEP), {"photometric": 1}, DEEP),
    "16-bit grey": (DEEP, {"photometric": 1}, DEEP),
    "floats": ((DEEP / 65535).astype(np.float32), {"photometric": 1}, DEEP),
    "grey with alpha": (bytes_of(np.concatenate([DEEP, ALPHA], -1)), {"photometric": 1, "extra": 2}, over_white(DEEP)),
    "colour": (bytes_of(COLOUR), {"photometric": 2}, COLOUR),
    "16-bit colour": (COLOUR, {"photometric": 2}, COLOUR),
    "16-bit colour with alpha": (with_alpha, {"photometric": 2, "extra": 2}, over_white(COLOUR)),
    "16-bit colour with another channel": (with_alpha, {"photometric": 2, "extra": 0}, COLOUR),
}


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("kind", READ)
def test_what_is_read_has_the_values_that_were_meant(kind: str, option: str, order: str) -> None:
    values, form, meant = READ[kind]
    content = tiff(values, order=order, **form, **OPTIONS[option])
    unread = {("big", ">"): "BigTIFF with the most", ("packed", ">"): "compressed numbers of 32 bits"}
    if (option, order) == ("big", ">") or (kind, option, order) == ("floats", "packed", ">"):
        with pytest.raises(ImageError, match=unread[option, order]):
            read_image(content)
        return
    pixels = read_image(content).pixels
    assert np.abs(pixels - np.clip(meant / 257, 0, 255)).max() <= 3


COUNTING = list(range(256))
REFUSED: dict[str, tuple[np.ndarray, dict[str, Any], str]] = {
    "double": (
        DEEP / 65535,
        {"photometric": 1},
        "grey in floats of 64 bits is not supported in TIFF; save it as 32-bit",
    ),
    "half": ((DEEP / 65535).astype(np.float16), {"photometric": 1}, "grey in floats of 16 bits is not supported"),
    "colour in floats": ((COLOUR / 65535).astype(np.float32), {"photometric": 2}, "colour .* in floats of 32 bits"),
    "32-bit colour": (COLOUR.astype(np.uint32), {"photometric": 2}, "colour .* in numbers of 32 bits"),
    "16-bit grey with alpha": (with_alpha[..., 2:], {"photometric": 1, "extra": 2}, "grey with alpha in .* 16 bits"),
    "grey and alpha apart": (
        bytes_of(with_alpha[..., 2:]),
        {"photometric": 1, "extra": 2, "planes": True, "packed": True},
        "grey with alpha in separate planes",
    ),
    "many channels": (with_alpha, {"photometric": 1, "planes": True, "packed": True}, "4 numbers a pixel"),
    "deep planes": (COLOUR, {"photometric": 2, "planes": True}, "16-bit colour in separate planes"),
    "deep planes of CMYK": (with_alpha, {"photometric": 5, "planes": True}, "16-bit colour in separate planes"),
    "signed bytes": (bytes_of(DEEP).view(np.int8), {"photometric": 1}, "signed numbers of 8 bits"),
    "packed numbers of 16 bits": (
        DEEP.view(np.int16),
        {"photometric": 1, "order": ">", "packed": True},
        "other byte order",
    ),
    "packed YCbCr": (bytes_of(COLOUR), {"photometric": 6, "packed": True}, "YCbCr with another compression"),
    "dark palette": (bytes_of(DEEP), {"photometric": 3, "palette": COUNTING * 3}, "its palette has numbers of 8 bits"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_would_be_read_wrong_is_refused_with_the_reason(kind: str) -> None:
    values, form, reason = REFUSED[kind]
    with pytest.raises(ImageError, match=reason):
        read_image(tiff(values, **form))


def test_a_palette_of_16_bits_and_large_numbers_are_read() -> None:
    palette = [level * 257 for level in COUNTING]
    pixels = read_image(tiff(bytes_of(DEEP), 3, palette=palette * 3)).pixels
    np.testing.assert_array_equal(pixels, np.repeat(bytes_of(DEEP), 3, -1))
    image = read_image(tiff(DEEP.astype(np.uint32) * 65537, 1))
    assert np.abs(image.pixels - DEEP / DEEP.max() * 255).max() <= 1, "numbers above 2^31 are not negative"
