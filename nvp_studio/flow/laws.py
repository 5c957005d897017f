"""What a coupling layer does to each value that changes, given the numbers that its network says of it.

A law is a strictly increasing map of one value. The network gives `numbers` numbers for each value: for x2 of shape
(N, C, H, W) a tensor (N, numbers * C, H, W), all channels of the first number first.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from nvp_studio.flow import spline
from nvp_studio.flow.bijection import per_channel


class CouplingLaw(nn.Module):
    """A strictly increasing map of each value; both directions return the new values and their log-slopes.

    Log-slopes have the values' shape, are in nats and belong to the direction that returns them.
    """

    numbers: int
    """How many numbers of the network steer one value."""

    def forward(self, x: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Map x (N, C, H, W), steered by `numbers` (N, numbers * C, H, W); return y and log dy/dx."""
        raise NotImplementedError

    def inverse(self, y: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Map y back; return x and log dx/dy."""
        raise NotImplementedError

    def undo(self, y: Tensor, numbers: Tensor) -> Tensor:
        """The x of `inverse` alone, up to rounding."""
        return self.inverse(y, numbers)[0]


class AffineLaw(CouplingLaw):
    """y = x * exp(s) + t with s = a * tanh(network), a a learned factor for each channel (section 4.1).

    |s| <= |a| keeps the inverse well conditioned.
    """

    numbers = 2

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels))

    def log_scale_and_shift(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Return s and t, both of the values' shape."""
        s, t = numbers.chunk(2, 1)
        return per_channel(self.scale) * torch.tanh(s), t

    def forward(self, x: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Scale and shift (equation 5)."""
        s, t = self.log_scale_and_shift(numbers)
        return x * torch.exp(s) + t, s

    def inverse(self, y: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """x = (y - t) * exp(-s) (equation 8)."""
        s, t = self.log_scale_and_shift(numbers)
        return (y - t) / torch.exp(s), -s

    def undo(self, y: Tensor, numbers: Tensor) -> Tensor:
        """The x of `inverse` alone."""
        s, t = self.log_scale_and_shift(numbers)
        return (y - t) / torch.exp(s)


class SplineLaw(CouplingLaw):
    """y = exp(s) q(x) + t, q a monotone rational-quadratic spline (`spline.py`; Durkan et al. 2019, section 3.1).

    s is bounded as in the affine law, t by the range of the spline. The inverse is the root of a quadratic.
    """

    def __init__(self, channels: int, bins: int) -> None:
        super().__init__()
        self.numbers = spline.numbers_of(bins)
        self.scale = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Through the spline and the affine map."""
        arguments = (x, self._by_number(numbers), self.scale)
        pair: tuple[Tensor, Tensor] = spline.SplineMap.apply(*arguments)  # type: ignore[no-untyped-call]
        return pair

    def inverse(self, y: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Undo the affine map, then solve the quadratic of the bin."""
        return spline.inverted(y, self._by_number(numbers), self.scale)

    def undo(self, y: Tensor, numbers: Tensor) -> Tensor:
        """The x of `inverse` alone."""
        return spline.undone(y, self._by_number(numbers), self.scale)

    def _by_number(self, numbers: Tensor) -> Tensor:
        """(N, numbers * C, H, W) -> (N, numbers, C, H, W)."""
        count, channels, height, width = numbers.shape
        return numbers.view(count, self.numbers, channels // self.numbers, height, width)


def coupling_law(kind: Literal["affine", "spline"], channels: int, bins: int) -> CouplingLaw:
    """The law of `kind`, of so many bins if it is a spline."""
    return SplineLaw(channels, bins) if kind == "spline" else AffineLaw(channels)
