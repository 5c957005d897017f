"""Affine coupling layers: half of the values stay and say how the other half is scaled and shifted (sections 3.2, 3.4).

    y1 = x1
    y2 = x2 * exp(s(x1)) + t(x1)           log|det dy/dx| = sum of s(x1)

What the halves are is the mask's choice: the two colours of a checkerboard, or the two halves of the channels.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from nvp_studio.flow.bijection import Bijection, per_channel, sum_per_image
from nvp_studio.flow.squeeze import DIAGONAL_ORDER, gather, scatter

MakeNetwork = Callable[[int, int], nn.Module]
"""(input channels, output channels) -> a network from (N, inputs, H, W) to (N, outputs, H, W)."""


class AffineCoupling(Bijection):
    """The affine coupling law; subclasses say what x1 and x2 are.

    The log-scale is s = a * tanh(network output), with a learned factor a for each channel (section 4.1); |s| <= |a|
    keeps the inverse well conditioned.
    """

    def __init__(self, network: nn.Module, channels: int) -> None:
        super().__init__()
        self.network = network
        self.scale = nn.Parameter(torch.ones(channels))

    def log_scale_and_shift(self, x1: Tensor) -> tuple[Tensor, Tensor]:
        """Return s(x1) and t(x1), both of x2's shape."""
        s, t = self.network(x1).chunk(2, 1)
        return per_channel(self.scale) * torch.tanh(s), t


class SplitCoupling(AffineCoupling):
    """A coupling whose halves are tensors of their own, so that nothing is computed for the half that stays."""

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Take x apart into x1, which stays, and x2, which is transformed."""
        raise NotImplementedError

    def merge(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Put together what `split` took apart."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Equation 7 and 8 of the paper, with log-determinant from equation 6."""
        x1, x2 = self.split(x)
        s, t = self.log_scale_and_shift(x1)
        return self.merge(x1, x2 * torch.exp(s) + t), sum_per_image(s)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """x2 = (y2 - t(y1)) * exp(-s(y1)): as cheap as the forward direction, s and t are never inverted."""
        y1, y2 = self.split(y)
        s, t = self.log_scale_and_shift(y1)
        return self.merge(y1, (y2 - t) * torch.exp(-s)), -sum_per_image(s)


class ChannelCoupling(SplitCoupling):
    """Channel-wise mask: the first half of the channels stays, or with `flip` the second."""

    def __init__(self, channels: int, make_network: MakeNetwork, *, flip: bool) -> None:
        if channels < 2:
            raise ValueError(f"a channel-wise mask needs at least 2 channels, not {channels}")
        first = channels // 2
        stays = channels - first if flip else first
        super().__init__(make_network(stays, 2 * (channels - stays)), channels - stays)
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

    def __init__(self, channels: int, make_network: MakeNetwork, *, flip: bool) -> None:
        super().__init__(make_network(2 * channels, 4 * channels), 2 * channels)
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


class MaskedCheckerboardCoupling(AffineCoupling):
    """Checkerboard mask as published: the networks see the full grid with the changing cells set to zero (equation 9).

    The mask is their last input channel. Any size, odd sides included.
    """

    mask: Tensor

    def __init__(self, channels: int, height: int, width: int, make_network: MakeNetwork, *, flip: bool) -> None:
        super().__init__(make_network(channels + 1, 2 * channels), channels)
        self.register_buffer("mask", checkerboard(height, width, flip=flip), persistent=False)

    def log_scale_and_shift(self, x1: Tensor) -> tuple[Tensor, Tensor]:
        """Return s and t, zero on the cells that stay."""
        mask = self.mask.expand(len(x1), -1, -1, -1)
        s, t = super().log_scale_and_shift(torch.cat((x1, mask), 1))
        return s * (1 - self.mask), t * (1 - self.mask)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Equation 9: s and t vanish where the mask is 1, which leaves those cells as they are."""
        s, t = self.log_scale_and_shift(x * self.mask)
        return x * torch.exp(s) + t, sum_per_image(s)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Undo `forward`; the cells that say s and t are unchanged in y."""
        s, t = self.log_scale_and_shift(y * self.mask)
        return (y - t) * torch.exp(-s), -sum_per_image(s)


def checkerboard(height: int, width: int, *, flip: bool = False) -> Tensor:
    """The mask b of section 3.4, shape (1, 1, height, width): 1 where row + column is even, or with `flip` odd."""
    cells = torch.arange(height).view(-1, 1) + torch.arange(width)
    return ((cells + (0 if flip else 1)) % 2).to(torch.get_default_dtype()).view(1, 1, height, width)


def checkerboard_coupling(
    shape: tuple[int, int, int], make_network: MakeNetwork, *, flip: bool, packed: bool
) -> AffineCoupling:
    """A checkerboard coupling for tensors of `shape` (C, H, W): packed when asked for and the sides are even."""
    channels, height, width = shape
    if packed and height % 2 == 0 and width % 2 == 0:
        return PackedCheckerboardCoupling(channels, make_network, flip=flip)
    return MaskedCheckerboardCoupling(channels, height, width, make_network, flip=flip)
