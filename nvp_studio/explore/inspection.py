"""Makes the `Inspection` of a picture."""

from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import Conv2d

from nvp_studio.explore.followed import FollowedPicture
from nvp_studio.explore.inspected import (
    BINS,
    CHANGES,
    LEFT,
    LEVELS_SCALE_RANGE,
    SCALE_RANGE,
    SHIFT_RANGE,
    STAYS,
    VALUE_RANGE,
    Aspect,
    InspectedStage,
    Inspection,
)
from nvp_studio.explore.ledger import of_columns, shape_of
from nvp_studio.explore.model import OpenedModel
from nvp_studio.flow.coupling import Coupling
from nvp_studio.flow.engine.walk import Stage
from nvp_studio.flow.masks import ChannelMask, CornerMask, PixelMask
from nvp_studio.flow.mixing import InvertibleConv1x1
from nvp_studio.flow.mixture import MixtureTransform
from nvp_studio.flow.transforms import SplineTransform
from nvp_studio.image_batch import ImageBatch

_MOST_BYTES = 24 * 2**20
"""Of all pictures of an inspection; larger ones are thinned out."""
_HISTOGRAM_RANGE = 5.0
Bytes = npt.NDArray[np.uint8]


def inspect_picture(model: OpenedModel, pixels: Bytes) -> Inspection:
    """Lead an 8-bit image (H, W, C) through the flow, dequantized by the noise of its score with seed 0.

    Raises `ValueError` where the model gives the image no finite number.
    """
    return inspection_of(FollowedPicture(model, pixels))


def inspection_of(followed: FollowedPicture) -> Inspection:
    """What is known of a picture and all of its stages; raises `ValueError` as `inspect_picture` does."""
    model, pixels, stages = followed.model, followed.pixels, followed.stages
    images = np.ascontiguousarray(pixels[np.newaxis])
    nats = np.array([[float(stage.nats[0]) for stage in stages]])
    ledger = of_columns(model, images, [(stage.name, shape_of(stage)) for stage in stages], nats, 1, 0)
    couplings = [stage.parameters for stage in stages if stage.parameters is not None]
    step = _step(len(stages) + 3 * len(couplings), pixels.shape)
    described: list[InspectedStage] = [_pixels(pixels)]
    for stage in stages:
        index = sum(one.coupling >= 0 for one in described) if stage.parameters is not None else -1
        described.append(_described(stage, index, _range(followed, stage)))
    thinned = pixels[::step, ::step]
    values = _bytes([stage.values for stage in stages], [_range(followed, stage) for stage in stages], step)
    scales, shifts = [one.log_derivative for one in couplings], [one.shift for one in couplings]
    scale_ranges = [one.scale_range for one in described if one.coupling >= 0]
    masks = [_mask(one.stays, step) for one in couplings]

    def batch(parts: list[Tensor], largest: list[float]) -> ImageBatch:
        ranges = [(-one, one) for one in largest]
        return ImageBatch.of(_bytes(parts, ranges, step) if parts else np.empty((0, *thinned.shape), np.uint8))

    return Inspection(
        ledger=ledger,
        stages=tuple(described),
        values=ImageBatch.of(np.concatenate((thinned[np.newaxis], values))),
        log_derivatives=batch(scales, scale_ranges),
        shifts=batch(shifts, [SHIFT_RANGE] * len(shifts)),
        masks=ImageBatch.of(np.stack(masks) if masks else np.empty((0, *thinned.shape), np.uint8)),
        step=step,
        reference_mean=float(model.reference.mean()) if len(model.reference) else None,
    )


def channel_images(followed: FollowedPicture, position: int, aspect: Aspect) -> ImageBatch:
    """Every channel of the tensor after the stage at `position` of an inspection as a grey image, (C', H', W', 1).

    Black and white are those of the inspection's pictures.
    """
    if not 0 <= position <= len(followed.stages):
        raise ValueError(f"there is no layer {position}; the last is {len(followed.stages)}")
    if position == 0:
        return ImageBatch.of(np.ascontiguousarray(followed.pixels.transpose(2, 0, 1)[..., np.newaxis]))
    channels = followed.channels(position - 1, aspect)
    if aspect == "mask":
        grey = _mask(channels[np.newaxis], 1).transpose(2, 0, 1)
    else:
        stage = followed.stages[position - 1]
        levels = _law(stage) == "levels"
        largest = LEVELS_SCALE_RANGE if levels else SCALE_RANGE
        ranges = {"log-derivatives": (-largest, largest), "shifts": (-SHIFT_RANGE, SHIFT_RANGE)}
        if levels:
            ranges["inputs"] = 0.0, 1.0
        low, high = ranges.get(aspect) or _range(followed, stage)
        middle = torch.where(channels.isnan(), (low + high) / 2, channels)
        grey = _bytes([middle[np.newaxis]], [(low, high)], 1)[0].transpose(2, 0, 1)
    return ImageBatch.of(np.ascontiguousarray(grey[..., np.newaxis]))


def _step(pictures: int, shape: tuple[int, ...]) -> int:
    """Every which row and column is kept, so that all pictures together are not too large for a message."""
    height, width, channels = shape
    step = 1
    while pictures * -(-height // step) * -(-width // step) * channels > _MOST_BYTES:
        step += 1
    return step


def _range(followed: FollowedPicture, stage: Stage) -> tuple[float, float]:
    """From black to white. In a pyramid, which has no logit, scales begin with pixels."""
    pixels = ("dequantization", "equalization")
    if stage.kind in pixels or (stage.kind == "squeeze" and followed.model.flow.config.law == "levels"):
        return 0.0, 1.0
    return -VALUE_RANGE, VALUE_RANGE


def _law(stage: Stage) -> Literal["", "affine", "spline", "levels"]:
    if not isinstance(stage.layer, Coupling):
        return ""
    law = stage.layer.law
    return "levels" if isinstance(law, MixtureTransform) else "spline" if isinstance(law, SplineTransform) else "affine"


def _described(stage: Stage, coupling: int, shown: tuple[float, float]) -> InspectedStage:
    values = stage.tensor.to("cpu", torch.float32).numpy()
    low, high = shown
    ends = (low, high) if high == 1 else (-_HISTOGRAM_RANGE, _HISTOGRAM_RANGE)
    counts = _counts(values, *ends)
    parameters = 0 if stage.layer is None else sum(one.numel() for one in stage.layer.parameters())
    mask: Literal["", "checkerboard", "channels", "pixels"] = ""
    if isinstance(stage.layer, Coupling):
        by_pixels = isinstance(stage.layer.mask, CornerMask | PixelMask)
        by_channels = isinstance(stage.layer.mask, ChannelMask)
        mask = "pixels" if by_pixels else "channels" if by_channels else "checkerboard"
    return InspectedStage(
        layer=stage.name,
        shape=shape_of(stage),
        low=low,
        high=high,
        mean=float(values.mean()),
        deviation=float(values.std()),
        least=float(values.min()),
        most=float(values.max()),
        histogram=tuple((counts * BINS / (ends[1] - ends[0]) / max(1, values.size)).tolist()),
        bins_low=ends[0],
        bins_high=ends[1],
        coupling=coupling,
        parameters=parameters,
        flops=_flops(stage),
        scale=stage.scale,
        mask=mask,
        law=_law(stage),
    )


def _counts(values: npt.NDArray[np.float32] | Bytes, low: float, high: float) -> npt.NDArray[np.int64]:
    """How many values are in each of `BINS` equal bins; those of `high` are in the last, those beyond in none."""
    places = ((values.ravel() - np.float32(low)) * np.float32(BINS / (high - low))).astype(np.float32)
    inside = places[(places >= 0) & (places <= BINS)]
    return np.bincount(np.minimum(inside, BINS - 1).astype(np.int64), minlength=BINS)


def _flops(stage: Stage) -> int:
    """Of the convolutions of a layer, whose outputs all have the size of what its network sees, for one image."""
    layer = stage.layer
    if isinstance(layer, Coupling):
        _, height, width = layer.mask.network_shape
        weights = sum(one.weight.numel() for one in layer.network.modules() if isinstance(one, Conv2d))
        return 2 * weights * height * width
    if isinstance(layer, InvertibleConv1x1):
        channels, height, width = shape_of(stage)
        return 2 * channels**2 * height * width
    return 0


def _pixels(pixels: Bytes) -> InspectedStage:
    height, width, channels = pixels.shape
    counts = _counts(pixels, 0, 256)
    return InspectedStage(
        layer="pixels",
        shape=(channels, height, width),
        low=0.0,
        high=255.0,
        mean=float(pixels.mean()),
        deviation=float(pixels.std()),
        least=float(pixels.min()),
        most=float(pixels.max()),
        histogram=tuple((counts * BINS / 256 / pixels.size).tolist()),
        bins_low=0.0,
        bins_high=256.0,
        coupling=-1,
        parameters=0,
        flops=0,
        scale=0,
        mask="",
        law="",
    )


def _bytes(tensors: list[Tensor], ranges: list[tuple[float, float]], step: int) -> Bytes:
    """The one image in each of `tensors` (1, C, H, W) as (N, H, W, C), the low end of its range black."""
    parts = [tensor[:, :, ::step, ::step].to("cpu", torch.float32) for tensor in tensors]
    array = torch.cat(parts).permute(0, 2, 3, 1).contiguous().numpy()
    low, high = np.array(ranges, np.float32).T.reshape(2, -1, 1, 1, 1)
    scaled = (array - low) * (255 / (high - low))
    result: Bytes = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return result


def _mask(stays: Tensor, step: int) -> Bytes:
    array = stays[0, :, ::step, ::step].to("cpu", torch.float32).permute(1, 2, 0).numpy()
    result: Bytes = np.where(np.isnan(array), LEFT, np.where(array > 0, STAYS, CHANGES)).astype(np.uint8)
    return result
