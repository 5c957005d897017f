"""Writing the rows of a prepared data set to disk, so that whatever interrupts it can be continued.

`images-KEY.u8` holds the pixels, one image of H*W*C bytes after the other. After each chunk of rows a line of
`journal-KEY.jsonl` says what came of them. Pixels are flushed to disk first, their line second, so that the next
process goes on after the last whole chunk, however this one ends. Memory holds one chunk.
"""

import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np
import numpy.typing as npt

from nvp_studio.data.dataset import Attribute, DataError, Images, Labels
from nvp_studio.data.progress import Progress

Numbers = npt.NDArray[np.uint8]

PARTS = ("train", "validation", "test")

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
    """What is to be prepared: N images of one shape (C, H, W), each with its part, labels and attributes.

    `parts` (N,) are places in `PARTS`, ascending, for each part is one piece of the file; `rows(k)` yields the rows
    from number k on. `problems` name files that are known to be unreadable.
    """

    title: str
    image_shape: tuple[int, int, int]
    parts: Numbers
    rows: Callable[[int], Iterator[Row]]
    labels: Labels | None = None
    label_names: tuple[str, ...] = ()
    attributes: Numbers | None = None
    attribute_names: tuple[Attribute, ...] = ()
    problems: tuple[str, ...] = ()


class _Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the journal: `taken` images of the source, of which those numbered in `left_out` gave no row."""

    taken: int
    left_out: tuple[int, ...]
    problems: tuple[str, ...]
    notes: dict[str, int]


class RowWriter:
    """Appends the rows of a plan to the pixel file, from where an earlier writer was interrupted.

    A context manager; entering raises `DataError` where the disk has no room for all rows.
    """

    def __init__(self, folder: Path, key: str, plan: Plan) -> None:
        channels, height, width = plan.image_shape
        self._plan = plan
        self._shape = (height, width, channels)
        self._row_bytes = height * width * channels
        self._pixels_path, self._journal_path = pixels_path(folder, key), journal_path(folder, key)
        self.taken = 0
        self.left_out: list[int] = []
        self.problems = list(plan.problems)
        self.problem_count = len(plan.problems)
        self.notes: Counter[str] = Counter()

    def __enter__(self) -> "RowWriter":
        self._pixels = _opened_for_appending(self._pixels_path)
        self._journal = _opened_for_appending(self._journal_path)
        self._resume()
        free = shutil.disk_usage(self._pixels_path.parent).free
        wanted = (len(self._plan.parts) - self.taken) * self._row_bytes
        if wanted + _SPARE_BYTES > free:
            self.__exit__()
            raise DataError(
                f"preparing {self._plan.title} takes {wanted / 1e9:.2f} GB in {self._pixels_path.parent}, where "
                f"{free / 1e9:.2f} GB are free; make room, or name another folder in NVP_STUDIO_CACHE"
            )
        return self

    def __exit__(self, *exception: object) -> None:
        self._pixels.close()
        self._journal.close()

    def run(self, progress: Progress | None) -> None:
        """Write all rows that are not written yet; what `progress` raises ends it when those so far are on disk."""
        total = len(self._plan.parts)
        if self.taken == total:
            return
        if self.taken and progress is not None:
            progress(self.taken, total, f"going on with {self._plan.title}")
        rows = self._plan.rows(self.taken)
        chunk: list[Row] = []
        started = time.monotonic()
        try:
            for row in rows:
                chunk.append(row)
                if progress is not None:
                    progress(self.taken + len(chunk), total, f"reading {self._plan.title}")
                full = len(chunk) * self._row_bytes >= _CHUNK_BYTES
                if full or time.monotonic() - started >= _CHUNK_SECONDS:
                    self._append(chunk)
                    chunk, started = [], time.monotonic()
        finally:
            close = getattr(rows, "close", None)
            if close is not None:
                close()
            if chunk:
                self._append(chunk)
        if self.taken != total:
            raise DataError(f"{self._plan.title} ended after {self.taken:,} of {total:,} images")

    def _append(self, chunk: list[Row]) -> None:
        pixels = [row.pixels for row in chunk if row.pixels is not None]
        if any(image.shape != self._shape for image in pixels):
            raise DataError(f"an image of {self._plan.title} is not {self._shape}")
        if pixels:
            self._pixels.write(np.ascontiguousarray(np.stack(pixels)).data)
            _to_disk(self._pixels)
        notes = Counter(note for row in chunk for note in row.notes)
        line = _Chunk(
            taken=len(chunk),
            left_out=tuple(self.taken + place for place, row in enumerate(chunk) if row.pixels is None),
            problems=tuple(row.problem for row in chunk if row.pixels is None),
            notes=dict(notes),
        )
        self._journal.write(msgspec.json.encode(line) + b"\n")
        _to_disk(self._journal)
        self._count(line)

    def _count(self, line: _Chunk) -> None:
        self.taken += line.taken
        self.left_out += line.left_out
        self.problem_count += len(line.problems)
        self.problems += line.problems[: max(0, REASONS_SHOWN - len(self.problems))]
        self.notes.update(line.notes)

    def _resume(self) -> None:
        """Continue after the last whole chunk of an earlier writer; what it wrote after that is cut off."""
        room = self._pixels_path.stat().st_size // self._row_bytes
        journal_end = 0
        for line, stop in journal_lines(self._journal_path.read_bytes()):
            rows = self.taken + line.taken - len(self.left_out) - len(line.left_out)
            if rows > room or self.taken + line.taken > len(self._plan.parts):
                break
            self._count(line)
            journal_end = stop
        self._journal.truncate(journal_end)
        self._pixels.truncate((self.taken - len(self.left_out)) * self._row_bytes)
        self._journal.seek(0, os.SEEK_END)
        self._pixels.seek(0, os.SEEK_END)


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


def _opened_for_appending(path: Path) -> BinaryIO:
    return open(path, "r+b" if path.exists() else "w+b")


def _to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def pixels_path(folder: Path, key: str) -> Path:
    """The file with the pixels of all rows."""
    return folder / f"images-{key[:16]}.u8"


def journal_path(folder: Path, key: str) -> Path:
    """The file with a line for each chunk, which is removed when all rows are written."""
    return folder / f"journal-{key[:16]}.jsonl"
