"""Numbers as a person reads them."""

import math


def short_number(number: int) -> str:
    """123456 as "123 k", 6400000 as "6.4 M"."""
    if number >= 1_000_000:
        return f"{number / 1e6:.1f} M"
    return f"{number / 1e3:.0f} k" if number >= 1000 else str(number)


def round_step(least: float) -> float:
    """The smallest step of 1, 2 or 5 times a power of ten that is at least `least`."""
    scale = 10.0 ** math.floor(math.log10(least))
    return scale * next(factor for factor in (1.0, 2.0, 5.0, 10.0) if factor * scale >= least * 0.999)
