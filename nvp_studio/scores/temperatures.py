"""The temperatures of new samples at which a model's samples are as likely as images, one for each scale."""

from collections.abc import Iterator

import numpy as np

from nvp_studio.flow.dequantization import images_from_unit
from nvp_studio.flow.engine.inference import Inference
from nvp_studio.scores.measures import Floats

USUAL = 0.8
"""Of samples of a model that nothing was measured of. A little below 1 shows typical images, as a run's sheets do."""
MOST_PERCENTILE = 67.0
"""Below three quarters, as few samples are scored: those of other seeds lie higher or lower by some percentiles."""
LEAST_PERCENTILE = 33.0
SAMPLES = 192
"""Samples that are scored at each choice of temperatures."""


def usual_temperatures(scales: int) -> tuple[float, ...]:
    """`USUAL` at each of so many scales."""
    return (USUAL,) * scales


def fitting_temperatures(flow: Inference, bits: Floats, samples: int = SAMPLES) -> tuple[float, ...]:
    """The temperature of each scale, finest first, at which the median sample is as likely as an average image.

    `bits` (n,), sorted: bits/dim of images that are known good. `USUAL` at all scales if the median of `samples`
    samples, as 8-bit images, lies between the percentiles `LEAST_PERCENTILE` and `MOST_PERCENTILE` of these; 1 where
    samples are likelier than that. Where they are less likely, noise is taken away from the finest scales first: what a
    person sees there is noise, while the coarse scales keep the variety of the pictures. These are the first of
    `faded` that come to `MOST_PERCENTILE`, or the last.
    """
    chosen = usual_temperatures(len(flow.scales))
    percentile = _median_percentile(flow, chosen, bits, samples)
    if percentile < LEAST_PERCENTILE:
        return (1.0,) * len(flow.scales)
    for lower in faded(len(flow.scales)):
        if percentile <= MOST_PERCENTILE:
            break
        chosen = lower
        percentile = _median_percentile(flow, chosen, bits, samples)
    return chosen


def faded(scales: int) -> Iterator[tuple[float, ...]]:
    """Temperatures t (s / (S - 1))² of the scales s = 0 to S - 1, for t from 1 down to 0.3; of one scale, t itself."""
    for twentieths in range(20, 5, -1):
        shares = [(scale / (scales - 1)) ** 2 for scale in range(scales)] if scales > 1 else [1.0]
        yield tuple(round(twentieths / 20 * share, 2) for share in shares)


def _median_percentile(flow: Inference, temperatures: tuple[float, ...], bits: Floats, samples: int) -> float:
    images = images_from_unit(flow.sample(samples, temperatures)).numpy()
    median = float(np.median(flow.bits_per_dim(images).numpy()))
    return 100 * float(np.searchsorted(bits, median)) / len(bits)
