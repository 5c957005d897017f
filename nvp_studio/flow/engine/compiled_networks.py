"""Networks of depthwise blocks, computed by `kernels` on the CPU."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from nvp_studio.flow.dequantization import LEVELS
from nvp_studio.flow.engine.kernels.compiling import Array
from nvp_studio.flow.engine.kernels.large_networks import large_network_params
from nvp_studio.flow.engine.kernels.mixtures import features_of_levels
from nvp_studio.flow.engine.kernels.networks import network_params
from nvp_studio.flow.masks import ChannelMask, CheckerboardMask, CornerMask, Mask, PixelMask
from nvp_studio.flow.networks import INPUT_CLAMP, DepthwiseBlock, PlainNetwork
from nvp_studio.flow.pixel_network import FEATURES, PixelNetwork, pixel_features

Kernel = Callable[..., None]

COMPILABLE = (ChannelMask, CheckerboardMask, CornerMask, PixelMask)
"""Masks that show a network values which lie one after another."""
_LARGE_PIXELS = 64
"""Pixels of a feature map that fill the vector instructions of a product whose columns they are."""


def network_kernels(network: nn.Module, mask: Mask) -> set[Kernel]:
    """The kernels that the compiled form of `network` calls; none where it has no such form."""
    if _depthwise_blocks(network) is None:
        return set()
    found = {_network_kernel(mask)}
    return found | {features_of_levels} if isinstance(network, PixelNetwork) else found


def _network_kernel(mask: Mask) -> Kernel:
    _, height, width = mask.network_shape
    return large_network_params if height * width >= _LARGE_PIXELS else network_params


def _depthwise_blocks(network: nn.Module) -> list[DepthwiseBlock] | None:
    """The blocks of a network that has a compiled form; None for one of another kind."""
    if not isinstance(network, PlainNetwork):
        return None
    blocks = [block for block in network.blocks if isinstance(block, DepthwiseBlock)]
    return blocks if len(blocks) == len(network.blocks) else None


class CompiledNetwork:
    """A `PlainNetwork` of `DepthwiseBlock`s, for all values of an image, of which it sees those that `mask` shows."""

    @classmethod
    def of(cls, network: nn.Module, mask: Mask) -> "CompiledNetwork | None":
        """The compiled form of `network`, with a mask of those in `COMPILABLE`; None for one of another kind."""
        blocks = _depthwise_blocks(network)
        if blocks is None:
            return None
        assert isinstance(network, PlainNetwork)
        return cls(network, blocks, mask)

    def __init__(self, network: PlainNetwork, blocks: list[DepthwiseBlock], mask: Mask) -> None:
        _, height, width = mask.network_shape
        pixels, features = height * width, network.enter.out_channels
        weight, bias = network.enter.weight, bias_of(network.enter).expand(pixels, -1)
        if isinstance(network, PixelNetwork):
            bias = bias + network.place.flatten(2)[0].T
        if isinstance(mask, CheckerboardMask | PixelMask):
            # The channel that holds the mask is the same for all images: what it adds is a part of the bias.
            shown = (mask.mask if isinstance(mask, CheckerboardMask) else mask.sees).to(weight)
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
            _array(_stacked(none.view(0, features), [bias_of(block.spatial) for block in blocks])),
            matrices([block.widen for block in blocks], features, 2 * features),
            _array(_stacked(none.view(0, 2 * features), [bias_of(block.widen) for block in blocks])),
            matrices([block.narrow for block in blocks], 2 * features, features),
            _array(_stacked(none.view(0, features), [bias_of(block.narrow) for block in blocks])),
            _array(matrix(network.leave.weight.flatten(1))),
            _array(bias_of(network.leave)),
        )
        self._shape = network.leave.out_channels, pixels
        self._table = _feature_table(weight.dtype) if isinstance(network, PixelNetwork) else None
        self._constant: Array | None = None
        if isinstance(mask, PixelMask) and not mask.sees.any():
            self._constant = self(np.zeros((1, mask.changes * pixels)))

    def __call__(self, values: Array) -> Array:
        """Float64 (N, C * H * W) -> the network's output in the type of its weights, (N, outputs, H * W)."""
        if self._constant is not None:
            return self._constant.repeat(len(values), 0)
        if self._table is not None:
            seen = self._seen[1].size
            features = np.empty((len(values), seen))
            features_of_levels(values, self._table, features)
            values = features
        params = np.empty((len(values), *self._shape), self._weights[0].dtype)
        self._kernel(values, *self._seen, *self._weights, params)
        return params


def _feature_table(dtype: torch.dtype) -> Array:
    """What a `PixelNetwork` sees of each grey level: float64 (9, 256), of numbers in `dtype` as it computes them."""
    centers = (torch.arange(LEVELS, dtype=dtype) + 0.5) / LEVELS
    return _array(pixel_features(centers.view(1, 1, 1, LEVELS)).view(FEATURES, LEVELS).double())


def _stacked(none: Tensor, tensors: list[Tensor]) -> Tensor:
    return torch.stack(tensors) if tensors else none


def _array(tensor: Tensor) -> Array:
    array: Array = tensor.detach().contiguous().numpy()
    return array


def bias_of(layer: nn.Conv2d) -> Tensor:
    """The bias of a convolution that has one, (outputs,)."""
    assert layer.bias is not None
    return layer.bias.detach()
