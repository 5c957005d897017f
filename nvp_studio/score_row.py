"""The score of one image file, as it is computed, sent to the window, shown and written to a file."""

from collections.abc import Sequence
from typing import Annotated

import msgspec

from nvp_studio.csv_file import csv_cell
from nvp_studio.image_batch import ImageBatch
from nvp_studio.limits import PathText, Sentence

COLUMNS = ("path", "bits_per_dim", "percentile", "notes", "error")
"""Of a table of scores; names of fields of `ScoreRow`."""
DATA_COLUMNS = (*COLUMNS, "label", "label_name")
"""Of a table of the scores of a data set."""


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
    label: int | None = None
    """Of an image of a data set; None where that has none."""
    label_name: Sentence = ""

    def cells(self, columns: Sequence[str] = COLUMNS) -> tuple[str, ...]:
        """The row of a CSV file with these columns."""
        cells = {
            "path": csv_cell(self.path),
            "bits_per_dim": "" if self.bits_per_dim is None else f"{self.bits_per_dim:.6f}",
            "percentile": "" if self.percentile is None else f"{self.percentile:.2f}",
            "notes": csv_cell("; ".join(self.notes)),
            "error": csv_cell(self.error),
            "label": "" if self.label is None else str(self.label),
            "label_name": csv_cell(self.label_name),
        }
        return tuple(cells[column] for column in columns)
