"""Glow by normflows, as its example for CIFAR-10 builds it.

Source: https://github.com/VincentStimper/normalizing-flows/blob/master/examples/glow.ipynb, three scales of 16 blocks
with networks of 256 feature maps, pixels in [0, 1] without a logit, Adamax. Its base distribution is conditional on the
class, which is not given here: a Gaussian with a learned mean and deviation for each value takes its place.
"""

import normflows as nf
import torch
from torch import Tensor

from benchmarks.peers.models import PeerFlow, Shape, halvings

SCALES, BLOCKS, WIDTH = 3, 16, 256


class NormflowsGlow(PeerFlow):
    """The example's `MultiscaleFlow`, whose learned base is counted as a last layer of the map to z."""

    def __init__(self, shape: Shape, scales: int, blocks: int, width: int) -> None:
        super().__init__()
        channels, height, width_of_image = shape
        bases, merges, flows = [], [], []
        for i in range(scales):  # as the example does, coarsest first
            maps = channels * 2 ** (scales + 1 - i)
            layers = [nf.flows.GlowBlock(maps, width, split_mode="channel", scale=True) for _ in range(blocks)]
            flows.append([*layers, nf.flows.Squeeze()])
            cells = 2 ** (scales - i)
            kept = maps // 2 if i > 0 else maps
            bases.append(nf.distributions.DiagGaussian((kept, height // cells, width_of_image // cells)))
            if i > 0:
                merges.append(nf.flows.Merge())
        self.flow = nf.MultiscaleFlow(bases, flows, merges, class_cond=False)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        parts, log_det = self.flow.inverse_and_log_det(x)
        z = []
        for part, base in zip(parts, self.flow.q0, strict=True):
            z.append(((part - base.loc) * torch.exp(-base.log_scale)).flatten(1))
            log_det = log_det - base.log_scale.sum()
        return torch.cat(z, 1), log_det

    def decode(self, z: Tensor) -> Tensor:
        parts = z.split([base.loc.numel() for base in self.flow.q0], 1)
        latents = [
            part.unflatten(1, base.shape) * torch.exp(base.log_scale) + base.loc
            for part, base in zip(parts, self.flow.q0, strict=True)
        ]
        x: Tensor = self.flow.forward_and_log_det(latents)[0]
        return x

    def log_prob(self, x: Tensor) -> Tensor:
        log_prob: Tensor = self.flow.log_prob(x, None)
        return log_prob


def build(shape: Shape, blocks: int = BLOCKS, width: int = WIDTH) -> NormflowsGlow:
    """For images (C, H, W), with three scales, or as many as they can be halved."""
    return NormflowsGlow(shape, halvings(shape, SCALES), blocks, width)
