"""What a coupling layer does to each value that changes, given the numbers that its network says of it.

A law is a strictly increasing map of one value. The network gives `numbers` numbers for each value: for x2 of shape
(N, C, H, W) a tensor (N, numbers * C, H, W), all channels of the first number first.
"""

from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from nvp_studio.flow import spline
from nvp_studio.flow.bijection import per_channel
from nvp_studio.flow.spline import Clamp, clamped


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

    def undo(self, y: Tensor, numbers: Tensor) -> Tensor:
        """The x of `inverse` alone, up to rounding."""
        return self.inverse(y, numbers)[0]


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
        return per_channel(self.scale) * clamped(s, self.clamp), t

    def forward(self, x: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Scale and shift (equation 5)."""
        s, t = self.log_scale_and_shift(numbers)
        return x * torch.exp(s) + t, s

    def inverse(self, y: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """x = (y - t) * exp(-s) (equation 8)."""
        s, t = self.log_scale_and_shift(numbers)
        return (y - t) / torch.exp(s), -s

    def undo(self, y: Tensor, numbers: Tensor) -> Tensor:
        """The x of `inverse` alone."""
        s, t = self.log_scale_and_shift(numbers)
        return (y - t) / torch.exp(s)


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
    are positive, so F and 1 - F lose no digits as long as x stays within the range of their numbers, about 170 in
    float32. The inverse is a bracketed Newton iteration.
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
            _, log_slope = _logit_of_mixture(x, *mixture)
        return x, more - log_slope

    def _taken_apart(self, numbers: Tensor) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
        """Weights, means and inverse scales (N, K, C, H, W), and the numbers of the affine map (N, 2 C, H, W)."""
        count, all_channels, height, width = numbers.shape
        channels = all_channels // self.numbers
        mixture, affine = torch.split(numbers, [3 * self.components * channels, 2 * channels], 1)
        parts = mixture.reshape(count, 3, self.components, channels, height, width)
        weights = torch.softmax(parts[:, 0], 1) * (1 - FLOOR)
        rates = torch.exp(-_LOG_SCALE_RANGE * torch.tanh(parts[:, 2] / _LOG_SCALE_RANGE))
        return (weights, parts[:, 1] + self.start, rates), affine


class _Parts(NamedTuple):
    """The terms of a mixture at x: of each component (N, K, C, H, W), of the wide one and of the sums (N, C, H, W)."""

    below: Tensor
    above: Tensor
    wide_below: Tensor
    wide_above: Tensor
    cdf: Tensor
    rest: Tensor
    density: Tensor


def _parts(x: Tensor, weights: Tensor, means: Tensor, rates: Tensor) -> _Parts:
    least = torch.finfo(x.dtype).tiny
    u = (x.unsqueeze(1) - means) * rates
    below, above = torch.sigmoid(u), torch.sigmoid(-u)
    wide_below, wide_above = torch.sigmoid(x / _FLOOR_SCALE), torch.sigmoid(-x / _FLOOR_SCALE)
    weighted = weights * below
    cdf = weighted.sum(1) + FLOOR * wide_below
    rest = (weights * above).sum(1) + FLOOR * wide_above
    density = (weighted * above * rates).sum(1) + (FLOOR / _FLOOR_SCALE) * wide_below * wide_above
    return _Parts(
        below, above, wide_below, wide_above, cdf.clamp_min(least), rest.clamp_min(least), density.clamp_min(least)
    )


def _logit_and_log_slope(parts: _Parts) -> tuple[Tensor, Tensor]:
    """logit F and the logarithm of its derivative F' / (F (1 - F)), both of x's shape."""
    log_cdf, log_rest = torch.log(parts.cdf), torch.log(parts.rest)
    return log_cdf - log_rest, torch.log(parts.density) - log_cdf - log_rest


class LogitOfMixture(torch.autograd.Function):
    """(x, weights, means, rates) -> logit F(x) and its log-slope, with gradients written out.

    x: (N, C, H, W), the others (N, K, C, H, W). Autograd would walk some thirty tensors of K values for each of x, and
    the derivatives share most terms.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weights: Tensor, means: Tensor, rates: Tensor) -> tuple[Tensor, Tensor]:
        """The values; shapes as x."""
        parts = _parts(x, weights, means, rates)
        ctx.save_for_backward(x, weights, means, rates, *parts)
        return _logit_and_log_slope(parts)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_logit: Tensor, grad_log_slope: Tensor) -> tuple[Tensor, ...]:
        """Gradients of x, weights, means and rates."""
        x, weights, means, rates, *kept = ctx.saved_tensors
        parts = _Parts(*kept)
        below, above = parts.below, parts.above
        grad_cdf = (grad_logit - grad_log_slope) / parts.cdf
        grad_rest = -(grad_logit + grad_log_slope) / parts.rest
        grad_density = grad_log_slope / parts.density
        by_cdf, by_rest, by_density = (part.unsqueeze(1) for part in (grad_cdf, grad_rest, grad_density))
        bell = below * above
        peak = bell * rates
        grad_weights = by_cdf * below + by_rest * above + by_density * peak
        grad_u = weights * bell * (by_cdf - by_rest + by_density * rates * (above - below))
        grad_rates = grad_u * (x.unsqueeze(1) - means) + by_density * weights * bell
        grad_shift = grad_u * rates
        wide = parts.wide_below * parts.wide_above * (FLOOR / _FLOOR_SCALE)
        curved = grad_density * (parts.wide_above - parts.wide_below) / _FLOOR_SCALE
        grad_x = grad_shift.sum(1) + wide * (grad_cdf - grad_rest + curved)
        return grad_x, grad_weights, -grad_shift, grad_rates


def _logit_of_mixture(x: Tensor, weights: Tensor, means: Tensor, rates: Tensor) -> tuple[Tensor, Tensor]:
    if torch.is_grad_enabled():
        pair: tuple[Tensor, Tensor] = LogitOfMixture.apply(x, weights, means, rates)  # type: ignore[no-untyped-call]
        return pair
    return _logit_and_log_slope(_parts(x, weights, means, rates))


def _quantile(logit: Tensor, weights: Tensor, means: Tensor, rates: Tensor) -> Tensor:
    """The x with logit F(x) = logit: Newton's method inside a bracket, which is halved when a step disappoints."""
    single = means + logit.unsqueeze(1) / rates
    low = torch.minimum(single.amin(1), _FLOOR_SCALE * logit)
    high = torch.maximum(single.amax(1), _FLOOR_SCALE * logit)
    x = (low + high) / 2
    last = high - low
    tolerance = 8 * torch.finfo(x.dtype).eps
    for _ in range(_MOST_ITERATIONS):
        found, log_slope = _logit_and_log_slope(_parts(x, weights, means, rates))
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


class SplineLaw(CouplingLaw):
    """y = exp(s) q(x) + t, q a monotone rational-quadratic spline (`spline.py`; Durkan et al. 2019, section 3.1).

    s is bounded as in the affine law, t by the range of the spline. The inverse is the root of a quadratic.
    """

    def __init__(self, channels: int, bins: int, clamp: Clamp = "tanh") -> None:
        super().__init__()
        self.numbers = spline.numbers_of(bins)
        self.clamp = clamp
        self.scale = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Through the spline and the affine map."""
        arguments = (x, self._by_number(numbers), self.scale, self.clamp)
        pair: tuple[Tensor, Tensor] = spline.SplineMap.apply(*arguments)  # type: ignore[no-untyped-call]
        return pair

    def inverse(self, y: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Undo the affine map, then solve the quadratic of the bin."""
        return spline.inverted(y, self._by_number(numbers), self.scale, self.clamp)

    def undo(self, y: Tensor, numbers: Tensor) -> Tensor:
        """The x of `inverse` alone."""
        return spline.undone(y, self._by_number(numbers), self.scale, self.clamp)

    def _by_number(self, numbers: Tensor) -> Tensor:
        """(N, numbers * C, H, W) -> (N, numbers, C, H, W)."""
        count, channels, height, width = numbers.shape
        return numbers.view(count, self.numbers, channels // self.numbers, height, width)


def coupling_law(kind: Literal["affine", "mixture", "spline"], channels: int, pieces: int, clamp: Clamp) -> CouplingLaw:
    """The law of `kind`, of so many components or bins."""
    if kind == "mixture":
        return MixtureLaw(channels, pieces, clamp)
    return SplineLaw(channels, pieces, clamp) if kind == "spline" else AffineLaw(channels, clamp)
