"""Networks that see pixels: values in [0, 1] as they are in the image, each given as several features."""

import math

import torch
from torch import Tensor, nn

from nvp_studio.flow.masks import Mask, PixelMask
from nvp_studio.flow.networks import PlainNetwork, leaky_relu

OCTAVES = 4
"""Frequencies of the features: 1, 2, 4 and 8 waves over [0, 1]."""
FEATURES = 1 + 2 * OCTAVES
"""Of a value."""


def pixel_features(x: Tensor) -> Tensor:
    """4 x - 2, and sine and cosine of waves of x, which tell similar colours apart: (N, C, H, W) -> (N, 9 C, H, W).

    First all channels of one feature, then all of the next.
    """
    parts = [4 * x - 2]
    for octave in range(OCTAVES):
        angle = (2 * math.pi * 2**octave) * x
        parts += [torch.sin(angle), torch.cos(angle)]
    return torch.cat(parts, 1)


def pixel_inputs(mask: Mask) -> int:
    """Channels of the features of what a network sees."""
    channels = mask.network_shape[0]
    return FEATURES * (channels - 1) + 1 if isinstance(mask, PixelMask) else FEATURES * channels


class PixelNetwork(PlainNetwork):
    """A `PlainNetwork` of the features of what `mask` shows, which also knows the place.

    A number for each pixel and feature map is added to the output of the first convolution.
    """

    def __init__(self, mask: Mask, width: int, outputs: int, blocks: list[nn.Module], leak: float) -> None:
        super().__init__(pixel_inputs(mask), width, outputs, blocks, leak)
        self.masked = isinstance(mask, PixelMask)
        self.place = nn.Parameter(torch.zeros(1, width, *mask.network_shape[1:]))

    def features(self, x: Tensor) -> Tensor:
        """What the first convolution sees."""
        if not self.masked:
            return pixel_features(x)
        values, shown = x[:, :-1], x[:, -1:]
        return torch.cat((pixel_features(values) * shown, shown), 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, outputs, H, W)."""
        h = self.enter(self.features(x)) + self.place
        return self.finish(leaky_relu(self.blocks(h), self.leak))
