"""The multi-scale architecture: couplings at one resolution, half of the dimensions out, on and on (section 3.6)."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from nvp_studio.flow.bijection import Bijection, Chain
from nvp_studio.flow.config import FlowConfig
from nvp_studio.flow.coupling import ChannelCoupling, MakeNetwork, checkerboard_coupling
from nvp_studio.flow.laws import CouplingLaw, coupling_law
from nvp_studio.flow.mixing import InvertibleConv1x1
from nvp_studio.flow.networks import coupling_network
from nvp_studio.flow.normalization import normalization
from nvp_studio.flow.squeeze import DIAGONAL_ORDER, Squeeze, Unsqueeze


class MultiScale(Bijection):
    """The whole flow between (N, C, H, W) and the latent vectors (N, D), finest scale first.

    Every scale but the last ends in a 2x2 squeeze with the diagonal order; the first half of its channels goes on to
    the next scale, the second half becomes that scale's slice of z.
    """

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        self.latents = config.latent_scales
        self.channels = config.image_shape[0]
        self.scales = nn.ModuleList(Chain(layers) for layers in _layers(config))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (N, C, H, W) -> z (N, D), log-determinant (N,)."""
        total = x.new_zeros(len(x))
        slices: list[Tensor] = []
        for index, scale in enumerate(self.scales):
            x, log_det = scale(x)
            total = total + log_det
            if index < len(self.scales) - 1:
                x, out = x.chunk(2, 1)
                slices.append(out.flatten(1))
        return torch.cat([*slices, x.flatten(1)], 1), total

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """z (N, D) -> x (N, C, H, W), log-determinant (N,)."""
        total = y.new_zeros(len(y))
        parts = [y[:, latent.start : latent.stop].reshape(len(y), *latent.shape) for latent in self.latents]
        x = parts.pop()
        for scale in reversed(self.scales):
            if scale is not self.scales[-1]:
                x = torch.cat((x, parts.pop()), 1)
            assert isinstance(scale, Chain)
            x, log_det = scale.inverse(x)
            total = total + log_det
        return x, total


def _layers(config: FlowConfig) -> Iterator[list[Bijection]]:
    """The layers of each scale, finest first."""
    channels, height, width = config.image_shape
    for scale in range(config.scales - 1):
        layers = _checkerboards(config, (channels, height, width), scale, config.checkerboard_couplings)
        layers.append(Squeeze())
        layers += _channel_wise(config, 4 * channels, scale + 1, config.channel_couplings)
        layers += [Unsqueeze(), Squeeze(DIAGONAL_ORDER)]
        if config.conditional_prior:
            layers.append(_channel_coupling(config, 4 * channels, scale + 1, flip=False, affine=True))
        yield layers
        channels, height, width = 2 * channels, height // 2, width // 2
    if config.final_mask == "channel":
        yield _channel_wise(config, channels, config.scales - 1, config.final_couplings)
    else:
        shape = channels, height, width
        yield _checkerboards(config, shape, config.scales - 1, config.final_couplings, mixed=config.final_mixing)


def _checkerboards(
    config: FlowConfig, shape: tuple[int, int, int], halvings: int, count: int, *, mixed: bool = False
) -> list[Bijection]:
    layers: list[Bijection] = []
    packed = config.checkerboard == "packed"
    for index in range(count):
        layers += _mixing(config, shape[0]) if mixed else []
        flip = index % 2 == 1
        layers.append(
            checkerboard_coupling(shape, _networks(config, halvings), _laws(config), flip=flip, packed=packed)
        )
        layers += normalization(config.normalization, shape[0])
    return layers


def _channel_wise(config: FlowConfig, channels: int, halvings: int, count: int) -> list[Bijection]:
    layers: list[Bijection] = []
    for index in range(count):
        layers += _mixing(config, channels)
        layers.append(_channel_coupling(config, channels, halvings, flip=index % 2 == 1))
        layers += normalization(config.normalization, channels)
    return layers


def _mixing(config: FlowConfig, channels: int) -> list[Bijection]:
    return [InvertibleConv1x1(channels)] if config.mixing == "conv1x1" else []


def _channel_coupling(
    config: FlowConfig, channels: int, halvings: int, *, flip: bool, affine: bool = False
) -> ChannelCoupling:
    return ChannelCoupling(channels, _networks(config, halvings), _laws(config, affine=affine), flip=flip)


def _laws(config: FlowConfig, *, affine: bool = False) -> Callable[[int], CouplingLaw]:
    def make(channels: int) -> CouplingLaw:
        return coupling_law("affine" if affine else config.law, channels, config.pieces)

    return make


def _networks(config: FlowConfig, halvings: int) -> MakeNetwork:
    """Networks for couplings after the resolution was halved `halvings` times."""
    width = config.width * 2**halvings if config.doubling else config.width

    def make(inputs: int, outputs: int) -> nn.Module:
        return coupling_network(
            config.network,
            inputs,
            width,
            outputs,
            config.blocks,
            batch_norm=config.network_norm == "batch",
            weight_norm=config.weight_norm,
            leak=config.leak,
        )

    return make
