"""Image files of few bytes and much work: many parts, each of which costs a decoder far more than its bytes.

Each function makes the content of a file with `count` such parts.
"""

import struct
import zlib
from collections.abc import Callable
from typing import NamedTuple

from tests.hostile.data_files import encoded, png

SOUND_JPEG = encoded("JPEG")
SOUND_GIF = encoded("GIF")
EMPTY_PIXEL = (b"IDAT", zlib.compress(b"\0\0"))


def chunks(count: int, kind: bytes = b"prVt", data: bytes = b"") -> bytes:
    """A PNG of one pixel with as many chunks more, by default empty private ones."""
    whole = png(1, 1, EMPTY_PIXEL)
    chunk = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return whole[:33] + chunk * count + whole[33:]


def texts(count: int) -> bytes:
    """A PNG with short texts."""
    return chunks(count, b"tEXt", b"k\0v")


def _segment(marker: int, data: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(data) + 2) + data


def segments(count: int) -> bytes:
    """A JPEG with empty segments of an application."""
    return SOUND_JPEG[:2] + _segment(0xE1, b"") * count + SOUND_JPEG[2:]


def segments_behind_an_end(count: int) -> bytes:
    """The same behind a mark of the end, which Pillow passes over."""
    return SOUND_JPEG[:2] + b"\xff\xd9" + segments(count)[2:]


def profiles(count: int) -> bytes:
    """A JPEG with parts of a colour profile."""
    return SOUND_JPEG[:2] + _segment(0xE2, b"ICC_PROFILE\0\1\1") * count + SOUND_JPEG[2:]


def padding(count: int) -> bytes:
    """A JPEG with padding before a segment, of which Pillow takes one byte at a time."""
    return SOUND_JPEG[:2] + b"\xff" * count + SOUND_JPEG[2:]


def junk(count: int) -> bytes:
    """A JPEG with bytes between segments that belong to none."""
    return SOUND_JPEG[:2] + b"\xff\x01" + b"j" * count + SOUND_JPEG[2:]


def scans(count: int, side: int = 4000) -> bytes:
    """A progressive JPEG; each scan of 97 bytes (at a side of 4000) goes through every block."""

    def bits(text: str) -> bytes:
        text += "1" * (-len(text) % 8)
        return int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\0")

    blocks = ((side + 7) // 8) ** 2
    one_code = bytes([1] + [0] * 15)
    head = _segment(0xDB, b"\0" + bytes([1] * 64))
    head += _segment(0xC2, struct.pack(">BHHB", 8, side, side, 1) + bytes([1, 0x11, 0]))
    head += _segment(0xC4, b"\x00" + one_code + b"\0") + _segment(0xC4, b"\x10" + one_code + b"\xe0")
    first = _segment(0xDA, bytes([1, 1, 0, 0, 0, 0])) + bits("0" * blocks)
    more = _segment(0xDA, bytes([1, 1, 0, 1, 63, 0x10])) + bits(("0" + "1" * 14) * -(-blocks // 32767))
    return b"\xff\xd8" + head + first + more * count + b"\xff\xd9"


def _tiff(*tags: tuple[int, int, int, int], more: bytes = b"", following: int = 0) -> bytes:
    table = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + table + struct.pack("<I", following) + more


def _grey(height: int, *tags: tuple[int, int, int, int]) -> tuple[tuple[int, int, int, int], ...]:
    """Tags of a grey picture one pixel wide."""
    plain = ((256, 3, 1, 1), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (277, 3, 1, 1))
    return (*plain, *tags)


def strips(count: int) -> bytes:
    """A TIFF one pixel wide with a strip for each row, whose places and sizes are a byte each."""
    tags = _grey(count, (273, 1, count, 200), (278, 3, 1, 1), (279, 1, count, 200 + count))
    return _tiff(*tags).ljust(200, b"\0") + b"\x09" * count + b"\x01" * count


def pages(count: int) -> bytes:
    """A TIFF of pages of one pixel."""
    table = b"".join(struct.pack("<HHII", *tag) for tag in _grey(1, (273, 4, 1, 8), (278, 3, 1, 1), (279, 4, 1, 1)))
    size = 2 + len(table) + 4
    found = [b"II" + struct.pack("<HI", 42, 8)]
    for number in range(1, count + 1):
        following = 8 + size * number if number < count else 0
        found.append(struct.pack("<H", len(table) // 12) + table + struct.pack("<I", following))
    return b"".join(found)


def shared_tags(count: int) -> bytes:
    """A TIFF with tags that all name the same megabyte."""
    tags = tuple((number, 1, 2**20, 8) for number in range(1000, 1000 + count))
    return _tiff(*tags, more=bytes(2**20))


def written_values(count: int) -> bytes:
    """A PPM with values as digits."""
    return b"P3\n%d 1\n255\n" % (count // 3) + b"1 2 3 " * (count // 3)


def odd_white(count: int) -> bytes:
    """A PGM of bytes whose white is 254."""
    return b"P5\n%d 1\n254\n" % count + bytes(count)


def header_comment(count: int) -> bytes:
    """A PPM with a long comment in its header, of which Pillow reads one byte at a time."""
    return b"P6\n#" + b"c" * count + b"\n1 1 255\nabc"


def comments(count: int) -> bytes:
    """A GIF with comments of one byte before its picture."""
    place = SOUND_GIF.index(b"!") if b"!" in SOUND_GIF[13 + 768 :] else SOUND_GIF.index(b",", 13 + 768)
    return SOUND_GIF[:place] + b"!\xfe\x01c\0" * count + SOUND_GIF[place:]


def comment_blocks(count: int) -> bytes:
    """A GIF with one comment of many blocks."""
    place = SOUND_GIF.index(b",", 13 + 768)
    return SOUND_GIF[:place] + b"!\xfe" + b"\x01c" * count + b"\0" + SOUND_GIF[place:]


def boxes(count: int) -> bytes:
    """A JPEG 2000 with empty boxes before its picture."""
    sound = encoded("JPEG2000")
    return sound[:12] + struct.pack(">I", 8) + b"free" + (struct.pack(">I", 8) + b"free") * count + sound[12:]


class Hostile(NamedTuple):
    """How a file is made, how many parts it has at its usual size, and what is said of it."""

    build: Callable[[int], bytes]
    count: int
    words: str


COUNTED = {
    "chunks.png": Hostile(chunks, 100_000, "70,000 chunks"),
    "texts.png": Hostile(texts, 100_000, "70,000 chunks"),
    "segments.jpg": Hostile(segments, 100_000, "1,000 segments"),
    "end.jpg": Hostile(segments_behind_an_end, 100_000, "1,000 segments"),
    "profiles.jpg": Hostile(profiles, 100_000, "1,000 segments"),
    "padding.jpg": Hostile(padding, 100_000, "1,000 segments"),
    "junk.jpg": Hostile(junk, 100_000, "1,000 segments"),
    "scans.jpg": Hostile(scans, 300, "200 scans"),
    "large-scans.jpg": Hostile(lambda count: scans(count, 8000), 80, "pixels in its scans"),
    "strips.tif": Hostile(strips, 200_000, "100,000 strips"),
    "pages.tif": Hostile(pages, 20_000, "10,000 pages"),
    "tags.tif": Hostile(shared_tags, 100, "more bytes than it has"),
    "digits.ppm": Hostile(written_values, 20 * 10**6, "one by one"),
    "white.pgm": Hostile(odd_white, 20 * 10**6, "one by one"),
    "header.ppm": Hostile(header_comment, 100_000, "its header"),
    "comments.gif": Hostile(comments, 100_000, "10,000 blocks"),
    "comment.gif": Hostile(comment_blocks, 100_000, "10,000 blocks"),
    "boxes.jp2": Hostile(boxes, 100_000, "1,000 boxes"),
}
"""Files that are refused by counts alone; ten times as many parts are still refused."""
