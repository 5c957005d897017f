"""Reading a table of scores that was written before, as CSV or Parquet, by the window or `nvp-studio score`."""

import csv
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from nvp_studio.data.archive_paths import Archives
from nvp_studio.data.scored_files import has_changed, name_of
from nvp_studio.score_row import COLUMNS, CONTENT, DETAILS, ScoreRow
from nvp_studio.text import error_line

_LISTS = ("squares", "norm_p", "kurtosis")
_NEEDED = ("path", "bits_per_dim", "error")
_TAKEN = 1e9
"""The surprise of a reason whose own one is not in the table: it is given at every rate."""
_BATCH = 1024

_Cells = Mapping[str, Any]
"""A row by column: texts of a CSV file, typed values of a Parquet file; what is empty may be missing."""


def read_table(path: str, digest: str, archives: Archives) -> Iterator[ScoreRow | None]:
    """Yield the rows of a table that have a score; None for one without, or of a file that has changed since.

    A table is Parquet where its name says so, else CSV. Raises `ValueError` for a file that is no table of scores, and
    for scores of another model than that of `digest` where the table says which. The table has neither the tail behind
    a verdict nor what reasons rest on: at another rate "far outside" and the reasons stay as they are as long as the
    p-value is not above it.
    """
    name = Path(path).name
    rows = _parquet_rows if name.lower().endswith(".parquet") else _csv_rows
    for row in rows(Path(path)):
        if row is not None and row.get("model_sha256", digest) != digest:
            raise ValueError(f"{name} has scores by {row.get('model') or 'another model'}, which is not open")
        yield None if row is None else _row(row, archives)


def _csv_rows(path: Path) -> Iterator[_Cells | None]:
    try:
        with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            table = csv.reader(line for line in file if line.endswith("\n"))  # one that was cut off is left out
            columns = next(table, [])
            _check(path, columns)
            for cells in table:
                if len(cells) != len(columns):
                    yield None
                    continue
                row: dict[str, Any] = {name: cell for name, cell in zip(columns, cells, strict=True) if cell}
                for name in {"path", "label", "model"} & row.keys():
                    row[name] = name_of(row[name])
                for name in {*_LISTS, "reasons", "notes"} & row.keys():
                    row[name] = _texts(row[name].removeprefix("'"))
                yield row
    except (OSError, UnicodeError, csv.Error) as error:
        raise ValueError(f"{path.name} cannot be read: {error_line(error)}") from error


def _parquet_rows(path: Path) -> Iterator[_Cells | None]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise ValueError("Parquet needs pyarrow: pip install 'nvp-studio[parquet]'") from error
    try:
        with ParquetFile(path) as file:
            _check(path, file.schema_arrow.names)
            for batch in file.iter_batches(_BATCH):
                for cells in batch.to_pylist():
                    row = {name: cell for name, cell in cells.items() if cell not in (None, "")}
                    for name in {"reasons", "notes"} & row.keys():
                        row[name] = _texts(str(row[name]))
                    yield row
    except (ArrowException, OSError, UnicodeError) as error:
        raise ValueError(f"{path.name} cannot be read: {error_line(error)}") from error


def _check(path: Path, columns: list[str]) -> None:
    if not set(_NEEDED) <= set(columns):
        raise ValueError(f"{path.name} is no table of scores: it lacks {', '.join(_NEEDED)}")


def _row(cells: _Cells, archives: Archives) -> ScoreRow | None:
    path = cells.get("path", "")
    content = cells.get(CONTENT, "")
    if cells.get("error") or not path or "bits_per_dim" not in cells or has_changed(path, content, archives):
        return None
    fields = {name: cells[name] for name in (*COLUMNS, CONTENT) if name in cells}
    fields |= {"path": path, "label_name": cells.get("label_name") or str(fields.pop("label", ""))}
    if "nats" in cells:
        fields["numbers"] = {name: cells[name] for name in DETAILS if name in cells}
    try:
        row = msgspec.convert(fields, ScoreRow, strict=False)
    except msgspec.ValidationError:
        return None
    if row.bits_per_dim is None or not math.isfinite(row.bits_per_dim):
        return None
    if row.p_value is None or not 0 < row.p_value <= 1:
        return msgspec.structs.replace(row, p_value=None, verdict="", reasons=())
    tail = -math.inf if row.verdict == "far outside" else math.log(row.p_value)
    return msgspec.structs.replace(row, log_tail=tail, causes=tuple((reason, _TAKEN) for reason in row.reasons))


def _texts(cell: str) -> tuple[str, ...]:
    return tuple(text for text in cell.split("; ") if text)
