"""Scores of images in memory as rows: what is measured of each, and the verdict where there is a reference."""

import math
from dataclasses import dataclass

import numpy as np
from msgspec.structs import replace

from nvp_studio.explore.model import OpenedModel
from nvp_studio.score_row import ScoreNumbers, ScoreRow
from nvp_studio.scores.judge import VIEWS, Judgement
from nvp_studio.scores.measures import Floats, Images, Measures, measure
from nvp_studio.scores.reference import Reference


@dataclass(frozen=True)
class Scoring:
    """How images are scored."""

    samples: int = 1
    """Dequantization noises of the bound; verdicts rest on the first of them alone."""
    seed: int = 0
    weighted: bool = True
    """Whether the bound is importance-weighted; else it is the mean over the noises (`Measures.bound`)."""
    reference: Reference | None = None
    """What verdicts compare with; None for no verdicts."""
    rate: float = 0.01
    """The share of images like the reference's that are to be called unusual, in (0, 1)."""
    against: OpenedModel | None = None
    """A second model, for the likelihood ratio; its images have the same shape."""


def score_images(model: OpenedModel, images: Images, scoring: Scoring, rows: list[ScoreRow]) -> list[ScoreRow]:
    """`rows`, one for each of the 8-bit images (N, H, W, C), N at least 1, with their scores.

    An image that the model gives no finite number gets a row with an error. Raises `ValueError` for images of another
    shape than the model's.
    """
    measures = measure(model.flow, images, scoring.samples, scoring.seed)
    bits, errors = measures.bound(weighted=scoring.weighted)
    finite = np.isfinite(bits) & np.isfinite(measures.fourths).all(1) & np.isfinite(measures.log_det)
    judgement = None
    if scoring.reference is not None and finite.all():
        judgement = scoring.reference.judge.judge(measures, images, scoring.rate)
    elif len(images) > 1 and not finite.all():
        return [
            row
            for index, one in enumerate(rows)
            for row in score_images(model, images[index : index + 1], scoring, [one])
        ]
    others = _other_bits(scoring, images)
    return [
        _row(model, scoring, row, index, measures, bits, errors, judgement, others)
        if finite[index]
        else replace(row, error="cannot be scored: the model gives it no finite number")
        for index, row in enumerate(rows)
    ]


def _other_bits(scoring: Scoring, images: Images) -> Floats | None:
    """Bits/dim (N,) under the second model, of the first noise."""
    if scoring.against is None:
        return None
    bits: Floats = scoring.against.flow.bits_per_dim(images, 1, scoring.seed).numpy()
    return bits


def _row(
    model: OpenedModel,
    scoring: Scoring,
    row: ScoreRow,
    index: int,
    measures: Measures,
    bits: Floats,
    errors: Floats,
    said: Judgement | None,
    others: Floats | None,
) -> ScoreRow:
    score = float(bits[index])
    dimensions = measures.dimensions
    numbers = ScoreNumbers(
        standard_error=None if math.isnan(errors[index]) else float(errors[index]),
        nats=dimensions * (math.log(256) - score * math.log(2)),
        ideal_bytes=score * dimensions / 8,
        png_bytes=int(measures.png[index]),
        webp_bytes=int(measures.webp[index]),
        complexity=float(measures.complexity[index]),
        log_det=float(measures.log_det[index]),
        likelihood_ratio=None if others is None else _finite(others[index] - measures.first_bits[index]),
        squares=tuple(measures.squares[index].tolist()),
        norm_p=tuple(measures.norm_p[index].tolist()),
        kurtosis=tuple(measures.kurtosis[index].tolist()),
    )
    if said is None:
        return replace(row, bits_per_dim=score, percentile=_percentile(model, scoring, score), numbers=numbers)
    views = dict(zip(VIEWS, said.views[index].tolist(), strict=True))
    return replace(
        row,
        bits_per_dim=score,
        percentile=_percentile(model, scoring, score),
        p_value=float(said.p_value[index]),
        verdict=said.verdict[index],
        reasons=said.reasons[index],
        log_tail=float(said.log_tail[index]),
        causes=said.causes[index],
        numbers=replace(
            numbers,
            typicality=float(said.typicality[index]),
            distance=float(said.distance[index]),
            statistics_distance=views["statistics"],
            coarse_distance=views["coarse"],
            shape=views["shape"],
            turned=views["turned"],
        ),
    )


def _percentile(model: OpenedModel, scoring: Scoring, score: float) -> float | None:
    """Percentage of the images that score lower: of a reference that a person made, else of the model's own."""
    reference = scoring.reference
    if reference is None or reference.own:
        own = model.percentile(score)
        if own is not None or reference is None:
            return own
    known = reference.judge.bits_per_dim
    return 100.0 * float(np.searchsorted(known, score, side="left")) / len(known)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
