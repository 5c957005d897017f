"""The multi-scale map with all that depends on weights alone computed once: for a flow that only answers questions.

A single image is small: its decoding is hundreds of operations of a few microseconds, most of them about weights or
about log-determinants that nobody asked for. Here

- layers that map every pixel by the same matrix (ActNorm, 1x1 convolutions, running batch normalization)
  are composed, and so are the squeezes between packed halves, into one `ChannelMap` from a coupling to the next,
  with its inverse and its log-determinant;
- checkerboards stay packed from one coupling to the next, as channels that are split and joined;
- `undo` finds x without its log-determinant.

Values pass through it in a wider type than networks compute in (`precision.wide_type`), which is why decoding undoes
encoding to the last digit or nearly. Otherwise the result equals the map that it was folded from up to rounding. It
holds numbers, not parameters: after a change of the weights it must be folded again, which `Flow` sees to.
"""

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from nvp_studio.flow.bijection import Bijection, Chain
from nvp_studio.flow.config import Scale
from nvp_studio.flow.coupling import ChannelCoupling, PackedCheckerboardCoupling, SplitCoupling
from nvp_studio.flow.mixing import InvertibleConv1x1
from nvp_studio.flow.multiscale import MultiScale
from nvp_studio.flow.normalization import ActNorm, RunningBatchNorm
from nvp_studio.flow.precision import heard
from nvp_studio.flow.squeeze import DIAGONAL_ORDER, Corner, Squeeze, Unsqueeze, gather, scatter

_CHANNEL_WISE = (ActNorm, RunningBatchNorm, InvertibleConv1x1)
"""Layers that map every pixel by the same affine map of its channels."""


class Step:
    """A part of the folded map; what does not depend on the image is left out of the log-slopes."""

    log_det_per_pixel = 0.0
    """In nats, of each pixel of the input of `forward`."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """y and the log-slopes dy/dx (N, ...), None for none that depend on x."""
        raise NotImplementedError

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor | None]:
        """x and the log-slopes dx/dy (N, ...), likewise."""
        return self.undo(y), None

    def undo(self, y: Tensor) -> Tensor:
        """The x of `inverse` alone."""
        raise NotImplementedError


class ChannelMap(Step):
    """y = W x + b at every pixel."""

    def __init__(self, weight: Tensor, bias: Tensor, log_det: float, like: Tensor) -> None:
        """`weight` (C, C) and `bias` (C,) in float64; `like` has the type and the device to compute with."""
        self.log_det_per_pixel = log_det
        back = torch.linalg.inv(weight)
        self.diagonal = not (weight - torch.diag(weight.diagonal())).any()
        if self.diagonal:
            weight, back = weight.diagonal().view(1, -1, 1, 1), back.diagonal().view(1, -1, 1, 1)
            biases = bias.view(1, -1, 1, 1), -back * bias.view(1, -1, 1, 1)
        else:
            biases = bias, -back @ bias
            weight, back = weight[:, :, None, None], back[:, :, None, None]
        self.weight, self.back = weight.to(like), back.to(like)
        self.bias, self.back_bias = (part.to(like) for part in biases)

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """Apply."""
        return self._map(x, self.weight, self.bias), None

    def undo(self, y: Tensor) -> Tensor:
        """Apply the inverse."""
        return self._map(y, self.back, self.back_bias)

    def _map(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return torch.addcmul(bias, x, weight) if self.diagonal else functional.conv2d(x, weight, bias)


class Halves(Step):
    """A coupling of two halves of the channels, those of a packed checkerboard among them."""

    def __init__(self, coupling: SplitCoupling, network: nn.Module, first: int, channels: int, *, flip: bool) -> None:
        self.law, self.network = coupling.law, network
        self.sizes, self.flip = (first, channels - first), flip

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """As the coupling's."""
        x1, x2 = self._split(x)
        y2, log_slope = self.law(x2, heard(self.network, x1))
        return self._merge(x1, y2), log_slope

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """As the coupling's."""
        y1, y2 = self._split(y)
        x2, log_slope = self.law.inverse(y2, heard(self.network, y1))
        return self._merge(y1, x2), log_slope

    def undo(self, y: Tensor) -> Tensor:
        """As the coupling's, without log-slopes."""
        y1, y2 = self._split(y)
        return self._merge(y1, self.law.undo(y2, heard(self.network, y1)))

    def _split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        a, b = x.split_with_sizes(self.sizes, 1)
        return (b, a) if self.flip else (a, b)

    def _merge(self, x1: Tensor, x2: Tensor) -> Tensor:
        return torch.cat((x2, x1) if self.flip else (x1, x2), 1)


class Whole(Step):
    """A layer as it is."""

    def __init__(self, layer: Bijection) -> None:
        self.layer = layer

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """As the layer's."""
        y, log_det = self.layer(x)
        return y, log_det

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """As the layer's."""
        return self.layer.inverse(y)

    def undo(self, y: Tensor) -> Tensor:
        """As the layer's."""
        return self.layer.undo(y)


class Pack(Step):
    """Corners of 2x2 blocks to channels."""

    def __init__(self, order: tuple[Corner, ...]) -> None:
        self.order = order

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """(N, C, H, W) -> (N, 4 C, H/2, W/2)."""
        return gather(x, self.order), None

    def undo(self, y: Tensor) -> Tensor:
        """Back."""
        return _unpacked(y, self.order)


class Unpack(Step):
    """The inverse of `Pack`."""

    def __init__(self, order: tuple[Corner, ...]) -> None:
        self.order = order

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """(N, 4 C, H/2, W/2) -> (N, C, H, W)."""
        return _unpacked(x, self.order), None

    def undo(self, y: Tensor) -> Tensor:
        """Back."""
        return gather(y, self.order)


def _unpacked(x: Tensor, order: tuple[Corner, ...]) -> Tensor:
    count, channels, height, width = x.shape
    out = x.new_empty(count, channels // 4, 2 * height, 2 * width)
    scatter(x, order, out)
    return out


class FoldedScale:
    """The steps of a scale, first to last."""

    def __init__(self, steps: list[Step]) -> None:
        self.steps = steps

    def forward(self, x: Tensor, slopes: list[Tensor]) -> tuple[Tensor, float]:
        """y and the constant part of the log-determinant; the rest is added to `slopes`, as (N, ...) to be summed."""
        constant = 0.0
        for step in self.steps:
            constant += step.log_det_per_pixel * x.shape[2] * x.shape[3]
            x, slope = step.forward(x)
            if slope is not None:
                slopes.append(slope)
        return x, constant

    def inverse(self, y: Tensor, slopes: list[Tensor]) -> tuple[Tensor, float]:
        """x and the log-determinant of the inverse, in two parts as in `forward`."""
        constant = 0.0
        for step in reversed(self.steps):
            y, slope = step.inverse(y)
            constant -= step.log_det_per_pixel * y.shape[2] * y.shape[3]
            if slope is not None:
                slopes.append(slope)
        return y, constant

    def undo(self, y: Tensor) -> Tensor:
        """x alone."""
        for step in reversed(self.steps):
            y = step.undo(y)
        return y


class FoldedMultiScale:
    """What `MultiScale` computes, from a folded copy of its constants; made by `folded`."""

    def __init__(self, scales: list[FoldedScale], latents: tuple[Scale, ...]) -> None:
        self.scales = scales
        self.latents = latents

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (N, C, H, W) -> z (N, D), log-determinant (N,)."""
        constant = 0.0
        slopes: list[Tensor] = [x.new_zeros(len(x), 1)]
        out: list[Tensor] = []
        for index, scale in enumerate(self.scales):
            x, more = scale.forward(x, slopes)
            constant += more
            if index < len(self.scales) - 1:
                x, half = x.chunk(2, 1)
                out.append(half.flatten(1))
        return torch.cat([*out, x.flatten(1)], 1), _total(slopes, constant)

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """z (N, D) -> x (N, C, H, W), log-determinant (N,)."""
        constant = 0.0
        slopes: list[Tensor] = [z.new_zeros(len(z), 1)]
        parts = self._parts(z)
        x = parts.pop()
        for scale in reversed(self.scales):
            if scale is not self.scales[-1]:
                x = torch.cat((x, parts.pop()), 1)
            x, more = scale.inverse(x, slopes)
            constant += more
        return x, _total(slopes, constant)

    def undo(self, z: Tensor) -> Tensor:
        """z (N, D) -> x (N, C, H, W) alone."""
        parts = self._parts(z)
        x = parts.pop()
        for scale in reversed(self.scales):
            if scale is not self.scales[-1]:
                x = torch.cat((x, parts.pop()), 1)
            x = scale.undo(x)
        return x

    def _parts(self, z: Tensor) -> list[Tensor]:
        return [z[:, latent.start : latent.stop].reshape(len(z), *latent.shape) for latent in self.latents]


def _total(slopes: list[Tensor], constant: float) -> Tensor:
    """(N,), by one sum over all log-slopes, (N, ...) each or (N,)."""
    return torch.cat([slope.view(*slope.shape, 1).flatten(1) for slope in slopes], 1).sum(1) + constant


def folded(body: MultiScale, like: Tensor) -> FoldedMultiScale:
    """Fold `body`, which must be in evaluation mode; `like` has the device, and the type of values between networks.

    Laws and networks are shared with `body`; everything else is copied.
    """
    channels = body.channels
    scales = []
    for chain in body.scales:
        assert isinstance(chain, Chain)
        folding = _Folding(channels, like)
        folding.add(layer for layer in chain.layers if isinstance(layer, Bijection))
        scales.append(FoldedScale(folding.steps))
        channels *= 2
    return FoldedMultiScale(scales, body.latents)


class _Folding:
    """The steps so far, with a map of channels and a rearrangement that are still to become steps."""

    def __init__(self, channels: int, like: Tensor) -> None:
        self.steps: list[Step] = []
        self._like = like
        self._channels = channels
        """Of the tensor as it is now, packed or not."""
        self._layout: tuple[Corner, ...] | None = None
        """Set while the tensor is packed though the layers do not know: the order of its corners."""
        self._weight, self._bias, self._log_det = _identity(channels)

    def add(self, layers: Iterable[Bijection]) -> None:
        """Fold the layers of a scale, first to last."""
        for layer in layers:
            if isinstance(layer, _CHANNEL_WISE):
                self._compose(*_channel_map(layer, self._channels // (4 if self._layout else 1)))
            elif isinstance(layer, Squeeze):
                self._pack(layer.order)
                self._layout = None
            elif isinstance(layer, Unsqueeze) and self._layout is None:
                self._layout = layer.order
            elif isinstance(layer, PackedCheckerboardCoupling):
                self._pack(DIAGONAL_ORDER)
                self._couple(layer, self._channels // 2, flip=layer.stays != DIAGONAL_ORDER[:2])
            elif isinstance(layer, ChannelCoupling):
                self._unpack()
                self._couple(layer, layer.first, flip=layer.flip)
            else:
                self._unpack()
                self._flush()
                self.steps.append(Whole(layer))
        self._unpack()
        self._flush()

    def _couple(self, layer: SplitCoupling, first: int, *, flip: bool) -> None:
        self._flush()
        self.steps.append(Halves(layer, layer.network, first, self._channels, flip=flip))

    def _compose(self, weight: Tensor, bias: Tensor, log_det: float) -> None:
        """Follow the map at hand with another, of each corner when the tensor is packed."""
        if self._layout:
            weight, bias, log_det = torch.kron(torch.eye(4, dtype=torch.float64), weight), bias.repeat(4), 4 * log_det
        self._weight, self._bias = weight @ self._weight, weight @ self._bias + bias
        self._log_det += log_det

    def _pack(self, order: tuple[Corner, ...]) -> None:
        """Have the corners as channels in this order: only reordered when they are channels already."""
        if self._layout is None:
            self._flush()
            self.steps.append(Pack(order))
            self._channels *= 4
            self._clear()
        elif self._layout != order:
            corners = torch.tensor([self._layout.index(corner) for corner in order])
            each = torch.arange(self._channels).view(4, -1)[corners].flatten()
            self._weight, self._bias = self._weight[each], self._bias[each]
        self._layout = order

    def _unpack(self) -> None:
        """Have the tensor as the layers know it."""
        if self._layout is None:
            return
        self._flush()
        self.steps.append(Unpack(self._layout))
        self._channels //= 4
        self._layout = None
        self._clear()

    def _flush(self) -> None:
        """Make the map at hand a step, unless it is the identity."""
        eye = torch.eye(self._channels, dtype=torch.float64)
        if not torch.equal(self._weight, eye) or self._bias.any():
            self.steps.append(ChannelMap(self._weight, self._bias, self._log_det, self._like))
        self._clear()

    def _clear(self) -> None:
        self._weight, self._bias, self._log_det = _identity(self._channels)


def _identity(channels: int) -> tuple[Tensor, Tensor, float]:
    return torch.eye(channels, dtype=torch.float64), torch.zeros(channels, dtype=torch.float64), 0.0


@torch.no_grad()
def _channel_map(layer: Bijection, channels: int) -> tuple[Tensor, Tensor, float]:
    """Weight (C, C), bias (C,) and log-determinant per pixel of a channel-wise layer, in float64, by asking it."""
    layer = copy.deepcopy(layer).to("cpu", torch.float64)
    asked = torch.cat((torch.zeros(1, channels, dtype=torch.float64), torch.eye(channels, dtype=torch.float64)))
    answers, log_det = layer(asked[:, :, None, None])
    bias = answers[0, :, 0, 0]
    return (answers[1:, :, 0, 0] - bias).T.contiguous(), bias, log_det[0].item()
