"""What networks do between products of matrices, and the map of channels between couplings.

Arrays are C-contiguous: images as (N, C, H * W) or (N, C * H * W), values float64, feature maps float32 (N, W, H * W).
"""

import numpy as np
from numba import float32

from nvp_studio.flow.engine.kernels.compiling import Array, kernel


@kernel
def patches(values: Array, first: int, staying: Array, height: int, width: int, bound: float, out: Array) -> None:
    """What a 3x3 convolution sees of the C channels from value `first` on, clamped to `bound`: (N, 9 C, H * W).

    `staying`, float32 (C, H * W), multiplies the values. Beyond the edges are zeros.
    """
    pixels = height * width
    framed = np.zeros((height + 2, width + 2), np.float32)
    for n in range(len(values)):
        for c in range(len(staying)):
            for i in range(height):
                start = first + c * pixels + i * width
                source, factors, target = values[n, start : start + width], staying[c], framed[i + 1]
                for j in range(width):
                    target[j + 1] = float32(min(max(source[j], -bound), bound)) * factors[i * width + j]
            for tap in range(9):
                row = out[n, 9 * c + tap]
                for i in range(height):
                    source = framed[i + tap // 3]
                    for j in range(width):
                        row[i * width + j] = source[j + tap % 3]


@kernel
def depthwise(h: Array, height: int, width: int, weight: Array, bias: Array, out: Array) -> None:
    """A 3x3 convolution of each feature map of h (N, W, H * W) by its own weight (W, 9).

    The map lies between rows of zeros in three copies, of which one has no last column and one no first: so a neighbour
    to the left or right is the value before or after, and the loop over all pixels is one.
    """
    pixels = height * width
    middle = np.zeros(pixels + 2 * width, np.float32)
    left = np.zeros(pixels + 2 * width + 2, np.float32)
    right = np.zeros(pixels + 2 * width + 2, np.float32)
    for n in range(len(h)):
        for c in range(len(weight)):
            source, target, w, b = h[n, c], out[n, c], weight[c], bias[c]
            for p in range(pixels):
                middle[width + p] = source[p]
                left[width + p + 1] = source[p]
                right[width + p] = source[p]
            for i in range(1, height + 1):
                left[width * i + width] = 0.0
                right[width * i] = 0.0
            for p in range(pixels):
                total = b + w[0] * left[p] + w[1] * middle[p] + w[2] * right[p + 1]
                q = p + width
                total += w[3] * left[q] + w[4] * middle[q] + w[5] * right[q + 1]
                r = q + width
                target[p] = total + w[6] * left[r] + w[7] * middle[r] + w[8] * right[r + 1]


@kernel
def add_bias(h: Array, bias: Array, leak: float) -> None:
    """Add bias (W,) to h (N, W, H * W) in place, and apply a leaky ReLU of slope `leak`; 1 leaves the sum."""
    slope = float32(leak)
    for n in range(len(h)):
        for c in range(len(bias)):
            row = h[n, c]
            for p in range(len(row)):
                x = row[p] + bias[c]
                row[p] = max(x, slope * x)


@kernel
def map_channels(values: Array, weight: Array, bias: Array, out: Array) -> None:
    """W x + b at every pixel: float64 (N, C, H * W), weight (C, C), bias (C,)."""
    for n in range(len(values)):
        for o in range(len(bias)):
            row = out[n, o]
            for p in range(len(row)):
                row[p] = bias[o]
            for c in range(len(bias)):
                source, w = values[n, c], weight[o, c]
                for p in range(len(row)):
                    row[p] += w * source[p]
