"""The standard normal distribution function and its inverse, in float64."""

import math
from typing import Any

from nvp_studio.flow.engine.kernels.compiling import part

_SQRT_HALF = math.sqrt(0.5)
_MIDDLE, _FAR = 0.425, 5.0
"""Where the three pairs of polynomials meet."""

# Wichura 1988, "Algorithm AS 241: The percentage points of the normal distribution", PPND16: numerators and
# denominators, highest power first.
_MIDDLE_ABOVE = (
    2509.0809287301226727,
    33430.575583588128105,
    67265.770927008700853,
    45921.953931549871457,
    13731.693765509461125,
    1971.5909503065514427,
    133.14166789178437745,
    3.387132872796366608,
)
_MIDDLE_BELOW = (
    5226.495278852854561,
    28729.085735721942674,
    39307.89580009271061,
    21213.794301586595867,
    5394.1960214247511077,
    687.1870074920579083,
    42.313330701600911252,
    1.0,
)
_TAIL_ABOVE = (
    7.7454501427834140764e-4,
    0.0227238449892691845833,
    0.24178072517745061177,
    1.27045825245236838258,
    3.64784832476320460504,
    5.7694972214606914055,
    4.6303378461565452959,
    1.42343711074968357734,
)
_TAIL_BELOW = (
    1.05075007164441684324e-9,
    5.475938084995344946e-4,
    0.0151986665636164571966,
    0.14810397642748007459,
    0.68976733498510000455,
    1.6763848301838038494,
    2.05319162663775882187,
    1.0,
)
_FAR_ABOVE = (
    2.01033439929228813265e-7,
    2.71155556874348757815e-5,
    0.0012426609473880784386,
    0.026532189526576123093,
    0.29656057182850489123,
    1.7848265399172913358,
    5.4637849111641143699,
    6.6579046435011037772,
)
_FAR_BELOW = (
    2.04426310338993978564e-15,
    1.4215117583164458887e-7,
    1.8463183175100546818e-5,
    7.868691311456132591e-4,
    0.0148753612908506148525,
    0.13692988092273580531,
    0.59983220655588793769,
    1.0,
)


@part
def cumulated(z: Any) -> Any:
    """Phi(z)."""
    return 0.5 * math.erfc(-z * _SQRT_HALF)


@part
def _polynomial(coefficients: tuple[float, ...], x: float) -> Any:
    total = 0.0
    for coefficient in coefficients:
        total = total * x + coefficient
    return total


@part
def quantile(share: Any) -> Any:
    """Phi^-1(share), 0 < share < 1, to a few units in the last place."""
    q = share - 0.5
    if abs(q) <= _MIDDLE:
        r = _MIDDLE * _MIDDLE - q * q
        return q * _polynomial(_MIDDLE_ABOVE, r) / _polynomial(_MIDDLE_BELOW, r)
    r = math.sqrt(-math.log(share if q < 0 else 1 - share))
    if r <= _FAR:
        z = _polynomial(_TAIL_ABOVE, r - 1.6) / _polynomial(_TAIL_BELOW, r - 1.6)
    else:
        z = _polynomial(_FAR_ABOVE, r - _FAR) / _polynomial(_FAR_BELOW, r - _FAR)
    return -z if q < 0 else z
