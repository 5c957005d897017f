"""The ledger: what every layer of a flow adds to the score of an image."""

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nvp_studio.explore.ledger_rows import Ledger, LedgerRow
from nvp_studio.explore.model import OpenedModel
from nvp_studio.flow.dequantization import unit_from_images
from nvp_studio.flow.engine.inference import Inference
from nvp_studio.flow.engine.walk import Stage, Walk
from nvp_studio.flow.noise import content_noise

ROUNDING = "rounding"
"""What the sums of the layers and of the score differ by: they are computed in another order."""
WEIGHTING = "importance weighting"
"""log of the mean of p over the dequantization samples, less the mean of log p that the other rows are."""


def dequantized(flow: Inference, images: npt.NDArray[np.uint8], seed: int, sample: int) -> Tensor:
    """8-bit images (N, H, W, C) with the noise of a score's sample: (N, C, H, W) in [0, 1]."""
    noise = torch.from_numpy(content_noise(images, seed, sample)).to(flow.device, flow.dtype)
    return unit_from_images(torch.from_numpy(np.array(images, order="C")).to(flow.device), noise)


def ledger(model: OpenedModel, pixels: npt.NDArray[np.uint8], samples: int = 1, seed: int = 0) -> Ledger:
    """The ledger of one 8-bit image (H, W, C) of the model's shape.

    Of several samples each row is the mean over them, weighted by their densities as the score's bound is. Raises
    `ValueError` where the model gives the image no finite number.
    """
    if samples < 1:
        raise ValueError(f"samples must be at least 1, not {samples}")
    walk, images = Walk(model.flow), pixels[np.newaxis]
    names: list[tuple[str, tuple[int, int, int]]] = []
    columns: list[list[float]] = []
    for sample in range(samples):
        stages = list(walk.stages(dequantized(model.flow, images, seed, sample)))
        names = [(stage.name, shape_of(stage)) for stage in stages]
        columns.append([float(stage.nats[0]) for stage in stages])
    return of_columns(model, images, names, np.array(columns), samples, seed)


def of_columns(
    model: OpenedModel,
    images: npt.NDArray[np.uint8],
    names: list[tuple[str, tuple[int, int, int]]],
    nats: npt.NDArray[np.float64],
    samples: int,
    seed: int,
) -> Ledger:
    """The ledger of the one image in `images` from the nats (samples, layers) of its layers."""
    for (name, _), column in zip(names, nats.T, strict=True):
        if not np.isfinite(column).all():
            raise ValueError(f"the model gives this image no finite number: the first that is not is at {name}")
    score = float(model.flow.bits_per_dim(images, samples, seed)[0])
    unit = -model.flow.config.dimensions * math.log(2)
    sums = nats.sum(1)
    weights = np.exp(sums - sums.max())
    weights /= weights.sum()
    rows = [
        LedgerRow(name, float(value), float(value) / unit, shape)
        for (name, shape), value in zip(names, weights @ nats, strict=True)
    ]
    if samples > 1:
        gain = float(np.log(np.exp(sums - sums.max()).mean()) + sums.max() - weights @ sums)
        rows.append(LedgerRow(WEIGHTING, gain, gain / unit, None))
    total = score * unit
    rest = total - math.fsum(row.nats for row in rows)
    rows.append(LedgerRow(ROUNDING, rest, rest / unit, None))
    return Ledger(rows=tuple(rows), nats=total, bits_per_dim=score, samples=samples, seed=seed)


def shape_of(stage: Stage) -> tuple[int, int, int]:
    """(channels, height, width) of the tensor after a stage."""
    channels, height, width = stage.tensor.shape[1:]
    return channels, height, width
