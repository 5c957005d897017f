"""What a coupling layer does to each value that changes, given the numbers that its network says of it.

A law is a strictly increasing map of one value. The network gives `numbers` numbers for each value: for x2 of shape
(N, C, H, W) a tensor (N, numbers * C, H, W), all channels of the first number first.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from nvp_studio.flow.bijection import per_channel

Clamp = Literal["tanh", "arctan"]


class CouplingLaw(nn.Module):
    """A strictly increasing map of each value; both directions return the new values and their log-slopes.

    Log-slopes have the values' shape, are in nats and belong to the direction that returns them.
    """

    numbers: int
    """How many numbers of the network steer one value."""

    def forward(self, x: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Map x (N, C, H, W), steered by `numbers` (N, numbers * C, H, W); return y and log dy/dx."""
        raise NotImplementedError

    def inverse(self, y: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Map y back; return x and log dx/dy."""
        raise NotImplementedError


class AffineLaw(CouplingLaw):
    """y = x * exp(s) + t with s = a * clamp(network), a a learned factor for each channel (section 4.1).

    |s| <= |a| keeps the inverse well conditioned. The clamp is tanh, as published, or (2 / pi) arctan.
    """

    numbers = 2

    def __init__(self, channels: int, clamp: Clamp = "tanh") -> None:
        super().__init__()
        self.clamp = clamp
        self.scale = nn.Parameter(torch.ones(channels))

    def log_scale_and_shift(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Return s and t, both of the values' shape."""
        s, t = numbers.chunk(2, 1)
        bounded = torch.tanh(s) if self.clamp == "tanh" else torch.atan(s) * (2 / math.pi)
        return per_channel(self.scale) * bounded, t

    def forward(self, x: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Scale and shift (equation 5)."""
        s, t = self.log_scale_and_shift(numbers)
        return x * torch.exp(s) + t, s

    def inverse(self, y: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """x = (y - t) * exp(-s) (equation 8)."""
        s, t = self.log_scale_and_shift(numbers)
        return (y - t) * torch.exp(-s), -s


FLOOR = 0.003
"""Weight of the wide component that every mixture holds, so that its slope vanishes nowhere."""
_FLOOR_SCALE = 2.0
_LOG_SCALE_RANGE = 5.0
"""A component's log-scale stays within this distance of its start."""
_MOST_ITERATIONS = 100


class MixtureLaw(CouplingLaw):
    """y = affine(logit F(x)), F the distribution function of a mixture of logistics (Ho et al. 2019, section 3.2).

        F(x) = (1 - e) * sum_k w_k sigmoid((x - m_k) / s_k) + e * sigmoid(x / 2)

    The network gives log-weights, means m, log-scales of s, and the numbers of the affine map, in that order. All terms
    are positive, so F and 1 - F lose no digits. The inverse is a bracketed Newton iteration.
    """

    start: Tensor

    def __init__(self, channels: int, components: int, clamp: Clamp = "tanh") -> None:
        super().__init__()
        self.components = components
        self.numbers = 3 * components + 2
        self.affine = AffineLaw(channels, clamp)
        # Components that start equal would have equal gradients and stay equal: their means start apart.
        middle = (torch.arange(components) + 0.5) / components
        self.register_buffer("start", torch.logit(middle).view(1, -1, 1, 1, 1), persistent=False)

    def forward(self, x: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Through the distribution function, its logit, and the affine map."""
        mixture, affine = self._taken_apart(numbers)
        logit, log_slope = _logit_of_mixture(x, *mixture)
        y, more = self.affine(logit, affine)
        return y, log_slope + more

    def inverse(self, y: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Undo the affine map, then look for x between the quantiles of the single components."""
        mixture, affine = self._taken_apart(numbers)
        logit, more = self.affine.inverse(y, affine)
        with torch.no_grad():
            x = _quantile(logit.detach(), *(part.detach() for part in mixture))
        found, log_slope = _logit_of_mixture(x, *mixture)
        # One more step of Newton's, the one that gradients flow through (implicit differentiation).
        x = x - (found - logit) * torch.exp(-log_slope.detach())
        if torch.is_grad_enabled():
            log_slope = _logit_of_mixture(x, *mixture)[1]
        return x, more - log_slope

    def _taken_apart(self, numbers: Tensor) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
        """Weights, means and inverse scales, each (N, K, C, H, W), and the numbers of the affine map."""
        count, all_channels, height, width = numbers.shape
        channels = all_channels // self.numbers
        mixture, affine = torch.split(numbers, (3 * self.components * channels, 2 * channels), 1)
        parts = mixture.reshape(count, 3, self.components, channels, height, width)
        weights = torch.softmax(parts[:, 0], 1) * (1 - FLOOR)
        rates = torch.exp(-_LOG_SCALE_RANGE * torch.tanh(parts[:, 2] / _LOG_SCALE_RANGE))
        return (weights, parts[:, 1] + self.start, rates), affine


def _logit_of_mixture(x: Tensor, weights: Tensor, means: Tensor, rates: Tensor) -> tuple[Tensor, Tensor]:
    """logit F(x) and the logarithm of its derivative F' / (F (1 - F)), both of x's shape."""
    least = torch.finfo(x.dtype).tiny
    u = (x.unsqueeze(1) - means) * rates
    below, above = torch.sigmoid(u), torch.sigmoid(-u)
    wide_below, wide_above = torch.sigmoid(x / _FLOOR_SCALE), torch.sigmoid(-x / _FLOOR_SCALE)
    weighted = weights * below
    cdf = weighted.sum(1) + FLOOR * wide_below
    rest = (weights * above).sum(1) + FLOOR * wide_above
    density = (weighted * above * rates).sum(1) + (FLOOR / _FLOOR_SCALE) * wide_below * wide_above
    log_cdf, log_rest = torch.log(cdf.clamp_min(least)), torch.log(rest.clamp_min(least))
    return log_cdf - log_rest, torch.log(density.clamp_min(least)) - log_cdf - log_rest


def _quantile(logit: Tensor, weights: Tensor, means: Tensor, rates: Tensor) -> Tensor:
    """The x with logit F(x) = logit: Newton's method inside a bracket, which is halved when a step disappoints."""
    single = means + logit.unsqueeze(1) / rates
    low = torch.minimum(single.amin(1), _FLOOR_SCALE * logit)
    high = torch.maximum(single.amax(1), _FLOOR_SCALE * logit)
    x = (low + high) / 2
    last = high - low
    tolerance = 8 * torch.finfo(x.dtype).eps
    for _ in range(_MOST_ITERATIONS):
        found, log_slope = _logit_of_mixture(x, weights, means, rates)
        miss = found - logit
        low, high = torch.where(miss <= 0, x, low), torch.where(miss >= 0, x, high)
        newton = x - miss * torch.exp(-log_slope)
        step = (newton - x).abs()
        trusted = (newton >= low) & (newton <= high) & (step <= last / 2)
        following = torch.where(trusted, newton, (low + high) / 2)
        last = torch.where(trusted, step, (high - low) / 2)
        done = bool(((following - x).abs() <= tolerance * (1 + x.abs())).all())
        x = following
        if done:
            break
    return x


def coupling_law(channels: int, components: int, clamp: Clamp) -> CouplingLaw:
    """The affine law, or with `components` > 0 the mixture of so many logistics."""
    return MixtureLaw(channels, components, clamp) if components else AffineLaw(channels, clamp)
