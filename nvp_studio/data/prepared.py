"""Images prepared once: read, fitted and written to a file whose rows are mapped into memory.

A prepared set is a folder. `images-KEY.u8` holds the pixels, one image of H*W*C bytes after the other, `rows-KEY.npz`
their labels and attributes, `manifest.json` the rest. While it is made, `journal-KEY.jsonl` says after each stretch
of images what came of them: pixels are flushed to disk first, their line in the journal second, so that whatever
ends the process, the next one goes on behind the last whole stretch. KEY stands for the original files as they were
and for how they were fitted: equal keys mean equal rows. Memory holds no more than one stretch.
"""

import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
import numpy.typing as npt

from nvp_studio.data.arrays import Parts, one_line
from nvp_studio.data.dataset import Attribute, DataError, Images, Labels, Split, digest_of
from nvp_studio.data.progress import Progress
from nvp_studio.files import write_whole
from nvp_studio.locks import LockFile

Numbers = npt.NDArray[np.uint8]

PARTS = ("train", "validation", "test")

_FORMAT = 2
_MANIFEST = "manifest.json"
_STRETCH_BYTES = 8 * 2**20
_STRETCH_SECONDS = 2.0
_SPARE_BYTES = 64 * 2**20
"""Free disk space that is left to others."""
_REASONS_SHOWN = 3


@dataclass(frozen=True, eq=False)
class Row:
    """What became of one image of the source: uint8 `pixels` (H, W, C), or a `problem` in words that has a name."""

    pixels: Images | None
    notes: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, eq=False)
class Plan:
    """What is to be prepared: N images of one shape (C, H, W), each with its part, labels and attributes.

    `parts` (N,) are places in `PARTS`, ascending, for each part is one piece of the file; `rows(k)` yields the rows
    from number k on. `problems` are files that were found unreadable before.
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


class _Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The content of `manifest.json`, which is written last."""

    format: int
    key: str
    source: str
    title: str
    image_shape: tuple[int, int, int]
    counts: tuple[int, int, int]
    """Images of each of `PARTS`."""
    digest: str
    """`digest_of` the splits; empty when there are no validation images yet."""
    label_names: tuple[str, ...]
    attributes: tuple[tuple[str, tuple[str, ...]], ...]
    notes: tuple[str, ...]
    unreadable: int
    """Files of the source that gave no row."""


class _Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the journal: `taken` images of the source, of which those numbered in `left_out` gave no row."""

    taken: int
    left_out: tuple[int, ...]
    problems: tuple[str, ...]
    notes: dict[str, int]


@dataclass(frozen=True)
class PreparedInfo:
    """A prepared set as a list shows it; `source` is what it was made from."""

    folder: Path
    source: str
    title: str
    images: int
    image_shape: tuple[int, int, int]
    size: int
    """Bytes on disk."""
    finished: bool


def load_prepared(
    folder: Path, key: str, source: str, make_plan: Callable[[], Plan], progress: Progress | None = None
) -> Parts:
    """Return the images prepared in `folder` under `key`, mapped into memory; prepare them first where they are not.

    An exception that `progress` raises ends the preparing after the rows so far are on disk; the next call goes on
    from there. While another process prepares the same, this one waits. Raises `DataError`.
    """
    found = _opened(folder, key)
    if found is not None:
        return found
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with LockFile(folder / "lock") as lock:
            _wait_for_lock(lock, progress)
            found = _opened(folder, key)
            return found if found is not None else _prepare(folder, key, source, make_plan(), progress)
    except OSError as error:
        raise DataError(
            f"the prepared images cannot be kept in {folder}: {one_line(error)}; make room there, or name another "
            "folder in NVP_STUDIO_CACHE"
        ) from error


def info_of(folder: Path) -> PreparedInfo | None:
    """What is prepared in `folder`, or None where that is nothing."""
    try:
        files = [path for path in folder.iterdir() if path.is_file()]
        size = sum(path.stat().st_size for path in files)
    except OSError:
        return None
    manifest = _read_manifest(folder)
    if manifest is not None:
        counts = sum(manifest.counts)
        return PreparedInfo(folder, manifest.source, manifest.title, counts, manifest.image_shape, size, True)
    journals = [path for path in files if path.name.startswith("journal-")]
    if not journals:
        return None
    taken = sum(stretch.taken for stretch, _ in _journal_lines(journals[0].read_bytes()))
    return PreparedInfo(folder, "", folder.name, taken, (0, 0, 0), size, False)


# Opening what is there


def _opened(folder: Path, key: str) -> Parts | None:
    manifest = _read_manifest(folder)
    if manifest is None or manifest.key != key:
        return None
    try:
        return _mapped(folder, manifest)
    except (OSError, ValueError, KeyError):  # someone tidied up, or the disk did
        return None


def _read_manifest(folder: Path) -> _Manifest | None:
    try:
        manifest = msgspec.json.decode((folder / _MANIFEST).read_bytes(), type=_Manifest)
    except (OSError, msgspec.MsgspecError, RecursionError):
        return None
    return manifest if manifest.format == _FORMAT else None


def _mapped(folder: Path, manifest: _Manifest) -> Parts:
    channels, height, width = manifest.image_shape
    count = sum(manifest.counts)
    path = _pixels_path(folder, manifest.key)
    if path.stat().st_size != count * channels * height * width:
        raise ValueError("another number of images")
    # Read-only: a private writable mapping would have to fit into memory and swap.
    mapped = np.memmap(path, np.uint8, "r", shape=(count, height, width, channels))
    _advise(mapped)
    images = np.asarray(mapped)
    with np.load(_rows_path(folder, manifest.key), allow_pickle=False) as rows:
        labels = rows["labels"].astype(np.int64) if "labels" in rows else None
        attributes = rows["attributes"].astype(np.uint8) if "attributes" in rows else None
    whole = Split(images, labels, attributes)
    stops = np.cumsum(manifest.counts)
    splits = [
        whole.part(slice(int(stop) - size, int(stop))) if size else None
        for stop, size in zip(stops, manifest.counts, strict=True)
    ]
    train, validation, test = splits
    return Parts(
        whole.part(slice(0)) if train is None else train,
        validation,
        test,
        manifest.label_names,
        manifest.notes,
        tuple(Attribute(name, values) for name, values in manifest.attributes),
        manifest.digest,
        manifest.unreadable,
    )


def _advise(mapped: "np.memmap[tuple[int, ...], np.dtype[np.uint8]]") -> None:
    """Where the file is a large part of the memory, ask for what is touched alone: batches take rows at random."""
    if sys.platform == "win32":
        return  # which knows no such advice
    import mmap

    with suppress(OSError, ValueError):
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if mapped.nbytes > memory // 2:
            mapping: Any = getattr(mapped, "_mmap", None)  # numpy has no public name for it
            mapping.madvise(mmap.MADV_RANDOM)


# Preparing


def _wait_for_lock(lock: LockFile, progress: Progress | None) -> None:
    while not lock.try_lock():
        if progress is not None:
            progress(0, 0, f"waiting for {lock.holder()}, which prepares the same images")
        time.sleep(0.1)


def _prepare(folder: Path, key: str, source: str, plan: Plan, progress: Progress | None) -> Parts:
    _remove_others(folder, key)
    with _Writer(folder, key, plan) as writer:
        writer.run(progress)
        chosen = np.ones(len(plan.parts), bool)
        chosen[writer.left_out] = False
        notes = _notes(writer)
    counts = np.bincount(plan.parts[chosen], minlength=len(PARTS))
    if not counts[0]:
        reason = f" that can be read ({writer.problems[0]})" if writer.problems else ""
        raise DataError(f"no training images{reason} in {source}")
    tables = {
        name: values[chosen]
        for name, values in (("labels", plan.labels), ("attributes", plan.attributes))
        if values is not None
    }
    with open(_rows_path(folder, key), "wb") as file:
        np.savez(file, **tables)  # type: ignore[arg-type] # its names are none of savez's own
    manifest = _Manifest(
        format=_FORMAT,
        key=key,
        source=source,
        title=plan.title,
        image_shape=plan.image_shape,
        counts=(int(counts[0]), int(counts[1]), int(counts[2])),
        digest="",
        label_names=plan.label_names,
        attributes=tuple((attribute.name, attribute.values) for attribute in plan.attribute_names),
        notes=notes,
        unreadable=writer.problem_count,
    )
    if progress is not None:
        progress(len(plan.parts), len(plan.parts), f"checking {plan.title}")
    parts = _mapped(folder, manifest)
    if parts.validation is not None:
        manifest = msgspec.structs.replace(manifest, digest=digest_of(parts.train, parts.validation, parts.test))
    write_whole(folder / _MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=1))
    with suppress(OSError):
        _journal_path(folder, key).unlink()
    return _mapped(folder, manifest)


def _notes(writer: "_Writer") -> tuple[str, ...]:
    notes = [f"{_counted(count, 'image')} {note}" for note, count in writer.notes.most_common()]
    problems = writer.problems
    if problems:
        skipped = _counted(writer.problem_count, "unreadable file")
        notes.append(f"{skipped} skipped ({'; '.join(problems[:_REASONS_SHOWN])})")
    return tuple(notes)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


class _Writer:
    """Appends the rows of a plan to the pixel file, from where an earlier writer was interrupted."""

    def __init__(self, folder: Path, key: str, plan: Plan) -> None:
        channels, height, width = plan.image_shape
        self._plan = plan
        self._shape = (height, width, channels)
        self._row_bytes = height * width * channels
        self._pixels_path, self._journal_path = _pixels_path(folder, key), _journal_path(folder, key)
        self.taken = 0
        self.left_out: list[int] = []
        self.problems = list(plan.problems)
        self.problem_count = len(plan.problems)
        self.notes: Counter[str] = Counter()

    def __enter__(self) -> "_Writer":
        self._pixels = _opened_for_appending(self._pixels_path)
        self._journal = _opened_for_appending(self._journal_path)
        self._recall()
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
        stretch: list[Row] = []
        started = time.monotonic()
        try:
            for row in rows:
                stretch.append(row)
                if progress is not None:
                    progress(self.taken + len(stretch), total, f"reading {self._plan.title}")
                full = len(stretch) * self._row_bytes >= _STRETCH_BYTES
                if full or time.monotonic() - started >= _STRETCH_SECONDS:
                    self._append(stretch)
                    stretch, started = [], time.monotonic()
        finally:
            close = getattr(rows, "close", None)
            if close is not None:
                close()
            if stretch:
                self._append(stretch)
        if self.taken != total:
            raise DataError(f"{self._plan.title} ended after {self.taken:,} of {total:,} images")

    def _append(self, stretch: list[Row]) -> None:
        pixels = [row.pixels for row in stretch if row.pixels is not None]
        if any(image.shape != self._shape for image in pixels):
            raise DataError(f"an image of {self._plan.title} is not {self._shape}")
        if pixels:
            self._pixels.write(np.ascontiguousarray(np.stack(pixels)).data)
            _to_disk(self._pixels)
        notes = Counter(note for row in stretch for note in row.notes)
        line = _Stretch(
            taken=len(stretch),
            left_out=tuple(self.taken + place for place, row in enumerate(stretch) if row.pixels is None),
            problems=tuple(row.problem for row in stretch if row.pixels is None),
            notes=dict(notes),
        )
        self._journal.write(msgspec.json.encode(line) + b"\n")
        _to_disk(self._journal)
        self._count(line)

    def _count(self, line: _Stretch) -> None:
        self.taken += line.taken
        self.left_out += line.left_out
        self.problem_count += len(line.problems)
        self.problems += line.problems[: max(0, _REASONS_SHOWN - len(self.problems))]
        self.notes.update(line.notes)

    def _recall(self) -> None:
        """Take up what an earlier writer left, and cut off what it had not finished."""
        room = self._pixels_path.stat().st_size // self._row_bytes
        journal_end = 0
        for line, stop in _journal_lines(self._journal_path.read_bytes()):
            rows = self.taken + line.taken - len(self.left_out) - len(line.left_out)
            if rows > room or self.taken + line.taken > len(self._plan.parts):
                break
            self._count(line)
            journal_end = stop
        self._journal.truncate(journal_end)
        self._pixels.truncate((self.taken - len(self.left_out)) * self._row_bytes)
        self._journal.seek(0, os.SEEK_END)
        self._pixels.seek(0, os.SEEK_END)


def _journal_lines(content: bytes) -> Iterator[tuple[_Stretch, int]]:
    """Yield the whole lines of a journal, each with the place behind it."""
    decoder = msgspec.json.Decoder(_Stretch)
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


def _remove_others(folder: Path, key: str) -> None:
    """Remove what was prepared from the same source when that was another; who has it mapped keeps it."""
    mine = (_pixels_path(folder, key), _journal_path(folder, key), folder / "lock")
    for path in folder.iterdir():
        if path not in mine:
            with suppress(OSError):
                path.unlink()


def _pixels_path(folder: Path, key: str) -> Path:
    return folder / f"images-{key[:16]}.u8"


def _rows_path(folder: Path, key: str) -> Path:
    return folder / f"rows-{key[:16]}.npz"


def _journal_path(folder: Path, key: str) -> Path:
    return folder / f"journal-{key[:16]}.jsonl"
