"""Reading safetensors files under limits of our own: the header is checked before anything is allocated or believed.

The format: eight bytes with the header's length, the header (JSON: tensor name -> dtype, shape and byte range, and
`__metadata__` with strings), then the tensors' bytes. The library that reads it accepts more than a program should that
opens files from anywhere: names such as ``../x``, duplicate keys, hundreds of thousands of empty tensors.
"""

import json
import math
import os
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

import safetensors
import safetensors.torch
import torch
from torch import Tensor

MAX_FILE_BYTES = 4 * 2**30
MAX_HEADER_BYTES = 1_000_000
MAX_TENSORS = 10_000
MAX_DIMENSIONS = 8

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "I64": torch.int64,
    "I32": torch.int32,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
"""Names of the element types that a file may use."""

_NAME = re.compile(r"[A-Za-z0-9_.]{1,200}")


class TensorFileError(ValueError):
    """The file cannot be used; the message is one line that says why."""


class TensorEntry(NamedTuple):
    """What the header says of one tensor: element type, shape, and its bytes' range after the header."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int
    stop: int


class Header(NamedTuple):
    """A checked header: free text by key, and the tensors by name."""

    metadata: dict[str, str]
    entries: dict[str, TensorEntry]


def read_header(path: str | os.PathLike[str]) -> Header:
    """Read and check the header alone; raises `TensorFileError`."""
    with _open(Path(path)) as file:
        return _header(file)


def read_tensors(
    path: str | os.PathLike[str], check: Callable[[Header], None]
) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Read metadata and tensors into memory, never mapped: a mapped file that is cut short ends the process.

    `check` sees the header before the tensors are read and may refuse it. Raises `TensorFileError`.
    """
    with _open(Path(path)) as file:
        header = _header(file)
        check(header)
        file.seek(0)
        try:
            data = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise TensorFileError(error.strerror or "it cannot be read") from error
    try:
        tensors = safetensors.torch.load(data)
    except (safetensors.SafetensorError, ValueError, RuntimeError) as error:
        raise TensorFileError(f"it is damaged ({_first_line(error)})") from error
    if {name: (entry.dtype, entry.shape) for name, entry in header.entries.items()} != {
        name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in tensors.items()
    }:
        raise TensorFileError("it changed while it was read")
    return header.metadata, tensors


def pack_tensors(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """The content of a file with these tensors and this metadata; raises `TensorFileError` where reading it would."""
    names = [name for name in tensors if not _NAME.fullmatch(name)]
    if names:
        raise TensorFileError(f"a tensor cannot be called {names[0]!r}")
    data = safetensors.torch.save(dict(tensors), dict(metadata))
    _parse_header(data[8 : 8 + int.from_bytes(data[:8], "little")], len(data) - 8 - int.from_bytes(data[:8], "little"))
    return data


def _open(path: Path) -> BinaryIO:
    """Open a regular file of a sensible size; a pipe or device would block for ever."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise TensorFileError("it is a folder")
        if not stat.S_ISREG(status.st_mode):
            raise TensorFileError("it is not a regular file")
        if status.st_size > MAX_FILE_BYTES:
            raise TensorFileError(f"it is larger than {MAX_FILE_BYTES // 2**30} GiB")
        return open(path, "rb")
    except FileNotFoundError as error:
        raise TensorFileError("there is no such file") from error
    except (OSError, ValueError) as error:
        if isinstance(error, TensorFileError):
            raise
        raise TensorFileError(getattr(error, "strerror", None) or "it cannot be opened") from error


def _header(file: BinaryIO) -> Header:
    try:
        size = os.fstat(file.fileno()).st_size
        prefix = file.read(8)
        length = int.from_bytes(prefix, "little")
        if len(prefix) < 8 or length < 2 or length > size - 8:
            raise TensorFileError("it is not a safetensors file, or cut short")
        if length > MAX_HEADER_BYTES:
            raise TensorFileError(f"its header is larger than {MAX_HEADER_BYTES} bytes")
        return _parse_header(file.read(length), size - 8 - length)
    except OSError as error:
        raise TensorFileError(error.strerror or "it cannot be read") from error


def _parse_header(text: bytes, data_bytes: int) -> Header:
    if len(text) > MAX_HEADER_BYTES:
        raise TensorFileError(f"its header is larger than {MAX_HEADER_BYTES} bytes")
    try:
        fields = json.loads(text.decode("utf-8"), object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
    except TensorFileError:
        raise
    except (ValueError, RecursionError) as error:
        raise TensorFileError("it is not a safetensors file (its header is not JSON)") from error
    if not isinstance(fields, dict):
        raise TensorFileError("it is not a safetensors file (its header is not a table)")
    metadata = fields.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise TensorFileError("its metadata is not a table of strings")
    if len(fields) > MAX_TENSORS:
        raise TensorFileError(f"it holds more than {MAX_TENSORS} tensors")
    entries = {name: _entry(name, value) for name, value in fields.items()}
    _check_ranges(entries, data_bytes)
    return Header(metadata, entries)


def _entry(name: str, value: object) -> TensorEntry:
    if not _NAME.fullmatch(name):
        raise TensorFileError(f"a tensor has the forbidden name {name[:40]!a}")
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise TensorFileError(f"the description of tensor {name} is not understood")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise TensorFileError(f"tensor {name} has the unknown type {ascii(dtype)[:20]}")
    if not _is_counts(shape) or len(shape) > MAX_DIMENSIONS:
        raise TensorFileError(f"tensor {name} has an impossible shape")
    if not _is_counts(offsets) or len(offsets) != 2:
        raise TensorFileError(f"tensor {name} has no byte range")
    start, stop = offsets
    if stop - start != math.prod(shape) * DTYPES[dtype].itemsize:
        raise TensorFileError(f"the byte range of tensor {name} does not fit its shape")
    return TensorEntry(DTYPES[dtype], tuple(shape), start, stop)


def _is_counts(value: object) -> bool:
    return isinstance(value, list) and all(type(item) is int and 0 <= item <= MAX_FILE_BYTES for item in value)


def _check_ranges(entries: Mapping[str, TensorEntry], data_bytes: int) -> None:
    """Tensors must lie one behind the other and fill the file: no overlap, no gap, nothing hidden behind them."""
    end = 0
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].start, item[1].stop)):
        if entry.start != end:
            raise TensorFileError(f"tensor {name} overlaps another, or there is a gap before it")
        end = entry.stop
    if end != data_bytes:
        raise TensorFileError(f"its tensors take {end} bytes, but the file has {data_bytes} for them")


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise TensorFileError("its header has a key twice")
    return table


def _no_constant(text: str) -> object:
    raise TensorFileError(f"its header holds the number {text}")


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0][:200] if lines else type(error).__name__
