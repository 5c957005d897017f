"""What `nvp-studio score` writes: tables of rows as they are computed, lines for a person, and counts at the end."""

import math
import statistics
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from nvp_studio.commands.console import out, out_csv, print_json, say
from nvp_studio.score_row import CONTENT, ORIGIN, VERDICTS, ScoreRow

if TYPE_CHECKING:
    from nvp_studio.runs.score_tables import TableFormat


class Tally:
    """The scores of all rows, the number of rows without one, and why scoring is to end early."""

    def __init__(self) -> None:
        self.scores = array("d")
        self.verdicts: Counter[str] = Counter()
        self.failed = 0
        self.stopped = ""

    def add(self, row: ScoreRow) -> None:
        """Take a row into account."""
        if row.bits_per_dim is None:
            self.failed += 1
        else:
            self.scores.append(row.bits_per_dim)
            self.verdicts[row.verdict] += 1

    def stop(self, reason: str) -> None:
        """Ask the scoring to end after the batch under way."""
        self.stopped = reason


@contextmanager
def writers(
    table: "TableFormat",
    csv_file: str | None,
    parquet: Path | None,
    json: bool,
    quiet: bool,
    added: bool = False,
) -> Iterator[Callable[[ScoreRow], object]]:
    """Writes rows to all outputs asked for; files with the columns of `table` are complete at the end.

    With `added`, they are added to the rows of the file that there is. To stdout go lines of JSON or a CSV table,
    without the columns that only files have, or a table for a person unless that is `quiet`.
    """
    from nvp_studio.runs.score_tables import added_csv_rows, csv_rows, parquet_rows

    writers: list[Callable[[ScoreRow], object]] = []
    columns = tuple(name for name in table.columns if name not in (CONTENT, *ORIGIN))
    with ExitStack() as stack:
        if csv_file == "-":
            write_cells = out_csv(columns)
            writers.append(lambda row: write_cells(row.cells(columns)))
        elif csv_file is not None:
            rows = added_csv_rows if added else csv_rows
            writers.append(stack.enter_context(rows(Path(csv_file), table)))
        if parquet is not None:
            writers.append(stack.enter_context(parquet_rows(parquet, table, added=added)))
        if json:
            writers.append(lambda row: print_json(row.values(columns)))
        elif not writers and not quiet:
            writers.append(_print_row)

        def write(row: ScoreRow) -> None:
            for one in writers:
                one(row)

        yield write


def _print_row(row: ScoreRow) -> None:
    if row.bits_per_dim is None:
        say(f"{row.path}: {row.error}")
        return
    percentile = "" if row.percentile is None else f"{row.percentile:5.1f} %"
    notes = f"  ({', '.join(row.notes)})" if row.notes else ""
    verdict = "" if row.p_value is None else f"  {row.verdict:<11}  p {row.p_value:<7.3g}"
    reasons = f": {'; '.join(row.reasons)}" if row.reasons else ""
    out(f"{row.bits_per_dim:9.4f}  {percentile:>7}{verdict}  {row.path}{reasons}{notes}")


def print_tally(tally: Tally, path: str, samples: int, rate: float | None, json: bool, *, exact: bool) -> None:
    """Print the counts and the mean of all rows, as a line of JSON or for a person.

    exact: whether the model's scores are code lengths; else they are upper bounds.
    """
    scored = len(tally.scores)
    mean = statistics.fmean(tally.scores) if scored else None
    error = statistics.stdev(tally.scores) / math.sqrt(scored) if scored > 1 else None
    if json:
        print_json(
            {
                "model": path,
                "scored": scored,
                "failed": tally.failed,
                "mean_bits_per_dim": mean,
                "standard_error": error,
                "samples": samples,
                "exact_code_length": exact,
                "false_alarms": rate,
                **{name.replace(" ", "_"): tally.verdicts[name] if rate else None for name in VERDICTS},
            }
        )
        return
    spread = "" if error is None else f" ± {error:.4f}"
    bound = "exact code lengths" if exact else f"an upper bound, {samples} sample{'' if samples == 1 else 's'}"
    result = "" if mean is None else f", mean {mean:.4f}{spread} bits/dim ({bound})"
    failed = f", {tally.failed} could not be read" if tally.failed else ""
    say(f"{scored} scored{failed}{result}")
    if rate and scored:
        counts = ", ".join(f"{tally.verdicts[name]} {name}" for name in VERDICTS)
        say(f"{counts}; of images like the reference's, {rate:.2%} are called unusual or far outside")
