"""Rows of scores written to a Parquet file (with pyarrow) while they are computed."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from nvp_studio.commands.console import CommandError
from nvp_studio.score_row import ScoreRow
from nvp_studio.text import escaped

_ROWS = 8192
"""Rows that are held until they are written."""


def check_parquet() -> None:
    """Raise `CommandError` where the package for it is missing."""
    if find_spec("pyarrow") is None:
        raise CommandError("Parquet needs pyarrow: pip install 'nvp-studio[parquet]'")


@contextmanager
def parquet_rows(path: Path, columns: Sequence[str]) -> Iterator[Callable[[ScoreRow], object]]:
    """Give a function that writes a row with these columns; the file is there, complete, when the block ends well."""
    import pyarrow as arrow
    from pyarrow.parquet import ParquetWriter

    from nvp_studio.files import stream_whole

    texts = {"path", "verdict", "reasons", "notes", "error", "label_name"}
    kinds = dict.fromkeys(columns, arrow.float64()) | {name: arrow.string() for name in texts}
    kinds["label"] = arrow.int64() if "label_name" in columns else arrow.string()
    kinds |= {name: arrow.list_(arrow.float64()) for name in ("squares", "norm_p", "kurtosis")}
    schema = arrow.schema([(name, kinds[name]) for name in columns])
    rows: list[dict[str, Any]] = []

    with stream_whole(path) as file, ParquetWriter(file, schema, compression="zstd") as table:

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
