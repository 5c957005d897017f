"""safetensors files under limits of our own: the header is checked before anything is allocated.

The format: eight bytes with the header's length, the header (JSON: tensor name -> dtype, shape and byte range, and
`__metadata__` with strings), then the tensors' bytes. The library that reads it accepts more than a program should that
opens files from anywhere: names such as ``../x``, duplicate keys, hundreds of thousands of empty tensors. So files are
read here: each tensor's bytes go straight from the file into its own memory. They are written here too, byte for byte
as the library would: where memory is short the library aborts the process, and training is to go on.
"""

import errno
import json
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BufferedReader
from itertools import accumulate, chain
from typing import NamedTuple

import torch
from torch import Tensor

from nvp_studio.files import open_regular
from nvp_studio.text import one_line

MAX_FILE_BYTES = 4 * 2**30
MAX_HEADER_BYTES = 1_000_000
MAX_TENSORS = 10_000
MAX_DIMENSIONS = 8

DTYPES = {
    "I64": torch.int64,
    "F64": torch.float64,
    "F32": torch.float32,
    "I32": torch.int32,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
"""Names of the element types that a file may use, in the order in which tensors of them are written."""

_CODES = {dtype: code for code, dtype in DTYPES.items()}
_OPEN_REASONS = {
    errno.ENOENT: "there is no such file",
    errno.EFBIG: f"it is larger than {MAX_FILE_BYTES // 2**30} GiB",
}
_NAME = re.compile(r"[A-Za-z0-9_.]{1,200}")


class TensorFileError(ValueError):
    """The file cannot be used; the message says why in one printable line, whatever text the file contains."""

    def __init__(self, reason: str) -> None:
        super().__init__(one_line(reason))


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
    with _open(path) as file:
        return _header(file)


def read_tensors(
    path: str | os.PathLike[str], check: Callable[[Header], None]
) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Read metadata and tensors into memory, never mapped: a mapped file that is cut short ends the process.

    `check` sees the header before the tensors are read and may refuse it. Raises `TensorFileError`.
    """
    with _open(path) as file:
        header = _header(file)
        check(header)
        return header.metadata, {name: _tensor(file, name, entry) for name, entry in _in_order(header.entries)}


def _tensor(file: BufferedReader, name: str, entry: TensorEntry) -> Tensor:
    """Read the next tensor of the file."""
    try:
        tensor = torch.empty(entry.shape, dtype=entry.dtype)
    except (RuntimeError, MemoryError) as error:
        raise TensorFileError(f"tensor {name} is too large for the free memory") from error
    target = tensor.reshape(-1).view(torch.uint8).numpy().data
    if file.readinto(target) < len(target):
        raise TensorFileError("it was cut short while it was read")
    return tensor


def pack_tensors(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytearray:
    """The content of a file with these contiguous tensors and this metadata.

    Raises `TensorFileError` where reading it would, and `MemoryError`.
    """
    # The widest types first, so that each tensor lies at a multiple of its element's size.
    order = sorted(tensors, key=lambda name: (list(_CODES).index(tensors[name].dtype), name))
    stops = list(accumulate(tensors[name].nbytes for name in order))
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    for name, start, stop in zip(order, [0, *stops], stops, strict=False):
        tensor = tensors[name]
        header[name] = {"dtype": _CODES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, stop]}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    text += b" " * (-len(text) % 8)
    _parse_header(text, stops[-1] if stops else 0)
    data = bytearray(8 + len(text) + (stops[-1] if stops else 0))
    data[:8] = len(text).to_bytes(8, "little")
    data[8 : 8 + len(text)] = text
    target = memoryview(data)[8 + len(text) :]
    for name, start, stop in zip(order, [0, *stops], stops, strict=False):
        target[start:stop] = tensors[name].reshape(-1).view(torch.uint8).numpy().data
    return data


@contextmanager
def _open(path: str | os.PathLike[str]) -> Iterator[BufferedReader]:
    try:
        with open_regular(path, MAX_FILE_BYTES) as file:
            yield file
    except TensorFileError:
        raise
    except OSError as error:
        raise TensorFileError(_OPEN_REASONS.get(error.errno or 0) or error.strerror or "it cannot be read") from error
    except ValueError as error:  # a null character in the path
        raise TensorFileError("it cannot be opened") from error


def _header(file: BufferedReader) -> Header:
    size = os.fstat(file.fileno()).st_size
    prefix = file.read(8)
    length = int.from_bytes(prefix, "little")
    if len(prefix) < 8 or length < 2 or length > size - 8:
        raise TensorFileError(f"it is not a safetensors file, or cut short{_resembles(prefix)}")
    if length > MAX_HEADER_BYTES:
        raise TensorFileError(f"its header is larger than {MAX_HEADER_BYTES} bytes")
    return _parse_header(file.read(length), size - 8 - length)


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
    try:
        "".join(chain.from_iterable(metadata.items())).encode()
    except UnicodeEncodeError as error:
        raise TensorFileError("its metadata hold unpaired surrogates, which are no text") from error
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
    """Tensors must lie one after the other and fill the file, without overlap, gap or bytes after the last."""
    end = 0
    for name, entry in _in_order(entries):
        if entry.start != end:
            raise TensorFileError(f"tensor {name} overlaps another, or there is a gap before it")
        end = entry.stop
    if end != data_bytes:
        raise TensorFileError(f"its tensors take {end} bytes, but the file has {data_bytes} for them")


def _in_order(entries: Mapping[str, TensorEntry]) -> list[tuple[str, TensorEntry]]:
    """The tensors in the order in which they lie in the file."""
    return sorted(entries.items(), key=lambda item: (item[1].start, item[1].stop))


def _resembles(start: bytes) -> str:
    """The format that the first bytes suggest, as the end of a reason."""
    if start.startswith(b"\x80"):
        return "; it looks like a pickle, which is never loaded"
    if start.startswith(b"PK\x03\x04"):
        return "; it looks like a zip archive, perhaps of torch.save, which is never loaded"
    return ""


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise TensorFileError("its header has a key twice")
    return table


def _no_constant(text: str) -> object:
    raise TensorFileError(f"its header holds the number {text}")
