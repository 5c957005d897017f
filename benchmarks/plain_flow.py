"""The same flow written plainly, straight from the papers and without this project's engine: what it is compared with.

Checkerboard couplings are masked convolutions on the full grid, whose numbers are computed for every cell and then
masked. The spline follows the published program (Durkan et al. 2019): edges by padding and cumulative sums, one gather
for each quantity. 1x1 convolutions hold a plain matrix, with `torch.slogdet` and `torch.inverse`. Autograd keeps
everything. Of `FlowConfig` it knows what such a program has: see `PlainFlow`.

Names of the networks' weights are those of the engine, so that tests can give both the same weights.
"""

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from nvp_studio.flow.config import FlowConfig
from nvp_studio.flow.dequantization import LEVELS

SPLINE_END = 5.0
FAR = 3.0
LEAST_WIDTH = 1e-3
LEAST_HEIGHT = 1e-2
READING_TO_DIAGONAL = (0, 3, 1, 2)
"""Corners of a 2x2 block, numbered as they are read, in the order in which they are factored out."""


class PlainLayer(nn.Module):
    """A map of (N, C, H, W) with an inverse; `forward` gives the log-determinant (N,) too."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    def inverse(self, y: Tensor) -> Tensor:
        raise NotImplementedError


class PlainActNorm(PlainLayer):
    """y = exp(log_scale) * (x + bias), from the statistics of the first batch seen in training."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.log_scale = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.initialized = False

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if self.training and not self.initialized:
            with torch.no_grad():
                self.bias.copy_(-x.mean((0, 2, 3), keepdim=True))
                self.log_scale.copy_(-torch.log(x.std((0, 2, 3), keepdim=True) + 1e-6))
            self.initialized = True
        log_det = x.shape[2] * x.shape[3] * self.log_scale.sum()
        return (x + self.bias) * torch.exp(self.log_scale), log_det.expand(len(x))

    def inverse(self, y: Tensor) -> Tensor:
        return y * torch.exp(-self.log_scale) - self.bias


class PlainConv1x1(PlainLayer):
    """y = W x at every pixel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linalg.qr(torch.randn(channels, channels)).Q)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        log_det = x.shape[2] * x.shape[3] * torch.slogdet(self.weight)[1]
        return functional.conv2d(x, self.weight[:, :, None, None]), log_det.expand(len(x))

    def inverse(self, y: Tensor) -> Tensor:
        return functional.conv2d(y, torch.inverse(self.weight)[:, :, None, None])


class PlainSqueeze(PlainLayer):
    """(N, C, H, W) -> (N, 4 C, H/2, W/2)."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        n, c, h, w = x.shape
        x = x.view(n, c, h // 2, 2, w // 2, 2).permute(0, 3, 5, 1, 2, 4)
        return x.reshape(n, 4 * c, h // 2, w // 2), x.new_zeros(n)

    def inverse(self, y: Tensor) -> Tensor:
        n, c, h, w = y.shape
        y = y.view(n, 2, 2, c // 4, h, w).permute(0, 3, 4, 1, 5, 2)
        return y.reshape(n, c // 4, 2 * h, 2 * w)


class PlainOrder(PlainLayer):
    """Channels in another order."""

    order: Tensor
    back: Tensor

    def __init__(self, order: Tensor) -> None:
        super().__init__()
        self.register_buffer("order", order)
        self.register_buffer("back", torch.argsort(order))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x[:, self.order], x.new_zeros(len(x))

    def inverse(self, y: Tensor) -> Tensor:
        return y[:, self.back]


class PlainAffine(nn.Module):
    """y = x exp(s) + t, s = scale * tanh(.)."""

    numbers = 2

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor, numbers: Tensor, inverse: bool) -> tuple[Tensor, Tensor]:
        s, t = numbers.chunk(2, 1)
        s = self.scale.view(1, -1, 1, 1) * torch.tanh(s)
        return ((x - t) * torch.exp(-s), -s) if inverse else (x * torch.exp(s) + t, s)


class PlainSpline(nn.Module):
    """A rational-quadratic spline on [-5, 5], straight beyond, and an affine map of bounded shift."""

    def __init__(self, channels: int, bins: int) -> None:
        super().__init__()
        self.bins = bins
        self.numbers = 3 * bins + 1 + 2
        self.scale = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor, numbers: Tensor, inverse: bool) -> tuple[Tensor, Tensor]:
        n, c, h, w = x.shape
        spline, s, t = torch.split(numbers, [(self.numbers - 2) * c, c, c], 1)
        widths, heights, bends = torch.split(
            spline.reshape(n, -1, c, h, w).movedim(1, -1), [self.bins, self.bins, self.bins + 1], -1
        )
        s = self.scale.view(1, -1, 1, 1) * torch.tanh(s)
        t = SPLINE_END * torch.tanh(t / SPLINE_END)
        if inverse:
            y = (x - t) * torch.exp(-s)
            x, log_slope = rational_quadratic_spline(y, widths, heights, bends, inverse=True)
            return x, log_slope - s
        y, log_slope = rational_quadratic_spline(x, widths, heights, bends, inverse=False)
        return y * torch.exp(s) + t, log_slope + s


def _knots(logits: Tensor, least: float) -> Tensor:
    shares = least + (1 - least * logits.shape[-1]) * torch.softmax(logits, -1)
    edges = functional.pad(torch.cumsum(shares, -1), (1, 0))
    return 2 * SPLINE_END * edges - SPLINE_END


def rational_quadratic_spline(
    x: Tensor, widths: Tensor, heights: Tensor, bends: Tensor, inverse: bool
) -> tuple[Tensor, Tensor]:
    """x (...), log-shares (..., K), bends (..., K + 1) -> the values and their log-slopes (...)."""
    value = x.clamp(-SPLINE_END, SPLINE_END).unsqueeze(-1)
    cum_widths, cum_heights = _knots(widths, LEAST_WIDTH), _knots(heights, LEAST_HEIGHT)
    all_widths, all_heights = cum_widths.diff(), cum_heights.diff()
    steeps = functional.pad(all_heights / all_widths, (1, 1), value=1.0)
    before, after = steeps[..., :-1], steeps[..., 1:]
    slopes = torch.exp(torch.tanh(bends)) * 2 * before * after / (before + after)
    edges = (cum_heights if inverse else cum_widths)[..., :-1]
    index = ((value >= edges).sum(-1, keepdim=True) - 1).clamp_min(0)
    left, width = cum_widths.gather(-1, index), all_widths.gather(-1, index)
    bottom, height = cum_heights.gather(-1, index), all_heights.gather(-1, index)
    steep = (all_heights / all_widths).gather(-1, index)
    first, last = slopes.gather(-1, index), slopes[..., 1:].gather(-1, index)
    if inverse:
        rise = value - bottom
        a = rise * (first + last - 2 * steep) + height * (steep - first)
        b = height * first - rise * (first + last - 2 * steep)
        c = -steep * rise
        place = 2 * c / (-b - torch.sqrt(b.pow(2) - 4 * a * c))
        result = place * width + left
    else:
        place = (value - left) / width
        top = height * (steep * place.pow(2) + first * place * (1 - place))
        result = bottom + top / (steep + (first + last - 2 * steep) * place * (1 - place))
    below = steep + (first + last - 2 * steep) * place * (1 - place)
    above = steep.pow(2) * (last * place.pow(2) + 2 * steep * place * (1 - place) + first * (1 - place).pow(2))
    log_slope = (torch.log(above) - 2 * torch.log(below)).squeeze(-1)
    beyond = (x - value.squeeze(-1)) * torch.exp(-log_slope if inverse else log_slope)
    return result.squeeze(-1) + beyond, -log_slope if inverse else log_slope


class PlainCheckerboard(PlainLayer):
    """Equation 9 of the paper: the network sees the masked image and the mask, on the full grid."""

    mask: Tensor

    def __init__(self, config: FlowConfig, shape: tuple[int, int, int], width: int, flip: bool) -> None:
        super().__init__()
        channels, height, length = shape
        self.law = _law(config, channels)
        self.network = _network(config, channels + 1, width, self.law.numbers * channels)
        cells = torch.arange(height).view(-1, 1) + torch.arange(length)
        self.register_buffer("mask", ((cells + (0 if flip else 1)) % 2).float().view(1, 1, height, length))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y, log_slope = self.law(x, self._numbers(x), inverse=False)
        y = self.mask * x + (1 - self.mask) * y
        return y, ((1 - self.mask) * log_slope).sum((1, 2, 3))

    def inverse(self, y: Tensor) -> Tensor:
        x, _ = self.law(y, self._numbers(y), inverse=True)
        return self.mask * y + (1 - self.mask) * x

    def _numbers(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.network(torch.cat((x * self.mask, self.mask.expand(len(x), -1, -1, -1)), 1)))


class PlainChannelWise(PlainLayer):
    """One half of the channels steers the other."""

    def __init__(self, config: FlowConfig, channels: int, width: int, flip: bool, affine: bool = False) -> None:
        super().__init__()
        first = channels // 2
        stays = channels - first if flip else first
        self.sizes, self.flip = (first, channels - first), flip
        self.law = PlainAffine(channels - stays) if affine else _law(config, channels - stays)
        self.network = _network(config, stays, width, self.law.numbers * (channels - stays))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x1, x2 = self._split(x)
        y2, log_slope = self.law(x2, self.network(x1), inverse=False)
        return self._merge(x1, y2), log_slope.sum((1, 2, 3))

    def inverse(self, y: Tensor) -> Tensor:
        y1, y2 = self._split(y)
        x2, _ = self.law(y2, self.network(y1), inverse=True)
        return self._merge(y1, x2)

    def _split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        a, b = torch.split(x, self.sizes, 1)
        return (b, a) if self.flip else (a, b)

    def _merge(self, x1: Tensor, x2: Tensor) -> Tensor:
        return torch.cat((x2, x1) if self.flip else (x1, x2), 1)


class PlainResidualBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + cast(Tensor, self.second(functional.relu(self.first(functional.relu(x)))))


class PlainResidualNetwork(nn.Module):
    def __init__(self, inputs: int, width: int, outputs: int, blocks: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(inputs, width, 3, padding=1)
        self.blocks = nn.ModuleList(PlainResidualBlock(width) for _ in range(blocks))
        self.skips = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in range(blocks + 1))
        self.leave = nn.Conv2d(width, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        total = self.skips[0](x)
        for block, skip in zip(self.blocks, self.skips[1:], strict=True):
            x = block(x)
            total = total + skip(x)
        return cast(Tensor, self.leave(functional.relu(total)))


class PlainGatedBlock(nn.Module):
    def __init__(self, width: int, leak: float) -> None:
        super().__init__()
        self.bend = nn.LeakyReLU(leak)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, 2 * width, 1)

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.second(self.bend(self.first(self.bend(x)))).chunk(2, 1)
        return x + a * torch.sigmoid(b)


class PlainDepthwiseBlock(nn.Module):
    def __init__(self, width: int, leak: float) -> None:
        super().__init__()
        self.bend = nn.LeakyReLU(leak)
        self.spatial = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.widen = nn.Conv2d(width, 2 * width, 1)
        self.narrow = nn.Conv2d(2 * width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + cast(Tensor, self.narrow(self.bend(self.widen(self.spatial(x)))))


class PlainSequentialNetwork(nn.Module):
    def __init__(self, inputs: int, width: int, outputs: int, blocks: list[nn.Module], leak: float) -> None:
        super().__init__()
        self.bend = nn.LeakyReLU(leak)
        self.enter = nn.Conv2d(inputs, width, 3, padding=1)
        self.blocks = nn.Sequential(*blocks)
        self.leave = nn.Conv2d(width, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.leave(self.bend(self.blocks(self.enter(x.clamp(-FAR, FAR))))))


def _network(config: FlowConfig, inputs: int, width: int, outputs: int) -> nn.Module:
    network: nn.Module
    if config.network == "residual":
        network = PlainResidualNetwork(inputs, width, outputs, config.blocks)
    else:
        block = PlainGatedBlock if config.network == "gated" else PlainDepthwiseBlock
        blocks: list[nn.Module] = [block(width, config.leak) for _ in range(config.blocks)]
        network = PlainSequentialNetwork(inputs, width, outputs, blocks, config.leak)
    leave = cast(nn.Conv2d, network.leave)
    nn.init.zeros_(leave.weight)
    nn.init.zeros_(cast(nn.Parameter, leave.bias))
    return network


def _law(config: FlowConfig, channels: int) -> PlainAffine | PlainSpline:
    if config.law == "spline":
        return PlainSpline(channels, config.pieces)
    return PlainAffine(channels)


class PlainEqualization(nn.Module):
    """x -> F(x), linear between the edges of the levels of each channel."""

    edges: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("edges", torch.linspace(0, 1, LEVELS + 1).repeat(channels, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        level = (x * LEVELS).long().clamp(0, LEVELS - 1)
        starts, shares = self._of(level)
        return starts + shares * (x * LEVELS - level), (shares * LEVELS).log().sum((1, 2, 3))

    def inverse(self, y: Tensor) -> Tensor:
        level = torch.stack(
            [(y[:, [c]] >= edges[1:-1].view(1, -1, 1, 1)).sum(1) for c, edges in enumerate(self.edges)], 1
        )
        starts, shares = self._of(level)
        return (level + (y - starts) / shares) / LEVELS

    def _of(self, level: Tensor) -> tuple[Tensor, Tensor]:
        starts = torch.stack([edges[level[:, c]] for c, edges in enumerate(self.edges)], 1)
        ends = torch.stack([edges[level[:, c] + 1] for c, edges in enumerate(self.edges)], 1)
        return starts, ends - starts


class PlainFlow(nn.Module):
    """The multi-scale RealNVP of a `FlowConfig`, checkerboards always masked.

    Raises `ValueError` for what it does not have: batch and weight normalization.
    """

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        if config.normalization == "batch" or config.network_norm == "batch" or config.weight_norm:
            raise ValueError("the plain flow has affine and spline couplings, ActNorm and 1x1 convolutions only")
        self.config = config
        self.equalization = PlainEqualization(config.image_shape[0]) if config.equalize else None
        self.scales = nn.ModuleList(nn.ModuleList(layers) for layers in _scales(config))

    def forward(self, x: Tensor) -> Tensor:
        """Log-density (N,) in nats of images (N, C, H, W) in [0, 1]."""
        z, log_det = self.encode(x)
        return -0.5 * (z.square() + math.log(2 * math.pi)).sum(1) + log_det

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images to latents (N, D) and the log-determinant (N,)."""
        log_det = x.new_zeros(len(x))
        if self.equalization is not None:
            x, log_det = self.equalization(x)
        a = self.config.logit_alpha
        p = a + (1 - 2 * a) * x
        x = torch.log(p) - torch.log(1 - p)
        log_det = log_det + (math.log(1 - 2 * a) - torch.log(p) - torch.log(1 - p)).sum((1, 2, 3))
        out: list[Tensor] = []
        for index, layers in enumerate(self.scales):
            for layer in cast(nn.ModuleList, layers):
                x, change = layer(x)
                log_det = log_det + change
            if index < len(self.scales) - 1:
                x, half = x.chunk(2, 1)
                out.append(half.flatten(1))
        return torch.cat([*out, x.flatten(1)], 1), log_det

    @torch.no_grad()
    def decode(self, z: Tensor) -> Tensor:
        """Latents (N, D) to images (N, C, H, W)."""
        parts = [z[:, part.start : part.stop].view(len(z), *part.shape) for part in self.config.latent_scales]
        x = parts.pop()
        for index in reversed(range(len(self.scales))):
            if index < len(self.scales) - 1:
                x = torch.cat((x, parts.pop()), 1)
            for layer in reversed(cast(nn.ModuleList, self.scales[index])):
                x = cast(PlainLayer, layer).inverse(x)
        a = self.config.logit_alpha
        x = (torch.sigmoid(x) - a) / (1 - 2 * a)
        return x if self.equalization is None else self.equalization.inverse(x)


def _scales(config: FlowConfig) -> list[list[PlainLayer]]:
    scales: list[list[PlainLayer]] = []
    channels, height, width = config.image_shape
    for scale in range(config.scales - 1):
        layers = _checkerboards(config, (channels, height, width), scale, config.checkerboard_couplings)
        layers.append(PlainSqueeze())
        layers += _channel_wise(config, 4 * channels, scale + 1, config.channel_couplings)
        order = torch.arange(4 * channels).view(4, channels)[list(READING_TO_DIAGONAL)].flatten()
        layers.append(PlainOrder(order))
        if config.conditional_prior:
            layers.append(PlainChannelWise(config, 4 * channels, _width(config, scale + 1), flip=False, affine=True))
        scales.append(layers)
        channels, height, width = 2 * channels, height // 2, width // 2
    if config.final_mask == "channel":
        scales.append(_channel_wise(config, channels, config.scales - 1, config.final_couplings))
    else:
        shape = (channels, height, width)
        mixed = config.final_mixing and config.mixing == "conv1x1"
        scales.append(_checkerboards(config, shape, config.scales - 1, config.final_couplings, mixed=mixed))
    return scales


def _checkerboards(
    config: FlowConfig, shape: tuple[int, int, int], halvings: int, count: int, *, mixed: bool = False
) -> list[PlainLayer]:
    layers: list[PlainLayer] = []
    for index in range(count):
        layers += [PlainConv1x1(shape[0])] if mixed else []
        layers.append(PlainCheckerboard(config, shape, _width(config, halvings), flip=index % 2 == 1))
        layers += [PlainActNorm(shape[0])] if config.normalization == "actnorm" else []
    return layers


def _channel_wise(config: FlowConfig, channels: int, halvings: int, count: int) -> list[PlainLayer]:
    layers: list[PlainLayer] = []
    for index in range(count):
        layers += [PlainConv1x1(channels)] if config.mixing == "conv1x1" else []
        layers.append(PlainChannelWise(config, channels, _width(config, halvings), flip=index % 2 == 1))
        layers += [PlainActNorm(channels)] if config.normalization == "actnorm" else []
    return layers


def _width(config: FlowConfig, halvings: int) -> int:
    return config.width * 2**halvings if config.doubling else config.width
