"""NumPy's .npz and .npy files of images and labels; Python objects in them are never loaded."""

import math
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from nvp_studio.data.array_images import RawSplit, images_of
from nvp_studio.data.arrays import (
    ZIP_PACKINGS,
    LoadedData,
    check_size,
    read_into,
    reading,
    reason_of,
)
from nvp_studio.data.dataset import MAX_DATA_BYTES, DataError
from nvp_studio.data.named_arrays import choose_arrays, load_chosen
from nvp_studio.data.reading import UNDECIDED, Reading

_MAX_HEADER_BYTES = 10_000
_MAX_DIMENSIONS = 8
_MAX_DEFLATE_GAIN = 1032
"""Deflate cannot pack more than this many bytes into one."""


def load_npy(path: Path, options: Reading = UNDECIDED) -> LoadedData:
    """Load one array of images from a .npy file."""
    with reading(path.name), open(path, "rb") as file:
        values = read_npy(file, path.stat().st_size, path.name)
    return images_of({"train": RawSplit(values, path.name)}, options)


def load_npz(path: Path, options: Reading = UNDECIDED) -> LoadedData:
    """Load images and labels from a .npz file.

    Arrays are found by name (`x_train`, `y_train`, `x_test`, ...; `train_images`, `train_labels`, ...; `images`,
    `labels`), else by shape: the only one of at least three dimensions has the images, and of the others the only one
    with a number for each image the labels (`named_arrays`).
    """
    name = path.name
    with open_archive(path) as (archive, members):

        def shapes() -> dict[str, tuple[int, ...]]:
            found = {}
            for member, item in members.items():
                with suppress(DataError), open_member(archive, item, name) as file:
                    found[member] = read_header(file, item.file_size, name, "biufUS")[0]
            return found

        chosen = choose_arrays(members, shapes, name)
        return load_chosen(chosen, lambda key, kinds: _read_member(archive, members[key], name, kinds), name, options)


def read_arrays(path: Path, names: Iterable[str]) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of numbers or text with these names in a .npz file; raises `DataError` when it lacks one."""
    if path.exists() and not path.is_file():
        raise DataError(f"{path.name} is not a regular file")
    with open_archive(path) as (archive, members):
        missing = [name for name in names if name not in members]
        if missing:
            raise DataError(f"there is no array {missing[0]} in {path.name}")
        return {name: _read_member(archive, members[name], path.name, kinds="biufU") for name in names}


@contextmanager
def open_archive(path: Path) -> Iterator[tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]]:
    """Open a .npz file and give its arrays by name; what is wrong with it, here or in the body, is a `DataError`."""
    with reading(path.name), zipfile.ZipFile(path) as archive:
        yield archive, {item.filename.removesuffix(".npy"): item for item in archive.infolist()}


def _read_member(archive: zipfile.ZipFile, item: zipfile.ZipInfo, name: str, kinds: str = "biuf") -> npt.NDArray[Any]:
    with open_member(archive, item, name) as file:
        return read_npy(file, item.file_size, f"{item.filename} in {name}", kinds)


def open_member(archive: zipfile.ZipFile, item: zipfile.ZipInfo, name: str) -> IO[bytes]:
    """Open a member of the zip file `name`; raises `DataError` when it promises more than its bytes can hold."""
    if item.compress_type not in ZIP_PACKINGS:
        raise DataError(f"{item.filename} in {name} is packed in a way that is not read")
    if item.file_size > item.compress_size * _MAX_DEFLATE_GAIN + _MAX_HEADER_BYTES:
        raise DataError(f"{item.filename} in {name} promises more than its bytes can hold")
    return archive.open(item)


def read_npy(file: IO[bytes], size: int, name: str, kinds: str = "biuf") -> npt.NDArray[Any]:
    """Return the array of a .npy stream of `size` bytes; Python objects are never loaded."""
    shape, fortran_order, dtype = read_header(file, size, name, kinds)
    promised = math.prod(shape) * dtype.itemsize
    check_size(promised, name)
    data = np.empty(promised, np.uint8)
    read_into(file, data, name)
    return data.view(dtype).reshape(shape, order="F" if fortran_order else "C")


def read_header(
    file: IO[bytes], size: int, name: str, kinds: str = "biuf"
) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, Fortran order and type of the array in a .npy stream of `size` bytes, which stands behind it then.

    Raises `DataError` for a header that is none, other `kinds` of numbers, and more of them than the stream can hold.
    """
    try:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            header = np.lib.format.read_array_header_1_0(file, max_header_size=_MAX_HEADER_BYTES)
        elif version == (2, 0):
            header = np.lib.format.read_array_header_2_0(file, max_header_size=_MAX_HEADER_BYTES)
        else:
            raise DataError(f"{name} has a version of the format that is not supported")
    except DataError:
        raise
    except Exception as error:  # the header is a Python literal; parsing a broken one raises many classes
        raise DataError(f"{name} is not a NumPy array file: {reason_of(error)}") from error
    shape, fortran_order, dtype = header
    if dtype.hasobject:
        raise DataError(f"{name} holds Python objects, which are not loaded; save plain numbers")
    if dtype.kind not in kinds or not dtype.itemsize:
        raise DataError(f"{name} holds {dtype}, not plain numbers")
    if any(length < 0 for length in shape):
        raise DataError(f"{name} has a negative length in its shape")
    promised = math.prod(shape) * dtype.itemsize
    if promised > size:
        raise DataError(f"{name} is cut short: its header promises {promised:,} bytes")
    if len(shape) > _MAX_DIMENSIONS or any(type(side) is not int or side > MAX_DATA_BYTES for side in shape):
        raise DataError(f"{name} has an impossible shape")
    return shape, fortran_order, dtype
