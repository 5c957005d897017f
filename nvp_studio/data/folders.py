"""A folder of image files as a data set: labels from sub-folders, unreadable files skipped and counted.

The images are prepared once and mapped into memory from then on (`prepared.py`), so that a folder may be larger than
memory and a second start only lists it.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nvp_studio.data.arrays import LoadedData
from nvp_studio.data.dataset import SPLIT_BY_NAME, SPLITS, DataError
from nvp_studio.data.image_files import (
    ImageFile,
    common_shape,
    decide_reading,
    file_facts,
    list_images,
    listing_key,
    read_headers,
    read_rows,
)
from nvp_studio.data.options import LoadOptions
from nvp_studio.data.partition import held_out
from nvp_studio.data.prepared import load_prepared
from nvp_studio.data.row_writer import Plan


@dataclass(frozen=True)
class Entry:
    """An image file with its split and its class, if it has one."""

    file: ImageFile
    split: str
    label: str | None


def load_folder(folder: Path, options: LoadOptions) -> LoadedData:
    """Load all image files in `folder` and below.

    A sub-folder of the top (or of `train`, `test`, ... where there are such) is a class. All images come to the size
    of `options` (both height and width), or must have one size where that is None; and to its channels, or to colour
    if any image has it. About a tenth, chosen by `held_out`, is for validation unless a sub-folder is. Raises
    `DataError`.
    """
    files = list_images(folder, options.progress)
    if not files:
        raise DataError(f"no image files in {folder}")
    settings = (options.image_size, options.channels)
    listing = listing_key(files, *settings)
    return load_prepared(
        folder, settings, listing, lambda: _plan(folder, files, options), options.progress, options.reading
    )


def outline(files: Sequence[ImageFile]) -> list[Entry]:
    """Splits and classes of `files` by their names, as in `load_folder`, each split in one piece."""
    return sorted(_labelled(_divided(files)), key=lambda one: SPLITS.index(one.split))


def _plan(folder: Path, files: Sequence[ImageFile], options: LoadOptions) -> Plan:
    headers = read_headers(files, options.progress)
    if not headers.readable:
        raise DataError(f"no image files that can be read ({headers.problems[0]}) in {folder}")
    image_shape = common_shape(headers.shapes, options)
    reading, suspicions = decide_reading(
        headers.kinds,
        lambda numbers, kind: file_facts([headers.readable[number] for number in numbers], kind),
        options.reading,
        options.progress,
    )
    entries = outline(headers.readable)
    names = tuple(sorted({one.label for one in entries if one.label is not None} if reading.labels != "none" else ()))
    number = {name: index for index, name in enumerate(names)}
    chosen = [one.file for one in entries]
    return Plan(
        title=Path(os.path.abspath(folder)).name or str(folder),
        image_shape=image_shape,
        splits=np.array([SPLITS.index(one.split) for one in entries], np.uint8),
        rows=lambda first: read_rows(chosen[first:], image_shape, reading),
        labels=np.array([number[one.label] for one in entries if one.label is not None], np.int64) if names else None,
        label_names=names,
        problems=tuple(headers.problems),
        reading=reading,
        suspicions=tuple(suspicions),
    )


def _divided(files: Sequence[ImageFile]) -> list[Entry]:
    """Assign a split and a class to each file: by its folders, else validation images by `held_out`.

    Sub-folders by the names of splits are splits when there is one of training images among them, and no others.
    """
    tops = {file.relative.split("/")[0] for file in files if "/" in file.relative}
    by_folder = "train" in {SPLIT_BY_NAME.get(top.lower()) for top in tops} and all(
        file.relative.split("/")[0].lower() in SPLIT_BY_NAME for file in files
    )
    entries = []
    for file in files:
        below = file.relative.split("/")
        split = SPLIT_BY_NAME[below.pop(0).lower()] if by_folder else "train"
        entries.append(Entry(file, split, below[0] if len(below) > 1 else None))
    if any(one.split == "validation" for one in entries):
        return entries
    train = [index for index, one in enumerate(entries) if one.split == "train"]
    for index, chosen in zip(train, held_out([entries[index].file.relative for index in train]), strict=True):
        if chosen:
            entries[index] = replace(entries[index], split="validation")
    return entries


def _labelled(files: list[Entry]) -> list[Entry]:
    """Drop the labels unless all files are in sub-folders, and in at least two of them."""
    labels = {file.label for file in files}
    if None not in labels and len(labels) > 1:
        return files
    return [replace(file, label=None) for file in files]
