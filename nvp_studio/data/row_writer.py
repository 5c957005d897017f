"""Writing the rows of a prepared data set to disk, so that whatever interrupts it can be continued.

`images-KEY.u8` holds the pixels, one image of H*W*C bytes after the other. After each chunk of rows a line of
`journal-KEY.jsonl` says what came of them. Pixels are flushed to disk first, their line second, so that the next
process goes on after the last whole chunk, however this one ends. Memory holds one chunk.
"""

import math
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np
import numpy.typing as npt

from nvp_studio.data.dataset import Attribute, DataError, Images, Labels
from nvp_studio.data.options import Progress
from nvp_studio.data.reading import UNDECIDED, Reading, Suspicion
from nvp_studio.files import flush_file

Numbers = npt.NDArray[np.uint8]

_CHUNK_BYTES = 8 * 2**20
_CHUNK_SECONDS = 2.0
_SPARE_BYTES = 64 * 2**20
"""Free disk space that is left to others."""
REASONS_SHOWN = 3
"""Problems whose reasons are kept, of however many there are."""


@dataclass(frozen=True, eq=False)
class Row:
    """One image of the source: uint8 `pixels` (H, W, C), or None and the `problem`, which names the file."""

    pixels: Images | None
    notes: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, eq=False)
class Plan:
    """What is to be prepared: N images of one shape (C, H, W), each with its split, labels and attributes.

    `splits` (N,) are indices in `SPLITS`, ascending, for each split is one piece of the file; `rows(k)` yields the rows
    from number k on, and None while the next is made. In a split without classes all `labels` are -1. `problems` name
    files that are known to be unreadable. `reading` is as it was decided for the rows, and `suspicions` are the doubts
    about it.
    """

    title: str
    image_shape: tuple[int, int, int]
    splits: Numbers
    rows: Callable[[int], Generator[Row | None, None, None]]
    labels: Labels | None = None
    label_names: tuple[str, ...] = ()
    attributes: Numbers | None = None
    attribute_names: tuple[Attribute, ...] = ()
    problems: tuple[str, ...] = ()
    reading: Reading = UNDECIDED
    suspicions: tuple[Suspicion, ...] = ()


class _Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the journal: `taken` images of the source, of which those numbered in `left_out` gave no row."""

    taken: int
    left_out: tuple[int, ...]
    problems: tuple[str, ...]
    notes: dict[str, int]


@dataclass
class RowTally:
    """What has come of the images of a plan so far: how many were `taken`, and the numbers of those `left_out`."""

    problems: list[str]
    """Of the first images that were left out, the reasons."""
    problem_count: int
    taken: int = 0
    left_out: list[int] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)

    def add(self, line: _Chunk) -> None:
        """Count a line of the journal."""
        self.taken += line.taken
        self.left_out += line.left_out
        self.problem_count += len(line.problems)
        self.problems += line.problems[: max(0, REASONS_SHOWN - len(self.problems))]
        self.notes.update(line.notes)


def write_rows(folder: Path, key: str, plan: Plan, progress: Progress) -> RowTally:
    """Write all rows of `plan` to the pixel file, from where an earlier call was interrupted.

    What `progress` raises ends it when the rows so far are on disk. Raises `DataError` where the disk has no room for
    all rows, and `OSError`.
    """
    total = len(plan.splits)
    row_bytes = math.prod(plan.image_shape)
    with _opened(pixels_path(folder, key)) as pixels, _opened(journal_path(folder, key)) as journal:
        tally = _resume(pixels, journal, plan)
        free = shutil.disk_usage(folder).free
        wanted = (total - tally.taken) * row_bytes
        if wanted + _SPARE_BYTES > free:
            raise DataError(
                f"preparing {plan.title} takes {wanted / 1e9:.2f} GB in {folder}, where {free / 1e9:.2f} GB are free; "
                "make room, or name another folder in NVP_STUDIO_CACHE"
            )
        if tally.taken == total:
            return tally
        if tally.taken:
            progress(tally.taken, total, f"going on with {plan.title}")
        chunk: list[Row] = []
        started = time.monotonic()
        with closing(plan.rows(tally.taken)) as rows:
            try:
                for row in rows:
                    if row is not None:
                        chunk.append(row)
                    progress(tally.taken + len(chunk), total, f"reading {plan.title}")
                    full = len(chunk) * row_bytes >= _CHUNK_BYTES
                    if full or time.monotonic() - started >= _CHUNK_SECONDS:
                        _append(pixels, journal, plan, tally, chunk)
                        chunk, started = [], time.monotonic()
            finally:
                if chunk:
                    _append(pixels, journal, plan, tally, chunk)
    if tally.taken != total:
        raise DataError(f"{plan.title} ended after {tally.taken:,} of {total:,} images")
    return tally


def _append(pixels: BinaryIO, journal: BinaryIO, plan: Plan, tally: RowTally, chunk: list[Row]) -> None:
    channels, height, width = plan.image_shape
    images = [row.pixels for row in chunk if row.pixels is not None]
    if any(image.shape != (height, width, channels) for image in images):
        raise DataError(f"an image of {plan.title} is not {(height, width, channels)}")
    if images:
        pixels.write(np.ascontiguousarray(np.stack(images)).data)
        _to_disk(pixels)
    line = _Chunk(
        taken=len(chunk),
        left_out=tuple(tally.taken + place for place, row in enumerate(chunk) if row.pixels is None),
        problems=tuple(row.problem for row in chunk if row.pixels is None),
        notes=dict(Counter(note for row in chunk for note in row.notes)),
    )
    journal.write(msgspec.json.encode(line) + b"\n")
    _to_disk(journal)
    tally.add(line)


def _resume(pixels: BinaryIO, journal: BinaryIO, plan: Plan) -> RowTally:
    """Go behind the last whole chunk of an earlier call, and cut off what was written after that."""
    tally = RowTally(list(plan.problems), len(plan.problems))
    row_bytes = math.prod(plan.image_shape)
    room = os.fstat(pixels.fileno()).st_size // row_bytes
    journal_end = 0
    for line, stop in journal_lines(journal.read()):
        rows = tally.taken + line.taken - len(tally.left_out) - len(line.left_out)
        if rows > room or tally.taken + line.taken > len(plan.splits):
            break
        tally.add(line)
        journal_end = stop
    journal.truncate(journal_end)
    pixels.truncate((tally.taken - len(tally.left_out)) * row_bytes)
    journal.seek(0, os.SEEK_END)
    pixels.seek(0, os.SEEK_END)
    return tally


def journal_lines(content: bytes) -> Iterator[tuple[_Chunk, int]]:
    """Yield the whole lines of a journal, each with the place behind it."""
    decoder = msgspec.json.Decoder(_Chunk)
    start = 0
    while (end := content.find(b"\n", start)) >= 0:
        try:
            yield decoder.decode(content[start:end]), end + 1
        except msgspec.MsgspecError:
            return
        start = end + 1


def _opened(path: Path) -> BinaryIO:
    return open(path, "r+b" if path.exists() else "w+b")


def _to_disk(file: BinaryIO) -> None:
    file.flush()
    flush_file(file.fileno())


def pixels_path(folder: Path, key: str) -> Path:
    """The file with the pixels of all rows."""
    return folder / f"images-{key[:16]}.u8"


def journal_path(folder: Path, key: str) -> Path:
    """The file with a line for each chunk, which is removed when all rows are written."""
    return folder / f"journal-{key[:16]}.jsonl"
