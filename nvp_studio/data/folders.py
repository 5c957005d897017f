"""A folder of image files as a data set: labels from sub-folders, unreadable files skipped and counted.

The images are prepared once and mapped into memory from then on (`prepared.py`), so that a folder may be larger than
memory and a second start only lists it.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nvp_studio.data.arrays import Parts
from nvp_studio.data.dataset import DataError
from nvp_studio.data.image_files import (
    ImageFile,
    common_shape,
    list_images,
    listing_key,
    prepared_folder,
    read_headers,
    read_rows,
)
from nvp_studio.data.partition import held_out
from nvp_studio.data.prepared import load_prepared
from nvp_studio.data.progress import Progress
from nvp_studio.data.row_writer import PARTS, Plan

# Sub-folders by these names are splits when there is one of training images among them.
_SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True)
class _Entry:
    """An image file with its split and its class, if it has one."""

    file: ImageFile
    part: str
    label: str | None


def load_folder(
    folder: Path,
    *,
    image_size: int | None = None,
    channels: int | None = None,
    progress: Progress | None = None,
) -> Parts:
    """Load all image files in `folder` and below.

    A sub-folder of the top (or of `train`, `test`, ... where there are such) is a class. All images come to
    `image_size` (both height and width), or must have one size where that is None; and to `channels`, or to colour
    if any image has it. About a tenth, chosen by `held_out`, is for validation unless a sub-folder is. Raises
    `DataError`.
    """
    files = list_images(folder, progress)
    if not files:
        raise DataError(f"no image files in {folder}")
    settings = (image_size, channels)

    def make_plan() -> Plan:
        return _plan(folder, files, image_size, channels, progress)

    return load_prepared(
        prepared_folder(folder, *settings), listing_key(files, *settings), str(folder), make_plan, progress
    )


def outline(files: Sequence[ImageFile]) -> tuple[int, int]:
    """The number of training images among `files` and the number of classes, by their names as in `load_folder`."""
    entries = _labelled(_divided(files))
    return sum(one.part == "train" for one in entries), len({one.label for one in entries} - {None})


def _plan(
    folder: Path, files: Sequence[ImageFile], image_size: int | None, channels: int | None, progress: Progress | None
) -> Plan:
    readable, shapes, problems = read_headers(files, progress)
    if not readable:
        raise DataError(f"no image files that can be read ({problems[0]}) in {folder}")
    image_shape = common_shape(shapes, image_size, channels)
    entries = sorted(_labelled(_divided(readable)), key=lambda one: PARTS.index(one.part))  # each split in one piece
    names = tuple(sorted({one.label for one in entries if one.label is not None}))
    number = {name: index for index, name in enumerate(names)}
    chosen = [one.file for one in entries]
    return Plan(
        title=Path(os.path.abspath(folder)).name or str(folder),
        image_shape=image_shape,
        parts=np.array([PARTS.index(one.part) for one in entries], np.uint8),
        rows=lambda first: read_rows(chosen[first:], image_shape),
        labels=np.array([number[one.label] for one in entries if one.label is not None], np.int64) if names else None,
        label_names=names,
        problems=tuple(problems),
    )


def _divided(files: Sequence[ImageFile]) -> list[_Entry]:
    """Assign a split and a class to each file: by its folders, else validation images by `held_out`."""
    tops = {file.relative.split("/")[0] for file in files if "/" in file.relative}
    by_folder = "train" in {_SPLIT_FOLDERS.get(top.lower()) for top in tops} and all(
        file.relative.split("/")[0].lower() in _SPLIT_FOLDERS for file in files
    )
    entries = []
    for file in files:
        below = file.relative.split("/")
        part = _SPLIT_FOLDERS[below.pop(0).lower()] if by_folder else "train"
        entries.append(_Entry(file, part, below[0] if len(below) > 1 else None))
    if any(one.part == "validation" for one in entries):
        return entries
    train = [index for index, one in enumerate(entries) if one.part == "train"]
    for index, chosen in zip(train, held_out([entries[index].file.relative for index in train]), strict=True):
        if chosen:
            entries[index] = replace(entries[index], part="validation")
    return entries


def _labelled(files: list[_Entry]) -> list[_Entry]:
    """Drop the labels unless all files are in sub-folders, and in at least two of them."""
    labels = {file.label for file in files}
    if None not in labels and len(labels) > 1:
        return files
    return [replace(file, label=None) for file in files]
