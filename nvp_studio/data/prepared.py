"""Images prepared once: read, fitted and written to a file whose rows are mapped into memory.

A prepared set is a folder with the files that `row_writer` writes, and besides `rows-KEY.npz` with the labels and
attributes and `manifest.json` with the rest. KEY stands for the original files as they were and for how they were
fitted: equal keys mean equal rows.
"""

import io
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import msgspec
import numpy as np

from nvp_studio.data.arrays import Parts, reason_of
from nvp_studio.data.dataset import Attribute, DataError, Split, digest_of
from nvp_studio.data.progress import Progress
from nvp_studio.data.row_writer import PARTS, REASONS_SHOWN, Plan, RowWriter, journal_lines, journal_path, pixels_path
from nvp_studio.files import write_whole
from nvp_studio.locks import LockFile

_FORMAT = 2
_MANIFEST = "manifest.json"


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
    parts = _opened(folder, key)
    if parts is not None:
        return parts
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with LockFile(folder / "lock") as lock:
            _wait_for_lock(lock, progress)
            parts = _opened(folder, key)
            return parts if parts is not None else _prepare(folder, key, source, make_plan(), progress)
    except OSError as error:
        raise DataError(
            f"the prepared images cannot be kept in {folder}: {reason_of(error)}; make room there, or name another "
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
    taken = sum(chunk.taken for chunk, _ in journal_lines(journals[0].read_bytes()))
    return PreparedInfo(folder, "", folder.name, taken, (0, 0, 0), size, False)


# Opening what is there


def _opened(folder: Path, key: str) -> Parts | None:
    manifest = _read_manifest(folder)
    if manifest is None or manifest.key != key:
        return None
    try:
        return _mapped(folder, manifest)
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):  # a file was removed or damaged
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
    path = pixels_path(folder, manifest.key)
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
    with RowWriter(folder, key, plan) as writer:
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
    rows = io.BytesIO()
    np.savez(rows, **tables)  # type: ignore[arg-type] # its names are none of savez's own
    write_whole(_rows_path(folder, key), rows.getvalue())
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
        journal_path(folder, key).unlink()
    return _mapped(folder, manifest)


def _notes(writer: RowWriter) -> tuple[str, ...]:
    notes = [f"{_counted(count, 'image')} {note}" for note, count in writer.notes.most_common()]
    problems = writer.problems
    if problems:
        skipped = _counted(writer.problem_count, "unreadable file")
        notes.append(f"{skipped} skipped ({'; '.join(problems[:REASONS_SHOWN])})")
    return tuple(notes)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _remove_others(folder: Path, key: str) -> None:
    """Remove what was prepared from the same source when that was another; who has it mapped keeps it."""
    mine = (pixels_path(folder, key), journal_path(folder, key), folder / "lock")
    for path in folder.iterdir():
        if path not in mine:
            with suppress(OSError):
                path.unlink()


def _rows_path(folder: Path, key: str) -> Path:
    return folder / f"rows-{key[:16]}.npz"
