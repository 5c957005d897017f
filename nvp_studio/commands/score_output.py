"""What `nvp-studio score` writes: tables of rows as they are computed, lines for a person, and counts at the end."""

import io
import math
import statistics
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from nvp_studio.commands.console import out, out_csv, print_json, say
from nvp_studio.commands.score_resume import Scored, added_rows
from nvp_studio.csv_file import csv_writer
from nvp_studio.data.scored_files import CONTENT
from nvp_studio.score_row import VERDICTS, ScoreRow


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
    columns: tuple[str, ...],
    csv_file: str | None,
    parquet: Path | None,
    json: bool,
    quiet: bool,
    done: Scored | None = None,
    of_files: bool = False,
) -> Iterator[Callable[[ScoreRow], object]]:
    """Writes rows with these columns to all outputs asked for; files are complete at the end.

    With `done`, the rows of an earlier run, they are added to these; tables `of_files` have a further column with the
    digest of the content. To stdout go lines of JSON or a CSV table, or a table for a person unless that is `quiet`.
    """
    writers: list[Callable[[ScoreRow], object]] = []
    table = (*columns, CONTENT) if of_files else columns
    with ExitStack() as stack:
        if csv_file == "-":
            write_cells = out_csv(columns)
            writers.append(lambda row: write_cells(row.cells(columns)))
        elif csv_file is not None:
            rows = _csv_rows if done is None else added_rows
            writers.append(stack.enter_context(rows(csv_file, table)))
        if parquet is not None:
            from nvp_studio.runs.score_tables import parquet_rows

            writers.append(
                stack.enter_context(parquet_rows(parquet, table, kept=done.kept if done is not None else ()))
            )
        if json:
            writers.append(lambda row: print_json(row.values(columns)))
        elif not writers and not quiet:
            writers.append(_print_row)

        def write(row: ScoreRow) -> None:
            for one in writers:
                one(row)

        yield write


@contextmanager
def _csv_rows(path: str, columns: tuple[str, ...]) -> Iterator[Callable[[ScoreRow], object]]:
    from nvp_studio.files import stream_whole

    with stream_whole(path, devices=True) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        write_cells = csv_writer(text, columns)
        yield lambda row: write_cells(row.cells(columns))
        text.detach()  # flushed; the file is closed by who opened it


def _print_row(row: ScoreRow) -> None:
    if row.bits_per_dim is None:
        say(f"{row.path}: {row.error}")
        return
    percentile = "" if row.percentile is None else f"{row.percentile:5.1f} %"
    notes = f"  ({', '.join(row.notes)})" if row.notes else ""
    verdict = "" if row.p_value is None else f"  {row.verdict:<11}  p {row.p_value:<7.3g}"
    reasons = f": {'; '.join(row.reasons)}" if row.reasons else ""
    out(f"{row.bits_per_dim:9.4f}  {percentile:>7}{verdict}  {row.path}{reasons}{notes}")


def print_tally(tally: Tally, path: str, samples: int, rate: float | None, json: bool) -> None:
    """Print the counts and the mean of all rows, as a line of JSON or for a person."""
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
                "false_alarms": rate,
                **{name.replace(" ", "_"): tally.verdicts[name] if rate else None for name in VERDICTS},
            }
        )
        return
    spread = "" if error is None else f" ± {error:.4f}"
    bound = f"an upper bound, {samples} sample{'' if samples == 1 else 's'}"
    result = "" if mean is None else f", mean {mean:.4f}{spread} bits/dim ({bound})"
    failed = f", {tally.failed} could not be read" if tally.failed else ""
    say(f"{scored} scored{failed}{result}")
    if rate and scored:
        counts = ", ".join(f"{tally.verdicts[name]} {name}" for name in VERDICTS)
        say(f"{counts}; of images like the reference's, {rate:.2%} are called unusual or far outside")
