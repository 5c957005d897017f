"""Monotone rational-quadratic splines (Durkan et al. 2019, "Neural Spline Flows", section 3.1) of bounded derivative.

A spline maps [-B, B] onto itself by K bins and continues as a straight line beyond, with its derivative at the end. The
3 K + 1 parameters of a value are, in this order, the logits of the K widths, the logits of the K heights, and one
number for each of the K + 1 knots.

Two things differ from the paper, so that float32 can invert deep flows even where they have learnt nothing. The
derivative at a knot is the harmonic mean of the slopes of the bins beside it (1 beyond the ends) times e^v, |v| <= 1:
it is at most 2 e times as steep as either bin, so that no bin is nearly flat between steep knots, and the derivative
stays above 2 / (1 + 2 e) of the least slope of a bin. And the derivative at the ends is learned as well, not fixed.

This is the arithmetic as the paper has it, by autograd; training and inference use `engine.fused_spline`, which the
tests hold equal to it.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

BOUND = 5.0
"""B: the bins lie in [-B, B]."""
MIN_WIDTH = 1e-3
MIN_HEIGHT = 1e-2
"""The least part of [-B, B] that a bin's width and height take, unless the bins are too many for it."""


def spline_params(bins: int) -> int:
    """How many parameters describe a spline of so many bins."""
    return 3 * bins + 1


def knots(params: Tensor) -> tuple[Tensor, Tensor]:
    """The x and y, each (N, K + 1, C, H, W), between the bins of splines with `params` (N, 3 K + 1, C, H, W)."""
    bins = params.shape[1] // 3
    return _edges(params[:, :bins], MIN_WIDTH), _edges(params[:, bins : 2 * bins], MIN_HEIGHT)


class Bin(NamedTuple):
    """The bin k that each value falls into; all tensors have the values' shape."""

    x: Tensor
    """x_k, its left edge."""
    y: Tensor
    """y_k, its bottom."""
    width: Tensor
    height: Tensor
    slope: Tensor
    """s_k = height / width."""
    left: Tensor
    """The derivative at its left knot."""
    right: Tensor
    """The derivative at its right knot."""


def spline(x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
    """Map x (N, C, H, W) by splines with `params` (N, 3 K + 1, C, H, W); return y and log dy/dx, both of x's shape."""
    inside = x.clamp(-BOUND, BOUND)
    bin = _find_bin(inside, params, by_height=False)
    xi = (inside - bin.x) / bin.width
    y = bin.y + bin.height * (bin.slope * xi**2 + bin.left * xi * (1 - xi)) / _denominator(bin, xi)  # equation 4
    derivative = _derivative(bin, xi)
    return y + (x - inside) * derivative, torch.log(derivative)


def inverse_spline(y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
    """Map y back: return x and log dx/dy. In a bin, x is the root of a quadratic (equations 6 to 8)."""
    inside = y.clamp(-BOUND, BOUND)
    bin = _find_bin(inside, params, by_height=True)
    rise = inside - bin.y
    curvature = bin.left + bin.right - 2 * bin.slope
    a = bin.height * (bin.slope - bin.left) + rise * curvature
    b = bin.height * bin.left - rise * curvature
    c = -bin.slope * rise
    xi = 2 * c / (-b - torch.sqrt(b**2 - 4 * a * c))
    derivative = _derivative(bin, xi)
    return bin.x + bin.width * xi + (y - inside) / derivative, -torch.log(derivative)


def _denominator(bin: Bin, xi: Tensor) -> Tensor:
    return bin.slope + (bin.left + bin.right - 2 * bin.slope) * xi * (1 - xi)


def _derivative(bin: Bin, xi: Tensor) -> Tensor:
    """Equation 5: dy/dx at xi, from 0 to 1 across the bin."""
    numerator = bin.right * xi**2 + 2 * bin.slope * xi * (1 - xi) + bin.left * (1 - xi) ** 2
    return bin.slope**2 * numerator / _denominator(bin, xi) ** 2


def _find_bin(values: Tensor, params: Tensor, *, by_height: bool) -> Bin:
    """The bins of values (N, C, H, W) along the x axis, or `by_height` along the y axis."""
    bins = params.shape[1] // 3
    params = params.to(values.dtype)
    raw, (x, y) = params[:, 2 * bins :], knots(params)
    slopes = y.diff(dim=1) / x.diff(dim=1)
    before, after = _padded(slopes, before=1.0), _padded(slopes, after=1.0)
    derivatives = torch.exp(torch.tanh(raw)) * 2 * before * after / (before + after)
    inner_edges = (y if by_height else x)[:, 1:-1]
    k = (inner_edges <= values.unsqueeze(1)).sum(1, keepdim=True)

    def at(table: Tensor, index: Tensor) -> Tensor:
        return table.gather(1, index).squeeze(1)

    x_k, y_k = at(x, k), at(y, k)
    width, height = at(x, k + 1) - x_k, at(y, k + 1) - y_k
    return Bin(x_k, y_k, width, height, height / width, at(derivatives, k), at(derivatives, k + 1))


def _edges(logits: Tensor, least: float) -> Tensor:
    """Logits (N, K, ...) of the sizes of the bins -> their edges (N, K + 1, ...), from -B to B."""
    bins = logits.shape[1]
    least = min(least, 0.5 / bins)
    sizes = least + (1 - bins * least) * torch.softmax(logits, 1)
    inner = torch.cumsum(sizes, 1)[:, :-1]
    return BOUND * (2 * _padded(_padded(inner, before=0.0), after=1.0) - 1)


def _padded(table: Tensor, *, before: float | None = None, after: float | None = None) -> Tensor:
    """`table` (N, K, C, H, W) with one more entry at either end of its second dimension."""
    ends = (0, 1) if before is None else (1, 0)
    return functional.pad(table, (0, 0, 0, 0, 0, 0, *ends), value=after if before is None else before)
