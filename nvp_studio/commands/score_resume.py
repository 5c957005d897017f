"""Going on with a table of scores: what is scored already, by path and content, is left as it is."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nvp_studio.commands.console import CommandError, say
from nvp_studio.csv_file import csv_writer
from nvp_studio.data.scored_files import CONTENT, has_changed, name_digest, name_of
from nvp_studio.score_row import ScoreRow

if TYPE_CHECKING:
    from nvp_studio.data.archive_paths import Archives


class Scored:
    """The names of what is scored already, as digests, so that millions fit into memory."""

    def __init__(self) -> None:
        self._digests: set[bytes] = set()
        self.kept: list[Any] = []
        """What was read of a Parquet file, as tables of pyarrow; it is written again with the new rows."""

    def __contains__(self, name: str) -> bool:
        return bool(self._digests) and name_digest(name) in self._digests

    def __len__(self) -> int:
        return len(self._digests)

    def take(self, name: str) -> None:
        """Note the name of a scored file, as tables have it."""
        self._digests.add(name_digest(name))


def read_csv(path: str, columns: Sequence[str], archives: "Archives") -> Scored:
    """The rows with a score of a CSV file with these columns; nothing where there is no file.

    Rows without a score, those of files that have changed since, and a last line that was cut off, are taken out of
    the file. Raises `CommandError` for a file with other columns.
    """
    done = Scored()
    if not Path(path).exists():
        return done
    from nvp_studio.files import stream_whole

    try:
        # What is no UTF-8 stands in a line that was cut off, or cannot be written again and is an error.
        old = open(path, encoding="utf-8", errors="surrogateescape", newline="")  # noqa: SIM115
        with old, stream_whole(path) as file:
            text = io.TextIOWrapper(file, encoding="utf-8", newline="")
            write = csv_writer(text, columns)
            table = csv.reader(line for line in old if line.endswith("\n"))
            heading = next(table, list(columns))
            if tuple(heading) != tuple(columns):
                raise CommandError(f"{path} has other columns, so nothing is added to it")
            for cells in table:
                row = dict(zip(columns, cells, strict=False))
                if len(cells) == len(columns) and not row["error"] and not _changed(row, archives):
                    done.take(name_of(row["path"]))
                    write(cells)
            text.detach()
    except (UnicodeError, csv.Error) as problem:
        raise CommandError(f"{path} is no table of scores, so nothing is added to it: {problem}") from problem
    say(f"{len(done)} are scored already")
    return done


def read_parquet(path: Path, columns: Sequence[str], archives: "Archives") -> Scored:
    """As `read_csv`, of a Parquet file, whose rows are in `kept` and which stays until a new one is complete."""
    done = Scored()
    if not path.exists():
        return done
    import pyarrow as arrow
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            if tuple(file.schema_arrow.names) != tuple(columns):
                raise CommandError(f"{path} has other columns, so nothing is added to it")
            needed = [name for name in ("path", "error", CONTENT) if name in columns]
            for batch in file.iter_batches():
                rows = batch.select(needed).to_pylist()
                good = [not row["error"] and not _changed(row, archives) for row in rows]
                for row, is_good in zip(rows, good, strict=True):
                    if is_good:
                        done.take(row["path"])
                done.kept.append(arrow.Table.from_batches([batch.filter(arrow.array(good, arrow.bool_()))]))
    except (arrow.ArrowException, OSError) as problem:
        raise CommandError(f"{path} is no table of scores, so nothing is added to it: {problem}") from problem
    say(f"{len(done)} are scored already")
    return done


@contextmanager
def added_rows(path: str, columns: Sequence[str]) -> Iterator[Callable[[ScoreRow], object]]:
    """Give a function that adds a row to the CSV file at `path`, which is made where there is none.

    Each row is in the file at once, so that a command that is ended by force loses none.
    """
    fresh = not Path(path).exists()
    with open(path, "a", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        if fresh:
            table.writerow(columns)
            file.flush()

        def write(row: ScoreRow) -> None:
            table.writerow(row.cells(columns))
            file.flush()

        yield write


def _changed(row: "dict[str, str]", archives: "Archives") -> bool:
    return has_changed(name_of(row["path"]), row.get(CONTENT) or "", archives)
