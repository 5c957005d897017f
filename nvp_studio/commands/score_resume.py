"""Going on with a table of scores: what is scored already, by path and content, is left as it is."""

import csv
import io
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nvp_studio.commands.console import CommandError, say
from nvp_studio.csv_file import csv_writer
from nvp_studio.data.scored_files import has_changed, name_digest, name_of
from nvp_studio.score_row import CONTENT, DATA_COLUMNS, DETAILS, ORIGIN, table_columns
from nvp_studio.text import error_line

if TYPE_CHECKING:
    from nvp_studio.data.archive_paths import Archives
    from nvp_studio.runs.score_tables import TableFormat

_KNOWN = {*DATA_COLUMNS, *table_columns()}


class Scored:
    """The names of what is scored already, as digests, so that millions fit into memory."""

    def __init__(self, columns: Sequence[str] = ()) -> None:
        self.columns = tuple(columns)
        """Those of the table: one that is gone on with keeps its own."""
        self._digests: set[bytes] = set()

    def __contains__(self, name: str) -> bool:
        return bool(self._digests) and name_digest(name) in self._digests

    def __len__(self) -> int:
        return len(self._digests)

    def take(self, name: str) -> None:
        """Note the name of a scored file, as tables have it."""
        self._digests.add(name_digest(name))


def read_csv(path: Path, table: "TableFormat", archives: "Archives") -> Scored:
    """The rows with a score of a CSV file, and of the part of one that a killed command left, which is joined to it.

    Rows without a score, those of files that have changed since, and a last line that was cut off, are taken out of
    the file. Raises `CommandError` for a file without the columns of `table` or with scores of another model.
    """
    from nvp_studio.files import stream_whole
    from nvp_studio.runs.score_tables import part_of

    part = part_of(path)
    sources = [one for one in (path, part) if one.exists()]
    columns = next((found for one in sources if (found := _heading(one))), ())
    done = Scored(_own_columns(path, columns, table.columns) if columns else table.columns)
    if not sources:
        return done
    try:
        with stream_whole(path) as file:
            text = io.TextIOWrapper(file, encoding="utf-8", newline="")
            write = csv_writer(text, done.columns)
            for cells in (cells for source in sources for cells in _rows(source, done.columns)):
                row = dict(zip(done.columns, cells, strict=True))
                name = name_of(row["path"])
                if name not in done and _is_good(name, row, path, table.digest, archives):
                    done.take(name)
                    write(cells)
            text.detach()
    except (UnicodeError, csv.Error) as problem:
        raise CommandError(_no_table(path, problem)) from problem
    part.unlink(missing_ok=True)
    say(f"{len(done)} are scored already")
    return done


def read_parquet(path: Path, table: "TableFormat", archives: "Archives") -> Scored:
    """As `read_csv`, of a Parquet file."""
    from pyarrow import ArrowException
    from pyarrow.parquet import read_schema

    from nvp_studio.runs.score_tables import columns_of_part, join_parquet, part_of

    part = part_of(path)
    try:
        columns: Sequence[str] = ()
        if path.exists():
            columns = read_schema(path).names
        elif part.exists():
            columns = columns_of_part(part)
        done = Scored(_own_columns(path, columns, table.columns) if columns else table.columns)
        if not path.exists() and not part.exists():
            return done

        def is_kept(row: Mapping[str, Any]) -> bool:
            name = row["path"]
            is_good = name not in done and _is_good(name, row, path, table.digest, archives)
            if is_good:
                done.take(name)
            return is_good

        looked_at = [name for name in ("path", "error", CONTENT, *ORIGIN) if name in done.columns]
        join_parquet(path, done.columns, is_kept=is_kept, looked_at=looked_at)
    except (ArrowException, OSError, ValueError) as problem:
        raise CommandError(_no_table(path, problem)) from problem
    say(f"{len(done)} are scored already")
    return done


def _own_columns(path: Path, found: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    """The columns of a table; raises `CommandError` where it lacks wanted ones or has others than such tables."""
    lacking = [name for name in wanted if name not in found and name not in (CONTENT, *ORIGIN)]
    of_data = [DATA_COLUMNS[-1] in names for names in (found, wanted)]
    if lacking or not _KNOWN.issuperset(found) or len(set(found)) != len(found) or of_data[0] != of_data[1]:
        hint = "; it was written without --details" if lacking and set(lacking) <= set(DETAILS) else ""
        raise CommandError(f"{path} has other columns, so nothing is added to it{hint}")
    return tuple(found)


def _is_good(name: str, row: Mapping[str, Any], path: Path, digest: str, archives: "Archives") -> bool:
    """Whether a row has a score that holds; raises `CommandError` where it is of another model."""
    model = row.get("model_sha256")
    if model and model != digest:
        raise CommandError(f"{path} has scores by {row.get('model') or 'another model'}, so nothing is added to it")
    return not row["error"] and not has_changed(name, row.get(CONTENT) or "", archives)


def _heading(path: Path) -> list[str]:
    with closing(_lines(path)) as lines:
        return next(lines, [])


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[list[str]]:
    with closing(_lines(path)) as lines:
        heading = next(lines, [])
        if heading and tuple(heading) != columns:
            raise CommandError(f"{path} has other columns, so nothing is added to it")
        yield from (cells for cells in lines if len(cells) == len(columns))


def _lines(path: Path) -> Generator[list[str]]:
    # What is no UTF-8 stands in a line that was cut off, or cannot be written again and is an error.
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        yield from csv.reader(line for line in file if line.endswith("\n"))


def _no_table(path: Path, problem: Exception) -> str:
    return f"{path} is no table of scores, so nothing is added to it: {error_line(problem)}"
