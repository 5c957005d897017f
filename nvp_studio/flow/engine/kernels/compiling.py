"""How the functions of this package are compiled, and elementary functions for them."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import float32, int32, njit, types
from numba.extending import intrinsic

Array = npt.NDArray[Any]
_P = ParamSpec("_P")
_R = TypeVar("_R")


def part(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile a function that is a part of others.

    Division by zero gives infinity: a check for it would keep loops from becoming vector instructions.
    """
    decorated: Callable[_P, _R] = njit(error_model="numpy")(function)
    return decorated


def contracted_part(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """As `part`; products and sums may become one instruction, which rounds once."""
    decorated: Callable[_P, _R] = njit(error_model="numpy", fastmath={"contract"})(function)
    return decorated


def kernel(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile a function at its first call; other threads go on while it runs.

    Later processes find it compiled, beside this file or in numba's own folder, where one of them can be written to.
    """
    decorated: Callable[_P, _R]
    try:
        decorated = njit(error_model="numpy", nogil=True, cache=True)(function)
    except RuntimeError:
        decorated = njit(error_model="numpy", nogil=True)(function)
    return decorated


def is_stored(function: Callable[..., object]) -> bool:
    """Whether a kernel is compiled already, in this process or on the disk for this processor, or cannot be stored.

    numba tells what is on the disk to nobody outside; where its insides have changed, the answer is False.
    """
    dispatcher: Any = function
    if dispatcher.signatures or dispatcher.stats.cache_path is None:
        return True
    try:
        index = dispatcher._cache._cache_file._load_index()
        processor = dispatcher.targetctx.codegen().magic_tuple()
        return any(key[1] == processor for key in index)
    except (AttributeError, TypeError, LookupError, OSError):
        return False


@intrinsic
def _float_of_bits(context: Any, bits: Any) -> Any:
    """The float32 of 32 bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), generate


@part
def exp(x: Any) -> Any:
    """e^x in float32, off by two units in the last place at most; x is clamped to where e^x is a normal number.

    With x = n ln 2 + r, e^x is 2^n e^r, and e^r a polynomial (that of `expf` in the Cephes library). Written out, loops
    over it become vector instructions; with a function of the system they would not.
    """
    x = min(max(x, float32(-87.0)), float32(88.0))
    n = np.floor(x * float32(1.44269504) + float32(0.5))
    r = x - n * float32(0.693359375) - n * float32(-2.12194440e-4)
    p = float32(1.9875691500e-4)
    p = p * r + float32(1.3981999507e-3)
    p = p * r + float32(8.3334519073e-3)
    p = p * r + float32(4.1665795894e-2)
    p = p * r + float32(1.6666665459e-1)
    p = p * r + float32(5.0000001201e-1)
    power: Any = _float_of_bits((int32(n) + int32(127)) << int32(23))  # type: ignore[call-arg] # numba gives the context
    return (p * r * r + r + float32(1.0)) * power


@part
def tanh(x: Any) -> Any:
    """tanh x in float32."""
    e = exp(float32(2.0) * min(max(x, float32(-9.0)), float32(9.0)))
    return (e - float32(1.0)) / (e + float32(1.0))
