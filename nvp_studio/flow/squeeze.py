"""Trading space for channels: 2x2 squeezes and the halves of a checkerboard (sections 3.4 to 3.6, figure 3)."""

from typing import Final

import torch
from torch import Tensor

from nvp_studio.flow.bijection import Bijection

Corner = tuple[int, int]

TOP_LEFT: Final[Corner] = (0, 0)
TOP_RIGHT: Final[Corner] = (0, 1)
BOTTOM_LEFT: Final[Corner] = (1, 0)
BOTTOM_RIGHT: Final[Corner] = (1, 1)

READING_ORDER: Final = (TOP_LEFT, TOP_RIGHT, BOTTOM_LEFT, BOTTOM_RIGHT)
"""Order of the corners of each 2x2 block in the squeeze before channel-wise couplings."""

DIAGONAL_ORDER: Final = (TOP_LEFT, BOTTOM_RIGHT, TOP_RIGHT, BOTTOM_LEFT)
"""Order in the squeeze before dimensions are factored out; its first half is one colour of the checkerboard."""


def gather(x: Tensor, corners: tuple[Corner, ...]) -> Tensor:
    """Collect `corners` of every 2x2 block as channels: (N, C, H, W) -> (N, C * len(corners), H/2, W/2)."""
    return torch.cat([x[:, :, row::2, column::2] for row, column in corners], 1)


def scatter(parts: Tensor, corners: tuple[Corner, ...], out: Tensor) -> None:
    """The inverse of `gather`: write the channels to their corners of `out` (N, C, H, W)."""
    for part, (row, column) in zip(parts.chunk(len(corners), 1), corners, strict=True):
        out[:, :, row::2, column::2] = part


class Squeeze(Bijection):
    """2x2 squeeze (N, C, H, W) -> (N, 4 C, H/2, W/2); a permutation, so its log-determinant is 0."""

    def __init__(self, order: tuple[Corner, ...] = READING_ORDER) -> None:
        super().__init__()
        self.order = order

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Squeeze; raises `ValueError` when a side is odd."""
        if x.shape[2] % 2 or x.shape[3] % 2:
            raise ValueError(f"a squeeze needs even sides, not {x.shape[2]}x{x.shape[3]}")
        return gather(x, self.order), x.new_zeros(len(x))

    def inverse(self, y: Tensor) -> Tensor:
        """(N, 4 C, H/2, W/2) -> (N, C, H, W)."""
        count, channels, height, width = y.shape
        x = y.new_empty(count, channels // 4, 2 * height, 2 * width)
        scatter(y, self.order, x)
        return x

    def inverse_with_log_det(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """As `inverse`; the log-determinant is 0."""
        return self.inverse(y), y.new_zeros(len(y))


class Unsqueeze(Bijection):
    """The inverse of `Squeeze` as a layer."""

    def __init__(self, order: tuple[Corner, ...] = READING_ORDER) -> None:
        super().__init__()
        self.order = order
        self._squeeze = Squeeze(order)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 4 C, H/2, W/2) -> (N, C, H, W)."""
        return self._squeeze.inverse_with_log_det(x)

    def inverse_with_log_det(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, H, W) -> (N, 4 C, H/2, W/2)."""
        y, log_det = self._squeeze(y)
        return y, log_det
