"""Tables of scores as files: CSV, and Parquet (with pyarrow), written row by row."""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nvp_studio.csv_file import csv_cell, csv_writer
from nvp_studio.files import stream_whole
from nvp_studio.score_row import COLUMNS, DETAILS, ScoreRow
from nvp_studio.text import escaped

_ROWS = 8192
"""Rows that are held until they are written."""


def write_table(path: Path, rows: Iterable[ScoreRow], model: str, digest: str) -> None:
    """Write everything that is known of the rows, and the model that they are of; Parquet where the name says so.

    Raises `OSError`, and `ImportError` without pyarrow.
    """
    columns = (*COLUMNS, *DETAILS)
    if path.suffix.lower() == ".parquet":
        with parquet_rows(path, columns, {"model": model, "model_sha256": digest}) as write:
            for row in rows:
                write(row)
        return
    by = (csv_cell(model), digest)
    with stream_whole(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        write_cells = csv_writer(text, (*columns, "model", "model_sha256"))
        for row in rows:
            write_cells((*row.cells(columns), *by))
        text.detach()  # flushed; the file is closed by who opened it


@contextmanager
def parquet_rows(
    path: Path, columns: Sequence[str], metadata: Mapping[str, str] | None = None, kept: Iterable[Any] = ()
) -> Iterator[Callable[[ScoreRow], object]]:
    """Give a function that writes a row with these columns; the file is there, complete, when the block ends well.

    `kept` are tables of pyarrow with rows of an earlier file, which come first.
    """
    import pyarrow as arrow
    from pyarrow.parquet import ParquetWriter

    texts = {"path", "verdict", "reasons", "notes", "error", "label_name", "content"}
    kinds = dict.fromkeys(columns, arrow.float64()) | {name: arrow.string() for name in texts}
    kinds["label"] = arrow.int64() if "label_name" in columns else arrow.string()
    kinds |= {name: arrow.list_(arrow.float64()) for name in ("squares", "norm_p", "kurtosis")}
    schema = arrow.schema([(name, kinds[name]) for name in columns], metadata=dict(metadata or {}))
    rows: list[dict[str, Any]] = []

    with stream_whole(path) as file, ParquetWriter(file, schema, compression="zstd") as table:
        for part in kept:
            table.write_table(part.cast(schema))

        def flush() -> None:
            table.write_table(arrow.Table.from_pylist(rows, schema=schema))
            rows.clear()

        def write(row: ScoreRow) -> None:
            cells = row.values(columns) | {"notes": "; ".join(row.notes), "reasons": "; ".join(row.reasons)}
            rows.append({name: escaped(cell) if isinstance(cell, str) else cell for name, cell in cells.items()})
            if len(rows) >= _ROWS:
                flush()

        yield write
        flush()
