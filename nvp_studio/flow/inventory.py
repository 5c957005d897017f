"""What a flow's state holds and how large its tensors get, by arithmetic on its configuration.

A checkpoint from elsewhere is held to this before anything is built or allocated: building a flow, even one without
numbers, takes seconds. The layers are those of `plan`; names and shapes within a layer mirror its constructor, and the
tests compare them with flows that were built.
"""

import functools
from collections.abc import Iterator
from typing import Literal, NamedTuple

import torch

from nvp_studio.flow.config import FlowConfig
from nvp_studio.flow.dequantization import LEVELS
from nvp_studio.flow.mixture import mixture_params
from nvp_studio.flow.pixel_network import pixel_inputs
from nvp_studio.flow.plan import CouplingPlan, LayerPlan, MixingPlan, NormalizationPlan, layers_by_scale
from nvp_studio.flow.transforms import ElementwiseTransform, elementwise_transform

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
    if config.equalize and config.law != "levels":
        yield Entry("preprocessing.equalization.edges", (config.image_shape[0], LEVELS + 1), trained=False)
    for scale, layers in enumerate(layers_by_scale(config)):
        for index, plan in enumerate(layers):
            yield from _under(f"body.scales.{scale}.layers.{index}", _layer(config, plan))


def largest_activation_bytes(config: FlowConfig) -> int:
    """Bytes of the largest tensor that is computed for one image on its way through the flow, in float32.

    The pass as a whole takes a few times that.
    """
    sizes = (
        _widest(config, plan) * plan.mask.network_shape[1] * plan.mask.network_shape[2]
        for layers in layers_by_scale(config)
        for plan in layers
        if isinstance(plan, CouplingPlan)
    )
    return max(config.dimensions, *sizes, 0) * _FLOAT_BYTES


def _widest(config: FlowConfig, plan: CouplingPlan) -> int:
    """Channels of the widest tensor within a coupling's network."""
    inner = plan.width if config.network == "residual" or not config.blocks else 2 * plan.width
    # Of the components of a mixture, several numbers each are computed at a time.
    outputs = _outputs(config, plan) * (2 if plan.transform == "levels" else 1)
    inputs = pixel_inputs(plan.mask) if plan.transform == "levels" else 2 * plan.mask.network_shape[0]
    return max(inputs, inner, outputs)


def _outputs(config: FlowConfig, plan: CouplingPlan) -> int:
    if plan.transform == "levels":
        pixels = plan.mask.changes // config.image_shape[0]
        return mixture_params(config.pieces, config.image_shape[0]) * pixels
    return _single_transform(plan.transform, config.pieces).outputs(plan.mask.changes)


@functools.cache
def _single_transform(kind: Literal["affine", "spline"], bins: int) -> ElementwiseTransform:
    """A coupling's transform for a single channel: small enough to be built."""
    return elementwise_transform(kind, 1, bins)


def _layer(config: FlowConfig, plan: LayerPlan) -> Iterator[Entry]:
    match plan:
        case CouplingPlan(mask):
            if plan.transform == "levels":
                yield Entry("law.edges", (config.image_shape[0], LEVELS + 1), trained=False)
            else:
                for name, parameter in _single_transform(plan.transform, config.pieces).named_parameters():
                    yield Entry(f"law.{name}", (mask.changes, *parameter.shape[1:]))
            yield from _under("network", _network(config, plan))
        case NormalizationPlan(channels) if config.normalization == "actnorm":
            yield Entry("bias", (channels,))
            yield Entry("log_scale", (channels,))
        case NormalizationPlan(channels):
            yield Entry("mean", (channels,), trained=False)
            yield Entry("variance", (channels,), trained=False)
        case MixingPlan(channels):
            yield Entry("permutation", (channels, channels), trained=False)
            yield Entry("sign", (channels,), trained=False)
            yield Entry("lower", (channels, channels))
            yield Entry("upper", (channels, channels))
            yield Entry("log_diagonal", (channels,))


def _network(config: FlowConfig, plan: CouplingPlan) -> Iterator[Entry]:
    inputs, width, outputs = plan.mask.network_shape[0], plan.width, _outputs(config, plan)
    if config.network == "residual":
        yield from _residual_network(config, inputs, width, outputs)
        return
    if plan.transform == "levels":
        inputs = pixel_inputs(plan.mask)
        yield Entry("place", (1, width, *plan.mask.network_shape[1:]))
    yield from _convolution("enter", inputs, width, 3)
    for index in range(config.blocks):
        block = _gated_block(width) if config.network == "gated" else _depthwise_block(width)
        yield from _under(f"blocks.{index}", block)
    yield from _convolution("leave", width, outputs, 1)


def _gated_block(width: int) -> Iterator[Entry]:
    yield from _convolution("first", width, width, 3)
    yield from _convolution("second", width, 2 * width, 1)


def _depthwise_block(width: int) -> Iterator[Entry]:
    yield from _convolution("spatial", 1, width, 3)
    yield from _convolution("widen", width, 2 * width, 1)
    yield from _convolution("narrow", 2 * width, width, 1)


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


def _batch_norm(name: str, channels: int) -> Iterator[Entry]:
    yield Entry(f"{name}.weight", (channels,))
    yield Entry(f"{name}.bias", (channels,))
    yield Entry(f"{name}.running_mean", (channels,), trained=False)
    yield Entry(f"{name}.running_var", (channels,), trained=False)
    yield Entry(f"{name}.num_batches_tracked", (), trained=False, dtype=torch.int64)


def _under(prefix: str, entries: Iterator[Entry]) -> Iterator[Entry]:
    return (entry._replace(name=f"{prefix}.{entry.name}") for entry in entries)
