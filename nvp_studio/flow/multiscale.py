"""The multi-scale architecture: couplings at one resolution, half of the dimensions out, on and on (section 3.6)."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from nvp_studio.flow.bijection import Bijection, Chain
from nvp_studio.flow.config import FlowConfig
from nvp_studio.flow.coupling import ChannelCoupling, MakeNetwork, checkerboard_coupling
from nvp_studio.flow.mixing import InvertibleConv1x1
from nvp_studio.flow.networks import ResidualNetwork
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
    for scale in range(config.scales):
        last = scale == config.scales - 1
        count = config.final_couplings if last else config.checkerboard_couplings
        layers = _checkerboards(config, (channels, height, width), _network(config, scale), count)
        if not last:
            layers.append(Squeeze())
            layers += _channel_wise(config, 4 * channels, _network(config, scale + 1))
            layers += [Unsqueeze(), Squeeze(DIAGONAL_ORDER)]
        yield layers
        channels, height, width = 2 * channels, height // 2, width // 2


def _checkerboards(
    config: FlowConfig, shape: tuple[int, int, int], make_network: MakeNetwork, count: int
) -> list[Bijection]:
    layers: list[Bijection] = []
    for index in range(count):
        packed = config.checkerboard == "packed"
        layers.append(checkerboard_coupling(shape, make_network, flip=index % 2 == 1, packed=packed))
        layers += normalization(config.normalization, shape[0])
    return layers


def _channel_wise(config: FlowConfig, channels: int, make_network: MakeNetwork) -> list[Bijection]:
    layers: list[Bijection] = []
    for index in range(config.channel_couplings):
        if config.mixing == "conv1x1":
            layers.append(InvertibleConv1x1(channels))
        layers.append(ChannelCoupling(channels, make_network, flip=index % 2 == 1))
        layers += normalization(config.normalization, channels)
    return layers


def _network(config: FlowConfig, halvings: int) -> MakeNetwork:
    """Networks for couplings after the resolution was halved `halvings` times."""
    width = config.width * 2**halvings if config.doubling else config.width

    def make(inputs: int, outputs: int) -> nn.Module:
        return ResidualNetwork(
            inputs, width, outputs, config.blocks, norm=config.network_norm, weight_norm=config.weight_norm
        )

    return make
