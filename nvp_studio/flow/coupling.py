"""Coupling layers: half of the values stay and say how each of the others is transformed (sections 3.2 to 3.4).

    y1 = x1
    y2 = law(x2; network(x1))              log|det dy/dx| = sum of log d(law)/d(x2)

What the halves are is the mask's choice, made by the classes here: the two colours of a checkerboard, or the two halves
of the channels. What is done to a value is the law's choice (`laws.py`): the paper's affine map, or a richer one.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from nvp_studio.flow.bijection import Bijection, sum_per_image
from nvp_studio.flow.laws import CouplingLaw
from nvp_studio.flow.precision import Conditioned
from nvp_studio.flow.squeeze import DIAGONAL_ORDER, gather, scatter

MakeNetwork = Callable[[int, int], nn.Module]
"""(input channels, output channels) -> a network from (N, inputs, H, W) to (N, outputs, H, W)."""
MakeLaw = Callable[[int], CouplingLaw]
"""Channels of x2 -> the law for its values."""


class SplitCoupling(Conditioned, Bijection):
    """A coupling whose halves are tensors of their own, so that nothing is computed for the half that stays."""

    def __init__(self, stays: int, changes: int, make_network: MakeNetwork, make_law: MakeLaw) -> None:
        super().__init__()
        self.law = make_law(changes)
        self.network = make_network(stays, self.law.numbers * changes)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Take x apart into x1, which stays, and x2, which is transformed."""
        raise NotImplementedError

    def merge(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Put together what `split` took apart."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Equations 7 and 8 of the paper, with log-determinant from equation 6."""
        x1, x2 = self.split(x)
        y2, log_slope = self.law(x2, self.conditioned_on(x1))
        return self.merge(x1, y2), sum_per_image(log_slope)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """The law is undone value by value, the network never."""
        y1, y2 = self.split(y)
        x2, log_slope = self.law.inverse(y2, self.conditioned_on(y1))
        return self.merge(y1, x2), sum_per_image(log_slope)

    def undo(self, y: Tensor) -> Tensor:
        """The x of `inverse` alone."""
        y1, y2 = self.split(y)
        return self.merge(y1, self.law.undo(y2, self.conditioned_on(y1)))


class ChannelCoupling(SplitCoupling):
    """Channel-wise mask: the first half of the channels stays, or with `flip` the second."""

    def __init__(self, channels: int, make_network: MakeNetwork, make_law: MakeLaw, *, flip: bool) -> None:
        if channels < 2:
            raise ValueError(f"a channel-wise mask needs at least 2 channels, not {channels}")
        first = channels // 2
        stays = channels - first if flip else first
        super().__init__(stays, channels - stays, make_network, make_law)
        self.flip = flip
        self.first = first

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, H, W) -> the halves of its channels."""
        a, b = x[:, : self.first], x[:, self.first :]
        return (b, a) if self.flip else (a, b)

    def merge(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Concatenate the halves in their order."""
        return torch.cat((x2, x1) if self.flip else (x1, x2), 1)


class PackedCheckerboardCoupling(SplitCoupling):
    """Checkerboard mask computed on packed halves: each colour becomes 2 C channels at half the resolution.

    The cells with even row + column stay, or with `flip` the others. Sides must be even.
    """

    def __init__(self, channels: int, make_network: MakeNetwork, make_law: MakeLaw, *, flip: bool) -> None:
        super().__init__(2 * channels, 2 * channels, make_network, make_law)
        even, odd = DIAGONAL_ORDER[:2], DIAGONAL_ORDER[2:]
        self.stays, self.changes = (odd, even) if flip else (even, odd)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, H, W) -> the two colours, each (N, 2 C, H/2, W/2)."""
        return gather(x, self.stays), gather(x, self.changes)

    def merge(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Interleave the colours again."""
        count, channels, height, width = x1.shape
        x = x1.new_empty(count, channels // 2, 2 * height, 2 * width)
        scatter(x1, self.stays, x)
        scatter(x2, self.changes, x)
        return x


class MaskedCheckerboardCoupling(Conditioned, Bijection):
    """Checkerboard mask as published: the networks see the full grid with the changing cells set to zero (equation 9).

    The mask is their last input channel. Any size, odd sides included.
    """

    mask: Tensor

    def __init__(
        self, channels: int, height: int, width: int, make_network: MakeNetwork, make_law: MakeLaw, *, flip: bool
    ) -> None:
        super().__init__()
        self.law = make_law(channels)
        self.network = make_network(channels + 1, self.law.numbers * channels)
        self.register_buffer("mask", checkerboard(height, width, flip=flip), persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Equation 9: the cells where the mask is 1 stay as they are."""
        return self._applied(x, *self.law(x, self._numbers(x)))

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Undo `forward`; the cells that say how are unchanged in y."""
        return self._applied(y, *self.law.inverse(y, self._numbers(y)))

    def undo(self, y: Tensor) -> Tensor:
        """The x of `inverse` alone."""
        return torch.where(self.mask > 0, y, self.law.undo(y, self._numbers(y)))

    def _numbers(self, x: Tensor) -> Tensor:
        mask = self.mask.expand(len(x), -1, -1, -1)
        return self.conditioned_on(torch.cat((x * self.mask, mask), 1))

    def _applied(self, x: Tensor, changed: Tensor, log_slope: Tensor) -> tuple[Tensor, Tensor]:
        return torch.where(self.mask > 0, x, changed), sum_per_image(log_slope * (1 - self.mask))


def checkerboard(height: int, width: int, *, flip: bool = False) -> Tensor:
    """The mask b of section 3.4, shape (1, 1, height, width): 1 where row + column is even, or with `flip` odd."""
    cells = torch.arange(height).view(-1, 1) + torch.arange(width)
    return ((cells + (0 if flip else 1)) % 2).to(torch.get_default_dtype()).view(1, 1, height, width)


def checkerboard_coupling(
    shape: tuple[int, int, int], make_network: MakeNetwork, make_law: MakeLaw, *, flip: bool, packed: bool
) -> SplitCoupling | MaskedCheckerboardCoupling:
    """A checkerboard coupling for tensors of `shape` (C, H, W): packed when asked for and the sides are even."""
    channels, height, width = shape
    if packed and height % 2 == 0 and width % 2 == 0:
        return PackedCheckerboardCoupling(channels, make_network, make_law, flip=flip)
    return MaskedCheckerboardCoupling(channels, height, width, make_network, make_law, flip=flip)
