"""The map of spline couplings: a monotone rational-quadratic spline of bounded slope, then an affine map.

    y = exp(s) q(x) + t

The spline q (after Durkan et al. 2019, section 3.1) has K bins over [-B, B] and goes on straight beyond, with its slope
at the end. The numbers of a value are log-shares of the K widths, log-shares of the K heights, the bends of the K + 1
knots, and what s and t come from, in that order.

The slope at a knot is the harmonic mean of the steepnesses of the bins beside it (1 beyond the ends) times e^bend,
|bend| <= 1. It is at most 2 e times as steep as a bin beside it, so no bin is nearly flat between steep knots:
the slope of q stays above `least_slope` everywhere, about 0.003. |t| < B keeps values from running away. Both let
float32 invert deep flows even where they have learnt nothing.
"""

import functools
import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from nvp_studio.flow.bijection import per_channel

END = 5.0
"""B, where the bins end, and what bounds the shift."""
LEAST_WIDTH = 1e-3
LEAST_HEIGHT = 1e-2
"""Least shares of a bin in the width and in the height of the spline, unless the bins are too many for it."""


def numbers_of(bins: int) -> int:
    """How many numbers say the map of so many bins."""
    return 3 * bins + 3


def least_slope(bins: int) -> float:
    """What no slope of q falls below with so many bins: that in the middle of a bin between the steepest knots."""
    return min(LEAST_HEIGHT, 0.5 / bins) * 2 / (1 + 2 * math.e)


class _Bins(NamedTuple):
    """The bins that values fall into, in units of the whole spline."""

    sizes: Tensor
    """Widths and heights of the bin before, of this one and of the one after, (N, 2, 3, C, H, W)."""
    steeps: Tensor
    """Height / width of the three, 1 where there is no bin, (N, 3, C, H, W)."""
    bends: Tensor
    """Of both knots, (N, 2, C, H, W)."""
    number: Tensor
    """(N, 1, C, H, W), from 0."""
    shares: Tensor
    """Shares of all widths and heights before the least ones are seen to, (N, 2, K, C, H, W)."""


def _bins_of(share: Tensor, numbers: Tensor, axis: int) -> tuple[Tensor, _Bins]:
    """The bin that holds each value: left edge and bottom (N, 2, C, H, W), and the rest.

    A value lies at its `share` (N, C, H, W) of the width of the spline (axis 0) or of the height (1). Sizes are
    differences of the edges as they were rounded, so that neighbours meet and the map has no gaps: what lies in a bin
    in one direction does so in the other. Shares may be of a wider type than the numbers, and so is the bin.
    """
    count, bins = len(numbers), numbers.shape[1] // 3 - 1
    shape = numbers.shape[2:]
    table = _table(bins, numbers.dtype, numbers.device)
    shares = torch.softmax(numbers[:, : 2 * bins].view(count, 2, bins, *shape), 2)
    weight = table.weight.expand(count, -1, -1)
    rows = torch.baddbmm(table.bias, weight, shares.view(count, 2 * bins, shape.numel()))
    rows = rows.view(count, 2 * bins + 6, *shape)
    first = axis * (bins + 3) + 2
    number = (rows[:, first : first + bins - 1] <= share.unsqueeze(1)).sum(1, keepdim=True)
    index = number + table.rows
    edges = rows.gather(1, index[:, :8]).to(share.dtype).view(count, 2, 4, *shape)
    sizes = edges[:, :, 1:] - edges[:, :, :-1]
    bends = torch.tanh(numbers.gather(1, index[:, 8:]))
    return edges[:, :, 1], _Bins(sizes, sizes[:, 1] / sizes[:, 0], bends, number, shares)


class _Table(NamedTuple):
    """What makes edges of the shares (2 K): from left to right, then from the bottom to the top (K + 3 each).

    The first and the last of either are those of bins beyond the ends, which do away with the cases there.
    """

    weight: Tensor
    """(1, 2 K + 6, 2 K)."""
    bias: Tensor
    """(1, 2 K + 6, 1)."""
    rows: Tensor
    """What matters to a value in the first bin, (10, 1, 1, 1): four edges each, and where its bends are among the
    numbers; for the next bin what comes after them."""


@functools.cache
def _table(bins: int, dtype: torch.dtype, device: torch.device) -> _Table:
    with torch.inference_mode(False):
        leasts, rests = (part.flatten() for part in _leasts(bins, torch.float64, torch.device("cpu")))
        # From one end to the other the shares add up to one, which is exact when it is not summed.
        inner = functional.pad(torch.ones(bins - 1, bins, dtype=torch.float64).tril(), (0, 0, 2, 2))
        outer = torch.zeros(bins + 3, dtype=torch.float64)
        outer[0], outer[-2], outer[-1] = -1, 1, 2
        weight = torch.kron(torch.diag(rests), inner)
        bias = torch.cat([least * inner.sum(1) + outer for least in leasts])
        first = [*range(4), *range(bins + 3, bins + 7), 2 * bins, 2 * bins + 1]
        return _Table(
            weight.to(device, dtype)[None],
            bias.to(device, dtype).view(1, -1, 1),
            torch.tensor(first, device=device).view(10, 1, 1, 1),
        )


@functools.cache
def _leasts(bins: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Least shares (2, 1, 1, 1, 1) of width and height, and what they leave."""
    with torch.inference_mode(False):
        least = torch.tensor([min(LEAST_WIDTH, 0.5 / bins), min(LEAST_HEIGHT, 0.5 / bins)], dtype=dtype, device=device)
        least = least.view(2, 1, 1, 1, 1)
        return least, 1 - bins * least


@functools.cache
def _constant(value: float, dtype: torch.dtype) -> Tensor:
    """A tensor without dimensions: on any device, and cheaper than a Python number."""
    with torch.inference_mode(False):
        return torch.tensor(value, dtype=dtype, device="cpu")


@functools.cache
def _three(device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        return torch.arange(3, device=device).view(3, 1, 1, 1)


def _slopes(bins: _Bins) -> Tensor:
    """At the left and at the right knot, (N, 2, C, H, W)."""
    before, after = bins.steeps[:, :2], bins.steeps[:, 1:]
    return torch.exp(bins.bends) * before * after / torch.lerp(before, after, 0.5)


def _quotient(place: Tensor, slopes: Tensor, steep: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """At `place`, from 0 to 1 across a bin: its part of the rise, then above and below of equation 5."""
    first, last = slopes.unbind(1)
    square, rest = place * place, 1 - place
    apart = place * rest
    below = torch.sub(first + last, steep, alpha=2).mul_(apart).add_(steep)
    rise = torch.addcmul(first * apart, steep, square).div_(below)
    above = torch.addcmul(last * square, first, rest * rest).addcmul_(steep, apart, value=2)
    return rise, above, below


class SplineMap(torch.autograd.Function):
    """(x, numbers (N, 3 K + 3, C, H, W), scale (C,)) -> y and log dy/dx, with gradients written out.

    s = scale * tanh(raw), t = B tanh(raw / B); q by equations 4 and 5 of Durkan et al. Only the numbers of three bins
    matter to a value, apart from the shares, which a softmax ties together; autograd would walk a hundred tensors for
    what takes a few products more.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, numbers: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        """The values; shapes as x."""
        held = x.clamp(-END, END)
        share = held / (2 * END) + 0.5
        start, bins = _bins_of(share, numbers, 0)
        (left, bottom), (width, height) = start.unbind(1), bins.sizes[:, :, 1].unbind(1)
        slopes, steep = _slopes(bins), bins.steeps[:, 1]
        beyond = x - held
        # Beyond the right end exactly 1: its slope there must not depend on the rounding of edges.
        place = (share - left).div_(width).add_(beyond > 0).clamp_(0, 1)
        rise, above, below = _quotient(place, slopes, steep)
        slope = above * (steep / below).square_()
        q = torch.addcmul(bottom - 0.5, height, rise).mul_(2 * END).addcmul_(beyond, slope)
        bounded, s, shift = _affine(numbers, scale)
        grow = torch.exp(s)
        grown = q.mul_(grow)
        ctx.save_for_backward(
            place, rise, above, below, slope, beyond, grow, grown, bounded, shift, scale, slopes, *bins
        )
        return torch.add(grown, shift, alpha=END), torch.log(slope).add_(s)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_y: Tensor, grad_log_slope: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients of x, of the numbers and of the scale."""
        place, rise, above, below, slope, beyond, grow, grown, bounded, shift, scale, *kept = ctx.saved_tensors
        slopes, bins = kept[0], _Bins(*kept[1:])
        count = bins.shares.shape[2]
        gradient = slope.new_empty(len(place), 3 * count + 3, *place.shape[1:])
        by_s = torch.addcmul(grad_log_slope, grad_y, grown)
        gradient[:, -2] = by_s * per_channel(scale) * (1 - bounded * bounded)
        torch.mul(grad_y, 1 - shift * shift, out=gradient[:, -1])
        grad_scale = (by_s * bounded).sum((0, 2, 3))

        (first, last), (before, steep, after) = slopes.unbind(1), bins.steeps.unbind(1)
        width, height = bins.sizes[:, :, 1].unbind(1)
        inside = beyond == 0
        rest = 1 - place
        apart, square = place * rest, place * place
        grad_q = grad_y * grow
        grad_share = grad_q * (2 * END)
        through = grad_q * slope
        grad_log_slope = torch.addcmul(grad_log_slope, through, beyond)
        by_rise, by_above, by_below = grad_share * height / below, grad_log_slope / above, grad_log_slope / below
        common = 2 * by_below * apart
        risen = by_rise * rise
        grad_steep = by_rise * square - (risen + 2 * by_below) * (1 - 2 * apart)
        grad_steep += 2 * (by_above * apart + grad_log_slope / steep)
        middle = 1 - 2 * place
        turning = last * place + steep * middle - first * rest
        curve = first + last - 2 * steep
        pull = (by_above * turning - by_below * curve * middle).mul_(inside).div_(width).mul_(2)
        grad_left = torch.add(pull, through * inside, alpha=2 * END).neg_()
        # By logarithms: what the slope of a knot says of its bend, and of the steepness of the bins beside it.
        by_first = ((by_rise - risen) * apart + by_above * rest * rest - common).mul_(first)
        by_last = (by_above * square - risen * apart - common).mul_(last)
        by_before = by_first * (steep / (before + steep))
        by_after = by_last * (steep / (after + steep))
        by_steep = grad_steep * steep + (by_first - by_before) + (by_last - by_after)
        number = bins.number.squeeze(1)
        by_before *= number != 0
        by_after *= number != count - 1
        changes = torch.stack((-by_before, -by_steep, -by_after, by_before, by_steep, by_after), 1)
        grad_size = changes.view(bins.sizes.shape).div_(bins.sizes)
        grad_size[:, 0, 1].addcmul_(grad_left, place)
        grad_size[:, 1, 1].addcmul_(grad_share, rise)
        _shares_gradient(gradient[:, : 2 * count], bins, torch.stack((grad_left, grad_share), 1), grad_size)
        by_bends = torch.stack((by_first, by_last), 1).mul_(1 - bins.bends * bins.bends)
        knots = bins.number + _three(number.device)[:2]
        gradient[:, 2 * count : 3 * count + 1].zero_().scatter_(1, knots, by_bends)
        return torch.add(through, pull, alpha=0.5 / END), gradient, grad_scale


def _affine(numbers: Tensor, scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """s / scale, s, and t / B."""
    bounded = torch.tanh(numbers[:, -2])
    return bounded, per_channel(scale) * bounded, torch.tanh(numbers[:, -1] / END)


def _shares_gradient(out: Tensor, bins: _Bins, grad_start: Tensor, grad_size: Tensor) -> None:
    """Write the gradient of the log-shares: the start of a bin is the sum of the sizes before it."""
    shares = bins.shares
    count = shares.shape[2]
    out = out.view(shares.shape)
    before = torch.arange(count, device=shares.device).view(-1, 1, 1, 1) < bins.number
    torch.mul(before.unsqueeze(1), grad_start.unsqueeze(2), out=out)
    three = (bins.number - 1 + _three(shares.device)).clamp_(0, count - 1)  # where there is no bin the gradient is zero
    out.scatter_add_(2, three.unsqueeze(1).expand(-1, 2, -1, -1, -1, -1), grad_size)
    _, rest = _leasts(count, shares.dtype, shares.device)
    out.mul_(shares).mul_(rest)
    out.addcmul_(shares, out.sum(2, keepdim=True), value=-1)


def inverted(y: Tensor, numbers: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """The x of y, by the root of equation 6 of Durkan et al., and log dx/dy."""
    x, place, root, first, last, steep, s = _undone(y, numbers, scale)
    below = 1 + 2 * (first + last - 1) * place * (1 - place)
    return x, torch.log(below / (2 * steep * root)) - s


def undone(y: Tensor, numbers: Tensor, scale: Tensor) -> Tensor:
    """The x of `inverted` alone."""
    return _undone(y, numbers, scale)[0]


def _undone(y: Tensor, numbers: Tensor, scale: Tensor) -> tuple[Tensor, ...]:
    """x, its place in its bin, the root in it, half the slopes at both knots by the bin's steepness, that, and s.

    In units of the bin, with half slopes p and r at its knots, the value at `part` of its height is at

        part / (part + middle + root),  middle = p (1 - part) - r part,  root = sqrt(middle^2 + part (1 - part)),

    which is equation 6 divided by what its terms share. The slope there is 2 root / below (equation 5), so that 2 root
    is the slope at an end, where part is 0 or 1: a value beyond it goes on by that.

    The time of a single image goes by the number of these operations, not by what they do.
    """
    _, s, shift = _affine(numbers, scale)
    one = _constant(1.0, y.dtype)
    share = torch.add(_constant(0.5, y.dtype), torch.sub(y, shift, alpha=END) / torch.exp(s), alpha=0.5 / END)
    start, bins = _bins_of(share, numbers, 1)
    (left, bottom), (width, height) = start.unbind(1), bins.sizes[:, :, 1].unbind(1)
    steep = bins.steeps[:, 1:2]
    first, last = (torch.exp(bins.bends) / (one + steep / bins.steeps[:, ::2])).unbind(1)
    risen = (share - bottom) / height
    part = risen.clamp(0, 1)
    rest = one - part
    middle = torch.addcmul(first * rest, last, part, value=-1)
    root = torch.addcmul(part * rest, middle, middle).sqrt()
    place = part / (middle + part + root)
    reached = torch.addcdiv(place, risen - part, root, value=0.5)
    x = torch.add(_constant(-END, y.dtype), torch.addcmul(left, width, reached), alpha=2 * END)
    return x, place, root, first, last, steep.squeeze(1), s
