"""Mixtures over grey levels, pixel by pixel: `mixture.MixtureTransform` in both directions.

A block of pixels passes all terms together, each in a lane of the vectors. F is computed by the same instructions in
both directions, so that the same level is found: no products and sums become one instruction here.

Arrays are C-contiguous. Values and parameters are float64, values (N, C * H * W). K is the number of components, P that
of parameters of a pixel for each of them. Of a block, each pixel has a column in the tables `params` (P * K, _LANES),
`mixture` (3, K, _LANES) and `scratch` (_ROWS, _LANES), all float64. `edges` (257,) are those of the levels of a colour,
on the axis of the components, which has no end.
"""

import math
from typing import Any

import numpy as np

from nvp_studio.flow.dequantization import LEVELS
from nvp_studio.flow.engine.kernels.compiling import Array, exp64, kernel, part, sigmoid64
from nvp_studio.flow.engine.kernels.normal import cumulated, quantile
from nvp_studio.flow.mixture import AXIS, BLUNTEST, FLOOR, MARGIN, SHARPEST

_LANES = 16
"""Pixels that are computed together: two registers of eight numbers, or four of four."""
_LEVELS = float(LEVELS)
_REST = 1 - 2 * MARGIN
_MIDDLE, _REACH = (SHARPEST + BLUNTEST) / 2, (SHARPEST - BLUNTEST) / 2
_LOG_SQRT_2_PI = 0.5 * math.log(2 * math.pi)
_LEAST, _MOST = 1e-300, 1 - 2.0**-53
"""Shares of the normal distribution whose z is finite."""
_EPS = float(np.finfo(np.float64).eps)
_TIE = 16 * _EPS
"""How far below F at a level's edge a share may be by rounding: values at the edge come back to the level above it."""
_LAST = 1 - LEVELS * _EPS
"""The last place within a level that is not rounded to the next one."""
_FLOOR = FLOOR / LEVELS
_WEIGHTS, _MEANS, _SHARPNESS = range(3)
"""Tables of `mixture`, of the components of a colour; the last is of inverse scales."""
_VALUE, _SHARE, _BELOW, _PROBABILITY, _START, _END = range(6)
_ROWS = 6


@part
def _tanh(x: Any) -> Any:
    return 2 * sigmoid64(2 * x) - 1


@part
def _weigh(params: Array, mixture: Array) -> None:
    """The weights of the components, whose logits are the first parameters."""
    weights = mixture[_WEIGHTS]
    highest, total = np.full(_LANES, -np.inf), np.zeros(_LANES)
    for k in range(len(weights)):
        for v in range(_LANES):
            highest[v] = max(highest[v], params[k, v])
    for k in range(len(weights)):
        for v in range(_LANES):
            weights[k, v] = exp64(params[k, v] - highest[v])
            total[v] += weights[k, v]
    for k in range(len(weights)):
        for v in range(_LANES):
            weights[k, v] /= total[v]


@part
def _take(params: Array, colours: int, colour: int, centers: Array, mixture: Array) -> None:
    """Means and inverse scales of a colour, given the middles of the levels of those before it (colours, _LANES)."""
    means, sharpness = mixture[_MEANS], mixture[_SHARPNESS]
    components = len(means)
    first = (1 + 2 * colour) * components
    for k in range(components):
        for v in range(_LANES):
            means[k, v] = params[first + k, v]
            sharpness[k, v] = exp64(_MIDDLE + _REACH * _tanh(params[first + components + k, v] / _REACH))
    pull = (1 + 2 * colours + colour * (colour - 1) // 2) * components
    for earlier in range(colour):
        for k in range(components):
            for v in range(_LANES):
                means[k, v] += _tanh(params[pull + k, v]) * (2 * AXIS * centers[earlier, v] - AXIS)
        pull += components


@part
def _cumulate(levels: Array, edges: Array, mixture: Array, scratch: Array) -> None:
    """F at the lower edges of levels, into `scratch[_BELOW]`."""
    start, below = scratch[_START], scratch[_BELOW]
    weights, means, sharpness = mixture[_WEIGHTS], mixture[_MEANS], mixture[_SHARPNESS]
    for v in range(_LANES):
        start[v] = edges[levels[v]]
        below[v] = 0.0
    for k in range(len(weights)):
        for v in range(_LANES):
            below[v] += weights[k, v] * sigmoid64((start[v] - means[k, v]) * sharpness[k, v])
    for v in range(_LANES):
        below[v] = (1 - FLOOR) * below[v] + _FLOOR * levels[v]


@part
def _find(edges: Array, mixture: Array, scratch: Array, levels: Array, middles: Array) -> None:
    """The levels whose part of [0, 1] holds `scratch[_SHARE]`, by bisection."""
    below, share = scratch[_BELOW], scratch[_SHARE]
    for v in range(_LANES):
        levels[v] = 0
    step = LEVELS // 2
    while step:
        for v in range(_LANES):
            middles[v] = levels[v] + step
        _cumulate(middles, edges, mixture, scratch)
        for v in range(_LANES):
            levels[v] = middles[v] if below[v] <= share[v] + _TIE else levels[v]
        step //= 2


@part
def _see(levels: Array, edges: Array, mixture: Array, scratch: Array) -> None:
    """The probability of levels; from then on the weights are those of the components given these."""
    start, end, probability = scratch[_START], scratch[_END], scratch[_PROBABILITY]
    weights, means, sharpness = mixture[_WEIGHTS], mixture[_MEANS], mixture[_SHARPNESS]
    for v in range(_LANES):
        start[v], end[v] = edges[levels[v]], edges[levels[v] + 1]
        probability[v] = 0.0
    for k in range(len(weights)):
        for v in range(_LANES):
            low, high = (start[v] - means[k, v]) * sharpness[k, v], (end[v] - means[k, v]) * sharpness[k, v]
            turned = low + high > 0  # the difference of two numbers near 1 would lose its digits
            least, most = -high if turned else low, -low if turned else high
            weights[k, v] *= (1 - FLOOR) * (sigmoid64(most) - sigmoid64(least)) + _FLOOR
            probability[v] += weights[k, v]
    for k in range(len(weights)):
        for v in range(_LANES):
            weights[k, v] /= probability[v]


@kernel
def transform_by_mixtures(
    inverse: bool,
    values: Array,
    first: int,
    pixels: int,
    places: Array,
    params: Array,
    components: int,
    edges: Array,
    out: Array,
    log_dets: Array,
) -> None:
    """The map of `mixture.MixtureTransform` or its inverse, of M pixels in each of G groups of channels.

    values, out: (N, C * H * W); pixels: H * W; places: int64 (M,), where they are among the H * W; params: (N, P * K *
    G, M), of the groups from the value `first` on; edges: float64 (colours, 257); log_dets: (N,), those of the
    direction. Values that are not transformed are copied.
    """
    colours, changing = len(edges), len(places)
    rows = components * (1 + 2 * colours + colours * (colours - 1) // 2)
    groups = params.shape[1] // rows
    block, mixture = np.zeros((rows, _LANES)), np.empty((3, components, _LANES))
    scratch, centers = np.zeros((_ROWS, _LANES)), np.empty((colours, _LANES))
    levels, middles = np.zeros(_LANES, np.int64), np.zeros(_LANES, np.int64)
    value, share, below, probability = scratch[_VALUE], scratch[_SHARE], scratch[_BELOW], scratch[_PROBABILITY]
    for n in range(len(values)):
        out[n] = values[n]
        total = 0.0
        for group in range(groups):
            for start in range(0, changing, _LANES):
                here = min(_LANES, changing - start)
                for row in range(rows):
                    source, target = params[n, row * groups + group, start : start + here], block[row]
                    for v in range(here):
                        target[v] = source[v]
                _weigh(block, mixture)
                for colour in range(colours):
                    plane = first + (group * colours + colour) * pixels
                    _take(block, colours, colour, centers, mixture)
                    for v in range(here):
                        value[v] = values[n, plane + places[start + v]]
                    if inverse:
                        for v in range(here):
                            share[v] = (cumulated(value[v]) - MARGIN) / _REST
                        _find(edges[colour], mixture, scratch, levels, middles)
                    else:
                        for v in range(_LANES):
                            levels[v] = min(max(math.floor(value[v] * _LEVELS), 0), LEVELS - 1)
                    _cumulate(levels, edges[colour], mixture, scratch)
                    _see(levels, edges[colour], mixture, scratch)
                    for v in range(_LANES):
                        centers[colour, v] = (levels[v] + 0.5) / _LEVELS
                    for v in range(here):
                        if inverse:
                            z = value[v]
                            within = (share[v] - below[v]) / probability[v]
                            result = (levels[v] + min(max(within, 0.0), _LAST)) / _LEVELS
                        else:
                            reached = below[v] + probability[v] * (value[v] * _LEVELS - levels[v])
                            result = z = quantile(min(max(MARGIN + _REST * reached, _LEAST), _MOST))
                        log_derivative = math.log(probability[v] * (_LEVELS * _REST)) + 0.5 * z * z + _LOG_SQRT_2_PI
                        total += -log_derivative if inverse else log_derivative
                        out[n, plane + places[start + v]] = result
        log_dets[n] = total


@kernel
def features_of_levels(values: Array, table: Array, features: Array) -> None:
    """What a network sees of pixels: of the first values (N, at least V), float64 features (N, F * V) of their levels.

    table: float64 (F, 256), the features of each level.
    """
    count, levels = table.shape
    seen = features.shape[1] // count
    for n in range(len(values)):
        for i in range(seen):
            level = min(max(math.floor(values[n, i] * levels), 0), levels - 1)
            for f in range(count):
                features[n, f * seen + i] = table[f, level]
