"""`transforms.SplineTransform` in training: forward, and the gradients of all its inputs.

The mathematics is that of `engine.fused_spline`, where its terms are explained. Here a block of values passes all of
them at once; the backward pass computes the bins again instead of keeping them. Arrays are C-contiguous and of one
type, float32 or float64. K is the number of bins and D the number of values of an image.
"""

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from nvp_studio.flow.engine.kernels.compiling import Array, exp, kernel, part, tanh
from nvp_studio.flow.spline import BOUND, MIN_HEIGHT, MIN_WIDTH

_BLOCK = 64
"""Values that are computed together; their parameters fit into the fastest cache."""
_LANES = 16
"""A block of fewer values is filled up to a multiple of this, of whole vector instructions."""

# Rows of the scratch memory of a block, (_ROWS, _BLOCK): the edges of four bins along an axis, the exponents at both
# knots, and what else the backward pass takes from the forward pass.
_X, _Y = 0, 4
_LEFT, _RIGHT, _NUMBER, _POSITION, _SUM_X, _SUM_Y = 8, 9, 10, 11, 12, 13
_BEFORE, _SLOPE, _AFTER, _BY_LEFT, _BY_RIGHT, _XI = 14, 15, 16, 17, 18, 19
_RISE, _DERIVATIVE, _SCALED, _EXP_S, _BOUNDED, _SHIFT, _SCALE = 20, 21, 22, 23, 24, 25, 26
_START_X, _START_Y, _SIZES_X, _SIZES_Y = 27, 28, 29, 32
_GRAD_Y, _GRAD_LOG, _VALUE, _DENOMINATOR, _NUMERATOR, _BEYOND = 35, 36, 37, 38, 39, 40
_ROWS = 41


def _exp(x: Any) -> Any:
    """`compiling.exp` in float32, that of the system in float64."""


@overload(_exp, strict=False)
def _exp_of_type(x: Any) -> Any:
    return (lambda x: math.exp(x)) if x == types.float64 else (lambda x: exp(x))


def _tanh(x: Any) -> Any:
    """As `_exp`."""


@overload(_tanh, strict=False)
def _tanh_of_type(x: Any) -> Any:
    return (lambda x: math.tanh(x)) if x == types.float64 else (lambda x: tanh(x))


@part
def _load(row: Array, source: Array, lanes: int) -> None:
    """Copy `source` to the start of `row`; lanes beyond it get its last value."""
    last = len(source) - 1
    for v in range(len(source)):
        row[v] = source[v]
    for v in range(len(source), lanes):
        row[v] = source[last]


@part
def _edges(
    logits: Array, first: int, bins: int, least: Any, table: Array, scratch: Array, total: int, lanes: int
) -> None:
    """Softmax of the logits, in place, and the edges of the bins in units of the spline, into `table` (K + 3, ...)."""
    one = scratch.dtype.type(1)
    rest = one - scratch.dtype.type(bins) * least
    highest = len(logits) - 1
    for v in range(lanes):
        logits[highest, v] = logits[first, v]
    for k in range(first + 1, first + bins):
        for v in range(lanes):
            logits[highest, v] = max(logits[highest, v], logits[k, v])
    for v in range(lanes):
        scratch[total, v] = scratch.dtype.type(0)
    for k in range(first, first + bins):
        for v in range(lanes):
            logits[k, v] = _exp(logits[k, v] - logits[highest, v])
        for v in range(lanes):
            scratch[total, v] += logits[k, v]
    for v in range(lanes):
        scratch[total, v] = one / scratch[total, v]
    for k in range(first, first + bins):
        for v in range(lanes):
            logits[k, v] *= scratch[total, v]
    for v in range(lanes):
        table[0, v] = -one
        table[1, v] = scratch.dtype.type(0)
    for k in range(1, bins):
        for v in range(lanes):
            table[k + 1, v] = table[k, v] + (least + rest * logits[first + k - 1, v])
    for v in range(lanes):
        table[bins + 1, v] = one
        table[bins + 2, v] = one + one


@part
def _find_bins(logits: Array, bins: int, widths: Array, heights: Array, scratch: Array, lanes: int) -> None:
    """Find the bin of each position: its number, four edges along each axis, and the exponents at its knots."""
    least_width = scratch.dtype.type(min(MIN_WIDTH, 0.5 / bins))
    least_height = scratch.dtype.type(min(MIN_HEIGHT, 0.5 / bins))
    _edges(logits, 0, bins, least_width, widths, scratch, _SUM_X, lanes)
    _edges(logits, bins, bins, least_height, heights, scratch, _SUM_Y, lanes)
    for v in range(lanes):
        scratch[_NUMBER, v] = scratch.dtype.type(0)
    for k in range(2, bins + 1):
        for v in range(lanes):
            scratch[_NUMBER, v] += scratch.dtype.type(widths[k, v] <= scratch[_POSITION, v])
    for v in range(lanes):
        k = int(scratch[_NUMBER, v])
        for i in range(4):
            scratch[_X + i, v] = widths[k + i, v]
            scratch[_Y + i, v] = heights[k + i, v]
        scratch[_LEFT, v] = logits[2 * bins + k, v]
        scratch[_RIGHT, v] = logits[2 * bins + k + 1, v]
    for v in range(lanes):
        scratch[_LEFT, v] = _tanh(scratch[_LEFT, v])
        scratch[_RIGHT, v] = _tanh(scratch[_RIGHT, v])


@part
def _forward(logits: Array, bins: int, widths: Array, heights: Array, scratch: Array, lanes: int) -> None:
    """The map of the values in a block, whose parameters are `logits`, into rows of `scratch`."""
    zero, half, one, bound = (
        scratch.dtype.type(0),
        scratch.dtype.type(0.5),
        scratch.dtype.type(1),
        scratch.dtype.type(BOUND),
    )
    two = one + one
    for v in range(lanes):
        value = scratch[_VALUE, v]
        inside = min(max(value, -bound), bound)
        scratch[_BEYOND, v] = value - inside
        scratch[_POSITION, v] = inside / (two * bound) + half
    _find_bins(logits, bins, widths, heights, scratch, lanes)
    for v in range(lanes):
        scratch[_BEFORE, v] = (scratch[_Y + 1, v] - scratch[_Y, v]) / (scratch[_X + 1, v] - scratch[_X, v])
        scratch[_SLOPE, v] = (scratch[_Y + 2, v] - scratch[_Y + 1, v]) / (scratch[_X + 2, v] - scratch[_X + 1, v])
        scratch[_AFTER, v] = (scratch[_Y + 3, v] - scratch[_Y + 2, v]) / (scratch[_X + 3, v] - scratch[_X + 2, v])
    for v in range(lanes):
        before, slope, after = scratch[_BEFORE, v], scratch[_SLOPE, v], scratch[_AFTER, v]
        scratch[_BY_LEFT, v] = _exp(scratch[_LEFT, v]) * (two * before * slope / (before + slope))
        scratch[_BY_RIGHT, v] = _exp(scratch[_RIGHT, v]) * (two * after * slope / (after + slope))
    for v in range(lanes):
        left, right, slope = scratch[_BY_LEFT, v], scratch[_BY_RIGHT, v], scratch[_SLOPE, v]
        beyond = scratch[_BEYOND, v]
        xi = (scratch[_POSITION, v] - scratch[_X + 1, v]) / (scratch[_X + 2, v] - scratch[_X + 1, v])
        xi = one if beyond > zero else min(max(xi, zero), one)
        rest = one - xi
        product, square = xi * rest, xi * xi
        denominator = slope + (left + right - two * slope) * product
        rise = (left * product + slope * square) / denominator
        numerator = right * square + left * rest * rest + two * slope * product
        ratio = slope / denominator
        derivative = numerator * ratio * ratio
        height = scratch[_Y + 2, v] - scratch[_Y + 1, v]
        scratch[_XI, v] = xi
        scratch[_RISE, v] = rise
        scratch[_NUMERATOR, v] = numerator
        scratch[_DENOMINATOR, v] = denominator
        scratch[_DERIVATIVE, v] = derivative
        scratch[_SCALED, v] = two * bound * (scratch[_Y + 1, v] - half + height * rise) + beyond * derivative
    s_row, t_row = logits[3 * bins + 1], logits[3 * bins + 2]
    for v in range(lanes):
        scratch[_BOUNDED, v] = _tanh(s_row[v])
        scratch[_SHIFT, v] = _tanh(t_row[v] / bound)
    for v in range(lanes):
        scratch[_EXP_S, v] = _exp(scratch[_SCALE, v] * scratch[_BOUNDED, v])
        scratch[_SCALED, v] *= scratch[_EXP_S, v]


@kernel
def spline_forward(values: Array, params: Array, scale: Array, out: Array, log_derivatives: Array) -> None:
    """values, out, log_derivatives: (N, D); params: (N, 3 K + 3, D); scale: (D,)."""
    count, rows, size = params.shape
    bins = rows // 3 - 1
    logits = np.empty((rows + 1, _BLOCK), params.dtype)
    widths, heights = np.empty((bins + 3, _BLOCK), params.dtype), np.empty((bins + 3, _BLOCK), params.dtype)
    scratch = np.zeros((_ROWS, _BLOCK), params.dtype)
    bound = params.dtype.type(BOUND)
    for n in range(count):
        for start in range(0, size, _BLOCK):
            here = min(_BLOCK, size - start)
            end, lanes = start + here, (here + _LANES - 1) // _LANES * _LANES
            for k in range(rows):
                _load(logits[k], params[n, k, start:end], lanes)
            _load(scratch[_VALUE], values[n, start:end], lanes)
            _load(scratch[_SCALE], scale[start:end], lanes)
            _forward(logits, bins, widths, heights, scratch, lanes)
            to, to_log = out[n, start:end], log_derivatives[n, start:end]
            for v in range(here):
                to[v] = scratch[_SCALED, v] + bound * scratch[_SHIFT, v]
            for v in range(here):
                to_log[v] = math.log(scratch[_DERIVATIVE, v]) + scratch[_SCALE, v] * scratch[_BOUNDED, v]


@part
def _backward(bins: int, scratch: Array, lanes: int) -> None:
    """Gradients of the position, of the edges and sizes of bins and of the exponents, into rows of `scratch`."""
    zero, half, one, bound = (
        scratch.dtype.type(0),
        scratch.dtype.type(0.5),
        scratch.dtype.type(1),
        scratch.dtype.type(BOUND),
    )
    two = one + one
    last = scratch.dtype.type(bins - 1)
    for v in range(lanes):
        xi, rise, derivative = scratch[_XI, v], scratch[_RISE, v], scratch[_DERIVATIVE, v]
        numerator, denominator = scratch[_NUMERATOR, v], scratch[_DENOMINATOR, v]
        left, right, slope = scratch[_BY_LEFT, v], scratch[_BY_RIGHT, v], scratch[_SLOPE, v]
        before, after, beyond = scratch[_BEFORE, v], scratch[_AFTER, v], scratch[_BEYOND, v]
        width, height = scratch[_X + 2, v] - scratch[_X + 1, v], scratch[_Y + 2, v] - scratch[_Y + 1, v]
        inside = one if beyond == zero else zero
        rest = one - xi
        product, square = xi * rest, xi * xi
        grad_q = scratch[_GRAD_Y, v] * scratch[_EXP_S, v]
        grad_bottom = grad_q * (two * bound)
        grad_inside = grad_q * derivative
        grad_log = scratch[_GRAD_LOG, v] + grad_inside * beyond
        by_rise = grad_bottom * height / denominator
        by_numerator, by_denominator = grad_log / numerator, grad_log / denominator
        common = two * by_denominator * product
        by_reached = by_rise * rise
        grad_slope = by_rise * square - (by_reached + two * by_denominator) * (one - two * product)
        grad_slope += two * (by_numerator * product + grad_log / slope)
        middle = one - two * xi
        numerator_by_xi = right * xi + slope * middle - left * rest
        curvature = left + right - two * slope
        grad_xi = two * inside * (by_numerator * numerator_by_xi - by_denominator * curvature * middle) / width
        grad_x_k = -(grad_xi + two * bound * grad_inside * inside)
        by_left = ((by_rise - by_reached) * product + by_numerator * rest * rest - common) * left
        by_right = (by_numerator * square - by_reached * product - common) * right
        by_before = by_left * (slope / (before + slope))
        by_after = by_right * (slope / (after + slope))
        by_slope = grad_slope * slope + (by_left - by_before) + (by_right - by_after)
        number = scratch[_NUMBER, v]
        by_before = zero if number == zero else by_before
        by_after = zero if number == last else by_after
        scratch[_SIZES_X, v] = -by_before / (scratch[_X + 1, v] - scratch[_X, v])
        scratch[_SIZES_X + 1, v] = grad_x_k * xi - by_slope / width
        scratch[_SIZES_X + 2, v] = -by_after / (scratch[_X + 3, v] - scratch[_X + 2, v])
        scratch[_SIZES_Y, v] = by_before / (scratch[_Y + 1, v] - scratch[_Y, v])
        scratch[_SIZES_Y + 1, v] = grad_bottom * rise + by_slope / height
        scratch[_SIZES_Y + 2, v] = by_after / (scratch[_Y + 3, v] - scratch[_Y + 2, v])
        scratch[_START_X, v] = grad_x_k
        scratch[_START_Y, v] = grad_bottom
        scratch[_LEFT, v] = by_left * (one - scratch[_LEFT, v] * scratch[_LEFT, v])
        scratch[_RIGHT, v] = by_right * (one - scratch[_RIGHT, v] * scratch[_RIGHT, v])
        scratch[_VALUE, v] = grad_inside + grad_xi * (half / bound)


@part
def _logits_gradient(
    logits: Array, first: int, bins: int, least: float, scratch: Array, start: int, sizes: int, total: int, lanes: int
) -> None:
    """Replace the softmax in `logits` by the gradient of the logits: a bin starts at the sum of the sizes before it."""
    zero = scratch.dtype.type(0)
    rest = scratch.dtype.type(1 - bins * min(least, 0.5 / bins))
    table = logits[first : first + bins]
    for v in range(lanes):
        scratch[total, v] = zero
    for k in range(bins):
        here = scratch.dtype.type(k)
        before, after = scratch.dtype.type(k - 1), scratch.dtype.type(k + 1)
        for v in range(lanes):
            number = scratch[_NUMBER, v]
            gradient = scratch[start, v] if here < number else zero
            gradient += scratch[sizes, v] if after == number else zero
            gradient += scratch[sizes + 1, v] if here == number else zero
            gradient += scratch[sizes + 2, v] if before == number else zero
            scratch[total, v] += table[k, v] * gradient
    for k in range(bins):
        here = scratch.dtype.type(k)
        before, after = scratch.dtype.type(k - 1), scratch.dtype.type(k + 1)
        for v in range(lanes):
            number = scratch[_NUMBER, v]
            gradient = scratch[start, v] if here < number else zero
            gradient += scratch[sizes, v] if after == number else zero
            gradient += scratch[sizes + 1, v] if here == number else zero
            gradient += scratch[sizes + 2, v] if before == number else zero
            table[k, v] *= rest * (gradient - scratch[total, v])


@kernel
def spline_backward(
    values: Array,
    params: Array,
    scale: Array,
    grad_out: Array,
    grad_log_derivatives: Array,
    grad_values: Array,
    grad_params: Array,
    grad_scale: Array,
) -> None:
    """Shapes as `spline_forward`; what is to be added up to the gradient of a value's scale is added to it, (D,)."""
    count, rows, size = params.shape
    bins = rows // 3 - 1
    logits = np.empty((rows + 1, _BLOCK), params.dtype)
    widths, heights = np.empty((bins + 3, _BLOCK), params.dtype), np.empty((bins + 3, _BLOCK), params.dtype)
    scratch = np.zeros((_ROWS, _BLOCK), params.dtype)
    zero, one = params.dtype.type(0), params.dtype.type(1)
    for n in range(count):
        for start in range(0, size, _BLOCK):
            here = min(_BLOCK, size - start)
            end, lanes = start + here, (here + _LANES - 1) // _LANES * _LANES
            for k in range(rows):
                _load(logits[k], params[n, k, start:end], lanes)
            _load(scratch[_VALUE], values[n, start:end], lanes)
            _load(scratch[_SCALE], scale[start:end], lanes)
            _load(scratch[_GRAD_Y], grad_out[n, start:end], lanes)
            _load(scratch[_GRAD_LOG], grad_log_derivatives[n, start:end], lanes)
            _forward(logits, bins, widths, heights, scratch, lanes)
            s_row, t_row = logits[3 * bins + 1], logits[3 * bins + 2]
            to_scale = grad_scale[start:end]
            for v in range(lanes):
                grad_y, bounded, shift = scratch[_GRAD_Y, v], scratch[_BOUNDED, v], scratch[_SHIFT, v]
                grad_s = scratch[_GRAD_LOG, v] + grad_y * scratch[_SCALED, v]
                s_row[v] = grad_s * scratch[_SCALE, v] * (one - bounded * bounded)
                t_row[v] = grad_y * (one - shift * shift)
                scratch[_SCALED, v] = grad_s * bounded
            for v in range(here):
                to_scale[v] += scratch[_SCALED, v]
            _backward(bins, scratch, lanes)
            _logits_gradient(logits, 0, bins, MIN_WIDTH, scratch, _START_X, _SIZES_X, _SUM_X, lanes)
            _logits_gradient(logits, bins, bins, MIN_HEIGHT, scratch, _START_Y, _SIZES_Y, _SUM_Y, lanes)
            for k in range(bins + 1):
                row = logits[2 * bins + k]
                here_k, before = params.dtype.type(k), params.dtype.type(k - 1)
                for v in range(lanes):
                    number = scratch[_NUMBER, v]
                    gradient = scratch[_LEFT, v] if here_k == number else zero
                    row[v] = gradient + (scratch[_RIGHT, v] if before == number else zero)
            for k in range(rows):
                row, target = logits[k], grad_params[n, k, start:end]
                for v in range(here):
                    target[v] = row[v]
            target = grad_values[n, start:end]
            for v in range(here):
                target[v] = scratch[_VALUE, v]
