"""The multi-scale architecture: layers at one resolution, half of the dimensions out, and so on (section 3.6)."""

from collections.abc import Callable, Iterable, Iterator
from typing import Self

import torch
from torch import Tensor, nn

from nvp_studio.flow.bijection import Bijection, Chain
from nvp_studio.flow.config import FlowConfig, Scale
from nvp_studio.flow.coupling import Coupling
from nvp_studio.flow.mixing import InvertibleConv1x1
from nvp_studio.flow.mixture import MixtureTransform
from nvp_studio.flow.networks import coupling_network, network_blocks
from nvp_studio.flow.normalization import ActNorm, RunningBatchNorm
from nvp_studio.flow.pixel_network import PixelNetwork
from nvp_studio.flow.plan import CouplingPlan, LayerPlan, MixingPlan, NormalizationPlan, layers_by_scale
from nvp_studio.flow.squeeze import Squeeze, Unsqueeze
from nvp_studio.flow.transforms import ElementwiseTransform, elementwise_transform


def factored_out(x: Tensor, latent: Scale) -> tuple[Tensor, Tensor]:
    """What a scale's layers gave, (N, C, H, W): the channels that go on to the next scale, and those of its latents.

    At the last scale nothing goes on.
    """
    kept = x.shape[1] - latent.shape[0]
    return x[:, :kept], x[:, kept:]


class MultiScale(Bijection):
    """All layers between images (N, C, H, W) and latent vectors (N, D), whose slices are those of `latents`."""

    def __init__(self, scales: Iterable[Bijection], latents: tuple[Scale, ...]) -> None:
        super().__init__()
        self.scales = nn.ModuleList(scales)
        self.latents = latents

    @classmethod
    def of(cls, config: FlowConfig) -> Self:
        """Build the layers of `config`, with random weights."""
        scales = (Chain(_build(config, plan) for plan in layers) for layers in layers_by_scale(config))
        return cls(scales, config.latent_scales)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (N, C, H, W) -> z (N, D), finest scale first, and the log-determinant (N,)."""
        slices, log_dets = zip(*self.by_scale(x), strict=True)
        return torch.cat(slices, 1), sum(log_dets[1:], log_dets[0])

    def by_scale(self, x: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Equations 13 to 16: for each scale, finest first, its slice of z (N, d) and its log-determinant (N,)."""
        for scale, latent in zip(self.scales, self.latents, strict=True):
            x, log_det = scale(x)
            x, out = factored_out(x, latent)
            yield out.flatten(1), log_det

    def inverse_with_log_det(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """z (N, D) -> x (N, C, H, W) and the log-determinant (N,)."""
        log_dets = [y.new_zeros(len(y))]

        def invert(scale: Bijection, y: Tensor) -> Tensor:
            x, log_det = scale.inverse_with_log_det(y)
            log_dets.append(log_det)
            return x

        return self._invert(y, invert), sum(log_dets[1:], log_dets[0])

    def inverse(self, y: Tensor) -> Tensor:
        """z (N, D) -> x (N, C, H, W)."""
        return self._invert(y, lambda scale, y: scale.inverse(y))

    def _invert(self, z: Tensor, invert: Callable[[Bijection, Tensor], Tensor]) -> Tensor:
        """From the coarsest scale to the finest: append a scale's slice of z to the channels, and invert its layers."""
        x = z[:, :0]
        for scale, latent in zip(reversed(self.scales), reversed(self.latents), strict=True):
            assert isinstance(scale, Bijection)
            out = z[:, latent.start : latent.stop].reshape(len(z), *latent.shape)
            x = invert(scale, out if latent is self.latents[-1] else torch.cat((x, out), 1))
        return x


def coupling_transform(config: FlowConfig, plan: CouplingPlan) -> ElementwiseTransform:
    """The transform of a coupling."""
    if plan.transform == "levels":
        return MixtureTransform(config.image_shape[0], config.pieces)
    return elementwise_transform(plan.transform, plan.mask.changes, config.pieces)


def _build(config: FlowConfig, plan: LayerPlan) -> Bijection:
    match plan:
        case CouplingPlan(mask):
            transform = coupling_transform(config, plan)
            outputs = transform.outputs(mask.changes)
            if isinstance(transform, MixtureTransform):
                network = PixelNetwork(mask, plan.width, outputs, network_blocks(config, plan.width), config.leak)
                assert network.leave.bias is not None
                transform.start(network.leave.bias)
                return Coupling(mask, transform, network)
            return Coupling(mask, transform, coupling_network(config, mask.network_shape[0], plan.width, outputs))
        case NormalizationPlan(channels):
            return ActNorm(channels) if config.normalization == "actnorm" else RunningBatchNorm(channels)
        case MixingPlan(channels):
            return InvertibleConv1x1(channels)
    return Unsqueeze(plan.order) if plan.inverse else Squeeze(plan.order)
