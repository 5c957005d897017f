"""Colour with 16 bits a channel is read with both bytes, in each form that files have it in, or it is said."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nvp_studio.data import load_data, sixteen_bits
from nvp_studio.data.images import ImageError, read_facts, read_header, read_image
from nvp_studio.data.options import LoadOptions
from nvp_studio.data.reading import HIGH_BYTE, Reading
from nvp_studio.data.report import rows
from nvp_studio.data.survey import survey_data

RNG = np.random.default_rng(16)
_ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(values: np.ndarray, *chunks: bytes, interlaced: bool = False) -> bytes:
    """Numbers (H, W, C) as a PNG of 16 bits, with further chunks before the pixels."""
    height, width, channels = values.shape
    parts = [values[top::down, left::right] for top, left, down, right in _ADAM7] if interlaced else [values]
    lines = [b"\0" + row.astype(">u2").tobytes() for part in parts if part.size for row in part]
    header = struct.pack(">IIBBBBB", width, height, 16, _COLOUR_TYPES[channels], 0, 0, interlaced)
    pixels = chunk(b"IDAT", zlib.compress(b"".join(lines)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunks) + pixels + chunk(b"IEND", b"")


def tiff(
    values: np.ndarray, *, order: str = "<", packed: bool = False, planes: bool = False, alpha: int = 2, most: int = 0
) -> bytes:
    """Numbers (H, W, C) as a TIFF of 16 bits; `alpha` is the kind of a fourth channel, `most` MaxSampleValue."""
    height, width, channels = values.shape
    parts = [values[..., [channel]] for channel in range(channels)] if planes else [values]
    strips = [part.astype(f"{order}u2").tobytes() for part in parts]
    strips = [zlib.compress(strip) for strip in strips] if packed else strips
    tags = {256: [width], 257: [height], 258: [16] * channels, 259: [8 if packed else 1], 262: [2], 277: [channels]}
    tags |= {278: [height], 284: [2 if planes else 1]}
    tags |= {338: [alpha]} if channels == 4 else {}
    tags |= {281: [most] * channels} if most else {}
    start = 8
    content = bytearray(b"".join(strips))
    tags[273] = [start + sum(map(len, strips[:number])) for number in range(len(strips))]
    tags[279] = [len(strip) for strip in strips]
    content += b"\0" * (len(content) % 2)
    table = struct.pack(f"{order}H", len(tags))
    for tag in sorted(tags):
        form = "I" if tag in (273, 279) else "H"
        packed_values = struct.pack(f"{order}{len(tags[tag])}{form}", *tags[tag])
        table += struct.pack(f"{order}HHI", tag, 4 if form == "I" else 3, len(tags[tag]))
        if len(packed_values) > 4:
            table += struct.pack(f"{order}I", start + len(content))
            content += packed_values
        else:
            table += packed_values.ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", start + len(content))
    return head + bytes(content) + table + b"\0" * 4


def numbers(channels: int, high: int = 65535) -> np.ndarray:
    values = RNG.integers(0, high + 1, (13, 17, channels)).astype(np.uint16)
    values[0, 0] = high
    return values


FORMS = {
    "png": lambda values: png(values),
    "interlaced png": lambda values: png(values, interlaced=True),
    "tiff": lambda values: tiff(values),
    "tiff, high byte first": lambda values: tiff(values, order=">"),
    "packed tiff": lambda values: tiff(values, packed=True),
    "packed tiff, high byte first": lambda values: tiff(values, order=">", packed=True),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("channels", [2, 3, 4])
def test_both_bytes_of_colour_are_read(form: str, channels: int) -> None:
    if channels == 2 and "tiff" in form:
        pytest.skip("grey with alpha in TIFF is refused by Pillow")
    values = numbers(channels, 4095)
    if channels != 3:
        values[..., -1] = 65535
    content = FORMS[form](values)
    colour = values[..., :-1] if channels != 3 else values
    facts = read_facts(content)
    assert facts is not None
    assert (facts.kind, facts.low, facts.high) == ("16-bit", colour.min(), colour.max())
    shape, kind, _ = read_header(content)
    assert (shape, kind) == ((colour.shape[2], 13, 17), "16-bit")
    np.testing.assert_array_equal(read_image(content).pixels, np.rint(colour * (255 / 4095)))
    window = read_image(content, reading=Reading(values="16-bit:1024..1279")).pixels  # where the low byte alone counts
    np.testing.assert_array_equal(window, np.clip(colour.astype(int) - 1024, 0, 255))


def test_alpha_transparent_colours_and_turned_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = numbers(4)
    values[0, 0, 3], values[0, 1, 3] = 0, 65535
    image = read_image(png(values))
    share = np.rint(values[..., 3:] / 257) / 255
    expected = np.rint(values[..., :3] / 257) * share + 255 * (1 - share)
    assert np.abs(image.pixels - expected).max() <= 1
    assert image.notes == ("16-bit to 8-bit", "alpha over white")
    with monkeypatch.context() as patched:
        patched.setattr(sixteen_bits, "_BAND", 40)  # a large image is read in bands
        banded = read_image(png(values))
    np.testing.assert_array_equal(banded.pixels, image.pixels)
    assert banded.notes == image.notes
    colour = numbers(3)
    colour[2, 3] = (258, 259, 260)
    colour[2, 4] = (258, 259, 261)
    keyed = read_image(png(colour, chunk(b"tRNS", struct.pack(">3H", 258, 259, 260))))
    assert (keyed.pixels[2, 3] == 255).all()
    assert (keyed.pixels[2, 4] == 1).all()
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = read_image(png(colour, chunk(b"eXIf", exif.tobytes()[6:])))
    np.testing.assert_array_equal(turned.pixels, np.rot90(np.rint(colour / 257), -1))


@pytest.mark.parametrize(
    ("content", "decided"),
    [
        (lambda values: png(values[..., :1], chunk(b"sBIT", b"\x0c")), "16-bit:0..4095"),
        (lambda values: png(values, chunk(b"sBIT", b"\x0b\x0c\x0b")), "16-bit:0..4095"),
        (lambda values: png(values), "16-bit:0..1023"),
        (lambda values: png(values * 60, chunk(b"sBIT", b"\x0c\x0c\x0c")), "16-bit:0..65535"),  # as PNG asks for
        (lambda values: tiff(values, most=2047), "16-bit:0..2047"),
        (lambda values: tiff(values, most=2000), "16-bit:0..1023"),  # no bits, but the highest value there is
    ],
)
def test_stated_bits_are_the_range_if_the_values_keep_to_them(content: object, decided: str, tmp_path: Path) -> None:
    for number in range(3):
        file = content(numbers(3, 1000))
        extension = "png" if file[1:4] == b"PNG" else "tif"
        (tmp_path / f"{number}.{extension}").write_bytes(file)
    assert load_data(str(tmp_path)).reading.values == decided


def test_what_is_left_of_16_bit_colour_is_said_or_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="separate planes is not supported"):
        read_header(tiff(numbers(3), planes=True))
    values = numbers(4)
    values[..., 3] = 65535
    image = read_image(tiff(values, alpha=1))
    np.testing.assert_array_equal(image.pixels, values[..., :3] >> 8)
    assert HIGH_BYTE in image.notes
    for number in range(3):
        values[1, 1, :3] = number * 4096
        (tmp_path / f"{number}.tif").write_bytes(tiff(values, alpha=1))
    *_, report = survey_data(str(tmp_path), LoadOptions())
    assert not isinstance(report, int)
    warning = f"{HIGH_BYTE}, which is coarse where part of the bits are in use: save it as 16-bit PNG"
    assert ("warning", warning) in rows(report)
    assert [one.words for one in load_data(str(tmp_path)).suspicions] == [warning]


def test_texts_of_a_png_are_read_too() -> None:
    content = png(numbers(3), chunk(b"tEXt", b"recipe\0x"))
    assert read_image(io.BytesIO(content).getvalue()).text == {"recipe": "x"}
