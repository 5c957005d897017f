"""CIFAR-10's Python batches without unpickling: their few opcodes are interpreted here, and all others refused.

A pickle is a program for a stack machine, and could name any function to call. The batches are pickles of protocol 2 of
a dictionary of strings, lists and one NumPy array. So this machine knows strings, numbers, lists, tuples, dictionaries
and that array, whose three names stand for themselves; nothing that a file says is imported or called.
"""

import pickletools
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from nvp_studio.data.arrays import reason_of
from nvp_studio.data.dataset import DataError, Images, Labels

# A published batch has an opcode for some 600 bytes, and at most about 250 000 of them.
_MAX_OPCODES = 400_000
_FREE_OPCODES, _BYTES_FOR_AN_OPCODE = 10_000, 100
_RECONSTRUCT = "numpy.core.multiarray _reconstruct"
_NAMES = (_RECONSTRUCT, "numpy ndarray", "numpy dtype")


@dataclass
class _Object:
    """A name that the pickle would import, or what calling it with `arguments` would make; `state` is set later."""

    name: str
    arguments: tuple[Any, ...] = ()
    state: Any = None


def read_python_batch(content: bytes, name: str, labels_key: str = "labels") -> tuple[Images, Labels]:
    """Return the images `(N, 32, 32, 3)` and labels `(N,)` of the batch with these bytes; raises `DataError`."""
    try:
        batch = _Machine().run(content)
        pixels, labels = batch["data"], batch[labels_key]
        planes = _bytes_of(pixels).reshape(-1, 3, 32, 32)
        if len(labels) != len(planes) or any(type(label) is not int for label in labels):
            raise ValueError("its labels are not one whole number for each image")
    except Exception as error:  # bytes that are no such batch fail in as many ways as there are opcodes
        raise DataError(f"{name} is not a CIFAR Python batch: {reason_of(error)}") from error
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), np.array(labels, np.int64)


def _bytes_of(array: Any) -> Images:
    """The bytes of an array as the pickle describes it: version, shape, type, Fortran order, bytes."""
    if not isinstance(array, _Object) or array.name != _RECONSTRUCT:
        raise ValueError("its data are not an array")
    _, shape, dtype, fortran_order, content = array.state
    if not isinstance(dtype, _Object) or dtype.arguments[0] != "u1" or fortran_order is not False:
        raise ValueError("its data are not an array of bytes in rows")
    values = np.frombuffer(content.encode("latin-1"), np.uint8)
    if shape != (len(values) // 3072, 3072) or len(values) == 0:
        raise ValueError("its data do not have the shape (N, 3072) of their bytes")
    return values


class _Machine:
    """The stack machine, with the opcodes that the batches use."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def run(self, content: bytes) -> Any:
        """Return what the pickle describes; raises `ValueError` at an opcode that is not known."""
        most = min(_MAX_OPCODES, _FREE_OPCODES + len(content) // _BYTES_FOR_AN_OPCODE)
        for opcode, argument, _ in islice(pickletools.genops(content), most):
            if opcode.name == "STOP":
                return self._stack.pop()
            self._step(opcode.name, argument)
        raise ValueError(f"it has more than {most:,} opcodes")

    def _step(self, opcode: str, argument: Any) -> None:
        match opcode:
            case "PROTO":
                pass
            case "BININT" | "BININT1" | "BININT2" | "SHORT_BINSTRING" | "BINSTRING":
                self._stack.append(argument)
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                self._stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[opcode])
            case "EMPTY_DICT" | "EMPTY_LIST":
                self._stack.append({} if opcode == "EMPTY_DICT" else [])
            case "BINPUT" | "LONG_BINPUT":
                self._memo[argument] = self._stack[-1]
            case "BINGET" | "LONG_BINGET":
                self._stack.append(self._memo[argument])
            case "MARK":
                self._marks.append(len(self._stack))
            case "TUPLE" | "TUPLE1" | "TUPLE2" | "TUPLE3":
                self._stack.append(tuple(self._popped(opcode.removeprefix("TUPLE"))))
            case "APPEND" | "APPENDS":
                items = self._popped("1" if opcode == "APPEND" else "")
                self._stack[-1].extend(items)
            case "SETITEM" | "SETITEMS":
                items = self._popped("2" if opcode == "SETITEM" else "")
                if any(type(key) is not str for key in items[::2]):  # tuples of tuples take for ever to hash
                    raise ValueError("its keys are not all strings")
                self._stack[-1].update(zip(items[::2], items[1::2], strict=True))
            case "GLOBAL":
                if argument not in _NAMES:
                    raise ValueError(f"it would import {argument!r}, which the published batches do not")
                self._stack.append(_Object(argument))
            case "REDUCE":
                called, arguments = self._popped("2")
                self._stack.append(_Object(called.name, arguments))
            case "BUILD":
                (state,) = self._popped("1")
                self._stack[-1].state = state
            case _:
                raise ValueError(f"the opcode {opcode} is not used by the published batches")

    def _popped(self, count: str) -> list[Any]:
        """Take the `count` topmost items off the stack; all above the last mark for an empty count."""
        start = len(self._stack) - int(count) if count else self._marks.pop()
        if start < 0:
            raise ValueError("it takes more from the stack than there is")
        items = self._stack[start:]
        del self._stack[start:]
        return items
