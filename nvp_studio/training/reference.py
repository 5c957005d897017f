"""What a checkpoint carries for exploring: the principal directions of the training images' latents."""

import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nvp_studio.flow.dequantization import unit_from_images
from nvp_studio.flow.flow import Flow
from nvp_studio.flow.noise import keyed_generator

DIRECTIONS = 24
_LEAST_IMAGES = 256
"""Latents that are taken even when time is short."""


@torch.no_grad()
def principal_directions(
    flow: Flow,
    images: npt.NDArray[np.uint8],
    *,
    most: int = 4000,
    seconds: float = float("inf"),
    proceed: Callable[[], bool] = lambda: True,
    batch_size: int = 200,
) -> dict[str, Tensor] | None:
    """Principal component analysis of the latents of up to `most` of the images, uint8 (N, H, W, C).

    Pixels are dequantized at the middle of their level. Returns the checkpoint's tensors `components` (K, D) with rows
    of length 1, `mean` (D,), `deviation` (K,), the standard deviation along each, and `shares` (K,) of the total
    variance, the largest first; K is at most 24. None when `proceed` says so, or there are too few finite latents.
    """
    chosen = np.sort(keyed_generator(b"directions").permutation(len(images))[:most])
    deadline = time.monotonic() + seconds
    parts: list[Tensor] = []
    for start in range(0, len(chosen), batch_size):
        if not proceed():
            return None
        if start >= _LEAST_IMAGES and time.monotonic() > deadline:
            break
        batch = torch.from_numpy(images[chosen[start : start + batch_size]]).to(flow.device)
        parts.append(flow.encode(unit_from_images(batch, 0.5).to(flow.dtype))[0].cpu())
    latents = torch.cat(parts)
    return _principal(latents[torch.isfinite(latents).all(1)].double())


def _principal(latents: Tensor) -> dict[str, Tensor] | None:
    count, dimensions = latents.shape
    if count < 3:
        return None
    mean = latents.mean(0)
    centred = latents - mean
    # The smaller of the two matrices has the same nonzero eigenvalues.
    wide = dimensions > count
    values, vectors = torch.linalg.eigh(centred @ centred.T if wide else centred.T @ centred)
    values, vectors = values.flip(0), vectors.flip(1)
    keep = int((values[:DIRECTIONS] > 1e-9 * values[0]).sum())
    if keep == 0:
        return None
    components = (centred.T @ vectors[:, :keep] if wide else vectors[:, :keep]).T
    components = components / torch.linalg.vector_norm(components, dim=1, keepdim=True)
    # Eigenvectors have no sign of their own: the largest entry is made positive.
    largest = components.gather(1, components.abs().argmax(1, keepdim=True))
    components = components * torch.sign(largest)
    return {
        "components": components.float().contiguous(),
        "mean": mean.float(),
        "deviation": (values[:keep] / (count - 1)).sqrt().float(),
        "shares": (values[:keep] / values.clamp_min(0).sum()).float(),
    }
