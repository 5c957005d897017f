"""Images decoded in other processes are those of this one; a file that takes too much harms no other."""

import io
import platform
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nvp_studio.data import decode_child, decoding
from nvp_studio.data.dataset import DataError
from nvp_studio.data.decode_child import Process, Task
from nvp_studio.data.decode_limits import MEMORY_EXIT
from nvp_studio.data.decode_process import Want
from nvp_studio.data.decoding import Decoders
from nvp_studio.data.images import ImageError, ReadImage, read_facts, read_header, read_image
from nvp_studio.data.reading import Reading
from tests.hostile.data_files import encoded
from tests.hostile.image_files import COUNTED, scans

SHAPE = (3, 16, 16)


class Watched(Decoders):
    """Decoders that remember the processes they gave out."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.taken: list[Process] = []

    def take(self, *, start: bool) -> Process | None:
        process = super().take(start=start)
        if process is not None and process not in self.taken:
            self.taken.append(process)
        return process


@pytest.fixture(scope="module")
def shared() -> Iterator[Watched]:
    decoders = Watched(2)
    yield decoders
    decoders.close()


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of some seconds of work for a decoder in C."""
    path = tmp_path_factory.mktemp("long") / "long.jpg"
    path.write_bytes(scans(190))
    return path


@pytest.fixture
def single() -> Iterator[Watched]:
    decoders = Watched(1)
    yield decoders
    decoders.close()


def images_of(decoders: Decoders, sources: list[Path | str | bytes | ImageError]) -> list[ReadImage | ImageError]:
    return [image for image in decoders.read(sources, SHAPE) if image is not None]


def reasons_of(images: list[ReadImage | ImageError]) -> list[str]:
    return [str(image) if isinstance(image, ImageError) else "" for image in images]


def grey(level: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (8, 8), level).save(file, "PNG")
    return file.getvalue()


def test_images_are_those_that_this_process_reads(shared: Decoders, tmp_path: Path) -> None:
    path = tmp_path / "näme\n.png"
    path.write_bytes(encoded("PNG"))
    sources = [path, str(path), encoded("JPEG"), encoded("TIFF"), encoded("GIF")]
    for image, source in zip(images_of(shared, sources), sources, strict=True):
        expected = read_image(source, SHAPE)
        assert isinstance(image, ReadImage)
        assert np.array_equal(image.pixels, expected.pixels)
        assert (image.notes, image.size, image.text) == (expected.notes, expected.size, expected.text)
        image.pixels[0, 0] = 0  # they may be changed
    assert [header for header in shared.headers(sources) if header] == [read_header(source) for source in sources]
    levels = sources[:-1]
    assert [facts for facts in shared.facts(levels) if facts] == [read_facts(source) for source in levels]
    assert [str(reason) for reason in shared.facts(sources[-1:]) if reason] == ["its numbers are no levels"]


def test_the_reading_reaches_the_process(shared: Decoders, tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 4095, np.uint16)).save(tmp_path / "a.png")
    for high, level in ((4095, 255), (65535, 16)):
        reading = Reading(values=f"0..{high}")
        (image,) = (image for image in shared.read([tmp_path / "a.png"], SHAPE, reading) if image is not None)
        assert isinstance(image, ReadImage)
        assert (image.pixels == level).all()


def test_reasons_are_those_of_this_process(shared: Decoders, tmp_path: Path) -> None:
    chunks = COUNTED["chunks.png"].build(100_000)
    bad = [b"", b"text", tmp_path / "gone.png", tmp_path, encoded("PNG")[:-200], chunks, ImageError("told before")]
    reasons = reasons_of(images_of(shared, [*bad, grey(1)]))
    for source, reason in zip(bad[:-1], reasons, strict=False):
        with pytest.raises(ImageError) as refused:
            read_image(source, SHAPE)
        assert reason == str(refused.value)
    assert reasons[-2:] == ["told before", ""]
    assert [isinstance(header, tuple) for header in shared.headers([b"text", grey(1)]) if header is not None] == [
        False,
        True,
    ]


def test_many_files_come_in_order(shared: Decoders, tmp_path: Path) -> None:
    for number in range(200):
        (tmp_path / f"{number:03}.png").write_bytes(grey(number))
    images = images_of(shared, sorted(tmp_path.iterdir()))
    assert [int(image.pixels[0, 0, 0]) for image in images if isinstance(image, ReadImage)] == list(range(200))


def test_contents_larger_than_a_pipe_come_in_order(shared: Decoders) -> None:
    sources: list[Path | str | bytes | ImageError] = [grey(number) + bytes(300_000) for number in range(50)]
    images = images_of(shared, sources)
    assert [int(image.pixels[0, 0, 0]) for image in images if isinstance(image, ReadImage)] == list(range(50))


def test_sources_are_taken_a_bounded_number_ahead(shared: Decoders) -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield grey(7)

    with closing(shared.read(endless(), SHAPE)) as images:
        for _ in range(50):
            next(images)
    assert 0 < taken < 50 + 4 * decode_child.AHEAD + 2


@pytest.mark.parametrize(("seconds", "processes"), [(0.0, 2), (60.0, 1)])
def test_another_process_is_started_where_one_has_worked_for_long(
    seconds: float, processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "_MORE_SECONDS", seconds)
    file = io.BytesIO()
    Image.effect_noise((500, 500), 50).save(file, "PNG")
    with closing(Watched(2)) as decoders:
        images_of(decoders, [file.getvalue()] * 20)
        assert len(decoders.taken) == processes


def test_the_caller_has_control_while_sources_are_looked_for(shared: Decoders) -> None:
    def slow() -> Iterator[bytes]:
        for _ in range(20):
            time.sleep(0.03)  # longer than the caller waits
            taken.append(grey(7))
            yield taken[-1]

    taken: list[bytes] = []
    with closing(shared.read(slow(), SHAPE)) as images:
        next(images)
        assert len(taken) <= 2
        assert len([image for image in images if image is not None]) >= 18


def test_few_large_images_are_taken_ahead(shared: Decoders) -> None:
    """Those that wait for an earlier one are held in memory."""
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield grey(7)

    with closing(shared.read(endless(), (3, 1024, 1024))) as images:
        for _ in range(10):
            next(images)
    assert taken <= 10 + 64 // 3 + 1


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator of glibc")
def test_a_process_keeps_the_memory_of_an_image_for_the_next(single: Watched) -> None:
    file = io.BytesIO()
    Image.effect_noise((640, 480), 50).convert("RGB").save(file, "JPEG")
    faults = []
    for _ in range(2):
        images_of(single, [file.getvalue()] * 4)
        status = Path(f"/proc/{single.taken[0]._popen.pid}/stat").read_text().rpartition(")")[2].split()
        faults.append(int(status[7]))  # pages that the process did not have
    assert len(single.taken) == 1
    assert faults[1] - faults[0] < 400  # of 900 in each image's pixels alone


def test_a_process_is_used_again(single: Watched) -> None:
    for _ in range(3):
        images_of(single, [grey(1)])
    assert len(single.taken) == 1


def test_the_caller_has_control_while_a_file_is_decoded(single: Watched, long: Path) -> None:
    with closing(single.read([long], SHAPE)) as images:
        assert next(images) is None
        assert next(images) is None
    with single.arrived:
        assert single.arrived.wait_for(lambda: single.taken[0].ended, 20)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows measures other time")
def test_a_file_that_takes_too_long_has_a_reason_and_the_others_are_read(
    single: Watched, long: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "SECONDS", 0.2)
    images = images_of(single, [grey(1), long, grey(2), grey(3)])
    assert reasons_of(images) == ["", "takes more than 0 seconds to decode", "", ""]
    assert len(single.taken) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="Windows measures other time")
@pytest.mark.slow
def test_after_some_files_in_a_row_that_took_too_long_others_get_less_time(
    single: Watched, long: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "SECONDS", 0.1)
    monkeypatch.setattr(decoding, "_SHORT_SECONDS", 1.6)  # more, so that the two can be told apart
    monkeypatch.setattr(decoding, "_PATIENT_FILES", 2)
    reasons = reasons_of(images_of(single, [long, long, long, grey(1), long]))
    assert reasons[:2] == ["takes more than 0 seconds to decode"] * 2
    assert reasons[2:4] == ["takes more than 2 seconds to decode", ""]


def test_a_file_at_which_the_process_ends_has_a_reason(single: Watched, long: Path) -> None:
    images: list[ReadImage | ImageError] = []
    for image in single.read([grey(1), long, grey(2)], SHAPE):
        if image is not None:
            images.append(image)
        if len(images) == 1 and len(single.taken) == 1:
            single.taken[0].end()
    assert [bool(reason) for reason in reasons_of(images)] == [False, True, False]
    assert "ends the decoder" in str(images[1])


def test_a_process_that_is_ended_takes_nothing_from_then_on(single: Watched) -> None:
    process = single.take(start=True)
    assert process is not None
    process.end()
    process.ended = False  # as until the thread that receives its results sees the end
    assert not process.give(deque([Task(grey(1))]), Want("header"), 1.0)


def test_a_process_that_ended_while_idle_is_replaced(single: Watched) -> None:
    images_of(single, [grey(1)])
    single.taken[0].end()
    with single.arrived:
        assert single.arrived.wait_for(lambda: single.taken[0].ended, 20)
    assert reasons_of(images_of(single, [grey(1)])) == [""]
    assert len(single.taken) == 2


def test_cancelling_ends_the_process(single: Watched, long: Path) -> None:
    calls = 0

    def cancelled() -> bool:
        nonlocal calls
        calls += 1
        return calls > 2

    assert [image for image in single.read([long, grey(1)], SHAPE, cancelled=cancelled) if image is not None] == []
    with single.arrived:
        assert single.arrived.wait_for(lambda: single.taken[0].ended, 20)


def test_a_process_that_is_kept_ready_is_the_one_that_reads(single: Watched) -> None:
    single.keep_ready()
    single.keep_ready()
    (ready,) = single._idle
    images_of(single, [grey(1)])
    assert single.taken == [ready]


def test_a_process_that_does_not_start_is_told(single: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode_child, "_CODE", "raise SystemExit(3)")
    with pytest.raises(DataError, match=r"does not start \(exit status 3\)"):
        images_of(single, [grey(1)])


def test_what_c_libraries_print_goes_nowhere(shared: Decoders, capfd: pytest.CaptureFixture[str]) -> None:
    content = bytearray(encoded("TIFF", compression="tiff_lzw"))
    content[200:260] = b"\xff" * 60
    images_of(shared, [bytes(content)])
    assert capfd.readouterr() == ("", "")


LIMITED = "from nvp_studio.data.decode_limits import *\n"


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's limit of addresses")
def test_memory_is_limited_by_the_kernel() -> None:
    code = (
        LIMITED
        + "limit_memory()\nbytes(MEMORY_BYTES // 2)\ntry: bytes(2 * MEMORY_BYTES)\nexcept MemoryError: print('refused')"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert ended.stdout.split() == [b"refused"]


@pytest.mark.skipif(sys.platform == "win32", reason="by POSIX")
def test_memory_is_watched_where_the_kernel_limits_none() -> None:
    code = LIMITED + "assert peak_bytes() > 2**20\nwatch_memory(2**20)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == MEMORY_EXIT
