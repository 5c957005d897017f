"""The score of one image file, as it is computed, sent to the window, shown and written to a file."""

from typing import Annotated

import msgspec

from nvp_studio.csv_file import csv_cell
from nvp_studio.image_batch import ImageBatch
from nvp_studio.limits import PathText, Sentence

COLUMNS = ("path", "bits_per_dim", "percentile", "notes", "error")
"""Of a table of scores; names of fields of `ScoreRow`."""


class ScoreRow(msgspec.Struct, frozen=True, kw_only=True):
    """One file's score, or the reason it has none (`error`; then `bits_per_dim` is None)."""

    path: PathText
    """With bytes that are not UTF-8 as escapes."""
    bits_per_dim: float | None = None
    percentile: float | None = None
    """Percentage of the reference images that score lower (fit the model better)."""
    pixels: ImageBatch | None = None
    """One image: what was scored, at the model's size; None where it could not be read, or is not needed."""
    notes: Annotated[tuple[Sentence, ...], msgspec.Meta(max_length=64)] = ()
    """How the image was changed to the model's size and channels."""
    error: Sentence = ""

    def cells(self) -> tuple[str, ...]:
        """The row of a CSV file with `COLUMNS`."""
        return (
            csv_cell(self.path),
            "" if self.bits_per_dim is None else f"{self.bits_per_dim:.6f}",
            "" if self.percentile is None else f"{self.percentile:.2f}",
            csv_cell("; ".join(self.notes)),
            csv_cell(self.error),
        )
