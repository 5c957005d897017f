"""The grids of pixels of a pyramid: which pixels are generated together, and how many couplings that takes.

`pyramid` makes masks of them.
"""

from collections.abc import Iterator

SMALL = 8
"""2x2 blocks along a side below which the two corners beside the diagonal depend on each other."""


def steps(height: int, width: int) -> Iterator[tuple[int, int, int]]:
    """First row, first column and spacing of the pixels of a grid that are generated together, first to last."""
    spacing = 1
    while spacing < max(height, width):
        spacing *= 2
    yield 0, 0, spacing
    while spacing > 1:
        half = spacing // 2
        for row, column in ((half, half), (0, half), (half, 0)):
            if row < height and column < width:
                yield row, column, spacing
        spacing = half


def couplings(height: int, width: int, scales: int) -> int:
    """Couplings of a pyramid of so many scales, for images of this size."""
    last = scales - 1
    above = sum(2 if min(height >> scale, width >> scale) >= 2 * SMALL else 3 for scale in range(last))
    return above + sum(1 for _ in steps(height >> last, width >> last))
