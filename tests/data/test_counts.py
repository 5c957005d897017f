"""Image files of many parts are refused before a decoder sees them, and what programs write is not."""

import io
import struct
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from nvp_studio.data.counts import CountError, check_counts
from nvp_studio.data.images import ImageError, read_image
from tests.hostile.data_files import encoded
from tests.hostile.image_files import COUNTED, chunks, pages, scans, segments, strips, written_values

SMALL = [name for name in COUNTED if COUNTED[name].count < 10**6]


class Counting(io.BytesIO):
    """A file that counts the bytes that are read of it."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(size)
        self.taken += len(content)
        return content


@pytest.mark.parametrize("times", [1, 10])
@pytest.mark.parametrize("name", SMALL)
def test_many_parts_are_refused_after_few_of_them(name: str, times: int) -> None:
    build, count, words = COUNTED[name]
    if name.endswith("scans.jpg"):
        times = 1  # building ten times as many takes longer than refusing them
    file = Counting(build(count * times))
    with pytest.raises(CountError, match=words) as refused:
        check_counts(file)
    assert str(refused.value).isprintable()
    assert file.taken < 2 * 2**20


@pytest.mark.parametrize("name", ["digits.ppm", "white.pgm"])
def test_values_that_are_taken_one_by_one_are_counted_by_the_header(name: str) -> None:
    build, count, words = COUNTED[name]
    with pytest.raises(CountError, match=words):
        check_counts(
            io.BytesIO(build(300).replace(b"100 1", b"%d 1" % (count // 3)).replace(b"300 1", b"%d 1" % count))
        )


def test_reading_says_the_reason() -> None:
    with pytest.raises(ImageError, match=r"^it has more than 70,000 chunks, which would take too long to read$"):
        read_image(chunks(100_000))


@pytest.mark.parametrize(
    ("build", "count"),
    [(chunks, 69_990), (segments, 980), (pages, 10_000), (strips, 100_000), (written_values, 30_000)],
)
def test_fewer_parts_are_not_refused(build: Callable[[int], bytes], count: int) -> None:
    file = io.BytesIO(build(count))
    check_counts(file)
    assert file.tell() == 0


def test_scans_are_few_for_a_small_picture_and_fewer_for_a_large_one() -> None:
    check_counts(io.BytesIO(scans(190, 80)))
    check_counts(io.BytesIO(scans(40, 8000)))


OPTIONS: list[tuple[str, dict[str, object]]] = [
    ("PNG", {}),
    ("PNG", {"optimize": True}),
    ("JPEG", {}),
    ("JPEG", {"progressive": True, "exif": Image.Exif().tobytes(), "comment": b"c" * 1000}),
    ("JPEG", {"icc_profile": bytes(200_000)}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("TIFF", {"compression": "jpeg"}),
    ("TIFF", {"big_tiff": True}),
    ("GIF", {"comment": b"c" * 1000}),
    ("PPM", {}),
    ("JPEG2000", {}),
    ("WEBP", {}),
    ("BMP", {}),
]


@pytest.mark.parametrize(("kind", "options"), OPTIONS)
def test_what_programs_write_is_read(kind: str, options: dict[str, object]) -> None:
    content = encoded(kind, **options)
    check_counts(io.BytesIO(content))
    assert read_image(content).size == (40, 40)


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "PNG", "WEBP"])
def test_animations_and_stacks_are_read(kind: str) -> None:
    frames = [Image.fromarray(np.full((8, 8), 20 * number, np.uint8)) for number in range(10)]
    file = io.BytesIO()
    frames[0].save(file, kind, save_all=True, append_images=frames[1:])
    check_counts(io.BytesIO(file.getvalue()))


def test_pages_of_a_tiff_may_form_a_ring() -> None:
    """Whoever reads the next page sees that it was read already."""
    ring = bytearray(pages(3))
    ring[-4:] = struct.pack("<I", 8)
    check_counts(io.BytesIO(bytes(ring)))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "GIF", "PPM", "JPEG2000"])
def test_damaged_files_are_left_to_the_decoder(kind: str) -> None:
    """Whatever the check meets, it ends, and nothing but `CountError` comes of it."""
    content = encoded(kind)
    rng = np.random.default_rng(5)
    for _ in range(200):
        damaged = bytearray(content[: rng.integers(1, len(content) + 1)])
        for place in rng.integers(0, len(damaged), 4):
            damaged[place] = rng.integers(0, 256)
        with suppress(CountError):
            check_counts(io.BytesIO(bytes(damaged)))


@pytest.mark.parametrize("compression", [None, "tga_rle"])
@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGB", "RGBA"])
def test_a_tga_is_known_by_its_header(mode: str, compression: str | None) -> None:
    image = Image.effect_noise((9, 7), 50).convert("RGB").convert(mode)
    file = io.BytesIO()
    image.save(file, "TGA", compression=compression)
    np.testing.assert_array_equal(read_image(file.getvalue()).pixels.shape[:2], (7, 9))
    header = bytearray(file.getvalue()[:18])
    header[12:16] = struct.pack("<HH", 9000, 9000)  # which would decode to black
    for damaged in (bytes(header), file.getvalue()[:17], bytes(18) + file.getvalue()):
        with pytest.raises(ImageError, match="not an image of a known format"):
            read_image(damaged)
