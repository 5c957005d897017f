"""A folded flow whose couplings are computed by `kernels`, on the CPU.

Where the networks are compiled too, those of depthwise blocks, an image is mapped to the same bits in a batch of any
size and by any number of threads: each value is computed by the same sums in the same order. Other networks are left to
torch.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from nvp_studio.flow.bijection import Bijection, Chain
from nvp_studio.flow.coupling import Coupling
from nvp_studio.flow.engine.compiled_networks import COMPILABLE, CompiledNetwork, Kernel, network_kernels
from nvp_studio.flow.engine.folding import ChannelMap
from nvp_studio.flow.engine.kernels.compiling import Array
from nvp_studio.flow.engine.kernels.mixtures import transform_by_mixtures
from nvp_studio.flow.engine.kernels.networks import map_channels
from nvp_studio.flow.engine.kernels.threads import in_threads
from nvp_studio.flow.engine.kernels.transforms import transform_affinely, transform_by_splines
from nvp_studio.flow.masks import ChannelMask, CheckerboardMask, CornerMask, Mask, PixelMask
from nvp_studio.flow.mixture import AXIS, MixtureTransform
from nvp_studio.flow.multiscale import MultiScale
from nvp_studio.flow.transforms import AffineTransform, ElementwiseTransform, SplineTransform

_FEW_IMAGES = 4
"""Images whose parameters are computed before their values are."""
_FAR = 1e30
"""Where the axis of a mixture's components ends, beyond all of them."""


def compiled(body: MultiScale) -> MultiScale:
    """`body`, which `folding.folded` has made of weights in float32, by kernels; it shares its weights.

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
        elif isinstance(layer, Coupling) and isinstance(layer.mask, COMPILABLE):
            found.add(_transform_kernel(layer.law))
            found |= network_kernels(layer.network, layer.mask)
    return found


def _compiled_layers(chain: Chain) -> Iterator[Bijection]:
    for compilable, layers in groupby(chain, _is_compilable):
        if compilable:
            yield CompiledChain(layers)
        else:
            yield from layers


def _is_compilable(layer: Bijection) -> bool:
    if isinstance(layer, Coupling):
        return isinstance(layer.mask, COMPILABLE)
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
    """A coupling of float64 values, with a network in float32, or of a mixture in float64."""

    def __init__(self, coupling: Coupling) -> None:
        mask, transform = coupling.mask, coupling.law
        self._plain = coupling
        self._side = mask.network_shape[1:]
        self._network = CompiledNetwork.of(coupling.network, mask)
        self._transform = (
            _OfPixels(transform, mask) if isinstance(transform, MixtureTransform) else _OfValues(transform, mask)
        )

    def run(self, values: Array, *, inverse: bool) -> tuple[Array, Array]:
        """Values (N, C * H * W) -> their images, and the log-determinants (N,) of the direction."""
        out, log_dets = np.empty_like(values), np.empty(len(values))

        def transform(values: Array, params: Array, out: Array, log_dets: Array) -> None:
            self._transform(values, params, out, log_dets, inverse=inverse)

        network = self._network
        if network is None:
            coupling = self._plain
            stays = coupling.mask.split(torch.from_numpy(values).view(len(values), -1, *self._side))[0]
            outputs = coupling.params(stays).contiguous().numpy()
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


class _OfValues:
    """The kernel of a transform that maps values one by one."""

    def __init__(self, transform: ElementwiseTransform, mask: Mask) -> None:
        assert isinstance(transform, SplineTransform | AffineTransform)
        assert isinstance(mask, ChannelMask | CheckerboardMask)
        _, height, width = mask.network_shape
        pixels = height * width
        if isinstance(mask, ChannelMask):
            self._first = 0 if mask.flip else mask.sizes[0] * pixels
            self._changing = np.ones(mask.changes * pixels, np.bool_)
        else:
            self._first = 0
            self._changing = (mask.mask == 0).expand(1, mask.changes, -1, -1).reshape(-1).numpy()
        self._kernel = _transform_kernel(transform)
        self._rows = transform.params_per_value
        self._scale: Array = transform.scale.detach().repeat_interleave(pixels).numpy()

    def __call__(self, values: Array, params: Array, out: Array, log_dets: Array, *, inverse: bool) -> None:
        """Values (N, C * H * W) and a network's output (N, outputs, ...) -> `out` and log-determinants (N,)."""
        params = params.reshape(len(values), self._rows, len(self._changing))
        self._kernel(inverse, values, self._first, params, self._scale, self._changing, out, log_dets)


class _OfPixels:
    """The kernel of a mixture over grey levels."""

    def __init__(self, transform: MixtureTransform, mask: Mask) -> None:
        assert isinstance(mask, CornerMask | PixelMask)
        _, height, width = mask.network_shape
        self._pixels = height * width
        self._first = mask.seen * self._pixels if isinstance(mask, CornerMask) else 0
        changing = np.ones(self._pixels, np.bool_) if isinstance(mask, CornerMask) else mask.changing.flatten().numpy()
        self._places: Array = np.flatnonzero(changing)
        self._rows = transform.outputs(mask.changes)
        self._components = transform.components
        self._edges: Array = 2 * AXIS * transform.edges.double().numpy() - AXIS
        self._edges[:, 0], self._edges[:, -1] = -_FAR, _FAR

    def __call__(self, values: Array, params: Array, out: Array, log_dets: Array, *, inverse: bool) -> None:
        """As that of `_OfValues`."""
        params = params.reshape(len(values), self._rows, self._pixels)
        if len(self._places) < self._pixels:
            params = np.take(params, self._places, 2)
        at = self._first, self._pixels, self._places
        transform_by_mixtures(inverse, values, *at, params, self._components, self._edges, out, log_dets)


def _transform_kernel(transform: ElementwiseTransform) -> Kernel:
    if isinstance(transform, MixtureTransform):
        return transform_by_mixtures
    assert isinstance(transform, SplineTransform | AffineTransform)
    return transform_by_splines if isinstance(transform, SplineTransform) else transform_affinely


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


def _needs_gradients(tensor: Tensor) -> bool:
    return tensor.requires_grad and torch.is_grad_enabled()


def _each(images: slice, work: Callable[[slice], object]) -> None:
    """Call `work` for slices of a few of the images, so that the parameters of their values stay in a cache."""
    for start in range(images.start, images.stop, _FEW_IMAGES):
        work(slice(start, min(start + _FEW_IMAGES, images.stop)))
