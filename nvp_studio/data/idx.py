"""IDX files, plain or gzipped: the format of MNIST, KMNIST and EMNIST."""

import gzip
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import numpy as np
import numpy.typing as npt

from nvp_studio.data.arrays import (
    ZIP_PACKINGS,
    LoadedData,
    as_images,
    as_labels,
    check_size,
    numbered,
    read_into,
    reading,
)
from nvp_studio.data.dataset import DataError, Split
from nvp_studio.data.options import LoadOptions

AnyPath = Path | zipfile.Path
"""A file or folder, on disk or within a zip archive."""

_MNIST_STARTS = ("train", "t10k")
"""What the names of the files of training and test images begin with."""
_DIMENSIONS = {"images": 3, "labels": 1}
"""Dimensions of the array, which stand in the file's name, by its content."""
_EMNIST_ARCHIVES = ("gzip.zip", "emnist-gzip.zip")


def is_idx(path: Path) -> bool:
    """Whether `path` is an IDX file of bytes, plain or gzipped, by its first bytes."""
    try:
        with _opened(path) as file:
            start = file.read(4)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return False
    return len(start) == 4 and start[:3] == b"\0\0\x08" and 1 <= start[3] <= 4


def holds_idx(folder: Path) -> bool:
    """Whether `folder` has IDX training images by MNIST's names."""
    return _file(folder, "train", "images") is not None


def load_idx(path: Path) -> LoadedData:
    """Load an IDX file of images, or a folder of the four files that MNIST and its relatives come in.

    Labels are taken from the file beside the images whose name has `labels` for `images`.
    """
    if path.is_file():
        return numbered(LoadedData(_load_pair(path)))
    test = _file(path, "t10k", "images")
    return numbered(LoadedData(_load_split(path, "train"), test=None if test is None else _load_pair(test)))


def find_mnist(variant: str, folder: Path) -> Path | None:
    """Return `folder` when all four files are in it: a download may have been interrupted between them."""
    return folder if _holds_pairs(folder, _MNIST_STARTS) else None


def read_mnist(variant: str, folder: Path, options: LoadOptions) -> LoadedData:
    """Return MNIST or KMNIST; raises `DataError`."""
    return load_idx(folder)


def find_emnist(kind: str, folder: Path) -> Path | None:
    """Where the files of the set `kind` of EMNIST are: a folder, or the zip file that holds all six sets."""
    for place in (folder, folder / "gzip"):
        if _holds_pairs(place, _emnist_starts(kind)):
            return place
    return next((folder / name for name in _EMNIST_ARCHIVES if (folder / name).is_file()), None)


def read_emnist(kind: str, place: Path, options: LoadOptions | None = None) -> LoadedData:
    """Return the set `kind` of EMNIST, upright: its files hold every image turned and mirrored.

    The letters are numbered from 1 in their files, here from 0 as everywhere. Raises `DataError`.
    """
    if place.is_dir():
        return _read_emnist(kind, place)
    with reading(place.name), zipfile.ZipFile(place) as archive:
        for item in archive.infolist():
            if item.compress_type not in ZIP_PACKINGS:
                raise DataError(f"{item.filename} in {place.name} is neither stored nor deflated")
        root = zipfile.Path(archive)
        return _read_emnist(kind, root / "gzip" if (root / "gzip").is_dir() else root)


def _read_emnist(kind: str, folder: AnyPath) -> LoadedData:
    train, test = (_upright(_load_split(folder, start), kind) for start in _emnist_starts(kind))
    return LoadedData(train, test=test, notes=("turned upright",))


def _emnist_starts(kind: str) -> tuple[str, str]:
    return f"emnist-{kind}-train", f"emnist-{kind}-test"


def _upright(split: Split, kind: str) -> Split:
    labels = split.labels
    if labels is not None and kind == "letters":
        if len(labels) and labels.min() < 1:
            raise DataError("a label of EMNIST's letters is below 1")
        labels = labels - 1
    return Split(np.ascontiguousarray(split.images.transpose(0, 2, 1, 3)), labels)


def _holds_pairs(folder: Path, starts: tuple[str, str]) -> bool:
    return all(_file(folder, start, content) for start in starts for content in _DIMENSIONS)


def _file(folder: AnyPath, start: str, content: str) -> AnyPath | None:
    """The file START-images-idx3-ubyte or START-labels-idx1-ubyte in `folder`, plain or gzipped, or None."""
    kind = f"idx{_DIMENSIONS[content]}-ubyte"
    names = (f"{start}-{content}{separator}{kind}{end}" for separator in "-." for end in ("", ".gz"))
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _load_split(folder: AnyPath, start: str) -> Split:
    images = _file(folder, start, "images")
    if images is None:
        raise DataError(f"no {start}-images-idx3-ubyte in {folder}")
    return _load_pair(images)


def _load_pair(path: AnyPath) -> Split:
    """Load an IDX file of images with the labels file beside it, if there is one."""
    values = read_idx(path)
    if values.ndim not in (3, 4):
        raise DataError(f"{path.name} holds {values.ndim}-dimensional data, not images; choose the images file")
    images = as_images(values, path.name)
    name, replaced = re.subn("images(.)idx[34]", r"labels\1idx1", path.name)
    plain = name.removesuffix(".gz")
    folder = cast(AnyPath, path.parent)
    beside = (folder / labels for labels in (name, plain, f"{plain}.gz"))
    labels_path = next((labels for labels in beside if replaced and labels.is_file()), None)
    if labels_path is None:
        return Split(images)
    return Split(images, as_labels(read_idx(labels_path), len(images), labels_path.name))


def read_idx(path: AnyPath) -> npt.NDArray[np.uint8]:
    """Return the array in an IDX file of unsigned bytes; raises `DataError` unless the file holds exactly that."""
    with reading(path.name), _opened(path) as file:
        start = file.read(4)
        if len(start) < 4 or start[:2] != b"\0\0" or not 1 <= start[3] <= 4:
            raise DataError(f"{path.name} is not an IDX file")
        if start[2] != 8:
            raise DataError(f"{path.name} does not hold unsigned bytes; only 8-bit IDX files are read")
        header = file.read(4 * start[3])
        if len(header) < 4 * start[3]:
            raise DataError(f"{path.name} is cut short")
        shape = struct.unpack(f">{start[3]}I", header)
        check_size(math.prod(shape), path.name)
        values = np.empty(math.prod(shape), np.uint8)
        read_into(file, values, path.name)
        if file.read(1):
            raise DataError(f"{path.name} is longer than its header says; it may be damaged")
        return values.reshape(shape)


@contextmanager
def _opened(path: AnyPath) -> Iterator[IO[bytes]]:
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        yield cast(IO[bytes], gzip.GzipFile(fileobj=file)) if zipped else file
