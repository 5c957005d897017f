"""The layers of a flow in their order, as descriptions: `multiscale` builds them, `inventory` lists their tensors."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from nvp_studio.flow.config import FlowConfig
from nvp_studio.flow.masks import ChannelMask, Mask, Shape, checkerboard_mask
from nvp_studio.flow.pyramid import last_masks, scale_masks
from nvp_studio.flow.squeeze import DIAGONAL_ORDER, READING_ORDER, Corner


class CouplingPlan(NamedTuple):
    """A coupling layer and its network."""

    mask: Mask
    transform: Literal["affine", "spline", "levels"]
    width: int
    """Feature maps of the network."""


class NormalizationPlan(NamedTuple):
    """The configuration's normalization layer."""

    channels: int


class MixingPlan(NamedTuple):
    """An invertible 1x1 convolution."""

    channels: int


class SqueezePlan(NamedTuple):
    """A 2x2 squeeze, or its inverse."""

    order: tuple[Corner, ...]
    inverse: bool = False


LayerPlan = CouplingPlan | NormalizationPlan | MixingPlan | SqueezePlan


def layers_by_scale(config: FlowConfig) -> Iterator[Iterator[LayerPlan]]:
    """The layers of each scale, finest first (section 3.6).

    Every scale but the last ends in a 2x2 squeeze with the diagonal order, after which the first half of the channels
    goes on to the next scale and the second half becomes that scale's slice of z. In a flow of mixtures a quarter goes
    on (`pyramid`).
    """
    channels, height, width = config.image_shape
    if config.law == "levels":
        for scale in range(config.scales - 1):
            yield _pyramid_scale(config, (channels, height >> scale, width >> scale), scale)
        last = config.scales - 1
        yield _mixtures(config, last_masks((channels, height >> last, width >> last)), last)
        return
    for scale in range(config.scales - 1):
        yield _scale(config, (channels, height, width), scale)
        channels, height, width = 2 * channels, height // 2, width // 2
    yield _last_scale(config, (channels, height, width))


def _scale(config: FlowConfig, shape: Shape, scale: int) -> Iterator[LayerPlan]:
    channels, height, width = shape
    squeezed = 4 * channels, height // 2, width // 2
    yield from _checkerboard_couplings(config, shape, scale, config.checkerboard_couplings)
    yield SqueezePlan(READING_ORDER)
    yield from _channel_couplings(config, squeezed, scale + 1, config.channel_couplings)
    yield SqueezePlan(READING_ORDER, inverse=True)
    yield SqueezePlan(DIAGONAL_ORDER)
    if config.conditional_prior:
        yield CouplingPlan(ChannelMask(squeezed, flip=False), "affine", _network_width(config, scale + 1))


def _pyramid_scale(config: FlowConfig, shape: Shape, scale: int) -> Iterator[LayerPlan]:
    yield SqueezePlan(DIAGONAL_ORDER)
    yield from _mixtures(config, scale_masks(shape), scale + 1)


def _mixtures(config: FlowConfig, masks: Iterator[Mask], halvings: int) -> Iterator[LayerPlan]:
    return (CouplingPlan(mask, "levels", _network_width(config, halvings)) for mask in masks)


def _last_scale(config: FlowConfig, shape: Shape) -> Iterator[LayerPlan]:
    scale = config.scales - 1
    if config.final_mask == "channel":
        yield from _channel_couplings(config, shape, scale, config.final_couplings)
    else:
        yield from _checkerboard_couplings(config, shape, scale, config.final_couplings, mixing=config.final_mixing)


def _checkerboard_couplings(
    config: FlowConfig, shape: Shape, halvings: int, count: int, *, mixing: bool = False
) -> Iterator[LayerPlan]:
    for index in range(count):
        mask = checkerboard_mask(shape, flip=index % 2 == 1, packed=config.checkerboard == "packed")
        yield from _mixed_and_normalized(config, mask, shape[0], halvings, mixing=mixing)


def _channel_couplings(config: FlowConfig, shape: Shape, halvings: int, count: int) -> Iterator[LayerPlan]:
    for index in range(count):
        yield from _mixed_and_normalized(config, ChannelMask(shape, flip=index % 2 == 1), shape[0], halvings)


def _mixed_and_normalized(
    config: FlowConfig, mask: Mask, channels: int, halvings: int, *, mixing: bool = True
) -> Iterator[LayerPlan]:
    """A coupling, with the mixing of channels before it and the normalization after it that the configuration has."""
    if mixing and config.mixing == "conv1x1":
        yield MixingPlan(channels)
    yield CouplingPlan(mask, config.law, _network_width(config, halvings))
    if config.normalization != "none":
        yield NormalizationPlan(channels)


def _network_width(config: FlowConfig, halvings: int) -> int:
    """Feature maps of a network after the resolution was halved `halvings` times."""
    return config.width * 2**halvings if config.doubling else config.width
