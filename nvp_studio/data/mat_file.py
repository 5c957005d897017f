"""MATLAB's files of level 5, as far as data sets need them: full arrays of real numbers, packed or not.

The format is described in MathWorks' "MAT-File Format"; objects, cells, structures and text are passed over.
"""

import math
import struct
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from nvp_studio.data.arrays import MOST_DEFLATE_GAINS, Readable, check_size, one_line, read_exactly, read_into
from nvp_studio.data.dataset import DataError

_HEADER_BYTES = 128
_MATRIX, _COMPRESSED = 14, 15
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""How numbers are stored, by the type that stands before them."""
_FULL_ARRAYS = range(6, 16)
"""Classes of arrays that hold plain numbers."""
_COMPLEX = 0x0800
_MOST_DIMENSIONS = 8
_MOST_NAME_BYTES = 256
_PIECE = 2**16


class _Inflated:
    """What a zlib stream of `size` bytes in `file` unpacks to, read in pieces."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._left = file, size
        self._unpacker = zlib.decompressobj()
        self._ahead = b""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, none at the end."""
        while not self._unpacker.eof:
            packed = self._unpacker.unconsumed_tail
            if not packed and self._left:
                packed = self._file.read(min(_PIECE, self._left))
                self._left -= len(packed)
            piece = self._unpacker.decompress(packed, size)
            if piece or not packed:
                return piece
        return b""


def read_mat(path: Path, names: Collection[str]) -> dict[str, npt.NDArray[Any]]:
    """Return those arrays of `names` that the file holds, in MATLAB's order of dimensions; raises `DataError`."""
    found: dict[str, npt.NDArray[Any]] = {}
    try:
        with open(path, "rb") as file:
            order = _byte_order(file, path.name)
            for kind, size, stop in _elements(file, order):
                stream: Readable = file
                room = size * (MOST_DEFLATE_GAINS if kind == _COMPRESSED else 1)
                if kind == _COMPRESSED:
                    stream = _Inflated(file, size)
                    kind, size = struct.unpack(f"{order}II", read_exactly(stream, 8))
                if kind == _MATRIX:
                    array = _array(stream, order, names, path.name, room)
                    found |= {} if array is None else {array[0]: array[1]}
                file.seek(stop)
    except (OSError, EOFError, zlib.error, struct.error, UnicodeDecodeError) as error:
        raise DataError(f"{path.name} cannot be read: {one_line(error)}") from error
    return found


def _byte_order(file: BinaryIO, name: str) -> str:
    header = file.read(_HEADER_BYTES)
    order = {b"IM": "<", b"MI": ">"}.get(header[126:128])
    if order is None or struct.unpack(f"{order}H", header[124:126])[0] != 0x0100:
        raise DataError(f"{name} is not a MATLAB file of level 5")
    return order


def _elements(file: BinaryIO, order: str) -> Iterator[tuple[int, int, int]]:
    """Yield type, size and end of each element of the file; the file stands at its content."""
    while tag := file.read(8):
        kind, size = struct.unpack(f"{order}II", tag)
        yield kind, size, file.tell() + size


def _array(
    stream: Readable, order: str, names: Collection[str], file_name: str, room: int
) -> tuple[str, npt.NDArray[Any]] | None:
    """Return name and content of the array that starts at `stream`, None when it is not one of `names`.

    Its content has at most `room` bytes.
    """
    flags = _small(stream, order, 8)
    kind, dimensions = struct.unpack(f"{order}I", flags[:4])[0], _small(stream, order, 4 * _MOST_DIMENSIONS)
    shape = struct.unpack(f"{order}{len(dimensions) // 4}i", dimensions)
    name = _small(stream, order, _MOST_NAME_BYTES).decode("ascii")
    if name not in names:
        return None
    if (kind & 0xFF) not in _FULL_ARRAYS or kind & _COMPLEX or min(shape, default=-1) < 0:
        raise DataError(f"{name} in {file_name} is not an array of real numbers")
    stored, size, content = _tag(stream, order)
    if stored not in _NUMBERS:
        raise DataError(f"{name} in {file_name} stores its numbers in a way that is not supported")
    dtype = np.dtype(order + _NUMBERS[stored])
    count = math.prod(shape)
    if size != count * dtype.itemsize:
        raise DataError(f"{name} in {file_name} holds {size:,} bytes, not those of its shape {shape}")
    if size > room:
        raise DataError(f"{name} in {file_name} is cut short: it promises {size:,} bytes")
    check_size(size, f"{name} in {file_name}")
    values = np.empty(size, np.uint8)
    if content is not None:
        values[:] = np.frombuffer(content, np.uint8)
    elif read_into(stream, values) < size:
        raise DataError(f"{name} in {file_name} is cut short")
    return name, values.view(dtype).reshape(shape, order="F")


def _small(stream: Readable, order: str, most: int) -> bytes:
    """Return the content of an element of at most `most` bytes."""
    _, size, content = _tag(stream, order)
    if content is not None:
        return content
    if size > most:
        raise EOFError("damaged: a part that is always short is long")
    return read_exactly(stream, size + -size % 8)[:size]


def _tag(stream: Readable, order: str) -> tuple[int, int, bytes | None]:
    """Return type and size of the next element, with its content where that stands in the tag itself."""
    tag = read_exactly(stream, 8)
    kind, size = struct.unpack(f"{order}II", tag)
    if kind >> 16:  # the short form: size and type share four bytes, four more hold the content
        kind, size = kind & 0xFFFF, kind >> 16
        if size > 4:
            raise EOFError("damaged: more than four bytes in a short element")
        return kind, size, tag[4 : 4 + size]
    return kind, size, None
