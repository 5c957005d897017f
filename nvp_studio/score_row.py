"""The score of one image file, as it is computed, sent to the window, shown and written to a file."""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Literal

import msgspec

from nvp_studio.csv_file import csv_cell
from nvp_studio.image_batch import ImageBatch
from nvp_studio.limits import PathText, ScaleValues, Sentence

Verdict = Literal["", "typical", "unusual", "far outside"]
VERDICTS: tuple[Verdict, ...] = ("typical", "unusual", "far outside")
FAR = 0.01
"""An image is far outside where the fitted tail gives it less than this part of the false-alarm rate."""
MOST_REASONS = 3
MAX_SAMPLES = 1000
"""Most dequantization samples of a bound; a batch of them cannot be interrupted."""
COLUMNS = (
    "path",
    "label",
    "bits_per_dim",
    "percentile",
    "p_value",
    "verdict",
    "reasons",
    "notes",
    "error",
)
"""Of a table of scores; names of fields of `ScoreRow`."""
DATA_COLUMNS = (*COLUMNS, "label_name")
"""Of a table of the scores of a data set."""
CONTENT = "content"
"""A further column of tables of files: a digest of the file's content (`data.scored_files.content_of`)."""
ORIGIN = ("model", "model_sha256")
"""The last columns of tables in files, the same in all rows: name and digest of the model."""


class ScoreNumbers(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of one image (`docs/scores.md`), with its first noise where nothing else is said."""

    standard_error: float | None = None
    """Of the bits/dim, over the noises; None for one noise."""
    nats: float
    """Log-density over [0, 1]^D of the bound that `bits_per_dim` is of."""
    ideal_bytes: float
    """Bytes of the 8-bit pixels under ideal coding with the model: bits/dim times D, over 8."""
    png_bytes: int
    webp_bytes: int
    """Bytes of the same pixels as a PNG and as a lossless WebP file."""
    complexity: float
    """Bits/dim less those of lossless WebP (Serrà et al. 2020); high is unusual."""
    log_det: float
    """Log-determinant of the map from image to latent, in nats."""
    typicality: float | None = None
    """Two-sided p-value of the bits/dim among the reference's; an image may be too likely."""
    distance: float | None = None
    """What the verdict rests on: the sum of the surprises of all views; images are ranked by it."""
    statistics_distance: float | None = None
    """Mahalanobis distance of bits/dim, log-determinant, latent statistics and file size from the reference's."""
    coarse_distance: float | None = None
    """Mahalanobis distance of the coarsest scale's latents from those of the training images."""
    shape: float | None = None
    """How unlikely the image's coarse shape is, in nats."""
    turned: float | None = None
    """By how many nats its best turned copy is likelier; above 0 it is."""
    likelihood_ratio: float | None = None
    """Bits/dim under a second model less those under this one (Ren et al. 2019); low is unusual."""
    squares: ScaleValues = ()
    """Mean of z² at each scale, finest first; 1 for the model's own samples."""
    norm_p: ScaleValues = ()
    """Two-sided p-value of |z|² at each scale under its chi-squared distribution."""
    kurtosis: ScaleValues = ()
    """Mean of z⁴ over the squared mean of z² at each scale; 3 for the model's own samples."""


DETAILS = tuple(name for name in ScoreNumbers.__struct_fields__)
"""Further columns of a table with everything that was measured."""


def table_columns(*, details: bool = True, of_files: bool = True) -> tuple[str, ...]:
    """The columns of a table of scores in a file, which the window and the command line write and read alike."""
    first = COLUMNS if of_files else DATA_COLUMNS
    return (*first, *(DETAILS if details else ()), *((CONTENT,) if of_files else ()), *ORIGIN)


class ScoreRow(msgspec.Struct, frozen=True, kw_only=True):
    """One file's score, or the reason it has none (`error`; then `bits_per_dim` is None)."""

    path: PathText
    """With bytes that are not UTF-8 as escapes."""
    bits_per_dim: float | None = None
    percentile: float | None = None
    """Percentage of the reference images that score lower; no measure of quality, and not of normality alone."""
    pixels: ImageBatch | None = None
    """One image: what was scored, at the model's size; None where it could not be read, or is not needed."""
    notes: Annotated[tuple[Sentence, ...], msgspec.Meta(max_length=64)] = ()
    """How the image was changed to the model's size and channels."""
    error: Sentence = ""
    label: int | None = None
    """Of an image of a data set; None where that has none."""
    label_name: Sentence = ""
    """Of a file, the name of the folder that it is in."""
    p_value: float | None = None
    """Of the combined rule, small is unusual; None without a reference."""
    verdict: Verdict = ""
    """Empty without a reference."""
    reasons: Annotated[tuple[Sentence, ...], msgspec.Meta(max_length=64)] = ()
    """Why the verdict is not ``typical``, the strongest reason first."""
    numbers: ScoreNumbers | None = None
    log_tail: float | None = None
    """ln of the p-value by the tail fitted to the reference; what `judged` needs beside `p_value` and `causes`."""
    causes: Annotated[tuple[tuple[Sentence, float], ...], msgspec.Meta(max_length=64)] = ()
    """(reason, its surprise), the strongest first, of what is more unusual than half of the reference."""
    content: Annotated[str, msgspec.Meta(max_length=64)] = ""
    """A digest of the file's content, so that a table can be gone on with; empty where it is not known."""

    def judged(self, rate: float) -> "ScoreRow":
        """The row with verdict and reasons at this false-alarm rate, in (0, 1)."""
        if self.p_value is None or self.log_tail is None:
            return self
        verdict = verdict_at(self.p_value, self.log_tail, rate)
        reasons = () if verdict == "typical" else reasons_at(self.causes, rate)
        return msgspec.structs.replace(self, verdict=verdict, reasons=reasons)

    def values(
        self, columns: Sequence[str] = COLUMNS, origin: Mapping[str, str] = MappingProxyType({})
    ) -> dict[str, object]:
        """Plain values by column; the label of a file is a text, that of a data set's image a number.

        `origin` has those of the columns `ORIGIN`, where they are wanted.
        """
        values: dict[str, object] = {}
        for column in columns:
            if column in ORIGIN:
                values[column] = origin.get(column)
            elif column == "label":
                values[column] = self.label_name or None if self.label is None else self.label
            elif column in ("notes", "reasons"):
                values[column] = list(getattr(self, column))
            elif column in DETAILS:
                values[column] = None if self.numbers is None else getattr(self.numbers, column)
            else:
                values[column] = getattr(self, column)
        return values

    def cells(
        self, columns: Sequence[str] = COLUMNS, origin: Mapping[str, str] = MappingProxyType({})
    ) -> tuple[str, ...]:
        """The row of a CSV file with these columns."""
        return tuple(_cell(column, value) for column, value in self.values(columns, origin).items())


def verdict_at(p_value: float, log_tail: float, rate: float) -> Verdict:
    """The verdict on an image with this p-value and ln of the fitted tail's, at a false-alarm rate in (0, 1)."""
    if p_value > rate * (1 + 1e-12):
        return "typical"
    return "far outside" if log_tail < math.log(FAR * rate) else "unusual"


def reasons_at(causes: Sequence[tuple[str, float]], rate: float) -> tuple[str, ...]:
    """The reasons whose surprise alone is above the rate, else the strongest one."""
    strong = [text for text, surprise in causes if surprise > -math.log(rate)] or [text for text, _ in causes[:1]]
    return tuple(dict.fromkeys(strong))[:MOST_REASONS]


def unusualness(row: ScoreRow) -> dict[str, float]:
    """Each score that a row has, turned so that a larger one is more unusual; that of the verdict is its distance."""
    numbers = row.numbers
    if numbers is None:
        return {}
    found = {
        "verdict": numbers.distance,
        "bits_per_dim": row.bits_per_dim,
        "complexity": numbers.complexity,
        "typicality": None if numbers.typicality is None else -numbers.typicality,
        "statistics_distance": numbers.statistics_distance,
        "coarse_distance": numbers.coarse_distance,
        "shape": numbers.shape,
        "turned": numbers.turned,
        "likelihood_ratio": None if numbers.likelihood_ratio is None else -numbers.likelihood_ratio,
    }
    return {name: value for name, value in found.items() if value is not None}


_FORMATS = {"percentile": ".2f", "p_value": ".6g", "bits_per_dim": ".6f"}


def _cell(column: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return format(value, _FORMATS.get(column, ".6g"))
    if isinstance(value, list | tuple):
        return csv_cell("; ".join(one if isinstance(one, str) else f"{one:.6g}" for one in value))
    return csv_cell(value) if isinstance(value, str) else str(value)
