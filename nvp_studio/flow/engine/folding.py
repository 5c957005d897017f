"""The multi-scale map with all that depends on weights alone computed once, for inference.

A single image is small: its decoding is hundreds of operations of a few microseconds, many of them on weights. Here
layers that map every pixel by the same affine map of its channels (ActNorm, 1x1 convolutions, running batch
normalization) are composed, and so are the squeezes between packed checkerboards, into one `ChannelMap` from a coupling
to the next; and checkerboards stay packed from one coupling to the next, as halves of the channels.

Values pass in a wider type than networks compute in (`precision.wide_type`), so that decoding inverts encoding to the
last digit or nearly. Otherwise the result equals the map that was folded, up to rounding.
"""

import copy
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional

from nvp_studio.flow.bijection import Bijection, Chain, constant_log_det
from nvp_studio.flow.coupling import Coupling
from nvp_studio.flow.engine.fused_spline import FusedSplineTransform
from nvp_studio.flow.engine.precision import run_in_own_type
from nvp_studio.flow.masks import ChannelMask, Mask, PackedCheckerboardMask
from nvp_studio.flow.mixing import InvertibleConv1x1
from nvp_studio.flow.mixture import MixtureTransform
from nvp_studio.flow.multiscale import MultiScale
from nvp_studio.flow.normalization import ActNorm, RunningBatchNorm
from nvp_studio.flow.squeeze import DIAGONAL_ORDER, Corner, Squeeze, Unsqueeze
from nvp_studio.flow.transforms import SplineTransform

_CHANNEL_WISE = (ActNorm, RunningBatchNorm, InvertibleConv1x1)
"""Layers that map every pixel by the same affine map of its channels."""


class ChannelMap(Bijection):
    """y = W x + b at every pixel, with the inverse and the log-determinant computed in advance."""

    def __init__(self, weight: Tensor, bias: Tensor, log_det: float, like: Tensor) -> None:
        """`weight` (C, C) and `bias` (C,) in float64, `log_det` per pixel; `like` has the map's type and device."""
        super().__init__()
        self.log_det = torch.tensor(log_det, dtype=torch.float64).to(like)
        inverse = torch.linalg.inv(weight)
        self.diagonal = not (weight - torch.diag(weight.diagonal())).any()
        if self.diagonal:
            weight, inverse = weight.diagonal().view(1, -1, 1, 1), inverse.diagonal().view(1, -1, 1, 1)
            biases = bias.view(1, -1, 1, 1), -inverse * bias.view(1, -1, 1, 1)
        else:
            biases = bias, -inverse @ bias
            weight, inverse = weight[:, :, None, None], inverse[:, :, None, None]
        self.weight, self.inverse_weight = weight.to(like), inverse.to(like)
        self.bias, self.inverse_bias = (part.to(like) for part in biases)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """y = W x + b."""
        return self._map(x, self.weight, self.bias), constant_log_det(x, self.log_det)

    def inverse(self, y: Tensor) -> Tensor:
        """x = W^-1 y - W^-1 b."""
        return self._map(y, self.inverse_weight, self.inverse_bias)

    def inverse_with_log_det(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """As `inverse`."""
        return self.inverse(y), constant_log_det(y, -self.log_det)

    def _map(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return torch.addcmul(bias, x, weight) if self.diagonal else functional.conv2d(x, weight, bias)


def folded(body: MultiScale, like: Tensor) -> MultiScale:
    """Fold `body`, which must be in evaluation mode; `like` has the device, and the type of values between networks.

    Networks and transforms share their parameters with `body`; all else is copied, so that it must be folded again
    after a change of the weights.
    """
    scales = []
    left = body.latents[-1].stop
    for chain, latent in zip(body.scales, body.latents, strict=True):
        assert isinstance(chain, Chain)
        _, height, width = latent.shape
        side = 1 if latent is body.latents[-1] else 2
        height, width = side * height, side * width
        folding = _Folding((left // (height * width), height, width), like)
        folding.add(chain)
        scales.append(Chain(folding.layers))
        left -= latent.stop - latent.start
    return MultiScale(scales, body.latents)


class _Folding:
    """The folded layers so far, with a map of channels and a rearrangement that are still to become layers."""

    def __init__(self, shape: tuple[int, int, int], like: Tensor) -> None:
        self.layers: list[Bijection] = []
        self._like = like
        self._channels, self._height, self._width = shape
        """Of the tensor as it is now, packed or not."""
        self._layout: tuple[Corner, ...] | None = None
        """While the tensor is packed though the original layers have it unpacked: the order of its corners."""
        self._weight, self._bias, self._log_det = _identity(self._channels)

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
            elif isinstance(layer, Coupling) and isinstance(layer.mask, PackedCheckerboardMask):
                self._pack(DIAGONAL_ORDER)
                self._couple(layer, ChannelMask((self._channels, self._height, self._width), flip=layer.mask.flip))
            elif isinstance(layer, Coupling):
                self._unpack()
                self._couple(layer, layer.mask)
            else:
                self._unpack()
                self._flush()
                self.layers.append(layer)
        self._unpack()
        self._flush()

    def _couple(self, layer: Coupling, mask: Mask) -> None:
        self._flush()
        transform = layer.law
        if isinstance(transform, SplineTransform):
            transform = FusedSplineTransform.of(transform)
        network = layer.network
        if isinstance(transform, MixtureTransform):
            # In float32 it would say a little else where its sums are taken in another order, as in another batch, and
            # a value at the edge of a narrow grey level would come back in another one.
            network = copy.deepcopy(network).to(self._like)
        coupling = Coupling(mask, transform, network)
        coupling.run_network = run_in_own_type
        self.layers.append(coupling.eval())

    def _compose(self, weight: Tensor, bias: Tensor, log_det: float) -> None:
        """Append an affine map to the composed one; of each corner when the tensor is packed."""
        if self._layout:
            weight, bias, log_det = torch.kron(torch.eye(4, dtype=torch.float64), weight), bias.repeat(4), 4 * log_det
        self._weight, self._bias = weight @ self._weight, weight @ self._bias + bias
        self._log_det += log_det

    def _pack(self, order: tuple[Corner, ...]) -> None:
        """Have the corners as channels in this order: only reordered when they are channels already."""
        if self._layout is None:
            self._flush()
            self.layers.append(Squeeze(order))
            self._channels, self._height, self._width = 4 * self._channels, self._height // 2, self._width // 2
            self._clear()
        elif self._layout != order:
            corners = torch.tensor([self._layout.index(corner) for corner in order])
            each = torch.arange(self._channels).view(4, -1)[corners].flatten()
            self._weight, self._bias = self._weight[each], self._bias[each]
        self._layout = order

    def _unpack(self) -> None:
        """Have the tensor as the original layers have it."""
        if self._layout is None:
            return
        self._flush()
        self.layers.append(Unsqueeze(self._layout))
        self._channels, self._height, self._width = self._channels // 4, 2 * self._height, 2 * self._width
        self._layout = None
        self._clear()

    def _flush(self) -> None:
        """Make the composed map a layer, unless it is the identity."""
        eye = torch.eye(self._channels, dtype=torch.float64)
        if not torch.equal(self._weight, eye) or self._bias.any():
            self.layers.append(ChannelMap(self._weight, self._bias, self._log_det, self._like))
        self._clear()

    def _clear(self) -> None:
        self._weight, self._bias, self._log_det = _identity(self._channels)


def _identity(channels: int) -> tuple[Tensor, Tensor, float]:
    return torch.eye(channels, dtype=torch.float64), torch.zeros(channels, dtype=torch.float64), 0.0


@torch.no_grad()
def _channel_map(layer: Bijection, channels: int) -> tuple[Tensor, Tensor, float]:
    """Weight (C, C), bias (C,) and log-determinant per pixel of a channel-wise layer, in float64, from its outputs."""
    layer = copy.deepcopy(layer).to("cpu", torch.float64)
    inputs = torch.cat((torch.zeros(1, channels, dtype=torch.float64), torch.eye(channels, dtype=torch.float64)))
    outputs, log_det = layer(inputs[:, :, None, None])
    bias = outputs[0, :, 0, 0]
    return (outputs[1:, :, 0, 0] - bias).T.contiguous(), bias, log_det[0].item()
