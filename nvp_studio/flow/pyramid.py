"""The masks of a pyramid: grids of pixels, each of every second pixel and row of the next finer one.

A scale but the last keeps the top left pixel of each 2x2 block for the next scale. The bottom right ones are
transformed given these, and the other two given both; where the grid of blocks is small, the top right ones first, and
then the bottom left ones given all others. Each pixel is transformed once, and then factored out. The last scale goes
on in the same way on its own grid, of any size, down to its top left pixel, which is transformed given nothing.

This is the order in which Reed et al. (2017, "Parallel Multiscale Autoregressive Density Estimation", section 3)
generate pixels; as coupling layers of a multi-scale flow, all steps are invertible and both ways take one pass.
"""

from collections.abc import Iterator

import torch

from nvp_studio.flow.grids import SMALL, steps
from nvp_studio.flow.masks import CornerMask, Mask, PixelMask, Shape


def scale_masks(shape: Shape) -> Iterator[Mask]:
    """The masks of a scale but the last, for tensors of this shape squeezed in the diagonal order; first to last.

    Decoding takes them last to first: it sees the bottom right pixels before the others.
    """
    channels, height, width = shape
    squeezed = 4 * channels, height // 2, width // 2
    if min(squeezed[1:]) < SMALL:
        yield CornerMask(squeezed, seen=3 * channels, changes=channels)
        yield CornerMask(squeezed, seen=2 * channels, changes=channels)
    else:
        yield CornerMask(squeezed, seen=2 * channels, changes=2 * channels)
    yield CornerMask(squeezed, seen=channels, changes=channels)


def last_masks(shape: Shape) -> Iterator[Mask]:
    """The masks of the last scale, for tensors of this shape; first to last."""
    _, height, width = shape
    rows, columns = torch.arange(height).view(-1, 1), torch.arange(width).view(1, -1)
    seen = torch.zeros(height, width, dtype=torch.bool)
    masks = []
    for row, column, spacing in steps(height, width):
        changing = (rows % spacing == row) & (columns % spacing == column)
        masks.append(PixelMask(shape, sees=seen, changing=changing))
        seen = seen | changing
    yield from reversed(masks)
