"""Tables of scores as files: CSV, and Parquet (with pyarrow), row by row.

While the table `X` is written its rows are in `X.part`, each as soon as it is computed, so that what is ended by force
loses none: `parts_of` finds them. A part of a CSV file is CSV; that of a Parquet file has the length and content of a
MessagePack object for the columns and for each row.
"""

import csv
import io
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from nvp_studio.csv_file import csv_cell, csv_writer
from nvp_studio.files import flush_file, replace_file, stream_whole
from nvp_studio.score_row import DATA_COLUMNS, ScoreRow, table_columns
from nvp_studio.text import escaped

if TYPE_CHECKING:
    import pyarrow

_ROWS = 8192
"""Rows of a Parquet file that are held until they are written."""
_LENGTH_BYTES = 4
_MAX_ROW_BYTES = 2**24
_LISTS = ("squares", "norm_p", "kurtosis")
_TEXTS = ("path", "verdict", "reasons", "notes", "error", "label_name", "content", "model", "model_sha256")

Write = Callable[[ScoreRow], object]


@dataclass(frozen=True)
class TableFormat:
    """The columns of a table, and the model that its scores are by."""

    columns: tuple[str, ...]
    model: str = ""
    """Its name."""
    digest: str = ""
    """SHA-256 of its file."""

    def cells(self, row: ScoreRow) -> tuple[str, ...]:
        """The row of a CSV file."""
        return row.cells(self.columns, {"model": csv_cell(self.model), "model_sha256": self.digest})

    def values(self, row: ScoreRow) -> dict[str, Any]:
        """The row of a Parquet file."""
        values = row.values(self.columns, {"model": self.model, "model_sha256": self.digest})
        values |= {"notes": "; ".join(row.notes), "reasons": "; ".join(row.reasons)}
        return {name: escaped(cell) if isinstance(cell, str) else cell for name, cell in values.items()}


def write_table(path: Path, rows: Iterable[ScoreRow], model: str, digest: str) -> None:
    """Write everything that is known of the rows of files, and the model; Parquet where the name says so.

    Raises `OSError`, and `ImportError` without pyarrow.
    """
    table = TableFormat(table_columns(), model, digest)
    if path.suffix.lower() == ".parquet":
        schema = parquet_schema(table.columns)
        with stream_whole(path) as file:
            _write_parquet(file, schema, (table.values(row) for row in rows))
        return
    with stream_whole(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        write_cells = csv_writer(text, table.columns)
        for row in rows:
            write_cells(table.cells(row))
        text.detach()  # flushed; the file is closed by who opened it


def part_of(path: Path) -> Path:
    """Where the rows of a table are until it is complete."""
    return path.with_name(f"{path.name}.part")


@contextmanager
def csv_rows(path: Path, table: TableFormat) -> Iterator[Write]:
    """Give a function that writes a row; the CSV file takes the place of an older one when the block ends well."""
    if path.exists() and not path.is_file():  # a device or a pipe
        with stream_whole(path, devices=True) as file, _written(file, table, heading=True) as write:
            yield write
        return
    part = part_of(path)
    with open(part, "wb") as file:
        with _written(file, table, heading=True) as write:
            yield write
        flush_file(file.fileno())
    replace_file(part, path)


@contextmanager
def added_csv_rows(path: Path, table: TableFormat) -> Iterator[Write]:
    """Give a function that adds a row to the CSV file at `path`, which is made where there is none."""
    fresh = not path.exists()
    with open(path, "ab") as file, _written(file, table, heading=fresh) as write:
        yield write


@contextmanager
def parquet_rows(path: Path, table: TableFormat, *, added: bool = False) -> Iterator[Write]:
    """Give a function that writes a row; the Parquet file is there, complete, when the block ends well.

    It takes the place of an older one, or with `added` has the rows of that one first.
    """
    encode = msgspec.msgpack.Encoder().encode
    with open(part_of(path), "wb", buffering=0) as file:

        def write_object(value: object) -> None:
            content = encode(value)
            file.write(len(content).to_bytes(_LENGTH_BYTES, "little") + content)

        write_object(table.columns)
        yield lambda row: write_object(table.values(row))
    join_parquet(path, table.columns, with_old=added)


def join_parquet(
    path: Path,
    columns: Sequence[str],
    *,
    with_old: bool = True,
    is_kept: Callable[[Mapping[str, Any]], bool] | None = None,
    looked_at: Sequence[str] = (),
) -> None:
    """Write a Parquet file of the rows of the old one and those of its part, which is then removed.

    `is_kept` says of the columns `looked_at` of each row whether it stays, all without it. Raises `OSError`,
    `pyarrow.ArrowException` for a damaged file, and `ValueError` for a part with other columns.
    """
    from pyarrow import Table, array, bool_
    from pyarrow.parquet import ParquetFile, ParquetWriter

    part = part_of(path)
    objects: Iterator[Any] = _objects(part) if part.exists() else iter(())
    found = _columns(next(objects, ()))
    if found and found != tuple(columns):
        raise ValueError(f"{part.name} has other columns than {path.name}")
    rows: Iterator[dict[str, Any]] = (row for row in objects if isinstance(row, dict) and row.keys() == set(columns))
    schema = parquet_schema(columns)
    with stream_whole(path) as file, ParquetWriter(file, schema, compression="zstd") as new:
        if with_old and path.exists():
            with ParquetFile(path) as old:
                for batch in old.iter_batches(_ROWS):
                    kept = Table.from_batches([batch])
                    if is_kept is not None:
                        good = [is_kept(row) for row in kept.select(list(looked_at)).to_pylist()]
                        kept = kept.filter(array(good, bool_()))
                    new.write_table(kept.cast(schema))
        for chunk in _chunks(row for row in rows if is_kept is None or is_kept(row)):
            new.write_table(Table.from_pylist(chunk, schema=schema))
    part.unlink(missing_ok=True)


def columns_of_part(part: Path) -> tuple[str, ...]:
    """The columns of the part of a Parquet file; none where it was cut off at once."""
    with closing(_objects(part)) as objects:
        return _columns(next(objects, ()))


def parquet_schema(columns: Sequence[str]) -> "pyarrow.Schema":
    """The types of these columns."""
    import pyarrow as arrow

    kinds = dict.fromkeys(columns, arrow.float64()) | dict.fromkeys(_TEXTS, arrow.string())
    kinds |= dict.fromkeys(_LISTS, arrow.list_(arrow.float64()))
    kinds["label"] = arrow.int64() if set(DATA_COLUMNS) <= set(columns) else arrow.string()
    return arrow.schema([(name, kinds[name]) for name in columns])


def _write_parquet(file: BinaryIO, schema: "pyarrow.Schema", rows: Iterable[dict[str, Any]]) -> None:
    from pyarrow import Table
    from pyarrow.parquet import ParquetWriter

    with ParquetWriter(file, schema, compression="zstd") as new:
        for chunk in _chunks(rows):
            new.write_table(Table.from_pylist(chunk, schema=schema))


def _chunks(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    held: list[dict[str, Any]] = []
    for row in rows:
        held.append(row)
        if len(held) == _ROWS:
            yield held
            held = []
    yield held


def _columns(first: object) -> tuple[str, ...]:
    return tuple(map(str, first)) if isinstance(first, list) else ()


def _objects(part: Path) -> Generator[Any]:
    with open(part, "rb") as file:
        while len(head := file.read(_LENGTH_BYTES)) == _LENGTH_BYTES:
            length = int.from_bytes(head, "little")
            content = file.read(length) if length <= _MAX_ROW_BYTES else b""
            if not content or len(content) < length:
                return
            try:
                yield msgspec.msgpack.decode(content)
            except msgspec.DecodeError:
                return


@contextmanager
def _written(file: BinaryIO, table: TableFormat, *, heading: bool) -> Iterator[Write]:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    cells = csv.writer(text, lineterminator="\n")
    if heading:
        cells.writerow(table.columns)
        text.flush()

    def write(row: ScoreRow) -> None:
        cells.writerow(table.cells(row))
        text.flush()

    try:
        yield write
    finally:
        text.detach()  # the file is closed by who opened it
