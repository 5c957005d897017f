"""Counts of an image file's parts, checked before a library makes an object of each.

A few bytes may stand for a chunk, a segment, a scan or a strip, whose reading takes microseconds to a tenth of a second
and up to a kilobyte. The bounds here are far above what programs write, and keep each file to a few seconds. Nothing of
the file is held but a block of it, and what is damaged is left to the decoder, which says so.
"""

import os
import re
import struct
from collections.abc import Callable, Iterator
from typing import BinaryIO

MAX_CHUNKS = 70_000
"""Of a PNG: 512 MB in the pieces of 8 KB that libpng writes."""
MAX_SEGMENTS = 1_000
"""Of a JPEG before its first scan; each byte between them counts as one."""
MAX_SCANS = 200
"""Of a JPEG; programs write about ten."""
MAX_SCANNED_PIXELS = 4 * 10**9
"""Pixels of a JPEG times its scans, at 0.9 ns each."""
MAX_STRIPS = 100_000
"""Strips or tiles of a TIFF."""
MAX_PAGES = 10_000
"""Of a TIFF."""
MAX_TAGS = 10_000
"""Of a page of a TIFF."""
MAX_WRITTEN_VALUES = 16 * 10**6
"""Values of a PNM that are written as digits, or whose white is neither 255 nor 65 535: Pillow takes one by one."""
MAX_BLOCKS = 10_000
"""Of a GIF's extensions, up to its second picture."""
MAX_PICTURE_BLOCKS = 2_200_000
"""Of a GIF's first picture: 512 MB in blocks of 255 bytes."""
MAX_BOXES = 1_000
"""Of a JPEG 2000 before its picture."""

_TGA_HEADER = struct.Struct("<BBBHHBHHHHBB")
_TGA_GAIN = 128
"""Pixels that a run of a TGA may stand for at most."""
_OTHER_STARTS = (b"\x89PNG", b"\xff\xd8", b"GIF8", b"II*\0", b"MM\0*", b"BM", b"RIFF", b"\0\0\0\x0cjP  ")
_SHARED_BYTES = 16 * 2**20
"""By which the tags of a TIFF may be larger than the file, since some may share their bytes."""
_HEADER_BYTES = 2**16
_BLOCK_BYTES = 2**16
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""Of JPEG, within compressed data: neither a stuffed byte, a restart nor padding."""
_COMMENT = re.compile(rb"#[^\r\n]*[\r\n]?")
_STRIP_TAGS = (273, 279, 324, 325)
"""Places and sizes of strips and tiles."""
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of a value of each type of a TIFF."""


class CountError(ValueError):
    """An image file has too many parts; the message says of what."""


def check_counts(file: BinaryIO) -> None:
    """Raise `CountError` where reading the image in `file` would take more than some seconds for its parts alone.

    Other formats than PNG, JPEG, TIFF, PNM, GIF and JPEG 2000 are not looked at. The file is left at its start.
    """
    file.seek(0)
    start = file.read(12)
    for starts, check in _CHECKS:
        if start.startswith(starts):
            file.seek(0)
            check(file)
    file.seek(0)


def is_tga(file: BinaryIO) -> bool:
    """Whether a file may be a TGA, a format without a mark: its header is sound, and its pixels may be in the file.

    The file is left at its start.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    header = file.read(_TGA_HEADER.size)
    file.seek(0)
    if len(header) < _TGA_HEADER.size or header.startswith(_OTHER_STARTS):
        return False
    id_bytes, has_map, kind, first, entries, entry_bits, _, _, width, height, bits, flags = _TGA_HEADER.unpack(header)
    plain = kind in (1, 2, 3)
    if not (plain or kind in (9, 10, 11)) or flags & 0xC0 or not (width and height):
        return False
    if has_map not in (0, 1) or (not has_map and (first or entries or entry_bits)) or (kind in (1, 9)) > has_map:
        return False
    if bits not in ((1, 8, 16) if kind in (3, 11) else (8,) if kind in (1, 9) else (16, 24, 32)):
        return False
    most_gain = 1 if plain else _TGA_GAIN
    needed = _TGA_HEADER.size + id_bytes + entries * -(-entry_bits // 8)
    return bool(needed + width * height * bits // 8 // most_gain <= size)


def _limit(count: int, most: int, parts: str) -> None:
    if count > most:
        raise CountError(f"it has more than {most:,} {parts}, which would take too long to read")


def _check_png(file: BinaryIO) -> None:
    file.seek(8)
    count = 0
    while len(head := file.read(8)) == 8 and head[4:] != b"IEND":
        count += 1
        _limit(count, MAX_CHUNKS, "chunks")
        file.seek(int.from_bytes(head[:4]) + 4, os.SEEK_CUR)


def _check_jpeg(file: BinaryIO) -> None:
    pixels = scans = 0
    for marker, content in _jpeg_segments(file):
        if marker in range(0xC0, 0xD0) and marker not in (0xC4, 0xC8, 0xCC) and len(content) >= 5:
            height, width = struct.unpack_from(">HH", content, 1)
            pixels = max(pixels, height * width)
        scans += marker == 0xDA
        _limit(scans, MAX_SCANS, "scans")
        _limit(scans * pixels, MAX_SCANNED_PIXELS, "pixels in its scans together")


def _jpeg_segments(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The marker and the first bytes of each segment, read as Pillow does before the first scan, then as libjpeg."""
    place, count, scanning = 2, 0, False
    while True:
        if scanning:
            place = _next_marker(file, place)
        file.seek(place)
        if len(head := file.read(9)) < 4:
            return
        count += not scanning
        _limit(count, MAX_SEGMENTS, "segments")
        marker = head[1]
        if head[0] != 0xFF:
            place += 1
        elif marker in (0x00, 0xFF) or marker in range(0xD0, 0xDA) or marker == 0x01:  # which have no content
            if marker == 0xD9 and scanning:
                return
            place += 1 if marker == 0xFF else 2
        else:
            yield marker, head[4:]
            place += 2 + max(2, int.from_bytes(head[2:4]))
            scanning = scanning or marker == 0xDA


def _next_marker(file: BinaryIO, place: int) -> int:
    """The place of the next marker within compressed data, or the end of the file."""
    while True:
        file.seek(place)
        block = file.read(_BLOCK_BYTES)
        match = _MARKER.search(block)
        if match is not None:
            return place + match.start()
        if len(block) < 2:
            return place + len(block)
        place += len(block) - (block[-1] == 0xFF)


def _check_tiff(file: BinaryIO) -> None:
    """Count the pages, their strips, and the bytes of all tags, of which many may stand for the same bytes."""
    start = file.read(4)
    order, big = "<" if start[:2] == b"II" else ">", start[2] == 43
    place_form, count_form, tag_form = (
        (f"{order}Q", f"{order}Q", f"{order}HHQ8x") if big else (f"{order}I", f"{order}H", f"{order}HHI4x")
    )
    tag_bytes = struct.calcsize(tag_form)
    size = file.seek(0, os.SEEK_END)
    total = 0
    seen: set[int] = set()
    file.seek(8 if big else 4)
    while (place := _number(file, place_form)) and place not in seen and place < size:
        seen.add(place)
        _limit(len(seen), MAX_PAGES, "pages")
        file.seek(place)
        tags = _number(file, count_form)
        _limit(tags, MAX_TAGS, "tags")
        table = file.read(tags * tag_bytes)
        for tag, kind, count in struct.iter_unpack(tag_form, table[: len(table) // tag_bytes * tag_bytes]):
            bytes_named = _TYPE_BYTES.get(kind, 0) * count
            if bytes_named <= size:  # others cannot be read
                total += bytes_named
                _limit(count if tag in _STRIP_TAGS else 0, MAX_STRIPS, "strips")
        if total > size + _SHARED_BYTES:
            raise CountError("its tags name more bytes than it has")


def _number(file: BinaryIO, form: str) -> int:
    """Read one number of a TIFF, 0 at the end of the file."""
    content = file.read(struct.calcsize(form))
    return int(struct.unpack(form, content)[0]) if len(content) == struct.calcsize(form) else 0


def _check_pnm(file: BinaryIO) -> None:
    head = file.read(_HEADER_BYTES)
    magic, *numbers = _COMMENT.sub(b"", head).split(maxsplit=4)[:4]
    if magic == b"Pf":
        return
    needed = 2 if magic in (b"P1", b"P4") else 3
    if len(numbers) < needed and len(head) == _HEADER_BYTES:
        raise CountError(f"its header has more than {_HEADER_BYTES:,} bytes")
    if len(numbers) < needed or not all(number.isdigit() and len(number) <= 10 for number in numbers[:needed]):
        return  # damaged, as the decoder will say
    width, height = int(numbers[0]), int(numbers[1])
    white = int(numbers[2]) if needed == 3 else 255
    one_by_one = magic in (b"P1", b"P2", b"P3") or (white != 255 and not (white == 65535 and magic == b"P5"))
    if one_by_one:
        channels = 1 if magic in (b"P1", b"P2", b"P4", b"P5") else 3 if magic in (b"P3", b"P6") else 4
        _limit(width * height * channels, MAX_WRITTEN_VALUES, "values in a form that is read one by one")


def _check_gif(file: BinaryIO) -> None:
    header = file.read(13)
    if len(header) < 13:
        return
    _skip_palette(file, header[10])
    blocks = pictures = 0
    while (kind := file.read(1)) not in (b"", b";"):
        blocks += 1
        if kind == b"!":
            file.seek(1, os.SEEK_CUR)
            blocks += _skip_blocks(file, MAX_BLOCKS, "blocks")
        elif kind == b",":
            pictures += 1
            description = file.read(9)
            if pictures == 2 or len(description) < 9:
                return
            _skip_palette(file, description[8])
            file.seek(1, os.SEEK_CUR)
            _skip_blocks(file, MAX_PICTURE_BLOCKS, "blocks in its picture")
        _limit(blocks, MAX_BLOCKS, "blocks")


def _skip_palette(file: BinaryIO, flags: int) -> None:
    if flags & 128:
        file.seek(3 << ((flags & 7) + 1), os.SEEK_CUR)


def _skip_blocks(file: BinaryIO, most: int, parts: str) -> int:
    """Go behind the blocks of data that follow, and return how many there are."""
    count = 0
    while (size := file.read(1)) not in (b"", b"\0"):
        count += 1
        _limit(count, most, parts)
        file.seek(size[0], os.SEEK_CUR)
    return count


def _check_jpeg_2000(file: BinaryIO) -> None:
    count = 0
    while len(head := file.read(8)) == 8 and head[4:] != b"jp2c":
        count += 1
        _limit(count, MAX_BOXES, "boxes")
        size, header = int.from_bytes(head[:4]), 8
        if size == 1:
            size, header = int.from_bytes(file.read(8)), 16
        if size < header:
            return  # the last box, up to the end, or damaged
        if head[4:] != b"jp2h":  # which holds boxes, and is entered
            file.seek(size - header, os.SEEK_CUR)


_CHECKS: tuple[tuple[bytes | tuple[bytes, ...], Callable[[BinaryIO], None]], ...] = (
    (b"\x89PNG\r\n\x1a\n", _check_png),
    (b"\xff\xd8", _check_jpeg),
    ((b"II*\0", b"MM\0*", b"II\0*", b"MM*\0", b"II+\0", b"MM\0+"), _check_tiff),
    (b"GIF8", _check_gif),
    (b"\0\0\0\x0cjP  ", _check_jpeg_2000),
    (b"P", _check_pnm),
)
