"""A folder or an archive of .npy files, each with one image or several, divided by the names of its folders."""

import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np
import numpy.typing as npt

from nvp_studio.data.array_images import RawSplit, images_of
from nvp_studio.data.arrays import LoadedData, check_size, reading
from nvp_studio.data.dataset import SPLITS, DataError
from nvp_studio.data.images import EXTENSIONS
from nvp_studio.data.layout import Entry, lay_out
from nvp_studio.data.numpy_files import read_header, read_npy
from nvp_studio.data.options import LoadOptions

Numbers = npt.NDArray[Any]

_MAX_CHANNELS = 4


@dataclass(frozen=True)
class ArrayFile:
    """A .npy file: its name, a path below the folder, and what opens it and gives its size."""

    name: str
    opened: Callable[[], tuple[IO[bytes], int]]


def array_files(folder: Path, paths: Iterable[Path]) -> list[ArrayFile]:
    """The files at some `paths` below `folder`."""
    return [ArrayFile(path.relative_to(folder).as_posix(), partial(_opened, path)) for path in paths]


def _opened(path: Path) -> tuple[IO[bytes], int]:
    return open(path, "rb"), path.stat().st_size


def find_arrays(folder: Path) -> list[Path]:
    """The .npy files in `folder` and below, sorted; none where there is an image file besides."""
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            extension = os.path.splitext(name)[1].lower()
            if extension in EXTENSIONS and not name.startswith("."):
                return []
            if extension == ".npy" and not name.startswith("."):
                found.append(Path(place, name))
    return sorted(found)


def load_arrays(folder: Path, files: Sequence[ArrayFile], options: LoadOptions) -> LoadedData:
    """Load .npy files in a folder or archive as one set, whose folders are read as those of images.

    All files hold one image each, (H, W) or with a short first or last axis of channels, or all hold several along the
    first axis. Raises `DataError`.
    """
    layout = lay_out([file.name for file in files], options.reading)
    shapes = {}
    total = 0
    for entry in layout.entries:
        shape, dtype = _header(files[entry.number])
        shapes[entry.number] = shape
        total += math.prod(shape) * dtype.itemsize
    check_size(total, folder.name)
    single = _one_each(list(shapes.values()), folder.name)
    # Where files have many images, those for validation are chosen among these, not among the files.
    splits = {
        one.number: "train" if one.split == "validation" and layout.chosen and not single else one.split
        for one in layout.entries
    }
    raw = {}
    for split in SPLITS:
        entries = [one for one in layout.entries if splits[one.number] == split]
        if not entries:
            continue
        arrays: list[Numbers] = []
        for entry in entries:
            options.progress(len(arrays), len(entries), f"reading {folder.name}")
            arrays.append(_values(files[entry.number]))
        labels = _labels(entries, [1 if single else len(array) for array in arrays])
        values = np.stack(arrays) if single else np.concatenate(arrays)
        labels_name = "" if labels is None else f"classes of {split}"
        raw[split] = RawSplit(values, f"{split} in {folder.name}", labels, labels_name)
    asked = options.reading if options.reading.axes else msgspec.structs.replace(options.reading, axes="N")
    loaded = images_of(raw, asked)
    return replace(loaded, left_out=layout.left_out, suspicions=layout.suspicions + loaded.suspicions)


def _header(one: ArrayFile) -> tuple[tuple[int, ...], np.dtype[Any]]:
    with reading(one.name):
        file, size = one.opened()
        with file:
            shape, _, dtype = read_header(file, size, one.name)
    return shape, dtype


def _values(one: ArrayFile) -> Numbers:
    with reading(one.name):
        file, size = one.opened()
        with file:
            return read_npy(file, size, one.name)


def _one_each(shapes: list[tuple[int, ...]], name: str) -> bool:
    """Whether each file holds one image; raises `DataError` where their shapes do not go together."""
    dimensions = {len(shape) for shape in shapes}
    colour = dimensions == {3} and len(set(shapes)) == 1 and min(shapes[0][0], shapes[0][2]) <= _MAX_CHANNELS
    single = dimensions == {2} or (colour and len(shapes) > 1)
    if dimensions <= {2, 3, 4} and len({shape if single else shape[1:] for shape in shapes}) == 1:
        return single
    some = ", ".join(str(shape) for shape in sorted(set(shapes))[:3])
    raise DataError(f"the .npy files in {name} differ in shape ({some}); save images of one size")


def _labels(entries: list[Entry], counts: list[int]) -> npt.NDArray[np.str_] | None:
    if any(one.label is None for one in entries):
        return None
    return np.repeat(np.array([one.label for one in entries], np.str_), counts)
