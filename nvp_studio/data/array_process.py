"""The process that reads the arrays of a MATLAB or HDF5 file for another, since their readers trust what a file says.

A damaged file can end the process (SciPy 1.17.1 indexes a C array by the type number of an element), and a small one
can be unpacked to gigabytes. The working folder gets `arrays.json`, what the file holds; or `names.json`, those of the
arrays asked for that there are, and these as `0.npy`, `1.npy` and so on. Ends with 1 and a reason on stderr where the
file cannot be read.
"""

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

_BASE_BYTES = 2**31
"""Addresses for Python, the reader and their libraries."""
_MAX_ARRAYS = 10_000
_MAX_GAIN = 1032
"""No packing of HDF5's own makes more bytes of one."""
_MAX_CHUNK_BYTES = 256 * 2**20
_SLICE_BYTES = 64 * 2**20
_MAX_TEXTS = 10_000_000
_NO_NUMBERS = "is not an array of numbers"


class FoundArray(msgspec.Struct, frozen=True):
    """An array of a file; `refused` says, as the end of a sentence, why it is not read."""

    name: str
    shape: tuple[int, ...]
    item_bytes: int
    refused: str = ""

    @property
    def size(self) -> int:
        """Bytes of its numbers."""
        return math.prod(self.shape) * self.item_bytes


class Task(msgspec.Struct, frozen=True):
    """What is to be read; without `names`, the list of all arrays."""

    library: Literal["scipy", "h5py"]
    path: str
    most_bytes: int
    names: tuple[str, ...] | None = None


def main() -> None:
    """Do what the first argument says."""
    task = msgspec.json.decode(sys.argv[-1], type=Task)
    try:
        (_read_mat if task.library == "scipy" else _read_hdf5)(task)
    except MemoryError:
        sys.exit("it takes more memory than its arrays have")
    except Exception as error:  # the readers raise many classes over damaged files
        sys.exit(str(error) or "damaged or of an unsupported kind")


def _answer(found: Sequence[FoundArray], task: Task, save: Callable[[list[FoundArray]], None]) -> None:
    """Write the list of arrays, or have those saved that are asked for and can be read."""
    if task.names is None:
        Path("arrays.json").write_bytes(msgspec.json.encode(found))
        return
    wanted = [one for one in found if one.name in task.names]
    total = 0
    for one in wanted:
        total += one.size
        if one.refused or total > task.most_bytes:
            sys.exit(f"{one.name} {one.refused or 'is too large'}")
    save(wanted)
    Path("names.json").write_bytes(msgspec.json.encode([one.name for one in wanted]))


def _limit_memory(more: int) -> None:
    if sys.platform == "win32":  # which has no such limits
        return
    import resource

    with suppress(OSError, ValueError):
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        limits = [one for one in (_BASE_BYTES + more, soft, hard) if one != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_AS, (min(limits), hard))


def _read_mat(task: Task) -> None:
    import scipy.io

    def save(wanted: list[FoundArray]) -> None:
        _limit_memory(4 * sum(one.size for one in wanted))
        loaded = scipy.io.loadmat(task.path, variable_names=[one.name for one in wanted])
        for number, one in enumerate(wanted):
            np.save(f"{number}.npy", loaded[one.name], allow_pickle=False)

    found = []
    for name, shape, kind in scipy.io.whosmat(task.path):
        numbers = kind in ("double", "single", "logical") or "int" in kind
        item_bytes = np.dtype("bool" if kind == "logical" else kind).itemsize if numbers else 0
        found.append(FoundArray(name, tuple(shape), item_bytes, "" if numbers else _NO_NUMBERS))
    _answer(found, task, save)


def _read_hdf5(task: Task) -> None:
    import h5py

    _limit_memory(2 * _MAX_CHUNK_BYTES + 2 * _SLICE_BYTES)
    with h5py.File(task.path, "r", locking=False) as file:
        sets: list[tuple[str, Any]] = []

        def visit(name: str, item: Any) -> str | None:  # which is not called for links to other files
            if isinstance(item, h5py.Dataset):
                sets.append((name, item))
            return f"it has more than {_MAX_ARRAYS:,} arrays" if len(sets) > _MAX_ARRAYS else None

        if too_many := file.visititems(visit):
            sys.exit(too_many)
        found = [_found(name, one, h5py.check_string_dtype(one.dtype) is not None) for name, one in sets]

        def save(wanted: list[FoundArray]) -> None:
            by_name = dict(sets)
            for number, one in enumerate(wanted):
                _save(f"{number}.npy", by_name[one.name], h5py.check_string_dtype(by_name[one.name].dtype) is not None)

        _answer(found, task, save)


def _found(name: str, one: Any, text: bool) -> FoundArray:
    shape = () if one.shape is None else tuple(one.shape)
    refused = ""
    if one.shape is None or not (text or one.dtype.kind in "biuf"):
        refused = _NO_NUMBERS
    elif one.is_virtual or one.external:
        refused = "is in another file"
    elif text and math.prod(shape) > _MAX_TEXTS:
        refused = "is too large"
    elif not text and math.prod(shape) * one.dtype.itemsize > one.id.get_storage_size() * _MAX_GAIN:
        refused = "promises more than its bytes can hold"
    elif one.chunks and math.prod(one.chunks) * one.dtype.itemsize > _MAX_CHUNK_BYTES:
        refused = "has too large chunks"
    return FoundArray(name, shape, one.dtype.itemsize, refused)


def _save(place: str, one: Any, text: bool) -> None:
    """Write an array of HDF5 piece by piece."""
    if text:
        np.save(place, np.array(one.asstr("utf-8", "replace")[()], np.str_), allow_pickle=False)
        return
    target: npt.NDArray[Any] = np.lib.format.open_memmap(
        place, mode="w+", dtype=one.dtype.newbyteorder("="), shape=one.shape
    )
    if not one.shape:
        target[()] = one[()]
        return
    for part in _slices(one.shape, one.dtype.itemsize, one.chunks):
        target[part] = one[part]


def _slices(shape: tuple[int, ...], item_bytes: int, chunks: tuple[int, ...] | None) -> Iterator[slice]:
    """Pieces of the first axis of at most `_SLICE_BYTES`, and whole chunks if these are smaller."""
    rows = max(1, _SLICE_BYTES // max(1, math.prod(shape[1:]) * item_bytes))
    if chunks is not None and rows > chunks[0]:
        rows -= rows % chunks[0]
    for start in range(0, shape[0], rows):
        yield slice(start, start + rows)
