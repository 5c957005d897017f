"""Hostile image files a hundred times as large as usual, and honest giants: within 10 seconds and 1 GB."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from nvp_studio.data.decoding import Decoders
from nvp_studio.data.images import ImageError, ReadImage
from tests.hostile.image_files import COUNTED, chunks, scans, strips

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory as Linux counts it"),
]

SECONDS = 10.0
"""Of computing, for each file, and a second for what is around."""
GIANT_BYTES = 700 * 10**6
SIDE = 8000


def read_watched(path: Path) -> tuple[ReadImage | ImageError, float, int]:
    """The image in a file, the seconds of computing that a process for decoding took, and its most memory."""
    decoders = Decoders(1)
    seconds, memory = 0.0, 0
    before = set(psutil.Process().children())
    try:
        for image in decoders.read([path], (3, 32, 32)):
            for child in set(psutil.Process().children()) - before:
                try:
                    times = child.cpu_times()
                    seconds = max(seconds, times.user + times.system)
                    memory = max(memory, child.memory_info().rss)
                except psutil.Error:
                    continue
            if image is not None:
                return image, seconds, memory
    finally:
        decoders.close()
    raise AssertionError("nothing was read")


@pytest.mark.parametrize("name", [name for name in COUNTED if COUNTED[name].count <= 200_000 and "scans" not in name])
def test_a_hundred_times_as_many_parts_are_refused_as_soon(name: str, tmp_path: Path) -> None:
    build, count, words = COUNTED[name]
    path = tmp_path / name
    path.write_bytes(build(min(100 * count, 65_000) if name == "tags.tif" else 100 * count))
    image, seconds, memory = read_watched(path)
    assert isinstance(image, ImageError)
    assert words in str(image)
    assert seconds < 2
    assert memory < 200 * 10**6


@pytest.mark.parametrize(
    ("build", "count"), [(chunks, 69_000), (strips, 99_000), (lambda count: scans(count, 8000), 60), (scans, 199)]
)
def test_as_many_parts_as_are_read_take_no_longer_than_promised(
    build: Callable[[int], bytes], count: int, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(build(count))
    _, seconds, memory = read_watched(path)
    assert seconds < SECONDS + 1
    assert memory < 10**9


def giant(mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(np.arange(SIDE * SIDE, dtype=np.uint32).astype(np.uint16).reshape(SIDE, SIDE))
    image = Image.new(mode, (SIDE, SIDE), {"RGB": (1, 2, 3), "RGBA": (1, 2, 3, 99), "F": 0.5}[mode])
    return image


@pytest.mark.parametrize(("mode", "kind"), [("RGB", "PNG"), ("RGBA", "PNG"), ("I;16", "PNG"), ("F", "TIFF")])
def test_honest_giants_are_read_in_little_more_than_their_pixels(mode: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "giant"
    giant(mode).save(path, kind)
    began = time.monotonic()
    image, seconds, memory = read_watched(path)
    print(f"{mode}: {seconds:.1f} s of computing, {time.monotonic() - began:.1f} s, {memory / 1e6:.0f} MB")
    assert isinstance(image, ReadImage), image
    assert seconds < SECONDS
    assert memory < GIANT_BYTES
