"""Noise keyed by counters instead of history: the same key gives the same numbers on any machine, in any order.

Keys go through the counter-based Philox generator (Salmon et al. 2011).
"""

import hashlib
import math
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

_FLOATS_PER_COUNT = 8
"""float32 numbers that one count of Philox gives: four 64-bit words, two numbers each."""


def keyed_generator(*key: int | bytes) -> np.random.Generator:
    """A generator whose stream depends on `key` alone."""
    digest = hashlib.blake2b(digest_size=16)
    for part in key:
        data = part if isinstance(part, bytes) else str(part).encode()
        digest.update(len(data).to_bytes(8, "little") + data)
    return np.random.Generator(np.random.Philox(key=np.frombuffer(digest.digest(), np.uint64)))


def latent_noise(seed: int, count: int, dimensions: int, *, first: int = 0) -> Tensor:
    """Standard normal rows keyed by (seed, index) for indices from `first` on: (count, dimensions) float32."""
    rows = [
        keyed_generator(b"latent", seed, index).standard_normal(dimensions, np.float32)
        for index in range(first, first + count)
    ]
    return torch.from_numpy(np.stack(rows)) if rows else torch.empty(0, dimensions)


def content_noise(images: npt.NDArray[np.uint8], seed: int, sample: int) -> npt.NDArray[np.float32]:
    """Uniform noise in [0, 1) for each image, keyed by (seed, sample, the image's own bytes), of the images' shape.

    An image's noise, and with it its score, thus does not depend on the batch that it came in.
    """
    rows = [
        keyed_generator(b"content", seed, sample, image.tobytes()).random(image.shape, np.float32) for image in images
    ]
    return np.stack(rows) if rows else np.empty(images.shape, np.float32)


def step_noise(
    seed: int, step: int, shape: tuple[int, ...], *, salt: int = 0, kind: bytes = b"step", first: int = 0
) -> npt.NDArray[np.float32]:
    """Uniform noise in [0, 1) for images `first` and on of one training step, keyed by (kind, seed, salt, step).

    An image's noise depends on its place in the step's batch alone, however the batch is divided.
    """
    generator = keyed_generator(kind, seed, salt, step)
    blocks, rest = divmod(first * math.prod(shape[1:]), _FLOATS_PER_COUNT)
    cast(np.random.Philox, generator.bit_generator).advance(blocks)
    return generator.random(rest + math.prod(shape), np.float32)[rest:].reshape(shape)
