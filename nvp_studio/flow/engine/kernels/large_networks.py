"""Networks of depthwise blocks for feature maps of many pixels, which are the columns of all products.

Products are the quicker, the longer their rows are: a network of 16x16 pixels takes two thirds of the time that it does
with channels innermost (`networks`).
"""

from typing import Any

import numpy as np

from nvp_studio.flow.engine.kernels.compiling import Array, contracted_part, kernel, part
from nvp_studio.flow.engine.kernels.networks import leaky_relu
from nvp_studio.flow.engine.kernels.products import add_product


@kernel
def large_network_params(
    values: Array,
    first: int,
    staying: Array,
    side: tuple[int, int],
    bound: float,
    leak: float,
    enter: Array,
    enter_bias: Array,
    near: Array,
    near_bias: Array,
    widen: Array,
    widen_bias: Array,
    narrow: Array,
    narrow_bias: Array,
    leave: Array,
    leave_bias: Array,
    params: Array,
) -> None:
    """As `networks.network_params`, with each matrix transposed.

    enter (W, 9 inputs), enter_bias (W, H * W), near (B, W, 9), widen (B, 2 W, W), narrow (B, W, 2 W), leave (outputs,
    W).
    """
    height, width = side
    features, pixels = enter_bias.shape
    inputs = len(staying)
    columns = np.empty((9 * inputs, pixels), enter.dtype)
    h, neighbours = np.empty((features, pixels), enter.dtype), np.empty((features, pixels), enter.dtype)
    wide = np.empty((widen.shape[1], pixels), enter.dtype)
    padded, sums = np.zeros((height + 3) * (width + 2), enter.dtype), np.empty(height * (width + 2), enter.dtype)
    seen = np.empty(pixels, enter.dtype)
    slope, highest = enter.dtype.type(leak), enter.dtype.type(bound)
    for n in range(len(values)):
        for c in range(inputs):
            source = values[n, first + c * pixels : first + (c + 1) * pixels]
            for p in range(pixels):
                seen[p] = min(max(enter.dtype.type(source[p]), -highest), highest) * staying[c, p]
            _pad(seen, height, width, padded)
            for tap in range(9):
                _unpad(padded[tap // 3 * (width + 2) + tap % 3 :], height, width, columns[9 * c + tap])
        h[:] = enter_bias
        add_product(enter, columns, h)
        for block in range(len(near)):
            for c in range(features):
                _pad(h[c], height, width, padded)
                _sum_neighbours(padded, width + 2, near[block, c], near_bias[block, c], sums)
                _unpad(sums, height, width, neighbours[c])
            _fill_rows(wide, widen_bias[block])
            add_product(widen[block], neighbours, wide)
            leaky_relu(wide, slope)
            for c in range(features):
                bias = narrow_bias[block, c]
                for p in range(pixels):
                    h[c, p] += bias
            add_product(narrow[block], wide, h)
        leaky_relu(h, slope)
        _fill_rows(params[n], leave_bias)
        add_product(leave, h, params[n])


@part
def _fill_rows(rows: Array, bias: Array) -> None:
    for o in range(len(bias)):
        for p in range(rows.shape[1]):
            rows[o, p] = bias[o]


@part
def _pad(plane: Array, height: int, width: int, padded: Array) -> None:
    """Copy a plane (H * W,) into the middle of a flat one of (H + 2) * (W + 2) values."""
    for i in range(height):
        source, target = plane[i * width : (i + 1) * width], padded[(i + 1) * (width + 2) + 1 :]
        for j in range(width):
            target[j] = source[j]


@part
def _unpad(padded: Array, height: int, width: int, plane: Array) -> None:
    """The first W values of each row of W + 2, as a plane (H * W,)."""
    for i in range(height):
        source, target = padded[i * (width + 2) :], plane[i * width : (i + 1) * width]
        for j in range(width):
            target[j] = source[j]


@contracted_part
def _sum_neighbours(padded: Array, row: int, weight: Array, bias: Any, sums: Array) -> None:
    """A 3x3 convolution of a padded plane in rows of `row` values; the last two sums of each row mean nothing."""
    above, here, below = padded[:], padded[row:], padded[2 * row :]
    w0, w1, w2 = weight[0], weight[1], weight[2]
    w3, w4, w5 = weight[3], weight[4], weight[5]
    w6, w7, w8 = weight[6], weight[7], weight[8]
    for p in range(len(sums)):
        sums[p] = (
            (bias + w0 * above[p] + w1 * above[p + 1] + w2 * above[p + 2])
            + (w3 * here[p] + w4 * here[p + 1] + w5 * here[p + 2])
            + (w6 * below[p] + w7 * below[p + 1] + w8 * below[p + 2])
        )
