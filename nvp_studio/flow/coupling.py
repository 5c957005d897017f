"""Coupling layers (sections 3.2 to 3.4): a part x1 of the values stays and determines how the others, x2, change.

    y1 = x1
    y2 = transform(x2; network(x1))        log|det dy/dx| = sum of log d(y2)/d(x2)

A mask says which values are x1 and x2 (section 3.4): the two colours of a checkerboard, or two halves of the channels.
What is done to a value is the transform's choice (`transforms`): the paper's affine map, or a spline.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from nvp_studio.flow.bijection import Bijection, sum_per_image
from nvp_studio.flow.squeeze import DIAGONAL_ORDER, gather, scatter
from nvp_studio.flow.transforms import ElementwiseTransform

Shape = tuple[int, int, int]
"""(channels, height, width) of a tensor, without the first dimension N."""


class Mask(nn.Module):
    """Divides x (N, C, H, W) into x1, which the network sees, and x2, which is transformed."""

    network_shape: Shape
    """Of x1."""
    changes: int
    """Channels of x2."""

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x -> x1, x2."""
        raise NotImplementedError

    def merge(self, x1: Tensor, x2: Tensor) -> Tensor:
        """The inverse of `split`."""
        raise NotImplementedError

    def only_changing(self, values: Tensor) -> Tensor:
        """`values`, of the shape of x2, with zeros where x2 holds values that stay; here it holds none."""
        return values


class ChannelMask(Mask):
    """The first half of the channels stays, or with `flip` the second. Raises `ValueError` for a single channel."""

    def __init__(self, shape: Shape, *, flip: bool) -> None:
        super().__init__()
        channels, height, width = shape
        if channels < 2:
            raise ValueError(f"a channel-wise mask needs at least 2 channels, not {channels}")
        first = channels // 2
        self.sizes = first, channels - first
        self.flip = flip
        stays, self.changes = reversed(self.sizes) if flip else self.sizes
        self.network_shape = stays, height, width

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, H, W) -> the halves of its channels."""
        first, second = x.split_with_sizes(self.sizes, 1)
        return (second, first) if self.flip else (first, second)

    def merge(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Concatenate the halves in their order."""
        return torch.cat((x2, x1) if self.flip else (x1, x2), 1)


class PackedCheckerboardMask(Mask):
    """The cells with even row + column stay, or with `flip` the others: a checkerboard on its packed colours.

    Each colour becomes 2 C channels at half the resolution, so that nothing is computed for cells that stay. Sides must
    be even.
    """

    def __init__(self, shape: Shape, *, flip: bool) -> None:
        super().__init__()
        channels, height, width = shape
        even, odd = DIAGONAL_ORDER[:2], DIAGONAL_ORDER[2:]
        self.flip = flip
        self.stays, self.moves = (odd, even) if flip else (even, odd)
        self.changes = 2 * channels
        self.network_shape = 2 * channels, height // 2, width // 2

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, H, W) -> the two colours, each (N, 2 C, H/2, W/2)."""
        return gather(x, self.stays), gather(x, self.moves)

    def merge(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Interleave the colours again."""
        count, channels, height, width = x1.shape
        x = x1.new_empty(count, channels // 2, 2 * height, 2 * width)
        scatter(x1, self.stays, x)
        scatter(x2, self.moves, x)
        return x


class CheckerboardMask(Mask):
    """A checkerboard as published (equation 9): x1 is b * x with the mask b as its last channel, x2 is all of x.

    Of any size, odd sides included. b is 1 where row + column is even, or with `flip` odd; those cells stay.
    """

    mask: Tensor
    """b, (1, 1, H, W)."""

    def __init__(self, shape: Shape, *, flip: bool) -> None:
        super().__init__()
        channels, height, width = shape
        self.flip = flip
        self.changes = channels
        self.network_shape = channels + 1, height, width
        self.register_buffer("mask", checkerboard(height, width, flip=flip), persistent=False)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """b * x with b as a further channel, and x."""
        return torch.cat((x * self.mask, self.mask.expand(len(x), -1, -1, -1)), 1), x

    def merge(self, x1: Tensor, x2: Tensor) -> Tensor:
        """b * x1 + (1 - b) * x2."""
        return torch.where(self.mask > 0, x1[:, :-1], x2)

    def only_changing(self, values: Tensor) -> Tensor:
        """(1 - b) * values."""
        return values * (1 - self.mask)


class Coupling(Bijection):
    """A coupling of the values that `mask` divides.

    `network` maps x1 (N, inputs, H, W) to the parameters of the transform of x2 (N, changes, H, W): an output of
    (N, params_per_value * changes, H, W).
    """

    def __init__(self, mask: Mask, transform: ElementwiseTransform, network: nn.Module) -> None:
        super().__init__()
        self.mask = mask
        self.law = transform  # the name that its parameters have in checkpoints
        self.network = network
        self.run_network: Callable[[nn.Module, Tensor], Tensor] = run_network
        """How the network is called; `engine` puts functions here that compute it in another precision."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Equations 4 and 5 (9 with a masked checkerboard), with the log-determinant of equation 6."""
        x1, x2 = self.mask.split(x)
        y2, log_derivative = self.law(x2, self.run_network(self.network, x1))
        return self.mask.merge(x1, y2), sum_per_image(self.mask.only_changing(log_derivative))

    def by_value(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """As `forward`, with the log-derivative of each value, of the shape of x and 0 where values stay."""
        x1, x2 = self.mask.split(x)
        y2, log_derivative = self.law(x2, self.run_network(self.network, x1))
        nothing = torch.zeros_like(x1, dtype=log_derivative.dtype)
        return self.mask.merge(x1, y2), self.mask.merge(nothing, log_derivative)

    def inverse_with_log_det(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Equation 8: only the transform is inverted, value by value; the network never."""
        y1, y2 = self.mask.split(y)
        x2, log_derivative = self.law.inverse_with_log_derivative(y2, self.run_network(self.network, y1))
        return self.mask.merge(y1, x2), sum_per_image(self.mask.only_changing(log_derivative))

    def inverse(self, y: Tensor) -> Tensor:
        """As `inverse_with_log_det`, without the log-determinant."""
        y1, y2 = self.mask.split(y)
        return self.mask.merge(y1, self.law.inverse(y2, self.run_network(self.network, y1)))


def run_network(network: nn.Module, x1: Tensor) -> Tensor:
    """The network's output for x1, in the type that it has."""
    output: Tensor = network(x1)
    return output


def checkerboard(height: int, width: int, *, flip: bool = False) -> Tensor:
    """The mask b of section 3.4, shape (1, 1, height, width): 1 where row + column is even, or with `flip` odd."""
    cells = torch.arange(height).view(-1, 1) + torch.arange(width)
    return ((cells + (0 if flip else 1)) % 2).to(torch.get_default_dtype()).view(1, 1, height, width)


def checkerboard_mask(shape: Shape, *, flip: bool, packed: bool) -> Mask:
    """A checkerboard mask for tensors of `shape`: packed when asked for and both sides are even."""
    _, height, width = shape
    kind = PackedCheckerboardMask if packed and height % 2 == 0 and width % 2 == 0 else CheckerboardMask
    return kind(shape, flip=flip)
