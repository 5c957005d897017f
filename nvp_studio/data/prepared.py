"""Images prepared once: read, fitted and written to a file whose rows are mapped into memory.

A prepared set is a folder with the files that `row_writer` writes, and besides `rows-KEY.npz` with the labels and
attributes and `manifest.json` with the rest. KEY stands for the original files as they were and for how they were
fitted: equal keys mean equal rows.
"""

import hashlib
import io
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import msgspec
import numpy as np

from nvp_studio.data.arrays import LoadedData, reason_of
from nvp_studio.data.dataset import SPLITS, Attribute, DataError, Split, digest_of
from nvp_studio.data.options import Progress
from nvp_studio.data.places import cache_folder
from nvp_studio.data.reading import UNDECIDED, Reading, Suspicion, doubts_of
from nvp_studio.data.row_writer import (
    REASONS_SHOWN,
    Plan,
    RowTally,
    journal_lines,
    journal_path,
    pixels_path,
    write_rows,
)
from nvp_studio.data.twins import doubts_about_twins
from nvp_studio.files import write_whole
from nvp_studio.locks import LockFile
from nvp_studio.text import counted

Settings = tuple[object, ...]

_FORMAT = 4
_MANIFEST = "manifest.json"


class _Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The content of `manifest.json`, which is written last."""

    format: int
    key: str
    source: str
    title: str
    image_shape: tuple[int, int, int]
    counts: tuple[int, int, int]
    """Images of each of `SPLITS`."""
    digest: str
    """`digest_of` the splits; empty when there are no validation images yet."""
    label_names: tuple[str, ...]
    attributes: tuple[tuple[str, tuple[str, ...]], ...]
    notes: tuple[str, ...]
    unreadable: int
    """Files of the source that gave no row."""
    reading: Reading
    """As it was decided; `key` stands for what was asked for."""
    suspicions: tuple[Suspicion, ...]
    decided_key: str
    """The key under which the same rows are asked for by the decided reading."""


@dataclass(frozen=True)
class PreparedInfo:
    """A prepared set as a list shows it; `source` is what it was made from."""

    folder: Path
    source: str
    images: int
    image_shape: tuple[int, int, int]
    size: int
    """Bytes on disk."""
    finished: bool


def load_prepared(
    source: Path | str,
    settings: Settings,
    listing: str,
    make_plan: Callable[[], Plan],
    progress: Progress,
    reading: Reading = UNDECIDED,
) -> LoadedData:
    """Return the images of `source`, a path or a name, mapped into memory; prepare them first where they are not.

    `settings` are the size and so on that are asked for; each have a folder in the cache. Where that holds images under
    another `listing`, a digest of the files, the source has changed; the plan may decide what `reading` leaves open.

    An exception that `progress` raises ends the preparing after the rows so far are on disk; the next call goes on
    from there. While another process prepares the same, this one waits. Raises `DataError`.
    """
    folder = _prepared_folder(source, settings)
    key = _key(listing, reading)
    loaded = _opened(folder, key)
    if loaded is not None:
        return loaded
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with LockFile(folder / "lock") as lock:
            _wait_for_lock(lock, progress)
            loaded = _opened(folder, key)
            if loaded is not None:
                return loaded
            plan = make_plan()
            return _prepare(folder, key, _key(listing, plan.reading), str(source), plan, progress)
    except OSError as error:
        raise DataError(
            f"the prepared images cannot be kept in {folder}: {reason_of(error)}; make room there, or name another "
            "folder in NVP_STUDIO_CACHE"
        ) from error


def _key(listing: str, reading: Reading) -> str:
    return hashlib.sha256(listing.encode() + msgspec.json.encode(reading)).hexdigest()


def _prepared_folder(source: Path | str, settings: Settings) -> Path:
    whole = source if isinstance(source, str) else os.path.abspath(source)
    digest = hashlib.sha256(os.fsencode(whole) + repr(settings).encode()).hexdigest()
    name = "".join(c if c.isalnum() or c in "-_" else "-" for c in Path(whole).name)[:40]
    return cache_folder() / f"{name or 'images'}-{digest[:12]}"


def info_of(folder: Path) -> PreparedInfo | None:
    """What is prepared in `folder`, or None where that is nothing."""
    try:
        files = [path for path in folder.iterdir() if path.is_file()]
        size = sum(path.stat().st_size for path in files)
    except OSError:
        return None
    manifest = _read_manifest(folder)
    if manifest is not None:
        return PreparedInfo(folder, manifest.source, sum(manifest.counts), manifest.image_shape, size, True)
    journals = [path for path in files if path.name.startswith("journal-")]
    if not journals:
        return None
    taken = sum(chunk.taken for chunk, _ in journal_lines(journals[0].read_bytes()))
    return PreparedInfo(folder, "", taken, (0, 0, 0), size, False)


# Opening what is there


def _opened(folder: Path, key: str) -> LoadedData | None:
    manifest = _read_manifest(folder)
    if manifest is None or key not in (manifest.key, manifest.decided_key):
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


def _mapped(folder: Path, manifest: _Manifest) -> LoadedData:
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
    stops = np.cumsum(manifest.counts).tolist()
    train, validation, test = (
        _without_gaps(whole.part(slice(stop - size, stop))) for stop, size in zip(stops, manifest.counts, strict=True)
    )
    return LoadedData(
        train,
        validation if len(validation) else None,
        test if len(test) else None,
        manifest.label_names,
        manifest.notes,
        tuple(Attribute(name, values) for name, values in manifest.attributes),
        manifest.digest,
        manifest.unreadable,
        manifest.reading,
        manifest.suspicions,
    )


def _without_gaps(split: Split) -> Split:
    """Drop the labels of a split whose images have none, which is written as -1."""
    return split if split.labels is None or (split.labels >= 0).all() else replace(split, labels=None)


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


def _wait_for_lock(lock: LockFile, progress: Progress) -> None:
    while not lock.try_lock():
        progress(0, 0, f"waiting for {lock.holder()}, which prepares the same images")
        time.sleep(0.1)


def _prepare(folder: Path, key: str, decided_key: str, source: str, plan: Plan, progress: Progress) -> LoadedData:
    _remove_others(folder, key)
    tally = write_rows(folder, key, plan, progress)
    chosen = np.ones(len(plan.splits), bool)
    chosen[tally.left_out] = False
    counts = np.bincount(plan.splits[chosen], minlength=len(SPLITS))
    if not counts[0]:
        reason = f" that can be read ({tally.problems[0]})" if tally.problems else ""
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
        notes=_notes(tally),
        unreadable=tally.problem_count,
        reading=plan.reading,
        suspicions=plan.suspicions + doubts_of(tally.notes),
        decided_key=decided_key,
    )
    loaded = _mapped(folder, manifest)
    if loaded.validation is not None:
        splits = (loaded.train, loaded.validation, loaded.test)
        doubts = manifest.suspicions + doubts_about_twins(splits, progress)
        manifest = msgspec.structs.replace(manifest, digest=digest_of(*splits, progress=progress), suspicions=doubts)
    write_whole(folder / _MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=1))
    with suppress(OSError):
        journal_path(folder, key).unlink()
    return _mapped(folder, manifest)


def _notes(tally: RowTally) -> tuple[str, ...]:
    notes = [f"{counted(count, 'image')} {note}" for note, count in tally.notes.most_common()]
    if tally.problems:
        skipped = counted(tally.problem_count, "unreadable file")
        notes.append(f"{skipped} skipped ({'; '.join(tally.problems[:REASONS_SHOWN])})")
    return tuple(notes)


def _remove_others(folder: Path, key: str) -> None:
    """Remove what was prepared from the same source when that was another; who has it mapped keeps it."""
    mine = (pixels_path(folder, key), journal_path(folder, key), folder / "lock")
    for path in folder.iterdir():
        if path not in mine:
            with suppress(OSError):
                path.unlink()


def _rows_path(folder: Path, key: str) -> Path:
    return folder / f"rows-{key[:16]}.npz"
