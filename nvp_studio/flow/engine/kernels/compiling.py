"""How the functions of this package are compiled, and elementary functions for them."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import float32, int32, int64, njit, types
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


@intrinsic
def _bits_of_double(context: Any, number: Any) -> Any:
    """The 64 bits of a float64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), generate


@intrinsic
def _double_of_bits(context: Any, bits: Any) -> Any:
    """The float64 of 64 bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), generate


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


_ROUNDING = 1.5 * 2.0**52
"""Added to a float64 of moderate size, it leaves the nearest integer in the lowest bits of the sum."""


@part
def _halves_of_exp(x: Any) -> Any:
    """a, b and p, with e^x = p b / a, in float64; x is clamped to where e^x is far from the ends of the format.

    As `exp`, with p = 2^n and the quotient of polynomials of `exp` in the Cephes library for e^r.
    """
    x = min(max(x, -700.0), 700.0)
    rounded = x * 1.4426950408889634 + _ROUNDING
    n = rounded - _ROUNDING
    r = x - n * 6.93145751953125e-1 - n * 1.42860682030941723212e-6
    square = r * r
    odd = r * ((1.26177193074810590878e-4 * square + 3.02994407707441961300e-2) * square + 9.99999999999999999910e-1)
    even = 3.00198505138664455042e-6 * square + 2.52448340349684104192e-3
    even = (even * square + 2.27265548208155028766e-1) * square + 2.00000000000000000005
    power: Any = _double_of_bits((_bits_of_double(rounded) + int64(1023)) << int64(52))  # type: ignore[call-arg]
    return even - odd, even + odd, power


@part
def exp64(x: Any) -> Any:
    """e^x in float64, to a few units in the last place."""
    below, above, power = _halves_of_exp(x)
    return power * (above / below)


@part
def sigmoid64(x: Any) -> Any:
    """1 / (1 + e^-x) in float64, to a few units in the last place, by a single division."""
    below, above, power = _halves_of_exp(-x)
    return below / (below + power * above)
