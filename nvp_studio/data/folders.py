"""A folder or an archive of image files as a data set: splits and classes by `layout`, unreadable files counted.

The images are prepared once and mapped into memory from then on (`prepared.py`), so that a folder may be larger than
memory and a second start only lists it.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from nvp_studio.data.advice import no_images_in
from nvp_studio.data.archives import Archive, open_archive
from nvp_studio.data.arrays import LoadedData
from nvp_studio.data.dataset import SPLITS, DataError, Labels
from nvp_studio.data.image_files import (
    ImageFile,
    common_shape,
    decide_reading,
    facts_of_images,
    files_of,
    list_images,
    listing_key,
    read_headers,
    read_rows,
)
from nvp_studio.data.layout import lay_out
from nvp_studio.data.left_out import LeftOutCount
from nvp_studio.data.numpy_folder import ArrayFile, load_arrays
from nvp_studio.data.options import LoadOptions
from nvp_studio.data.prepared import load_prepared
from nvp_studio.data.reading import Reading, Suspicion
from nvp_studio.data.report import LeftOut
from nvp_studio.data.row_writer import Plan


@dataclass(frozen=True)
class Entry:
    """An image file with its split and its class, if it has one."""

    file: ImageFile
    split: str
    label: str | None


@dataclass(frozen=True)
class Outline:
    """The files that are used, each split in one piece, what is left out, and doubts."""

    entries: list[Entry]
    left_out: tuple[LeftOut, ...]
    suspicions: tuple[Suspicion, ...]


def load_folder(folder: Path, options: LoadOptions) -> LoadedData:
    """Load all image files in `folder` and below, divided by `lay_out`.

    All images come to the size of `options` (both height and width), or must have one size where that is None; and to
    its channels, or to colour if any image has it. Raises `DataError`.
    """
    unread = LeftOutCount()
    return _load(folder, list_images(folder, options.progress, unread), unread, options)


def load_archive(path: Path, options: LoadOptions) -> LoadedData:
    """Load all image files in an archive, or else its .npy files, as those of a folder."""
    with open_archive(path, options.progress) as archive:
        if archive.holds_arrays:
            arrays = [ArrayFile(name, partial(archive.content, name)) for name in archive.names]
            loaded = load_arrays(path, arrays, options)
            loaded = loaded.undivided() if options.reading.split == "none" else loaded
            return replace(loaded, left_out=loaded.left_out + archive.unread.all())
        check_has_images(archive)
        return _load(path, files_of(archive), archive.unread, options)


def check_has_images(archive: Archive) -> None:
    """Raise `DataError`, which says what is in an archive instead of images, unless there are some."""
    reasons = [f"{one.count:,} {one.reason}" for one in archive.unread.all()]
    others = ", ".join(archive.others)
    if not archive.names and others and not reasons:
        raise DataError(f"no image files in {archive.path.name} but {others}; unpack it and give the data file itself")
    if not archive.names:
        raise DataError("; ".join([f"no image files in {archive.path.name}", *reasons]))


def _load(folder: Path, files: list[ImageFile], unread: LeftOutCount, options: LoadOptions) -> LoadedData:
    if options.reading.axes not in ("", "N"):
        raise DataError(f"{folder.name} holds image files, whose axes are known; --axes is for arrays of numbers")
    layout = outline(files, options.reading)
    left_out = layout.left_out + unread.all()
    if not files:
        reasons = [f"{one.count:,} {one.reason}" for one in left_out]
        raise DataError("; ".join([f"no image files in {folder}", *reasons, *filter(None, [no_images_in(left_out)])]))
    kept = {one.file.relative for one in layout.entries}
    used = [file for file in files if file.relative in kept]
    settings = (options.image_size, options.channels)
    listing = listing_key(used, *settings, "layout", progress=options.progress)
    loaded = load_prepared(
        folder, settings, listing, lambda: _plan(folder, used, options), options.progress, options.reading
    )
    return replace(loaded, left_out=left_out, suspicions=layout.suspicions + loaded.suspicions)


def outline(files: Sequence[ImageFile], reading: Reading) -> Outline:
    """What the names of `files` tell, as in `load_folder`."""
    layout = lay_out([file.relative for file in files], reading)
    entries = [Entry(files[one.number], one.split, one.label) for one in layout.entries]
    entries.sort(key=lambda one: SPLITS.index(one.split))
    return Outline(entries, layout.left_out, layout.suspicions)


def _labels(entries: Sequence[Entry], reading: Reading) -> tuple[Labels | None, tuple[str, ...]]:
    """The number of each entry's class, -1 for one without, and the names of the classes; None without classes."""
    names = tuple(sorted({one.label for one in entries if one.label is not None} if reading.labels != "none" else ()))
    number = {name: index for index, name in enumerate(names)}
    labels = [-1 if one.label is None else number[one.label] for one in entries] if names else []
    return np.array(labels, np.int64) if names else None, names


def _plan(folder: Path, files: Sequence[ImageFile], options: LoadOptions) -> Plan:
    headers = read_headers(files, options.progress, all_pages=options.reading.pages != "first")
    if not headers.readable:
        raise DataError(f"no image files that can be read ({headers.problems[0]}) in {folder}")
    image_shape = common_shape(headers.shapes, options)
    reading, suspicions = decide_reading(
        headers.kinds,
        lambda numbers, kind: facts_of_images((headers.readable[number].source for number in numbers), kind),
        options.reading,
        options.progress,
    )
    entries = outline(headers.readable, reading).entries
    labels, names = _labels(entries, reading)
    chosen = [one.file for one in entries]
    return Plan(
        title=Path(os.path.abspath(folder)).name or str(folder),
        image_shape=image_shape,
        splits=np.array([SPLITS.index(one.split) for one in entries], np.uint8),
        rows=lambda first: read_rows(chosen[first:], image_shape, reading),
        labels=labels,
        label_names=names,
        problems=tuple(headers.problems),
        reading=reading,
        suspicions=tuple(suspicions),
    )
