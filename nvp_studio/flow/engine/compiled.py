"""A folded flow whose couplings are computed by `kernels`, on the CPU.

Where the networks are compiled too, those of depthwise blocks, an image is mapped to the same bits in a batch of any
size and by any number of threads: each value is computed by the same sums in the same order. Other networks are left to
torch.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from nvp_studio.flow.bijection import Bijection, Chain
from nvp_studio.flow.coupling import Coupling
from nvp_studio.flow.engine.folding import ChannelMap
from nvp_studio.flow.engine.kernels.compiling import Array
from nvp_studio.flow.engine.kernels.large_networks import large_network_params
from nvp_studio.flow.engine.kernels.networks import map_channels, network_params
from nvp_studio.flow.engine.kernels.threads import in_threads
from nvp_studio.flow.engine.kernels.transforms import transform_affinely, transform_by_splines
from nvp_studio.flow.masks import ChannelMask, CheckerboardMask
from nvp_studio.flow.multiscale import MultiScale
from nvp_studio.flow.networks import INPUT_CLAMP, DepthwiseBlock, PlainNetwork
from nvp_studio.flow.transforms import AffineTransform, ElementwiseTransform, SplineTransform

Kernel = Callable[..., None]

_LARGE_PIXELS = 64
"""Pixels of a feature map that fill the vector instructions of a product whose columns they are."""
_FEW_IMAGES = 4
"""Images whose parameters are computed before their values are."""


def compiled(body: MultiScale) -> MultiScale:
    """`body`, which `folding.folded` has made of weights in float32, by kernels; it shares the weights.

    Tensors must be on the CPU. With gradients it computes as `body` does.
    """
    scales = []
    for chain in body.scales:
        assert isinstance(chain, Chain)
        scales.append(Chain(_compiled_layers(chain)))
    return MultiScale(scales, body.latents)


def kernels(body: MultiScale) -> set[Kernel]:
    """The kernels that `compiled(body)` calls."""
    found: set[Kernel] = set()
    for layer in body.modules():
        if isinstance(layer, ChannelMap):
            found.add(map_channels)
        elif isinstance(layer, Coupling) and isinstance(layer.mask, ChannelMask | CheckerboardMask):
            found.add(_transform_kernel(layer.law))
            if _depthwise_blocks(layer.network) is not None:
                found.add(_network_kernel(layer.mask))
    return found


def _compiled_layers(chain: Chain) -> Iterator[Bijection]:
    for compilable, layers in groupby(chain, _is_compilable):
        if compilable:
            yield CompiledChain(layers)
        else:
            yield from layers


def _is_compilable(layer: Bijection) -> bool:
    if isinstance(layer, Coupling):
        return isinstance(layer.mask, ChannelMask | CheckerboardMask)
    return isinstance(layer, ChannelMap)


class CompiledChain(Bijection):
    """Couplings and channel maps one after another, all of values float64 (N, C, H, W).

    Arrays pass from layer to layer: for a single image, views of tensors would take as long as a fifth of the work.
    """

    def __init__(self, layers: Iterable[Bijection]) -> None:
        super().__init__()
        self._plain = Chain(layers)
        self._layers = [
            CompiledCoupling(layer) if isinstance(layer, Coupling) else CompiledChannelMap(layer)
            for layer in self._plain
            if isinstance(layer, Coupling | ChannelMap)
        ]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """As `Chain.forward`."""
        if _needs_gradients(x):
            result: tuple[Tensor, Tensor] = self._plain(x)
            return result
        return self._run(x, self._layers, inverse=False)

    def inverse_with_log_det(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """As `Chain.inverse_with_log_det`."""
        if _needs_gradients(y):
            return self._plain.inverse_with_log_det(y)
        return self._run(y, reversed(self._layers), inverse=True)

    def inverse(self, y: Tensor) -> Tensor:
        """As `Chain.inverse`."""
        if _needs_gradients(y):
            return self._plain.inverse(y)
        values: Array = y.flatten(1).numpy()
        for layer in reversed(self._layers):
            values = layer.run(values, inverse=True)[0]
        return torch.from_numpy(values).view(y.shape)

    def _run(
        self, tensor: Tensor, layers: "Iterable[CompiledCoupling | CompiledChannelMap]", *, inverse: bool
    ) -> tuple[Tensor, Tensor]:
        values: Array = tensor.flatten(1).numpy()
        log_dets = np.zeros(len(values))
        for layer in layers:
            values, log_det = layer.run(values, inverse=inverse)
            log_dets += log_det
        return torch.from_numpy(values).view(tensor.shape), torch.from_numpy(log_dets)


class CompiledCoupling:
    """A coupling of float64 values, with a network in float32."""

    def __init__(self, coupling: Coupling) -> None:
        mask = coupling.mask
        assert isinstance(mask, ChannelMask | CheckerboardMask)
        self._plain = coupling
        _, height, width = mask.network_shape
        self._side = height, width
        pixels = height * width
        if isinstance(mask, ChannelMask):
            self._first = 0 if mask.flip else mask.sizes[0] * pixels
            self._changing = np.ones(mask.changes * pixels, np.bool_)
        else:
            self._first = 0
            self._changing = (mask.mask == 0).expand(1, mask.changes, -1, -1).reshape(-1).numpy()
        self._network = CompiledNetwork.of(coupling.network, mask)
        transform = coupling.law
        self._kernel = _transform_kernel(transform)
        assert isinstance(transform, SplineTransform | AffineTransform)
        self._scale: Array = transform.scale.detach().repeat_interleave(pixels).numpy()

    def run(self, values: Array, *, inverse: bool) -> tuple[Array, Array]:
        """Values (N, C * H * W) -> their images, and the log-determinants (N,) of the direction."""
        out, log_dets = np.empty_like(values), np.empty(len(values))

        def transform(values: Array, params: Array, out: Array, log_dets: Array) -> None:
            params = params.reshape(len(values), -1, len(self._changing))
            self._kernel(inverse, values, self._first, params, self._scale, self._changing, out, log_dets)

        network = self._network
        if network is None:
            coupling = self._plain
            seen = coupling.mask.split(torch.from_numpy(values).view(len(values), -1, *self._side))[0]
            outputs = coupling.run_network(coupling.network, seen).contiguous().numpy()
            in_threads(lambda some: transform(values[some], outputs[some], out[some], log_dets[some]), len(values))
        elif len(values) <= _FEW_IMAGES:
            transform(values, network(values), out, log_dets)
        else:
            in_threads(
                lambda some: _each(
                    some, lambda few: transform(values[few], network(values[few]), out[few], log_dets[few])
                ),
                len(values),
            )
        return out, log_dets


def _transform_kernel(transform: ElementwiseTransform) -> Kernel:
    assert isinstance(transform, SplineTransform | AffineTransform)
    return transform_by_splines if isinstance(transform, SplineTransform) else transform_affinely


def _network_kernel(mask: ChannelMask | CheckerboardMask) -> Kernel:
    _, height, width = mask.network_shape
    return large_network_params if height * width >= _LARGE_PIXELS else network_params


def _depthwise_blocks(network: nn.Module) -> list[DepthwiseBlock] | None:
    """The blocks of a network that has a compiled form; None for one of another kind."""
    if not isinstance(network, PlainNetwork):
        return None
    blocks = [block for block in network.blocks if isinstance(block, DepthwiseBlock)]
    return blocks if len(blocks) == len(network.blocks) else None


class CompiledNetwork:
    """A `PlainNetwork` of `DepthwiseBlock`s, for all values of an image, of which it sees those that `mask` keeps."""

    @classmethod
    def of(cls, network: nn.Module, mask: ChannelMask | CheckerboardMask) -> "CompiledNetwork | None":
        """The compiled form of `network`; None for one of another kind."""
        blocks = _depthwise_blocks(network)
        if blocks is None:
            return None
        assert isinstance(network, PlainNetwork)
        return cls(network, blocks, mask)

    def __init__(
        self, network: PlainNetwork, blocks: list[DepthwiseBlock], mask: ChannelMask | CheckerboardMask
    ) -> None:
        _, height, width = mask.network_shape
        pixels, features = height * width, network.enter.out_channels
        weight, bias = network.enter.weight, _bias(network.enter).expand(pixels, -1)
        if isinstance(mask, CheckerboardMask):
            # The channel that holds the mask is the same for all images: what it adds is a part of the bias.
            shown = mask.mask.to(weight)
            bias = bias + functional.conv2d(shown, weight[:, -1:], padding=1).flatten(2)[0].T
            weight = weight[:, :-1]
            staying = shown.view(1, pixels).expand(weight.shape[1], -1)
        else:
            staying = weight.new_ones(weight.shape[1], pixels)
        first = mask.sizes[0] * pixels if isinstance(mask, ChannelMask) and mask.flip else 0
        self._kernel = _network_kernel(mask)
        transposed = self._kernel is large_network_params
        none = weight.new_empty(0)

        def matrix(rows_are_outputs: Tensor) -> Tensor:
            return rows_are_outputs if transposed else rows_are_outputs.T

        def matrices(layers: list[nn.Conv2d], inputs: int, outputs: int) -> Array:
            shape = (0, outputs, inputs) if transposed else (0, inputs, outputs)
            return _array(_stacked(none.view(shape), [matrix(layer.weight.flatten(1)) for layer in layers]))

        self._seen = first, _array(staying), (height, width), INPUT_CLAMP, float(network.leak)
        self._weights = (
            _array(matrix(weight.flatten(1))),
            _array(matrix(bias.T)),
            matrices([block.spatial for block in blocks], 9, features),
            _array(_stacked(none.view(0, features), [_bias(block.spatial) for block in blocks])),
            matrices([block.widen for block in blocks], features, 2 * features),
            _array(_stacked(none.view(0, 2 * features), [_bias(block.widen) for block in blocks])),
            matrices([block.narrow for block in blocks], 2 * features, features),
            _array(_stacked(none.view(0, features), [_bias(block.narrow) for block in blocks])),
            _array(matrix(network.leave.weight.flatten(1))),
            _array(_bias(network.leave)),
        )
        self._shape = network.leave.out_channels, pixels

    def __call__(self, values: Array) -> Array:
        """Float64 (N, C * H * W) -> the network's output, float32 (N, outputs, H * W)."""
        params = np.empty((len(values), *self._shape), np.float32)
        self._kernel(values, *self._seen, *self._weights, params)
        return params


def _stacked(none: Tensor, tensors: list[Tensor]) -> Tensor:
    return torch.stack(tensors) if tensors else none


def _array(tensor: Tensor) -> Array:
    array: Array = tensor.detach().contiguous().numpy()
    return array


class CompiledChannelMap:
    """A `ChannelMap` of float64 values."""

    def __init__(self, layer: ChannelMap) -> None:
        self._forward = _matrix(layer.weight), layer.bias.flatten().numpy()
        self._inverse = _matrix(layer.inverse_weight), layer.inverse_bias.flatten().numpy()
        self._log_det = float(layer.log_det)

    def run(self, values: Array, *, inverse: bool) -> tuple[Array, float]:
        """Values (N, C * H * W) -> their images, and the log-determinant of the direction, the same for all."""
        weight, bias = self._inverse if inverse else self._forward
        out = np.empty_like(values)
        map_channels(values, weight, bias, out)
        log_det = self._log_det * (values.shape[1] // len(bias))
        return out, -log_det if inverse else log_det


def _matrix(weight: Tensor) -> Array:
    """(C, C) of a weight (C, C, 1, 1), or of a diagonal (1, C, 1, 1)."""
    matrix: Array = (weight.flatten(1) if weight.shape[0] > 1 else torch.diag(weight.flatten())).contiguous().numpy()
    return matrix


def _bias(layer: nn.Conv2d) -> Tensor:
    assert layer.bias is not None
    return layer.bias.detach()


def _needs_gradients(tensor: Tensor) -> bool:
    return tensor.requires_grad and torch.is_grad_enabled()


def _each(images: slice, work: Callable[[slice], object]) -> None:
    """Call `work` for slices of a few of the images, so that the parameters of their values stay in a cache."""
    for start in range(images.start, images.stop, _FEW_IMAGES):
        work(slice(start, min(start + _FEW_IMAGES, images.stop)))
