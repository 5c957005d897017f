"""What a coupling layer does to each value that changes, given the numbers that its network says of it.

A law is a strictly increasing map of one value. The network gives `numbers` numbers for each value: for x2 of shape
(N, C, H, W) a tensor (N, numbers * C, H, W), all channels of the first number first.
"""

import math
from typing import Any, Literal, NamedTuple

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
    """y = affine(q(x)), q a monotone rational-quadratic spline (Durkan et al. 2019, section 3.1).

    The spline has K bins over [-B, B] and is the identity outside. The network gives log-shares of the K widths and K
    heights, K - 1 log-slopes at the inner knots, and the numbers of the affine map, in that order. The inverse is the
    root of a quadratic.
    """

    def __init__(self, channels: int, bins: int, clamp: Clamp = "tanh") -> None:
        super().__init__()
        self.bins = bins
        self.numbers = 3 * bins - 1 + 2
        self.affine = AffineLaw(channels, clamp)

    def forward(self, x: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Through the spline and the affine map."""
        knots, affine = self._taken_apart(numbers)
        inside = x.abs() < _SPLINE_END
        value = torch.where(inside, x, x.new_zeros(()))
        low, width, bottom, height, first, last = _bin_of(value, knots, by_height=False)
        place = (value - low) / width
        steep = height / width
        apart = place * (1 - place)
        below = steep + (first + last - 2 * steep) * apart
        y = bottom + height * (steep * place * place + first * apart) / below
        log_slope = _log_spline_slope(place, apart, steep, first, last, below)
        y, more = self.affine(torch.where(inside, y, x), affine)
        return y, torch.where(inside, log_slope, 0.0) + more

    def inverse(self, y: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Undo the affine map, then solve the quadratic of the bin."""
        knots, affine = self._taken_apart(numbers)
        y, more = self.affine.inverse(y, affine)
        inside = y.abs() < _SPLINE_END
        value = torch.where(inside, y, y.new_zeros(()))
        low, width, bottom, height, first, last = _bin_of(value, knots, by_height=True)
        steep = height / width
        rise = value - bottom
        curve = first + last - 2 * steep
        a = height * (steep - first) + rise * curve
        b = height * first - rise * curve
        root = torch.sqrt((b * b + 4 * a * steep * rise).clamp_min(0))
        place = (2 * steep * rise / (b + root)).clamp(0, 1)
        apart = place * (1 - place)
        log_slope = _log_spline_slope(place, apart, steep, first, last, steep + curve * apart)
        x = low + place * width
        return torch.where(inside, x, y), more - torch.where(inside, log_slope, 0.0)

    def _taken_apart(self, numbers: Tensor) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
        """Edges of the bins in x and in y and slopes there, each (N, K + 1, C, H, W), and the affine numbers."""
        count, all_channels, height, width = numbers.shape
        channels = all_channels // self.numbers
        spline, affine = torch.split(numbers, [(self.numbers - 2) * channels, 2 * channels], 1)
        shape = (count, self.numbers - 2, channels, height, width)
        widths, heights, slopes = torch.split(spline.reshape(shape), [self.bins, self.bins, self.bins - 1], 1)
        inner = torch.exp(_SPLINE_LOG_SLOPE * torch.tanh(slopes / _SPLINE_LOG_SLOPE))
        one = inner.new_ones(()).expand(count, 1, channels, height, width)
        return (_edges(widths), _edges(heights), torch.cat((one, inner, one), 1)), affine


_SPLINE_END = 5.0
_SPLINE_LOG_SLOPE = 6.0
_LEAST_SHARE = 1e-3


def _edges(logits: Tensor) -> Tensor:
    """Edges of the bins with these log-shares of [-B, B]: (N, K, ...) -> (N, K + 1, ...)."""
    bins = logits.shape[1]
    shares = torch.softmax(logits, 1) * (1 - _LEAST_SHARE * bins) + _LEAST_SHARE
    inner = torch.cumsum(shares[:, :-1], 1) * (2 * _SPLINE_END) - _SPLINE_END
    end = inner.new_full((), _SPLINE_END).expand_as(logits[:, :1])
    return torch.cat((-end, inner, end), 1)


def _bin_of(value: Tensor, knots: tuple[Tensor, Tensor, Tensor], *, by_height: bool) -> tuple[Tensor, ...]:
    """Left edge, width, lower edge, height and the slopes at both edges of the bin that holds `value`."""
    edges = knots[1] if by_height else knots[0]
    index = (value.unsqueeze(1) >= edges[:, 1:-1]).sum(1, keepdim=True)
    low, bottom, first = (part.gather(1, index).squeeze(1) for part in knots)
    high, top, last = (part.gather(1, index + 1).squeeze(1) for part in knots)
    return low, high - low, bottom, top - bottom, first, last


def _log_spline_slope(
    place: Tensor, apart: Tensor, steep: Tensor, first: Tensor, last: Tensor, below: Tensor
) -> Tensor:
    rest = 1 - place
    above = last * place * place + 2 * steep * apart + first * rest * rest
    return 2 * torch.log(steep) + torch.log(above) - 2 * torch.log(below)


def coupling_law(kind: Literal["affine", "mixture", "spline"], channels: int, pieces: int, clamp: Clamp) -> CouplingLaw:
    """The law of `kind`, of so many components or bins."""
    if kind == "mixture":
        return MixtureLaw(channels, pieces, clamp)
    return SplineLaw(channels, pieces, clamp) if kind == "spline" else AffineLaw(channels, clamp)
