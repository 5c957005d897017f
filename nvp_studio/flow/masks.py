"""Which values a coupling layer leaves as they are, which of these its network sees, and which it transforms.

The paper's masks (section 3.4) are the two colours of a checkerboard, and two halves of the channels; the network sees
all values that stay. Those of a `pyramid` are of pixels in [0, 1]: they show the network coarser grids alone, and of
each value only its grey level. What a network says of an 8-bit image is then the same for any dequantization noise, and
an error of rounding in a value does not reach the next ones.
"""

import torch
from torch import Tensor, nn

from nvp_studio.flow.dequantization import level_centers
from nvp_studio.flow.squeeze import DIAGONAL_ORDER, gather, scatter

Shape = tuple[int, int, int]
"""(channels, height, width) of a tensor, without the first dimension N."""


class Mask(nn.Module):
    """Divides x (N, C, H, W) into x1, which stays and which the network sees, and x2, which is transformed."""

    network_shape: Shape
    """Of what the network sees."""
    changes: int
    """Channels of x2."""

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x -> x1, x2."""
        raise NotImplementedError

    def merge(self, x1: Tensor, x2: Tensor) -> Tensor:
        """The inverse of `split`."""
        raise NotImplementedError

    def shown(self, x1: Tensor) -> Tensor:
        """What the network sees of x1, of `network_shape`; here all of it."""
        return x1

    def seen_of(self, x1: Tensor) -> Tensor:
        """1 where the network sees a value of x1, else 0, in the shape of x1; here it sees all."""
        return torch.ones_like(x1)

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


class CornerMask(Mask):
    """Of the channels of a squeezed tensor, the network sees the first `seen`, and the next `changes` are transformed.

    The rest stays too, unseen.
    """

    def __init__(self, shape: Shape, *, seen: int, changes: int) -> None:
        super().__init__()
        channels, height, width = shape
        self.seen = seen
        self.changes = changes
        self._sizes = seen, changes, channels - seen - changes
        self.network_shape = seen, height, width

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, H, W) -> the channels that stay, and those that are transformed."""
        first, changing, rest = x.split_with_sizes(self._sizes, 1)
        return torch.cat((first, rest), 1), changing

    def merge(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Concatenate the channels in their order."""
        return torch.cat((x1[:, : self.seen], x2, x1[:, self.seen :]), 1)

    def shown(self, x1: Tensor) -> Tensor:
        """The middles of the grey levels of the first of the channels that stay."""
        return level_centers(x1[:, : self.seen])

    def seen_of(self, x1: Tensor) -> Tensor:
        """1 in the first of the channels that stay."""
        return torch.cat((torch.ones_like(x1[:, : self.seen]), torch.zeros_like(x1[:, self.seen :])), 1)


class PixelMask(Mask):
    """The network sees some pixels, on the full grid with a channel that says which; some others are transformed."""

    sees: Tensor
    """(1, 1, H, W): 1 where the network sees a pixel."""
    changing: Tensor
    """(1, 1, H, W): 1 where a pixel is transformed."""

    def __init__(self, shape: Shape, *, sees: Tensor, changing: Tensor) -> None:
        """`sees` and `changing`: bool (H, W), never both."""
        super().__init__()
        channels, height, width = shape
        self.changes = channels
        self.network_shape = channels + 1, height, width
        dtype = torch.get_default_dtype()
        self.register_buffer("sees", sees.to(dtype).view(1, 1, height, width), persistent=False)
        self.register_buffer("changing", changing.to(dtype).view(1, 1, height, width), persistent=False)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x with zeros where it changes, and x with zeros where it does not."""
        return x * (1 - self.changing), x * self.changing

    def merge(self, x1: Tensor, x2: Tensor) -> Tensor:
        """x2 where pixels change, else x1."""
        return torch.where(self.changing > 0, x2, x1)

    def shown(self, x1: Tensor) -> Tensor:
        """The middles of the grey levels of the pixels that are seen, with zeros elsewhere, and where they are."""
        return torch.cat((level_centers(x1) * self.sees, self.sees.expand(len(x1), -1, -1, -1)), 1)

    def seen_of(self, x1: Tensor) -> Tensor:
        """1 at the pixels that are seen."""
        return self.sees.to(x1.dtype).expand_as(x1)

    def only_changing(self, values: Tensor) -> Tensor:
        """`values` where pixels change, else zeros."""
        return torch.where(self.changing > 0, values, torch.zeros_like(values))


def checkerboard(height: int, width: int, *, flip: bool = False) -> Tensor:
    """The mask b of section 3.4, shape (1, 1, height, width): 1 where row + column is even, or with `flip` odd."""
    cells = torch.arange(height).view(-1, 1) + torch.arange(width)
    return ((cells + (0 if flip else 1)) % 2).to(torch.get_default_dtype()).view(1, 1, height, width)


def checkerboard_mask(shape: Shape, *, flip: bool, packed: bool) -> Mask:
    """A checkerboard mask for tensors of `shape`: packed when asked for and both sides are even."""
    _, height, width = shape
    kind = PackedCheckerboardMask if packed and height % 2 == 0 and width % 2 == 0 else CheckerboardMask
    return kind(shape, flip=flip)
