"""The networks s and t for single points: (N, C, 1, 1), images of one pixel, of which a convolution sees the middle."""

import torch
from torch import Tensor, nn

from nvp_studio.flow.networks import INPUT_CLAMP, leaky_relu

LEAK = 0.1
"""Slope of the leaky ReLU below zero, as in the presets."""


class PointNetwork(nn.Module):
    """`networks.PlainNetwork` for points, with a block that is h + W2 f(W1 h), twice as wide between.

    That is what `networks.DepthwiseBlock` is for an image of one pixel. As there, the input is clamped and the output
    starts at zero. Linear maps take less than half the time of convolutions of one pixel.
    """

    def __init__(self, inputs: int, width: int, outputs: int) -> None:
        super().__init__()
        self.enter = nn.Linear(inputs, width)
        self.widen = nn.Linear(width, 2 * width)
        self.narrow = nn.Linear(2 * width, width)
        self.leave = nn.Linear(width, outputs)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, 1, 1) -> (N, outputs, 1, 1)."""
        h = leaky_relu(self.enter(x.flatten(1).clamp(-INPUT_CLAMP, INPUT_CLAMP)), LEAK)
        h = leaky_relu(h + self.narrow(leaky_relu(self.widen(h), LEAK)), LEAK)
        result: Tensor = self.leave(h)
        return torch.unflatten(result, 1, (-1, 1, 1))
