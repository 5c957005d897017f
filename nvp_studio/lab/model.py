"""Flows of points of the plane, of the coupling layers that flows of images have: a point is an image of one pixel.

A point (x, y) is a tensor (2, 1, 1): two channels at one pixel. Channel-wise masks divide the two coordinates.
"""

import math

import torch
from torch import Tensor, nn

from nvp_studio.flow.bijection import Bijection, Chain
from nvp_studio.flow.coupling import Coupling
from nvp_studio.flow.engine.fused_point_network import run_fused
from nvp_studio.flow.engine.fused_spline import FusedSplineTransform
from nvp_studio.flow.masks import ChannelMask
from nvp_studio.flow.mixing import InvertibleConv1x1
from nvp_studio.flow.normalization import ActNorm
from nvp_studio.flow.point_network import PointNetwork
from nvp_studio.flow.prior import standard_normal_log_prob
from nvp_studio.flow.transforms import SplineTransform, elementwise_transform
from nvp_studio.lab.settings import LabSettings

_SHAPE = 2, 1, 1
_EIGHTH_OF_A_TURN = math.sqrt(0.5) * torch.tensor([(1.0, -1.0), (1.0, 1.0)], dtype=torch.float64)
"""Where layers that mix the coordinates start."""


class PointFlow(nn.Module):
    """A flow of points (N, 2); log-densities and log-determinants are in nats, (N,)."""

    def __init__(self, settings: LabSettings) -> None:
        super().__init__()
        layers: list[Bijection] = [ActNorm(2)]
        self.names = ["normalization"]
        """What each layer is, for a person."""
        for number in range(settings.couplings):
            if settings.mask == "mixed":
                layers.append(InvertibleConv1x1(2, start=_EIGHTH_OF_A_TURN))
                self.names.append("mixing")
            flip = settings.mask != "same" and number % 2 == 1
            layers.append(_coupling(settings, flip=flip))
            self.names.append(f"coupling {number + 1}: {'x' if flip else 'y'} changes")
        self.body = Chain(layers)

    def initialize(self, points: Tensor) -> None:
        """Let the first layer give `points` (N, 2) mean 0 and deviation 1."""
        first = self.body.layers[0]
        assert isinstance(first, ActNorm)
        first.initialize(as_images(points))

    def forward(self, points: Tensor) -> Tensor:
        """log p(x) = log N(f(x)) + log|det df/dx| of points (N, 2): (N,)."""
        z, log_det = self.body(as_images(points))
        log_prob: Tensor = standard_normal_log_prob(z.flatten(1)) + log_det
        return log_prob

    def inverse(self, latents: Tensor) -> Tensor:
        """Latents (N, 2) -> points (N, 2)."""
        points: Tensor = self.body.inverse(as_images(latents)).flatten(1)
        return points

    def stages(self, values: Tensor, *, backwards: bool = False) -> tuple[Tensor, Tensor]:
        """`values` (N, 2) before and after each of L layers (L + 1, N, 2), and log|det J| up to there (L + 1, N).

        From data to latents, or `backwards` from latents to data, where the last layer comes first.
        """
        layers = list(self.body)
        return self._led(layers[::-1] if backwards else layers, values, backwards=backwards)

    def through(self, values: Tensor, origin: int) -> tuple[Tensor, Tensor]:
        """`values` (N, 2) of stage `origin` at every stage, from data to latents (L + 1, N, 2), and log|det J| of the
        map from the origin to there (L + 1, N).
        """
        layers = list(self.body)
        back, back_log_dets = self._led(layers[:origin][::-1], values, backwards=True)
        on, on_log_dets = self._led(layers[origin:], values, backwards=False)
        return torch.cat((back.flip(0), on[1:])), torch.cat((back_log_dets.flip(0), on_log_dets[1:]))

    def traces(self, log_dets: Tensor) -> tuple[Tensor, list[int]]:
        """The trace of each layer's Jacobian (L, N), and the sign of its determinant, from what `through` returns.

        A coupling changes one coordinate: its Jacobian has 1 and exp(log_det) on the diagonal. Other layers are linear.
        """
        traces, signs = [], []
        corners = as_images(log_dets.new_tensor([(0, 0), (1, 0), (0, 1)]))
        for number, layer in enumerate(self.body):
            if isinstance(layer, Coupling):
                traces.append(1 + torch.exp(log_dets[number + 1] - log_dets[number]))
                signs.append(1)
            else:
                zero, first, second = layer(corners)[0].flatten(1)
                jacobian = torch.stack((first - zero, second - zero), 1)
                traces.append(jacobian.trace().expand(log_dets.shape[1]))
                signs.append(1 if torch.linalg.det(jacobian) > 0 else -1)
        return torch.stack(traces), signs

    def _led(self, layers: list[Bijection], values: Tensor, *, backwards: bool) -> tuple[Tensor, Tensor]:
        x = as_images(values)
        total = x.new_zeros(len(x))
        places, log_dets = [values], [total]
        for layer in layers:
            x, log_det = layer.inverse_with_log_det(x) if backwards else layer(x)
            total = total + log_det
            places.append(x.flatten(1))
            log_dets.append(total)
        return torch.stack(places), torch.stack(log_dets)


def as_images(points: Tensor) -> Tensor:
    """(N, 2) -> (N, 2, 1, 1)."""
    return points.view(-1, 2, 1, 1)


def _coupling(settings: LabSettings, *, flip: bool) -> Coupling:
    mask = ChannelMask(_SHAPE, flip=flip)
    transform = elementwise_transform(settings.law, mask.changes, settings.bins)
    if isinstance(transform, SplineTransform):
        transform = FusedSplineTransform.of(transform)
    outputs = transform.params_per_value * mask.changes
    coupling = Coupling(mask, transform, PointNetwork(mask.network_shape[0], settings.width, outputs))
    coupling.run_network = run_fused
    return coupling
