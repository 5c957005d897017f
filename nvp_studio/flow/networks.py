"""The residual networks s and t inside the coupling layers (section 4.1); they need no inverse."""

import math
from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional


class Convolution(nn.Conv2d):
    """A convolution that keeps the image's size, optionally weight-normalized (Salimans and Kingma 2016).

    With `weight_norm` the filters are g * v / |v| with a learned length g for each output channel.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        bias: bool = True,
        weight_norm: bool = False,
        zero: bool = False,
        groups: int = 1,
    ) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2, bias=bias, groups=groups)
        self.length: nn.Parameter | None = None
        if weight_norm:
            self.length = nn.Parameter(torch.linalg.vector_norm(self.weight.detach(), dim=(1, 2, 3)))
        if zero:
            nn.init.zeros_(self.weight if self.length is None else self.length)
        if zero and self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H, W)."""
        weight = self.weight
        if self.length is not None:
            norm = torch.linalg.vector_norm(weight, dim=(1, 2, 3))
            weight = weight * (self.length / norm).view(-1, 1, 1, 1)
        return functional.conv2d(x, weight, self.bias, padding=self.padding, groups=self.groups)


def bend(x: Tensor, leak: float, *, fresh: bool = True) -> Tensor:
    """max(x, leak * x); x itself is overwritten if it is `fresh`, needed by nobody else, and there is a leak."""
    return functional.leaky_relu(x, leak, inplace=fresh) if leak else functional.relu(x)


class ResidualBlock(nn.Module):
    """Pre-activation residual block: x + conv3x3(relu(norm(conv3x3(relu(norm(x))))))."""

    def __init__(self, width: int, *, batch_norm: bool, weight_norm: bool) -> None:
        super().__init__()
        self.first_norm = _norm(width, batch_norm)
        self.first = Convolution(width, width, 3, bias=not batch_norm, weight_norm=weight_norm)
        self.second_norm = _norm(width, batch_norm)
        self.second = Convolution(width, width, 3, bias=True, weight_norm=weight_norm)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) -> (N, width, H, W)."""
        h = self.first(functional.relu(self.first_norm(x)))
        change: Tensor = self.second(functional.relu(self.second_norm(h)))
        return x + change


class ResidualNetwork(nn.Module):
    """A residual network whose blocks all reach the output through 1x1 skip convolutions (section 4.1).

    The last convolution starts at zero, so that a new coupling layer is the identity. With batch normalization the
    input is normalized too and enters as relu(x), relu(-x), as in the authors' program; the published parameter
    counts include it.
    """

    def __init__(
        self,
        inputs: int,
        width: int,
        outputs: int,
        blocks: int,
        *,
        norm: Literal["batch", "none"] = "none",
        weight_norm: bool = False,
    ) -> None:
        super().__init__()
        batch_norm = norm == "batch"
        self.enter_norm = nn.BatchNorm2d(inputs) if batch_norm else None
        self.enter = Convolution(2 * inputs if batch_norm else inputs, width, 3, bias=True, weight_norm=weight_norm)
        self.blocks = nn.ModuleList(
            ResidualBlock(width, batch_norm=batch_norm, weight_norm=weight_norm) for _ in range(blocks)
        )
        self.skips = nn.ModuleList(
            Convolution(width, width, 1, bias=True, weight_norm=weight_norm) for _ in range(blocks + 1)
        )
        self.leave_norm = _norm(width, batch_norm)
        self.leave = Convolution(width, outputs, 1, bias=True, weight_norm=weight_norm, zero=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H, W)."""
        if self.enter_norm is not None:
            x = self.enter_norm(x)
            x = functional.relu(torch.cat((x, -x), 1))
        x = self.enter(x)
        total: Tensor = self.skips[0](x)
        for block, skip in zip(self.blocks, self.skips[1:], strict=True):
            x = block(x)
            total = total + skip(x)
        result: Tensor = self.leave(functional.relu(self.leave_norm(total)))
        return result


class GatedBlock(nn.Module):
    """x + a * sigmoid(b) with (a, b) = conv1x1(bend(conv3x3(bend(x)))) (after Ho et al. 2019, section 3.3)."""

    def __init__(self, width: int, leak: float) -> None:
        super().__init__()
        self.leak = leak
        self.first = Convolution(width, width, 3)
        self.second = Convolution(width, 2 * width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) -> (N, width, H, W)."""
        h = self.second(bend(self.first(bend(x, self.leak, fresh=False)), self.leak))
        return x + functional.glu(h, 1)


class DepthwiseBlock(nn.Module):
    """x + conv1x1(bend(conv1x1(depthwise conv3x3(x)))), twice as wide in the middle: an eighth of the products."""

    def __init__(self, width: int, leak: float) -> None:
        super().__init__()
        self.leak = leak
        self.spatial = Convolution(width, width, 3, groups=width)
        self.widen = Convolution(width, 2 * width, 1)
        self.narrow = Convolution(2 * width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) -> (N, width, H, W)."""
        change: Tensor = self.narrow(bend(self.widen(self.spatial(x)), self.leak))
        return x + change


HEADS = 4
KEY_SIDE = 8
"""Attention looks at no more rows, and no more columns, than this: it costs as much for each position as on 8x8."""


def key_grid(height: int, width: int) -> tuple[int, int]:
    """Rows and columns that attention looks at on a grid of (height, width): the grid pooled to at most 8x8."""
    return -(-height // -(-height // KEY_SIDE)), -(-width // -(-width // KEY_SIDE))


def heads_of(width: int) -> int:
    """Attention heads on so many feature maps, which they share out evenly."""
    return math.gcd(width, HEADS)


class GatedAttention(nn.Module):
    """x + a * sigmoid(b) with (a, b) = linear(multi-head self-attention over positions) (Ho et al. 2019, section 3.3).

    Every position asks, with sines of its row and column added; keys and values come from the image pooled to at most
    8x8, so that cost and memory grow with the number of positions and not with its square.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = heads_of(width)
        self.queries = nn.Linear(width, width)
        self.pairs = nn.Linear(width, 2 * width)
        self.shares = nn.Softmax(-1)
        self.gate = nn.Linear(width, 2 * width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, width) -> (N, H, W, width)."""
        count, height, width, channels = x.shape
        placed = x + _waves(int(height), int(width), int(channels), x)
        queries = self._by_head(self.queries(placed))
        keys, values = (self._by_head(part) for part in self.pairs(_pooled(placed)).chunk(2, -1))
        shares = self.shares(queries * queries.shape[-1] ** -0.5 @ keys.mT)
        seen = (shares @ values).transpose(1, 2).reshape(count, height, width, channels)
        return x + functional.glu(self.gate(seen), -1)

    def _by_head(self, x: Tensor) -> Tensor:
        """(N, H, W, width) -> (N, heads, H * W, width / heads)."""
        count, height, width, channels = x.shape
        return x.reshape(count, height * width, self.heads, channels // self.heads).transpose(1, 2)


def _pooled(x: Tensor) -> Tensor:
    """(N, H, W, C) -> (N, h, w, C) with (h, w) the `key_grid`, each the mean of its positions."""
    kernel = [-(-int(side) // KEY_SIDE) for side in x.shape[1:3]]
    pooled = functional.avg_pool2d(x.permute(0, 3, 1, 2), kernel, ceil_mode=True, count_include_pad=False)
    return pooled.permute(0, 2, 3, 1)


def _waves(height: int, width: int, channels: int, like: Tensor) -> Tensor:
    """Sines and cosines of rows and columns in turn, from short waves to long ones: (height, width, channels).

    In float32 at least: a phase of many turns has no digits to lose.
    """
    dtype = torch.promote_types(like.dtype, torch.float32)
    channel = torch.arange(channels, device=like.device)
    rate = 100.0 ** -(channel // 4 / -(-channels // 4)).to(dtype)
    rows = torch.arange(height, dtype=dtype, device=like.device).view(-1, 1, 1)
    columns = torch.arange(width, dtype=dtype, device=like.device).view(1, -1, 1)
    waves = torch.sin(torch.where(channel % 2 == 0, rows, columns) * rate + channel // 2 % 2 * (math.pi / 2))
    return waves.to(like.dtype)


class AttentionBlock(nn.Module):
    """A gated block and gated attention, layer normalization after each (Ho et al. 2019, section 3.3)."""

    def __init__(self, width: int, leak: float) -> None:
        super().__init__()
        self.local = GatedBlock(width, leak)
        self.local_norm = nn.LayerNorm(width)
        self.attention = GatedAttention(width)
        self.attention_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) -> (N, width, H, W)."""
        h = self.local_norm(self.local(x).permute(0, 2, 3, 1))
        result: Tensor = self.attention_norm(self.attention(h)).permute(0, 3, 1, 2)
        return result


FAR = 3.0
"""Values are held within this distance of zero before a network sees them: three deviations, where layers normalize."""


class PlainNetwork(nn.Module):
    """A 3x3 convolution, blocks one after another, and a 1x1 convolution that starts at zero.

    What it says is bounded by its weights, because its input is held within `FAR`: values that run away in an image
    unlike those learnt do not drive others away, layer after layer, until rounding is all that is left of the image.
    """

    def __init__(self, inputs: int, width: int, outputs: int, blocks: list[nn.Module], leak: float) -> None:
        super().__init__()
        self.leak = leak
        self.enter = Convolution(inputs, width, 3)
        self.blocks = nn.Sequential(*blocks)
        self.leave = Convolution(width, outputs, 1, zero=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H, W)."""
        count, _, height, width = x.shape
        h = bend(self.blocks(self.enter(x.clamp(-FAR, FAR))), self.leak)
        # As a product of matrices the last convolution leaves each of its numbers in one piece, as the laws want them,
        # and costs half of a convolution that comes from channels side by side.
        weight = self.leave.weight.flatten(1).expand(count, -1, -1)
        assert self.leave.bias is not None
        result = torch.baddbmm(self.leave.bias.view(1, -1, 1), weight, h.flatten(2))
        return result.view(count, self.leave.out_channels, height, width)


_PLAIN_BLOCKS: Mapping[str, Callable[[int, float], nn.Module]] = {
    "gated": GatedBlock,
    "depthwise": DepthwiseBlock,
    "attention": AttentionBlock,
}


def coupling_network(
    kind: Literal["residual", "gated", "depthwise", "attention"],
    inputs: int,
    width: int,
    outputs: int,
    blocks: int,
    *,
    batch_norm: bool = False,
    weight_norm: bool = False,
    leak: float = 0.0,
) -> nn.Module:
    """A network from (N, inputs, H, W) to (N, outputs, H, W) that starts as zero."""
    block = _PLAIN_BLOCKS.get(kind)
    if block is not None:
        return PlainNetwork(inputs, width, outputs, [block(width, leak) for _ in range(blocks)], leak)
    return ResidualNetwork(
        inputs, width, outputs, blocks, norm="batch" if batch_norm else "none", weight_norm=weight_norm
    )


def _norm(width: int, batch_norm: bool) -> nn.Module:
    return nn.BatchNorm2d(width) if batch_norm else nn.Identity()
