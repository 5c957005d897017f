"""Elementwise transforms, value by value: `transforms.SplineTransform` and `AffineTransform` in both directions.

A tensor library takes an operation for each term of an equation, and starting operations takes most of the time of a
single image. Here a block of values passes all terms at once. The result of a value depends on the value and its
parameters alone, so that it is the same in a batch of any size.

Arrays are C-contiguous. Values are float64 (N, C * H * W), parameters float32. K is the number of bins, and D the
number of values of an image that a coupling transforms: those from `first` on. Of them only those change where
`changing`, (D,), is true. Log-determinants, (N,), are those of the direction.
"""

import math

import numpy as np
from numba import float32

from nvp_studio.flow.engine.kernels.compiling import Array, exp, kernel, part, tanh
from nvp_studio.flow.spline import BOUND, MIN_HEIGHT, MIN_WIDTH

_BLOCK = 64
"""Values that are computed together; their parameters fit into the fastest cache."""
_MAX_FACTORS = 16
"""Derivatives that are multiplied before the logarithm of the product is taken; so many do not overflow."""

# Rows of the scratch memory of a block, float64 (_ROWS, _BLOCK).
_POSITION, _SCALE, _SHIFT, _FACTOR, _SUM = range(5)
_X, _Y = 6, 10
"""Four edges along an axis: of the bin before, of the bin itself, and of the one after."""
_LEFT, _RIGHT = 14, 15
"""Half the derivatives at the knots, divided by the bin's slope."""
_ROWS = 16


@part
def _edges(logits: Array, first: int, bins: int, least: float, table: Array, scratch: Array) -> None:
    """Edges of the bins whose logits are rows of `logits` (rows, _BLOCK) from `first` on, into `table` (K + 3, _BLOCK).

    In units of the whole spline, 0 to 1; the first and the last are those of bins beyond the ends, of slope 1.
    """
    least = min(least, 0.5 / bins)
    highest = len(logits) - 1
    for v in range(_BLOCK):
        logits[highest, v] = logits[first, v]
    for k in range(first + 1, first + bins):
        for v in range(_BLOCK):
            logits[highest, v] = max(logits[highest, v], logits[k, v])
    for v in range(_BLOCK):
        scratch[_SUM, v] = 0.0
    for k in range(first, first + bins):
        for v in range(_BLOCK):
            logits[k, v] = exp(logits[k, v] - logits[highest, v])
        for v in range(_BLOCK):
            scratch[_SUM, v] += logits[k, v]
    for v in range(_BLOCK):
        scratch[_SUM, v] = (1 - bins * least) / scratch[_SUM, v]
    for v in range(_BLOCK):
        table[0, v] = -1.0
        table[1, v] = 0.0
    for k in range(1, bins):
        for v in range(_BLOCK):
            table[k + 1, v] = table[k, v] + (least + scratch[_SUM, v] * logits[first + k - 1, v])
    for v in range(_BLOCK):
        table[bins + 1, v] = 1.0
        table[bins + 2, v] = 2.0


@part
def _find_bins(
    logits: Array, bins: int, by_height: bool, widths: Array, heights: Array, number: Array, scratch: Array
) -> None:
    """Find the bin of each position, and write its edges and derivatives into `scratch`."""
    _edges(logits, 0, bins, MIN_WIDTH, widths, scratch)
    _edges(logits, bins, bins, MIN_HEIGHT, heights, scratch)
    edges = heights if by_height else widths
    for v in range(_BLOCK):
        number[v] = 0
    for k in range(2, bins + 1):
        for v in range(_BLOCK):
            number[v] += edges[k, v] <= scratch[_POSITION, v]
    for v in range(_BLOCK):
        k = number[v]
        for i in range(4):
            scratch[_X + i, v] = widths[k + i, v]
            scratch[_Y + i, v] = heights[k + i, v]
        scratch[_LEFT, v] = logits[2 * bins + k, v]
        scratch[_RIGHT, v] = logits[2 * bins + k + 1, v]
    for v in range(_BLOCK):
        slope = (scratch[_Y + 2, v] - scratch[_Y + 1, v]) / (scratch[_X + 2, v] - scratch[_X + 1, v])
        before = (scratch[_Y + 1, v] - scratch[_Y, v]) / (scratch[_X + 1, v] - scratch[_X, v])
        after = (scratch[_Y + 3, v] - scratch[_Y + 2, v]) / (scratch[_X + 3, v] - scratch[_X + 2, v])
        scratch[_LEFT, v] = exp(tanh(float32(scratch[_LEFT, v]))) / (1 + slope / before)
        scratch[_RIGHT, v] = exp(tanh(float32(scratch[_RIGHT, v]))) / (1 + slope / after)


@part
def _spline(scratch: Array, result: Array) -> None:
    """y in units of the spline, and dy/dx, of positions along x, as `result` and `scratch[_FACTOR]`."""
    for v in range(_BLOCK):
        position = scratch[_POSITION, v]
        width, height = scratch[_X + 2, v] - scratch[_X + 1, v], scratch[_Y + 2, v] - scratch[_Y + 1, v]
        left, right = scratch[_LEFT, v], scratch[_RIGHT, v]
        inside = min(max(position, 0.0), 1.0)
        xi = (inside - scratch[_X + 1, v]) / width
        rest = 1 - xi
        product = xi * rest
        denominator = 1 + 2 * (left + right - 1) * product
        rise = (xi * xi + 2 * left * product) / denominator  # equation 4
        derivative = 2 * (right * xi * xi + product + left * rest * rest) / (denominator * denominator)  # equation 5
        derivative *= height / width
        scratch[_FACTOR, v] = derivative
        result[v] = scratch[_Y + 1, v] + height * rise + (position - inside) * derivative


@part
def _inverse_spline(scratch: Array, result: Array) -> None:
    """x in units of the spline, and dx/dy, of positions along y, as `result` and `scratch[_FACTOR]`.

    In units of the bin, with half derivatives p and r at its knots, a value at `part` of the bin's height has

        xi = part / (part + middle + root),  middle = p (1 - part) - r part,  root = sqrt(middle^2 + part (1 - part)),

    which is the root of the quadratic (equations 6 to 8) divided by what its terms have in common. The derivative there
    is 2 root / denominator (equation 5), so that 2 root is the derivative at an end, where part is 0 or 1: a value
    beyond it continues with that.
    """
    for v in range(_BLOCK):
        width, height = scratch[_X + 2, v] - scratch[_X + 1, v], scratch[_Y + 2, v] - scratch[_Y + 1, v]
        left, right = scratch[_LEFT, v], scratch[_RIGHT, v]
        reached = (scratch[_POSITION, v] - scratch[_Y + 1, v]) / height
        part = min(max(reached, 0.0), 1.0)
        rest = 1 - part
        middle = left * rest - right * part
        root = math.sqrt(part * rest + middle * middle)
        xi = part / (middle + part + root)
        denominator = 1 + 2 * (left + right - 1) * xi * (1 - xi)
        scratch[_FACTOR, v] = denominator * width / (2 * height * root)
        result[v] = scratch[_X + 1, v] + width * (xi + 0.5 * (reached - part) / root)


@kernel
def transform_by_splines(
    inverse: bool,
    values: Array,
    first: int,
    params: Array,
    scale: Array,
    changing: Array,
    out: Array,
    log_dets: Array,
) -> None:
    """The map of `transforms.SplineTransform` or its inverse, of the values from `first` on.

    values, out: (N, C * H * W); params: (N, 3 K + 3, D); scale: (D,); log_dets: (N,), the log-determinants of the
    direction. Values that are not transformed are copied.
    """
    count, rows, transformed = params.shape
    bins = rows // 3 - 1
    logits = np.zeros((rows + 1, _BLOCK), np.float32)
    factor = np.zeros(_BLOCK, np.float32)
    widths, heights = np.empty((bins + 3, _BLOCK)), np.empty((bins + 3, _BLOCK))
    scratch = np.empty((_ROWS, _BLOCK))
    number = np.empty(_BLOCK, np.int64)
    value, result, product, log_scales = np.zeros(_BLOCK), np.empty(_BLOCK), np.empty(_BLOCK), np.empty(_BLOCK)
    e_s, shift, position = scratch[_SCALE], scratch[_SHIFT], scratch[_POSITION]
    for n in range(count):
        out[n, :first] = values[n, :first]
        out[n, first + transformed :] = values[n, first + transformed :]
        total = 0.0
        blocks = 0
        for v in range(_BLOCK):
            product[v] = 1.0
            log_scales[v] = 0.0
        for start in range(0, transformed, _BLOCK):
            here = min(_BLOCK, transformed - start)
            end = start + here
            for k in range(rows):
                row, source = logits[k], params[n, k, start:end]
                for v in range(here):
                    row[v] = source[v]
            source, target = values[n, first + start : first + end], out[n, first + start : first + end]
            factors, changes = scale[start:end], changing[start:end]
            for v in range(here):
                value[v] = source[v]
                factor[v] = factors[v]
            log_scale, translation = logits[rows - 2], logits[rows - 1]
            for v in range(_BLOCK):
                log_scale[v] = tanh(log_scale[v]) * factor[v]
                e_s[v] = exp(log_scale[v])
            for v in range(_BLOCK):
                shift[v] = BOUND * tanh(translation[v] * float32(1 / BOUND))
            if inverse:
                for v in range(_BLOCK):
                    position[v] = 0.5 + (value[v] - shift[v]) / e_s[v] * (0.5 / BOUND)
                _find_bins(logits, bins, True, widths, heights, number, scratch)
                _inverse_spline(scratch, result)
                for v in range(_BLOCK):
                    result[v] = (result[v] - 0.5) * (2 * BOUND)
            else:
                for v in range(_BLOCK):
                    position[v] = 0.5 + value[v] * (0.5 / BOUND)
                _find_bins(logits, bins, False, widths, heights, number, scratch)
                _spline(scratch, result)
                for v in range(_BLOCK):
                    result[v] = (result[v] - 0.5) * (2 * BOUND) * e_s[v] + shift[v]
            for v in range(here):
                target[v] = result[v] if changes[v] else value[v]
            derivative = scratch[_FACTOR]
            for v in range(here):
                product[v] *= derivative[v] if changes[v] else 1.0
                log_scales[v] += log_scale[v] if changes[v] else float32(0.0)
            blocks += 1
            if blocks == _MAX_FACTORS or end == transformed:
                for v in range(_BLOCK):
                    total += math.log(product[v])
                    product[v] = 1.0
                blocks = 0
        sum_of_s = log_scales.sum()
        log_dets[n] = total - sum_of_s if inverse else total + sum_of_s


@kernel
def transform_affinely(
    inverse: bool,
    values: Array,
    first: int,
    params: Array,
    scale: Array,
    changing: Array,
    out: Array,
    log_dets: Array,
) -> None:
    """As `transform_by_splines`, for `transforms.AffineTransform`; params: (N, 2, D)."""
    count, _, transformed = params.shape
    for n in range(count):
        for d in range(values.shape[1]):
            out[n, d] = values[n, d]
        total = 0.0
        for d in range(transformed):
            if changing[d]:
                s = scale[d] * tanh(params[n, 0, d])
                x = values[n, first + d]
                out[n, first + d] = (x - params[n, 1, d]) / exp(s) if inverse else x * exp(s) + params[n, 1, d]
                total += s
        log_dets[n] = -total if inverse else total
