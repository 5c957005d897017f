"""IDX files, plain or gzipped: the format of MNIST and its relatives."""

import gzip
import io
import math
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nvp_studio.data.arrays import (
    MOST_DEFLATE_GAINS,
    Parts,
    as_images,
    as_labels,
    check_size,
    numbered,
    read_into,
    reason_of,
)
from nvp_studio.data.dataset import DataError, Split

_DIMENSIONS = {"images": 3, "labels": 1}
"""Dimensions of the array, which stand in the file's name, by its content."""


def is_idx(path: Path) -> bool:
    """Whether `path` is an IDX file of bytes, plain or gzipped, by its first bytes."""
    try:
        with _idx_stream(path) as file:
            start = file.read(4)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return False
    return len(start) == 4 and start[:3] == b"\0\0\x08" and 1 <= start[3] <= 4


def load_idx(path: Path) -> Parts:
    """Load an IDX file of images, or a folder of the four files that MNIST and its relatives come in.

    Labels are taken from the file beside the images whose name has `labels` for `images`.
    """
    if path.is_file():
        return numbered(Parts(load_idx_pair(path)))
    train, test = (idx_file(path, part, "images") for part in ("train", "t10k"))
    if train is None:
        raise DataError(f"no train-images-idx3-ubyte in {path}")
    return numbered(Parts(load_idx_pair(train), test=None if test is None else load_idx_pair(test)))


def holds_idx(folder: Path) -> bool:
    """Whether `folder` has IDX training images by MNIST's names."""
    return idx_file(folder, "train", "images") is not None


def holds_pairs(folder: Path, *starts: str) -> bool:
    """Whether `folder` has images and labels for each of the `starts` of their names ("train", "t10k")."""
    return all(idx_file(folder, start, content) for start in starts for content in _DIMENSIONS)


def idx_file(folder: Path, start: str, content: str) -> Path | None:
    """The file START-images-idx3-ubyte or START-labels-idx1-ubyte in `folder`, plain or gzipped, or None."""
    kind = f"idx{_DIMENSIONS[content]}-ubyte"
    names = (f"{start}-{content}{separator}{kind}{end}" for separator in "-." for end in ("", ".gz"))
    return next((folder / name for name in names if (folder / name).is_file()), None)


def load_idx_pair(path: Path) -> Split:
    """Load an IDX file of images with the labels file beside it, if there is one."""
    values = read_idx(path)
    if values.ndim not in (3, 4):
        raise DataError(f"{path.name} holds {values.ndim}-dimensional data, not images; choose the images file")
    images = as_images(values, path.name)[0]
    name, replaced = re.subn("images(.)idx[34]", r"labels\1idx1", path.name)
    plain = path.with_name(name.removesuffix(".gz"))
    beside = (path.with_name(name), plain, plain.with_name(f"{plain.name}.gz"))
    labels_path = next((labels for labels in beside if replaced and labels.is_file()), None)
    if labels_path is None:
        return Split(images)
    return Split(images, as_labels(read_idx(labels_path), len(images), labels_path.name))


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """Return the array in an IDX file of unsigned bytes; raises `DataError` unless the file holds exactly that."""
    try:
        with _idx_stream(path) as file:
            return _read_idx_stream(file, path)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path.name} cannot be read: {reason_of(error)}") from error


def _read_idx_stream(file: gzip.GzipFile | io.BufferedReader, path: Path) -> npt.NDArray[np.uint8]:
    start = file.read(4)
    if len(start) < 4 or start[:2] != b"\0\0" or not 1 <= start[3] <= 4:
        raise DataError(f"{path.name} is not an IDX file")
    if start[2] != 8:
        raise DataError(f"{path.name} does not hold unsigned bytes; only 8-bit IDX files are read")
    header = file.read(4 * start[3])
    if len(header) < 4 * start[3]:
        raise DataError(f"{path.name} is cut short")
    shape = struct.unpack(f">{start[3]}I", header)
    size = math.prod(shape)
    held = path.stat().st_size * (MOST_DEFLATE_GAINS if isinstance(file, gzip.GzipFile) else 1)
    if size > held:
        raise DataError(f"{path.name} is cut short: its header promises {size:,} bytes")
    check_size(size, path.name)
    values = np.empty(size, np.uint8)
    if read_into(file, values) < size:
        raise DataError(f"{path.name} is cut short: its header promises {size:,} bytes")
    if file.read(1):
        raise DataError(f"{path.name} is longer than its header says; it may be damaged")
    return values.reshape(shape)


def _idx_stream(path: Path) -> gzip.GzipFile | io.BufferedReader:
    with open(path, "rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    return gzip.GzipFile(path, "rb") if zipped else open(path, "rb")
