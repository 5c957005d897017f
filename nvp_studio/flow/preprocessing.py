"""From pixel values in [0, 1] to the whole real line (section 4.1), after an optional histogram equalization."""

import math
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from nvp_studio.flow.bijection import Bijection, sum_per_image
from nvp_studio.flow.dequantization import LEVELS

EXPONENT = 0.7
"""The power of a level's frequency that it gets of [0, 1]; `docs/ablation.md` compares others."""

MIN_SHARE = 0.1 / LEVELS
"""The part of [0, 1] of a level that never occurs: a tenth of a 256th."""

_MAX_VALUES = 2**24
"""Pixel values that are counted at most."""


class Logit(Bijection):
    """y = logit(a + (1 - 2 a) x): x in [0, 1] stays away from the ends, where the logit is infinite."""

    def __init__(self, alpha: float) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map (N, C, H, W) in [0, 1]; log-determinant: sum over pixels of log(1 - 2 a) - log p - log(1 - p)."""
        y, log_derivative = self.by_value(x)
        return y, sum_per_image(log_derivative)

    def by_value(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """As `forward`, with log dy/dx of each value, (N, C, H, W), in place of their sums."""
        p = self.alpha + (1 - 2 * self.alpha) * x
        log_p, log_q = torch.log(p), torch.log1p(-p)
        return log_p - log_q, math.log1p(-2 * self.alpha) - log_p - log_q

    def inverse_with_log_det(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """x = (sigmoid(y) - a) / (1 - 2 a), which leaves [0, 1] by up to a / (1 - 2 a) for some y."""
        log_p, log_q = functional.logsigmoid(y), functional.logsigmoid(-y)
        return self.inverse(y), sum_per_image(log_p + log_q - math.log1p(-2 * self.alpha))

    def inverse(self, y: Tensor) -> Tensor:
        """As `inverse_with_log_det`, without the log-determinant."""
        return (torch.sigmoid(y) - self.alpha) / (1 - 2 * self.alpha)


def level_edges(images: npt.NDArray[np.uint8]) -> Tensor:
    """Edges of the levels, float64 (C, 257) from 0 to 1, by how frequent each is in images (N, H, W, C).

    Of many images, evenly spaced ones are counted.
    """
    some = images[:: max(1, images.size // _MAX_VALUES)]
    channels = np.moveaxis(some, 3, 0)
    shares = np.stack([np.bincount(values.ravel(), minlength=LEVELS) for values in channels]) ** EXPONENT
    shares = MIN_SHARE + (1 - LEVELS * MIN_SHARE) * shares / shares.sum(1, keepdims=True)
    edges = torch.linspace(0, 1, LEVELS + 1, dtype=torch.float64).repeat(len(shares), 1)
    edges[:, 1:-1] = torch.from_numpy(shares.cumsum(1)[:, :-1])
    return edges


class Equalization(Bijection):
    """Histogram equalization: u = F(x) for each channel, rising from 0 to 1 and linear within each of the 256 levels.

    A level that many pixels of the training images have gets a large part of [0, 1] instead of a 256th: its part grows
    as the power `EXPONENT` of its frequency. (The power 1 would be the distribution function, which leaves rare levels,
    such as those along edges, too little.) Every level keeps `MIN_SHARE`, so that the derivative is bounded from
    below and above, and both directions are well conditioned. It is the identity until `initialize`; values outside of
    [0, 1] are mapped as the outermost levels are.
    """

    edges: Tensor
    """(C, 257): F at the edges of the levels, rising from 0 to 1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("edges", torch.linspace(0, 1, LEVELS + 1).expand(channels, -1).clone())

    @torch.no_grad()
    def initialize(self, images: npt.NDArray[np.uint8]) -> None:
        """Take the frequencies of levels from images (N, H, W, C), from evenly spaced ones of many."""
        self.edges.copy_(level_edges(images))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map (N, C, H, W); log-determinant: sum over pixels of log dF/dx."""
        u, log_derivative = self.by_value(x)
        return u, sum_per_image(log_derivative)

    def by_value(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """As `forward`, with log dF/dx of each value, (N, C, H, W), in place of their sums."""
        levels = (x.detach() * LEVELS).floor().clamp(0, LEVELS - 1)
        start, width = self._level(levels.long())
        return start + width * (x * LEVELS - levels), torch.log(width * LEVELS)

    def inverse_with_log_det(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """x = F^-1(y)."""
        x, width = self._inverse_and_width(y)
        return x, -sum_per_image(torch.log(width * LEVELS))

    def inverse(self, y: Tensor) -> Tensor:
        """As `inverse_with_log_det`, without the log-determinant."""
        return self._inverse_and_width(y)[0]

    def _inverse_and_width(self, y: Tensor) -> tuple[Tensor, Tensor]:
        values = y.detach().transpose(0, 1).flatten(1).contiguous()
        levels = torch.searchsorted(self.edges[:, 1:-1].to(values.dtype).contiguous(), values, right=True)
        levels = levels.view(y.shape[1], len(y), *y.shape[2:]).transpose(0, 1)
        start, width = self._level(levels)
        return (levels + (y - start) / width) / LEVELS, width

    def _level(self, levels: Tensor) -> tuple[Tensor, Tensor]:
        """Where levels (N, C, H, W) start in [0, 1], and how wide they are there."""
        channel = torch.arange(len(self.edges), device=levels.device).view(1, -1, 1, 1)
        start = self.edges[channel, levels]
        return start, self.edges[channel, levels + 1] - start


class Preprocessing(Bijection):
    """The map before the first layer: the logit, with `equalize` after the equalization. Without both: the identity."""

    def __init__(self, channels: int, alpha: float | None, *, equalize: bool) -> None:
        """Without an `alpha` there is no logit."""
        super().__init__()
        self.equalization = Equalization(channels) if equalize else None
        self.logit = None if alpha is None else Logit(alpha)

    @property
    def layers(self) -> tuple[tuple[Literal["equalization", "logit"], Equalization | Logit], ...]:
        """The maps that there are, first to last, with what they are called."""
        equalization: tuple[tuple[Literal["equalization", "logit"], Equalization | Logit], ...] = ()
        if self.equalization is not None:
            equalization = (("equalization", self.equalization),)
        return equalization if self.logit is None else (*equalization, ("logit", self.logit))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map (N, C, H, W) in [0, 1]."""
        y, log_derivative = self.by_value(x)
        return y, sum_per_image(log_derivative)

    def by_value(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """As `forward`, with log dy/dx of each value, (N, C, H, W), in place of their sums."""
        total = torch.zeros_like(x)
        for _, layer in self.layers:
            x, log_derivative = layer.by_value(x)
            total = total + log_derivative
        return x, total

    def inverse_with_log_det(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """The inverses, last to first."""
        total = y.new_zeros(len(y))
        for _, layer in reversed(self.layers):
            y, log_det = layer.inverse_with_log_det(y)
            total = total + log_det
        return y, total

    def inverse(self, y: Tensor) -> Tensor:
        """As `inverse_with_log_det`, without the log-determinant."""
        for _, layer in reversed(self.layers):
            y = layer.inverse(y)
        return y
