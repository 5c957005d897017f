"""Networks of depthwise blocks, image by image, and the map of channels between couplings.

Here feature maps, in the type of the weights, are (H * W, width), channels innermost, for maps of few pixels; for those
of many see `large_networks`. Products of matrices are our own too (`products`): most are so small that the call of a
library takes as long as they do, and their sums are in the same order for one image as for many.
"""

from typing import Any

import numpy as np

from nvp_studio.flow.engine.kernels.compiling import Array, contracted_part, kernel, part
from nvp_studio.flow.engine.kernels.products import add_product


@kernel
def network_params(
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
    """`networks.PlainNetwork` of `DepthwiseBlock`s: values float64 (N, C * H * W) -> params (N, outputs, H * W).

    The network sees the values from `first` on, as many as `staying` (inputs, H * W), which multiplies them;
    they are clamped to `bound`. Weights of B blocks of width W: enter (9 inputs, W), enter_bias (H * W, W), near (B, 9,
    W), widen (B, W, 2 W), narrow (B, 2 W, W), leave (W, outputs); biases of these (B, W), (B, 2 W), (B, W), (outputs,).
    """
    height, width = side
    pixels, features = enter_bias.shape
    columns = np.empty((pixels, len(enter)), enter.dtype)
    h, neighbours = np.empty((pixels, features), enter.dtype), np.empty((pixels, features), enter.dtype)
    wide = np.empty((pixels, widen.shape[2]), enter.dtype)
    outputs = len(leave_bias)
    by_pixel = np.empty((pixels, outputs), enter.dtype)
    slope = enter.dtype.type(leak)
    for n in range(len(values)):
        _patches(values[n], first, staying, height, width, bound, columns)
        h[:] = enter_bias
        add_product(columns, enter, h)
        for block in range(len(near)):
            _depthwise(h, height, width, near[block], near_bias[block], neighbours)
            _fill_columns(wide, widen_bias[block])
            add_product(neighbours, widen[block], wide)
            leaky_relu(wide, slope)
            for p in range(pixels):
                for c in range(features):
                    h[p, c] += narrow_bias[block, c]
            add_product(wide, narrow[block], h)
        leaky_relu(h, slope)
        result = params[n]
        _fill_columns(by_pixel, leave_bias)
        add_product(h, leave, by_pixel)
        for o in range(outputs):
            for p in range(pixels):
                result[o, p] = by_pixel[p, o]


@part
def _fill_columns(columns: Array, bias: Array) -> None:
    for p in range(len(columns)):
        for c in range(len(bias)):
            columns[p, c] = bias[c]


@part
def leaky_relu(h: Array, slope: Any) -> None:
    """max(h, slope * h), in place."""
    for p in range(len(h)):
        for c in range(h.shape[1]):
            h[p, c] = max(h[p, c], slope * h[p, c])


@part
def _patches(values: Array, first: int, staying: Array, height: int, width: int, bound: float, columns: Array) -> None:
    """What a 3x3 convolution sees at each pixel, (H * W, 9 inputs), with zeros beyond the edges."""
    columns[:] = 0
    seen = np.empty(height * width, columns.dtype)
    for c in range(len(staying)):
        source = values[first + c * height * width : first + (c + 1) * height * width]
        for p in range(len(seen)):
            seen[p] = columns.dtype.type(min(max(source[p], -bound), bound)) * staying[c, p]
        for tap in range(9):
            down, right = tap // 3 - 1, tap % 3 - 1
            for y in range(max(0, -down), height - max(0, down)):
                for x in range(max(0, -right), width - max(0, right)):
                    columns[y * width + x, 9 * c + tap] = seen[(y + down) * width + x + right]


@contracted_part
def _depthwise(h: Array, height: int, width: int, weight: Array, bias: Array, out: Array) -> None:
    """A 3x3 convolution of each feature map by its own weight, a column of (9, W)."""
    for i in range(height):
        for j in range(width):
            p = i * width + j
            out[p] = bias
            for tap in range(9):
                y, x = i + tap // 3 - 1, j + tap % 3 - 1
                if 0 <= y < height and 0 <= x < width:
                    q = y * width + x
                    for c in range(len(bias)):
                        out[p, c] += weight[tap, c] * h[q, c]


@kernel
def map_channels(values: Array, weight: Array, bias: Array, out: Array) -> None:
    """W x + b at every pixel: float64 (N, C * H * W), weight (C, C), bias (C,)."""
    channels = len(bias)
    pixels = values.shape[1] // channels
    for n in range(len(values)):
        for o in range(channels):
            row = out[n, o * pixels : (o + 1) * pixels]
            for p in range(pixels):
                row[p] = bias[o]
            for c in range(channels):
                source, w = values[n, c * pixels : (c + 1) * pixels], weight[o, c]
                for p in range(pixels):
                    row[p] += w * source[p]
