"""What a flow's state holds and how large its tensors get, by arithmetic on its configuration.

A checkpoint from elsewhere is held to this before anything is built or allocated: building a flow, even one without
numbers, takes seconds. Names and shapes mirror the constructors in this package, and the tests compare them with
flows that were built.
"""

import functools
from collections.abc import Iterator
from typing import Literal, NamedTuple

import torch

from nvp_studio.flow.config import FlowConfig
from nvp_studio.flow.dequantization import LEVELS
from nvp_studio.flow.laws import CouplingLaw, coupling_law

_FLOAT_BYTES = 4


class Entry(NamedTuple):
    """A tensor of a flow's state."""

    name: str
    shape: tuple[int, ...]
    trained: bool = True
    """Whether it is a parameter; else it is a buffer."""
    dtype: torch.dtype = torch.float32


def state_entries(config: FlowConfig) -> Iterator[Entry]:
    """The entries of `Flow(config).state_dict()`, one after another, so that a long list can be given up early."""
    if config.equalize:
        yield Entry("preprocessing.equalization.edges", (config.image_shape[0], LEVELS + 1), trained=False)
    for scale, layers in enumerate(_scales(config)):
        for place, layer in enumerate(layers):
            yield from _under(f"body.scales.{scale}.layers.{place}", _entries(config, layer))


def largest_activation_bytes(config: FlowConfig) -> int:
    """Bytes of the largest tensor that one image brings about on its way through the flow, in float32.

    The pass as a whole takes a few times that.
    """
    couplings = (layer for layers in _scales(config) for layer in layers if isinstance(layer, _Coupling))
    widest = max((_channels(config, coupling) * coupling.height * coupling.width for coupling in couplings), default=0)
    return max(widest, config.dimensions) * _FLOAT_BYTES


class _Coupling(NamedTuple):
    """A coupling layer: channels that its network sees and that it changes, and where the network works."""

    inputs: int
    changes: int
    height: int
    width: int
    halvings: int
    affine: bool = False


class _Normalization(NamedTuple):
    channels: int


class _Mixing(NamedTuple):
    channels: int


_Layer = _Coupling | _Normalization | _Mixing | None
"""None is a layer without a state."""


def _scales(config: FlowConfig) -> Iterator[Iterator[_Layer]]:
    """The layers of each scale, in the order of `multiscale`."""
    channels, height, width = config.image_shape
    for scale in range(config.scales - 1):
        yield _whole_scale(config, (channels, height, width), scale)
        channels, height, width = 2 * channels, height // 2, width // 2
    shape = channels, height, width
    if config.final_mask == "channel":
        yield _channel_wise(config, shape, config.scales - 1, config.final_couplings)
    else:
        mixed = config.final_mixing and config.mixing != "none"
        yield _checkerboards(config, shape, config.scales - 1, config.final_couplings, mixed=mixed)


def _whole_scale(config: FlowConfig, shape: tuple[int, int, int], scale: int) -> Iterator[_Layer]:
    channels, height, width = shape
    squeezed = 4 * channels, height // 2, width // 2
    yield from _checkerboards(config, shape, scale, config.checkerboard_couplings)
    yield None
    yield from _channel_wise(config, squeezed, scale + 1, config.channel_couplings)
    yield None
    yield None
    if config.conditional_prior:
        yield _channel_coupling(squeezed, scale + 1, flip=False, affine=True)


def _checkerboards(
    config: FlowConfig, shape: tuple[int, int, int], halvings: int, count: int, *, mixed: bool = False
) -> Iterator[_Layer]:
    channels, height, width = shape
    packed = config.checkerboard == "packed" and height % 2 == 0 and width % 2 == 0
    for _ in range(count):
        if mixed:
            yield _Mixing(channels)
        if packed:
            yield _Coupling(2 * channels, 2 * channels, height // 2, width // 2, halvings)
        else:
            yield _Coupling(channels + 1, channels, height, width, halvings)
        if config.normalization != "none":
            yield _Normalization(channels)


def _channel_wise(config: FlowConfig, shape: tuple[int, int, int], halvings: int, count: int) -> Iterator[_Layer]:
    for index in range(count):
        if config.mixing != "none":
            yield _Mixing(shape[0])
        yield _channel_coupling(shape, halvings, flip=index % 2 == 1)
        if config.normalization != "none":
            yield _Normalization(shape[0])


def _channel_coupling(shape: tuple[int, int, int], halvings: int, *, flip: bool, affine: bool = False) -> _Coupling:
    channels, height, width = shape
    first = channels // 2
    stays = channels - first if flip else first
    return _Coupling(stays, channels - stays, height, width, halvings, affine)


def _channels(config: FlowConfig, coupling: _Coupling) -> int:
    """Channels of the widest tensor within a coupling's network."""
    width = _width(config, coupling.halvings)
    inner = width if config.network == "residual" or not config.blocks else 2 * width
    return max(2 * coupling.inputs, inner, _numbers(config, coupling) * coupling.changes)


def _width(config: FlowConfig, halvings: int) -> int:
    return config.width * 2**halvings if config.doubling else config.width


def _numbers(config: FlowConfig, coupling: _Coupling) -> int:
    """How many numbers steer one value, as the law itself says."""
    return _law(config, coupling).numbers


def _law(config: FlowConfig, coupling: _Coupling) -> CouplingLaw:
    """The coupling's law, for a single channel: small enough to be built."""
    return _single_law("affine" if coupling.affine else config.law, config.pieces)


@functools.cache
def _single_law(kind: Literal["affine", "spline"], pieces: int) -> CouplingLaw:
    return coupling_law(kind, 1, pieces)


def _entries(config: FlowConfig, layer: _Layer) -> Iterator[Entry]:
    match layer:
        case _Coupling():
            law = _law(config, layer)
            trained = {name for name, _ in law.named_parameters()}
            for name, tensor in law.state_dict().items():  # a number, or several, for each channel
                yield Entry(f"law.{name}", (layer.changes, *tensor.shape[1:]), name in trained, tensor.dtype)
            yield from _under("network", _network(config, layer))
        case _Normalization(channels) if config.normalization == "actnorm":
            yield Entry("bias", (channels,))
            yield Entry("log_scale", (channels,))
        case _Normalization(channels):
            yield Entry("mean", (channels,), trained=False)
            yield Entry("variance", (channels,), trained=False)
        case _Mixing(channels):
            yield from _mixing(channels)


def _mixing(channels: int) -> Iterator[Entry]:
    matrix = channels, channels
    yield Entry("permutation", matrix, trained=False)
    yield Entry("sign", (channels,), trained=False)
    yield Entry("lower", matrix)
    yield Entry("upper", matrix)
    yield Entry("log_diagonal", (channels,))


def _network(config: FlowConfig, coupling: _Coupling) -> Iterator[Entry]:
    width = _width(config, coupling.halvings)
    outputs = _numbers(config, coupling) * coupling.changes
    if config.network == "residual":
        yield from _residual_network(config, coupling.inputs, width, outputs)
        return
    yield from _convolution("enter", coupling.inputs, width, 3)
    for index in range(config.blocks):
        yield from _under(f"blocks.{index}", _BLOCKS[config.network](width))
    yield from _convolution("leave", width, outputs, 1)


def _gated_block(width: int) -> Iterator[Entry]:
    yield from _convolution("first", width, width, 3)
    yield from _convolution("second", width, 2 * width, 1)


def _depthwise_block(width: int) -> Iterator[Entry]:
    yield from _convolution("spatial", 1, width, 3)
    yield from _convolution("widen", width, 2 * width, 1)
    yield from _convolution("narrow", 2 * width, width, 1)


_BLOCKS = {"gated": _gated_block, "depthwise": _depthwise_block}


def _residual_network(config: FlowConfig, inputs: int, width: int, outputs: int) -> Iterator[Entry]:
    batch_norm, weight_norm = config.network_norm == "batch", config.weight_norm
    if batch_norm:
        yield from _batch_norm("enter_norm", inputs)
    yield from _convolution("enter", 2 * inputs if batch_norm else inputs, width, 3, weight_norm=weight_norm)
    for index in range(config.blocks):
        for name, bias in (("first", not batch_norm), ("second", True)):
            if batch_norm:
                yield from _batch_norm(f"blocks.{index}.{name}_norm", width)
            yield from _convolution(f"blocks.{index}.{name}", width, width, 3, bias=bias, weight_norm=weight_norm)
    for index in range(config.blocks + 1):
        yield from _convolution(f"skips.{index}", width, width, 1, weight_norm=weight_norm)
    if batch_norm:
        yield from _batch_norm("leave_norm", width)
    yield from _convolution("leave", width, outputs, 1, weight_norm=weight_norm)


def _convolution(
    name: str, inputs: int, outputs: int, kernel: int, *, bias: bool = True, weight_norm: bool = False
) -> Iterator[Entry]:
    """A convolution of `outputs` filters that see `inputs` channels each."""
    yield Entry(f"{name}.weight", (outputs, inputs, kernel, kernel))
    if bias:
        yield Entry(f"{name}.bias", (outputs,))
    if weight_norm:
        yield Entry(f"{name}.length", (outputs,))


def _weight_and_bias(name: str, weight: tuple[int, ...]) -> Iterator[Entry]:
    yield Entry(f"{name}.weight", weight)
    yield Entry(f"{name}.bias", weight[:1])


def _batch_norm(name: str, channels: int) -> Iterator[Entry]:
    yield from _weight_and_bias(name, (channels,))
    yield Entry(f"{name}.running_mean", (channels,), trained=False)
    yield Entry(f"{name}.running_var", (channels,), trained=False)
    yield Entry(f"{name}.num_batches_tracked", (), trained=False, dtype=torch.int64)


def _under(prefix: str, entries: Iterator[Entry]) -> Iterator[Entry]:
    return (entry._replace(name=f"{prefix}.{entry.name}") for entry in entries)
