"""What a coupling layer does to each value that changes, given the numbers that its network says of it.

A law is a strictly increasing map of one value. The network gives `numbers` numbers for each value: for x2 of shape
(N, C, H, W) a tensor (N, numbers * C, H, W), all channels of the first number first.
"""

import functools
import math
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

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

    def undo(self, y: Tensor, numbers: Tensor) -> Tensor:
        """The x of `inverse` alone."""
        s, t = self.log_scale_and_shift(numbers)
        return (y - t) * torch.exp(-s)


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
        spline, affine = self._taken_apart(numbers)
        y, log_slope = Spline.apply(x, spline)  # type: ignore[no-untyped-call]
        y, more = self.affine(y, affine)
        return y, log_slope + more

    def inverse(self, y: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Undo the affine map, then solve the quadratic of the bin."""
        spline, affine = self._taken_apart(numbers)
        y, more = self.affine.inverse(y, affine)
        x, log_slope = _spline_inverse(y, spline)
        return x, log_slope + more

    def undo(self, y: Tensor, numbers: Tensor) -> Tensor:
        """`inverse` in about half of its operations, which is what a single image's time goes by."""
        spline, affine = self._taken_apart(numbers)
        y = self.affine.undo(y, affine)
        held = y.clamp(-_END, _END)
        return _spline_undone(held, spline, self.bins) + (y - held)

    def _taken_apart(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """The numbers of the spline (N, 3 K - 1, C, H, W), and those of the affine map (N, 2 C, H, W)."""
        count, all_channels, height, width = numbers.shape
        channels = all_channels // self.numbers
        spline, affine = torch.split(numbers, [(self.numbers - 2) * channels, 2 * channels], 1)
        return spline.reshape(count, self.numbers - 2, channels, height, width).contiguous(), affine


_END = 5.0
"""B, the end of the spline: values beyond it stay as they are."""
_LEAST_SHARE = 1e-3
"""Least share of a bin in the width and in the height of the spline."""
_LOG_SLOPE_RANGE = 6.0
"""Slopes at the inner knots stay within e^-6 and e^6; at the ends they are 1, as beyond."""


class _Bins(NamedTuple):
    """The bins that values fall into, in units of the whole spline: (N, C, H, W) but for the last four."""

    left: Tensor
    width: Tensor
    bottom: Tensor
    height: Tensor
    first: Tensor
    """Slope at the left knot."""
    last: Tensor
    number: Tensor
    """(N, 1, C, H, W), from 0."""
    widths: Tensor
    """Shares of all bins before the least share is seen to, (N, K, C, H, W)."""
    heights: Tensor


def _bins_of(share: Tensor, numbers: Tensor, *, by_height: bool) -> _Bins:
    """The bin that holds each value, which lies at `share` (N, C, H, W) of the spline's width, or of its height."""
    bins = (numbers.shape[1] + 1) // 3
    widths, heights = torch.softmax(numbers[:, :bins], 1), torch.softmax(numbers[:, bins : 2 * bins], 1)
    scale = 1 - bins * _LEAST_SHARE
    steps = torch.arange(1, bins + 1, dtype=share.dtype, device=share.device).view(-1, 1, 1, 1) * _LEAST_SHARE
    rights, tops = torch.cumsum(widths, 1).mul_(scale).add_(steps), torch.cumsum(heights, 1).mul_(scale).add_(steps)
    rights[:, -1] = tops[:, -1] = 1  # whatever the sum was rounded to: the ends of the spline stay where they are
    edges = tops if by_height else rights
    number = (edges[:, :-1] <= share.unsqueeze(1)).sum(1, keepdim=True)
    before, starts = (number - 1).clamp_min(0), (number > 0).squeeze(1)
    left, bottom = _at(rights, before) * starts, _at(tops, before) * starts
    width, height = _at(rights, number) - left, _at(tops, number) - bottom
    first, last = (_slope(numbers[:, 2 * bins :], knot) for knot in (number - 1, number))
    return _Bins(left, width, bottom, height, first, last, number, widths, heights)


def _at(values: Tensor, number: Tensor) -> Tensor:
    return values.gather(1, number).squeeze(1)


def _slope(numbers: Tensor, knot: Tensor) -> Tensor:
    """Slopes at knots counted from the first inner one; 1 where there is no such knot, at the ends of the spline."""
    inner = numbers.shape[1]
    if not inner:
        return torch.ones_like(knot[:, 0], dtype=numbers.dtype)
    place = knot.clamp(0, inner - 1)
    raw = _at(numbers, place) * (place == knot).squeeze(1)
    return torch.exp(_LOG_SLOPE_RANGE * torch.tanh(raw / _LOG_SLOPE_RANGE))


def _quotient(place: Tensor, bins: _Bins) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """At `place`, from 0 to 1 across a bin: its part of the rise, then slope, above and below of equation 5."""
    steep = bins.height / bins.width
    square, rest = place * place, 1 - place
    apart = place * rest
    below = (bins.first + bins.last - 2 * steep).mul_(apart).add_(steep)
    rise = torch.addcmul(bins.first * apart, steep, square).div_(below)
    above = torch.addcmul(bins.last * square, bins.first, rest * rest).addcmul_(steep, apart, value=2)
    return rise, steep, above, below


class Spline(torch.autograd.Function):
    """(x, numbers (N, 3 K - 1, C, H, W)) -> q(x) and its log-slope, with gradients written out.

    Equations 4 and 5 of Durkan et al. Only the numbers of one bin matter to a value, apart from the shares, which a
    softmax ties together; autograd would walk a hundred tensors for what takes a few products more.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """The values; shapes as x."""
        held = x.clamp(-_END, _END)
        share = held / (2 * _END) + 0.5
        bins = _bins_of(share, numbers, by_height=False)
        place = (share - bins.left).div_(bins.width).clamp_(0, 1)
        rise, steep, above, below = _quotient(place, bins)
        log_slope = torch.log(above * (steep / below).square_())
        ctx.save_for_backward(place, rise, above, below, log_slope, x == held, *bins)
        return torch.addcmul(bins.bottom - 0.5, bins.height, rise).mul_(2 * _END).add_(x - held), log_slope

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_y: Tensor, grad_log_slope: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients of x and of the numbers."""
        place, rise, above, below, log_slope, inside, *kept = ctx.saved_tensors
        bins = _Bins(*kept)
        steep, rest = bins.height / bins.width, 1 - place
        apart, square = place * rest, place * place
        middle = 1 - 2 * place
        grad_share = grad_y * (2 * _END)
        by_rise, by_above, by_below = grad_share * bins.height / below, grad_log_slope / above, grad_log_slope / below
        common = 2 * by_below * apart
        risen = by_rise * rise
        flat = 1 - 2 * apart
        grad_steep = by_rise * square - (risen + 2 * by_below) * flat + 2 * (by_above * apart + grad_log_slope / steep)
        grad_first = (by_rise - risen) * apart + by_above * rest * rest - common
        grad_last = by_above * square - risen * apart - common
        turning = bins.last * place + steep * middle - bins.first * rest
        curve = bins.first + bins.last - 2 * steep
        by_place = 2 * (by_above * turning - by_below * curve * middle) * inside
        pull = by_place / bins.width
        slope = torch.exp(log_slope)
        grad_x = grad_y * slope + pull / (2 * _END)
        grad_left = -(grad_share * slope + pull)
        grad_width = grad_left * place - grad_steep * steep / bins.width
        grad_height = grad_share * rise + grad_steep / bins.width
        count = bins.widths.shape[1]
        gradient = bins.widths.new_zeros(len(place), 3 * count - 1, *place.shape[1:])
        before = torch.arange(count, device=place.device).view(1, -1, 1, 1, 1) < bins.number
        _shares_gradient(gradient[:, :count], bins.widths, grad_left, grad_width, before, bins.number)
        _shares_gradient(gradient[:, count : 2 * count], bins.heights, grad_share, grad_height, before, bins.number)
        _slope_gradient(gradient[:, 2 * count :], bins.number - 1, bins.first, grad_first)
        _slope_gradient(gradient[:, 2 * count :], bins.number, bins.last, grad_last)
        return grad_x, gradient


def _shares_gradient(
    out: Tensor, shares: Tensor, grad_start: Tensor, grad_size: Tensor, before: Tensor, number: Tensor
) -> None:
    """Write the gradient of the log-shares: the start of a bin is the sum of the shares before it."""
    scale = 1 - shares.shape[1] * _LEAST_SHARE
    torch.mul(before, (grad_start * scale).unsqueeze(1), out=out)
    out.scatter_(1, number, (grad_size * scale).unsqueeze(1))  # where `before` left a zero
    out.mul_(shares)
    out.addcmul_(shares, out.sum(1, keepdim=True), value=-1)


def _slope_gradient(out: Tensor, knot: Tensor, slope: Tensor, grad: Tensor) -> None:
    """Add the gradient of the number that says the slope at a knot, if it is an inner one."""
    inner = out.shape[1]
    if not inner:
        return
    place = knot.clamp(0, inner - 1)
    bounded = torch.log(slope).div_(_LOG_SLOPE_RANGE)
    by_number = grad * slope * (1 - bounded * bounded)
    out.scatter_add_(1, place, by_number.unsqueeze(1) * (place == knot))


def _spline_inverse(y: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
    """x with q(x) = y, by the root of equation 6 of Durkan et al., and log dx/dy."""
    held = y.clamp(-_END, _END)
    share = held / (2 * _END) + 0.5
    bins = _bins_of(share, numbers, by_height=True)
    risen, steep = share - bins.bottom, bins.height / bins.width
    curve = bins.first + bins.last - 2 * steep
    bent = risen * curve
    a = bins.height * (steep - bins.first) + bent
    b = bins.height * bins.first - bent
    root = torch.sqrt((b * b + 4 * a * steep * risen).clamp_min(0))
    place = (2 * steep * risen / (b + root)).clamp(0, 1)
    _, _, above, below = _quotient(place, bins)
    x = (bins.left + place * bins.width - 0.5) * (2 * _END) + (y - held)
    return x, -torch.log(above * (steep / below).square())


def _spline_undone(y: Tensor, numbers: Tensor, bins: int) -> Tensor:
    """x with q(x) = y for y (N, C, H, W) within [-B, B]; widths and heights are dealt with together.

    Factors that are Python numbers cost several times what tensors do, except as `alpha` or `value`.
    """
    share = torch.add(_constant(0.5, y.dtype), y, alpha=0.5 / _END)
    shares = torch.softmax(numbers[:, : 2 * bins].view(len(y), 2, bins, *y.shape[1:]), 2)
    shares = torch.add(_constant(_LEAST_SHARE, y.dtype), shares, alpha=1 - bins * _LEAST_SHARE)
    ends = torch.cumsum(shares, 2)
    ends[:, :, -1] = 1
    index = (ends[:, 1, :-1] <= share.unsqueeze(1)).sum(1, keepdim=True)
    both = index.unsqueeze(1).expand(-1, 2, -1, -1, -1, -1)
    starts = functional.pad(ends[:, :, :-1], (0, 0, 0, 0, 0, 0, 1, 0)).gather(2, both)
    sizes = ends.gather(2, both) - starts
    (width, height), (left, bottom) = (part.squeeze(2).unbind(1) for part in (sizes, starts))
    slopes = functional.pad(numbers[:, 2 * bins :], (0, 0, 0, 0, 0, 0, 1, 1))
    slopes = slopes.gather(1, torch.cat((index, index + _constant(1, torch.int64)), 1))
    bound = _constant(_LOG_SLOPE_RANGE, y.dtype)
    first, last = torch.exp(bound * torch.tanh(slopes / bound)).unbind(1)
    rise, steep = share - bottom, height / width
    curved = rise * torch.sub(first + last, steep, alpha=2)
    a = torch.addcmul(curved, height, steep - first)
    b = height * first - curved
    climb = steep * rise
    root = torch.addcmul(b * b, a, climb, value=4).clamp_min(0).sqrt()
    place = torch.addcdiv(left, width * climb, b + root, value=2)
    return torch.add(_constant(-_END, y.dtype), place, alpha=2 * _END)


@functools.cache
def _constant(value: float, dtype: torch.dtype) -> Tensor:
    """A tensor without dimensions, which goes with tensors on any device."""
    with torch.inference_mode(False):
        return torch.tensor(value, dtype=dtype, device="cpu")


def coupling_law(kind: Literal["affine", "mixture", "spline"], channels: int, pieces: int, clamp: Clamp) -> CouplingLaw:
    """The law of `kind`, of so many components or bins."""
    if kind == "mixture":
        return MixtureLaw(channels, pieces, clamp)
    return SplineLaw(channels, pieces, clamp) if kind == "spline" else AffineLaw(channels, clamp)
