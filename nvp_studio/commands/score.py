"""`nvp-studio score`: exact bits per dimension of image files, or of a data set's split."""

import io
import math
import os
import statistics
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import typer

from nvp_studio.commands.console import (
    DeviceOption,
    ModelOption,
    Stopped,
    on_stop,
    out,
    out_csv,
    print_json,
    progress_bar,
    say,
)
from nvp_studio.commands.data_split import (
    DataOption,
    LimitOption,
    SplitImages,
    SplitOption,
    check_files_or_data,
    read_split,
)
from nvp_studio.commands.on_ranks import command_ranks, map_on_ranks, open_on_rank
from nvp_studio.commands.options import given_reading, options_of, with_options
from nvp_studio.commands.parquet import check_parquet
from nvp_studio.commands.reference import RateOption, ReferenceOption, chosen_reference, rate_of, say_rate
from nvp_studio.commands.score_files import Draw, Scored, added_rows, map_writer, second_model
from nvp_studio.csv_file import csv_writer
from nvp_studio.data.reading import Reading
from nvp_studio.score_row import COLUMNS, DATA_COLUMNS, DETAILS, VERDICTS, ScoreRow
from nvp_studio.text import printable

if TYPE_CHECKING:
    from nvp_studio.explore.image_scores import Scoring
    from nvp_studio.explore.model import OpenedModel
    from nvp_studio.ranks import Ranks

BATCH = 256
FILES = 64
"""Image files that a rank reads and scores before their rows are written."""


@with_options(options_of(Reading, omit=["split"]))  # which chooses the split that is scored
def score(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Image files, folders, and zip or tar files of them.")
    ] = None,
    model: ModelOption = "",
    csv_file: Annotated[
        str | None, typer.Option("--csv", metavar="FILE", help="Write a row for each file; '-' is stdout.")
    ] = None,
    parquet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the rows as Parquet (the extra parquet).")
    ] = None,
    data: DataOption = None,
    split: SplitOption = "test",
    limit: LimitOption = None,
    reference: ReferenceOption = None,
    false_alarms: RateOption = "1%",
    against: Annotated[
        str | None, typer.Option(metavar="MODEL", help="A second model, for the likelihood ratio of the two.")
    ] = None,
    maps: Annotated[
        Path | None,
        typer.Option("--map", metavar="FOLDER", help="Write a picture for each image that shows where its bits are."),
    ] = None,
    details: Annotated[
        bool, typer.Option("--details", help="Write everything that is measured, in further columns.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Add to the CSV file what it lacks; rows appear as they are computed.")
    ] = False,
    samples: Annotated[
        int, typer.Option(min=1, help="Dequantization samples; more give a tighter bound and take longer.")
    ] = 1,
    bound: Annotated[
        Literal["weighted", "mean"],
        typer.Option(help="Of several samples: the importance-weighted bound, or the mean of their scores."),
    ] = "weighted",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the dequantization noise.")] = 0,
    device: DeviceOption = "auto",
    json: Annotated[
        bool, typer.Option("--json", help="Print a line of JSON for each file and one for the whole on stdout.")
    ] = False,
    **fields: Any,
) -> None:
    """Score images in bits per dimension, and say which are unusual for the model.

    A lower score is more likely under the model, which alone says neither that an image is good nor that it is like the
    training images (docs/scores.md). The verdict combines what several statistics say: typical, unusual or far outside,
    with a p-value (small is unusual) and reasons. At the given rate of false alarms it compares with the data that the
    model was trained on, or with the images of --reference. The first time this takes a minute or two for a model.

    The score is an upper bound on the image's code length under uniform dequantization; `percentile` is the share of
    the reference images that score lower. Rows are written as they are computed, so any number of files may be
    given; those of a data set have its labels, a file that of its folder. Numbers of more than 8 bits are read as when
    the model was trained, unless an option says otherwise. A file that cannot be read gets a row with the reason, and
    the command ends with 1 after scoring the others.

    **Examples**

    `nvp-studio score photos/ --csv scores.csv`

    `nvp-studio score parts/ --model runs/parts --reference good-parts/ --false-alarms 0.5% --map maps/`

    `nvp-studio score --data fashion-mnist --split test --csv scores.csv`

    `torchrun --nproc-per-node 8 -m nvp_studio score photos/ --csv scores.csv`
    """
    check_files_or_data(files, data)
    if json and csv_file == "-":
        raise typer.BadParameter("--json and --csv - both write to stdout; give one of them")
    if parquet is not None:
        check_parquet()
    if resume and (csv_file in (None, "-") or parquet is not None):
        raise typer.BadParameter("--resume goes on with the file of --csv alone")
    if maps is not None and reference == "none":
        raise typer.BadParameter("--map needs a reference, which fixes its colours")
    from nvp_studio.explore.image_scores import Scoring

    rate = rate_of(false_alarms)
    given = given_reading(fields)
    tally = Tally()
    with command_ranks() as ranks:
        opened = open_on_rank(model, device, ranks)
        opened = replace(opened, reading=given.after(opened.reading))
        chosen = None if data is None else read_split(opened, data, given, split, limit, ranks)
        found = chosen_reference(opened, reference, ranks)
        if found is not None and ranks.first:
            say_rate(found, rate)
        scoring = Scoring(samples, seed, bound == "weighted", found, rate, second_model(opened, against, device, ranks))
        draw = map_writer(opened, found, maps, seed)
        columns = (COLUMNS if data is None else DATA_COLUMNS) + (DETAILS if details else ())
        done = Scored.read(csv_file, columns) if resume and csv_file and ranks.first else Scored()
        if chosen is None:
            total, rows = None, _file_rows(opened, files or [], scoring, draw, done, tally, ranks)
        else:
            total, rows = len(chosen.images), _data_rows(opened, chosen, scoring, draw, done, tally, ranks)
        if not ranks.first:
            with on_stop(tally.stop):
                deque(rows, maxlen=0)
            return
        try:
            quiet = data is not None or csv_file is not None or parquet is not None
            bar = progress_bar("images", rows_on_stdout=csv_file == "-" or json or not quiet)
            with on_stop(tally.stop), _writers(columns, csv_file, parquet, json, quiet, resume) as write, bar:
                task = bar.add_task("scoring", total=total)
                for row in rows:
                    tally.add(row)
                    write(row)
                    bar.advance(task)
        finally:
            _print_tally(tally, opened.path, samples, rate if found else None, json)
    if tally.stopped:
        raise Stopped(f"{tally.stopped}: not all files were scored")
    if tally.failed:
        raise typer.Exit(1)


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


def _file_rows(
    opened: "OpenedModel",
    files: list[Path],
    scoring: "Scoring",
    draw: Draw,
    done: Scored,
    tally: Tally,
    ranks: "Ranks",
) -> Iterator[ScoreRow]:
    from nvp_studio.data.archive_paths import Archives
    from nvp_studio.explore.score import score_files

    def work(paths: Sequence[bytes]) -> list[ScoreRow]:
        names = map(os.fsdecode, paths)
        rows = score_files(opened, names, cancelled=lambda: bool(tally.stopped), archives=archives, scoring=scoring)
        return [msgspec.structs.replace(row, pixels=None) for row in draw(rows)]

    with Archives() as archives:
        found = takewhile(lambda path: not tally.stopped, archives.find(files))
        paths = (os.fsencode(path) for path in found if isinstance(path, Path) and printable(str(path)) not in done)
        yield from map_on_ranks(ranks, paths, FILES, work, ScoreRow)


def _data_rows(
    opened: "OpenedModel",
    chosen: SplitImages,
    scoring: "Scoring",
    draw: Draw,
    done: Scored,
    tally: Tally,
    ranks: "Ranks",
) -> Iterator[ScoreRow]:
    """A row for each image of a split, named ``split/index``."""
    from nvp_studio.explore.image_scores import score_images

    def work(indices: Sequence[int]) -> list[ScoreRow]:
        if not indices:
            return []
        images = chosen.images[list(indices)]
        names = [
            ScoreRow(path=chosen.name(index), label=chosen.label(index), label_name=chosen.label_name(index))
            for index in indices
        ]
        return list(draw(score_images(opened, images, scoring, names), images))

    left = (index for index in range(len(chosen.images)) if chosen.name(index) not in done)
    return map_on_ranks(ranks, takewhile(lambda index: not tally.stopped, left), BATCH, work, ScoreRow)


@contextmanager
def _writers(
    columns: tuple[str, ...], csv_file: str | None, parquet: Path | None, json: bool, quiet: bool, resume: bool
) -> Iterator[Callable[[ScoreRow], object]]:
    """Writes rows with these columns to all outputs asked for; files are complete at the end.

    To stdout go lines of JSON or a CSV table, or a table for a person unless that is `quiet`.
    """
    writers: list[Callable[[ScoreRow], object]] = []
    with ExitStack() as stack:
        if csv_file == "-":
            write_cells = out_csv(columns)
            writers.append(lambda row: write_cells(row.cells(columns)))
        elif csv_file is not None:
            rows = added_rows if resume else _csv_rows
            writers.append(stack.enter_context(rows(csv_file, columns)))
        if parquet is not None:
            from nvp_studio.runs.score_tables import parquet_rows

            writers.append(stack.enter_context(parquet_rows(parquet, columns)))
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


def _print_tally(tally: Tally, path: str, samples: int, rate: float | None, json: bool) -> None:
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
