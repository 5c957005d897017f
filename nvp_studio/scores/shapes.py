"""How well the coarse shape of an image fits those of the training images, upright and turned.

A mixture of Gaussians over the principal components of images that are reduced to at most 16 pixels a side. It is no
part of the flow: flows score what is around each pixel, and hardly notice that a whole image is upside down.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch.nn import functional

from nvp_studio.scores.gaussians import Mixture, Principal
from nvp_studio.scores.measures import Floats, Images

MAX_SIDE = 16
MAX_COMPONENTS = 32
MAX_GAUSSIANS = 10
IMAGES_PER_GAUSSIAN = 400


@dataclass(frozen=True)
class ShapeModel:
    """The density of reduced images."""

    principal: Principal
    mixture: Mixture
    """Over the coordinates along the principal components."""

    @classmethod
    def fit(cls, images: Images) -> Self:
        """Fit to images (n, H, W, C)."""
        vectors = _flat(reduced(images))
        principal = Principal.fit(vectors, MAX_COMPONENTS)
        inside, _ = principal.project(vectors)
        return cls(principal, Mixture.fit(inside, max(1, min(MAX_GAUSSIANS, len(images) // IMAGES_PER_GAUSSIAN))))

    def score(self, images: Images) -> tuple[Floats, Floats]:
        """How unlikely the shapes of images (N, H, W, C) are, and by how much likelier the best turned copy is.

        Both (N,), in nats. Turned copies: by 90, 180 and 270 degrees (of square images; else 180), and top to bottom.
        """
        upright = reduced(images)
        turned = [np.rot90(upright, 2, (1, 2)), upright[:, ::-1]]
        if upright.shape[1] == upright.shape[2]:
            turned += [np.rot90(upright, turns, (1, 2)) for turns in (1, 3)]
        surprise = self._surprise(upright)
        return surprise, surprise - np.min([self._surprise(one) for one in turned], 0)

    def _surprise(self, small: Floats) -> Floats:
        inside, beside = self.principal.project(_flat(small))
        result: Floats = beside / (2 * self.principal.rest) - self.mixture.log_density(inside)
        return result


def reduced_shape(height: int, width: int) -> tuple[int, int]:
    """(height, width) of reduced images: a whole part of the sides, at most `MAX_SIDE`."""
    part = -(-max(height, width) // MAX_SIDE)
    return max(1, height // part), max(1, width // part)


def reduced(images: Images) -> Floats:
    """Means over blocks of pixels: uint8 (N, H, W, C) to (N, h, w, C) in [0, 1]."""
    x = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).double() / 255
    small = functional.adaptive_avg_pool2d(x, reduced_shape(*images.shape[1:3]))
    result: Floats = small.permute(0, 2, 3, 1).numpy()
    return result


def _flat(small: Floats) -> Floats:
    return np.ascontiguousarray(small).reshape(len(small), -1)
