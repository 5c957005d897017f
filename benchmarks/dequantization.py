"""Variational dequantization: a flow q(u|x) of the noise that turns levels to values (Ho et al. 2019, section 3.1).

    log P(x) >= E[log p((x + u) / 256) - D ln 256 - log q(u|x)],  u ~ q(.|x) on (0, 1)^D

Uniform dequantization is the q that is 1 everywhere. This one starts there and learns where within its level each value
is best put. It is a candidate that `ablation` tries, not part of the program.
"""

import itertools
from collections.abc import Iterable
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from nvp_studio.flow.bijection import sum_per_image
from nvp_studio.flow.config import FlowConfig
from nvp_studio.flow.coupling import Coupling
from nvp_studio.flow.dequantization import LEVELS
from nvp_studio.flow.flow import Flow, bits_per_dim_from_log_prob
from nvp_studio.flow.masks import ChannelMask
from nvp_studio.flow.networks import Convolution, DepthwiseBlock, coupling_network
from nvp_studio.flow.noise import content_noise
from nvp_studio.flow.squeeze import DIAGONAL_ORDER, READING_ORDER, Corner, gather, scatter
from nvp_studio.flow.transforms import SplineTransform

_LEAST = 2.0**-17
"""Noise is held so far from 0 and 1 before its logit is taken."""


class ConditionalCoupling(Coupling):
    """A channel-wise coupling whose network sees a context beside the half that stays."""

    def __init__(self, channels: int, context: int, width: int, pieces: int, *, flip: bool) -> None:
        mask = ChannelMask((channels, 1, 1), flip=flip)
        transform = SplineTransform(mask.changes, pieces)
        inputs, outputs = mask.network_shape[0] + context, transform.params_per_value * mask.changes
        config = FlowConfig(image_shape=(1, 2, 2), network="depthwise", blocks=1)
        super().__init__(mask, transform, coupling_network(config, inputs, width, outputs))

    def given(self, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """x (N, C, H, W), context (N, context, H, W) -> y and log|det dy/dx| (N,)."""
        x1, x2 = self.mask.split(x)
        y2, log_derivative = self.law(x2, self.network(torch.cat((x1, context), 1)))
        return self.mask.merge(x1, y2), sum_per_image(log_derivative)


class VariationalDequantizer(nn.Module):
    """Draws u ~ q(.|x) for 8-bit images x: the logit of uniform noise, couplings that see x, a sigmoid.

    The couplings, in pairs that change both halves, split the corners of 2x2 blocks by rows and by diagonals in turn.
    They start as the identity, so q starts as uniform.
    """

    def __init__(self, channels: int, pairs: int = 2, width: int = 32, pieces: int = 4, context: int = 16) -> None:
        """For images of `channels` channels and even sides."""
        super().__init__()
        squeezed = 4 * channels
        self.context = nn.Sequential(
            Convolution(squeezed, width, 3), DepthwiseBlock(width, leak=0.0), nn.ReLU(), Convolution(width, context, 1)
        )
        self.pairs = nn.ModuleList(
            nn.ModuleList(ConditionalCoupling(squeezed, context, width, pieces, flip=flip) for flip in (False, True))
            for _ in range(pairs)
        )

    def forward(self, levels: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """u (N, C, H, W) in [0, 1) and log q(u|x) (N,) in nats.

        levels: grey levels 0 to 255 as floats (N, C, H, W); noise: uniform in [0, 1), of the same shape.
        """
        noise = noise.clamp(_LEAST, 1 - _LEAST)
        log_q = sum_per_image(torch.log(noise) + torch.log1p(-noise))  # of the logistic density of its logit
        y, log_det = self._through(torch.logit(noise), levels / (LEVELS / 2) - 1)
        log_slope = sum_per_image(functional.logsigmoid(y) + functional.logsigmoid(-y))
        # The largest noise that leaves the highest level what it is when added to it.
        u = torch.sigmoid(y).clamp(max=1 - LEVELS / 2 * torch.finfo(y.dtype).eps)
        return u, log_q - log_det - log_slope

    def _through(self, y: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        context = self.context(gather(image, READING_ORDER))
        total = y.new_zeros(len(y))
        for pair, order in zip(self.pairs, itertools.cycle((READING_ORDER, DIAGONAL_ORDER)), strict=False):
            h = gather(y, order)
            for coupling in cast(Iterable[ConditionalCoupling], pair):
                h, log_det = coupling.given(h, context)
                total = total + log_det
            y = _spread(h, order)
        return y, total


def _spread(y: Tensor, order: tuple[Corner, ...]) -> Tensor:
    """The inverse of `gather`: (N, 4 C, H/2, W/2) -> (N, C, H, W)."""
    count, channels, height, width = y.shape
    out = y.new_empty(count, channels // 4, 2 * height, 2 * width)
    scatter(y, order, out)
    return out


def variational_bits(flow: Flow, dequantizer: VariationalDequantizer, levels: Tensor, noise: Tensor) -> Tensor:
    """Bits/dim (N,) of 8-bit images, a bound of one sample; levels and noise as of `VariationalDequantizer`."""
    u, log_q = dequantizer(levels, noise)
    return bits_per_dim_from_log_prob(flow((levels + u) / LEVELS) - log_q, flow.config.dimensions)


@torch.no_grad()
def variational_scores(
    flow: Flow, dequantizer: VariationalDequantizer, images: npt.NDArray[np.uint8], batch_size: int = 250
) -> Tensor:
    """Bits/dim of each image (N, H, W, C), float64 (N,), with the noise that `Inference.bits_per_dim` takes."""
    scores: list[Tensor] = []
    for start in range(0, len(images), batch_size):
        batch = np.ascontiguousarray(images[start : start + batch_size])
        noise, levels = (
            torch.from_numpy(part.astype(np.float32)).permute(0, 3, 1, 2)
            for part in (content_noise(batch, 0, 0), batch)
        )
        scores.append(variational_bits(flow, dequantizer, levels, noise).double())
    return torch.cat(scores)
