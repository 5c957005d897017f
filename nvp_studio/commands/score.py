"""`nvp-studio score`: exact bits per dimension of image files, or of a data set's split."""

import io
import math
import os
import statistics
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from nvp_studio.commands.console import (
    CommandError,
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
from nvp_studio.commands.on_ranks import command_ranks, map_on_ranks, open_on_rank
from nvp_studio.commands.options import given_reading, options_of, with_options
from nvp_studio.csv_file import csv_writer
from nvp_studio.data.image_size import size_of
from nvp_studio.data.reading import Reading
from nvp_studio.data.report import suspicion_text
from nvp_studio.score_row import COLUMNS, ScoreRow

if TYPE_CHECKING:
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
    data: Annotated[str | None, typer.Option(help="Score a data set instead of files, such as fashion-mnist.")] = None,
    split: Annotated[str, typer.Option(help="With --data: train, validation or test.")] = "test",
    limit: Annotated[int | None, typer.Option(min=1, help="With --data: the first images only.")] = None,
    samples: Annotated[
        int, typer.Option(min=1, help="Dequantization samples; more give a tighter bound and take longer.")
    ] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the dequantization noise.")] = 0,
    device: DeviceOption = "auto",
    json: Annotated[
        bool, typer.Option("--json", help="Print a line of JSON for each file and one for the whole on stdout.")
    ] = False,
    **fields: Any,
) -> None:
    """Score images in bits per dimension: the lower, the more like the training images.

    The score is an upper bound on the image's code length under uniform dequantization; `percentile` is the share of
    the model's reference images that score lower. Rows are written as they are computed, so any number of files may be
    given. Numbers of more than 8 bits are read as when the model was trained, unless an option says otherwise. A file
    that cannot be read gets a row with the reason, and the command ends with 1 after scoring the others.

    **Examples**

    `nvp-studio score photos/ --csv scores.csv`

    `nvp-studio score --data fashion-mnist --split test`

    `torchrun --nproc-per-node 8 -m nvp_studio score photos/ --csv scores.csv`
    """
    if (data is None) == (not files):
        raise typer.BadParameter("give image files or folders, or --data NAME")
    if json and csv_file == "-":
        raise typer.BadParameter("--json and --csv - both write to stdout; give one of them")
    given = given_reading(fields)
    tally = Tally()
    with command_ranks() as ranks:
        opened = open_on_rank(model, device, ranks)
        opened = replace(opened, reading=given.after(opened.reading))
        if data is None:
            total, rows = None, _file_rows(opened, files or [], samples, seed, tally, ranks)
        else:
            total, rows = _data_rows(opened, data, given, split, limit, samples, seed, tally, ranks)
        if not ranks.first:
            with on_stop(tally.stop):
                deque(rows, maxlen=0)
            return
        try:
            on_stdout = csv_file == "-" or (data is None and (json or csv_file is None))
            bar = progress_bar("images", rows_on_stdout=on_stdout)
            with on_stop(tally.stop), _writer(csv_file, json, quiet=data is not None) as write, bar:
                task = bar.add_task("scoring", total=total)
                for row in rows:
                    tally.add(row)
                    write(row)
                    bar.advance(task)
        finally:
            _print_tally(tally, opened.path, samples, json)
    if tally.stopped:
        raise Stopped(f"{tally.stopped}: not all files were scored")
    if tally.failed:
        raise typer.Exit(1)


class Tally:
    """The scores of all rows, the number of rows without one, and why scoring is to end early."""

    def __init__(self) -> None:
        self.scores = array("d")
        self.failed = 0
        self.stopped = ""

    def add(self, row: ScoreRow) -> None:
        """Take a row into account."""
        if row.bits_per_dim is None:
            self.failed += 1
        else:
            self.scores.append(row.bits_per_dim)

    def stop(self, reason: str) -> None:
        """Ask the scoring to end after the batch under way."""
        self.stopped = reason


def _file_rows(
    opened: "OpenedModel", files: list[Path], samples: int, seed: int, tally: Tally, ranks: "Ranks"
) -> Iterator[ScoreRow]:
    from nvp_studio.data.archive_paths import Archives
    from nvp_studio.explore.score import score_files

    def work(paths: Sequence[bytes]) -> list[ScoreRow]:
        names = map(os.fsdecode, paths)
        rows = score_files(opened, names, samples, seed, cancelled=lambda: bool(tally.stopped), archives=archives)
        return [msgspec.structs.replace(row, pixels=None) for row in rows]

    with Archives() as archives:
        found = takewhile(lambda path: not tally.stopped, archives.find(files))
        paths = (os.fsencode(path) for path in found if isinstance(path, Path))
        yield from map_on_ranks(ranks, paths, FILES, work, ScoreRow)


def _data_rows(
    opened: "OpenedModel",
    data: str,
    given: Reading,
    split: str,
    limit: int | None,
    samples: int,
    seed: int,
    tally: Tally,
    ranks: "Ranks",
) -> tuple[int, Iterator[ScoreRow]]:
    """The number of images of a split, and a row for each, named ``split/index``."""
    from nvp_studio.data.catalogue import CATALOGUE, load_data

    channels, height, width = opened.image_shape
    entry = CATALOGUE.get(data)
    ships = entry is not None and entry.ships
    reading = given if entry is not None else opened.reading
    size = None if ships else size_of(width, height)
    loaded = load_data(data, image_size=size, channels=channels, reading=reading)
    if ranks.first:
        for text in (*loaded.notes, *(f"warning: {suspicion_text(one)}" for one in loaded.suspicions)):
            say(text)
    if loaded.image_shape != opened.image_shape:
        raise CommandError(f"{data} has images of shape {loaded.image_shape}, the model's are {opened.image_shape}")
    chosen = {"train": loaded.train, "validation": loaded.validation, "test": loaded.test}.get(split)
    if chosen is None:
        names = "train, validation" + (", test" if loaded.test else "")
        raise CommandError(f"{data} has no split {split!r}; choose one of {names}")
    images = chosen.images[:limit]

    def work(indices: Sequence[int]) -> list[ScoreRow]:
        if not indices:
            return []
        scores = opened.flow.bits_per_dim(images[indices[0] : indices[-1] + 1], samples, seed).tolist()
        return [
            ScoreRow(path=f"{split}/{index}", bits_per_dim=score, percentile=opened.percentile(score))
            for index, score in zip(indices, scores, strict=True)
        ]

    indices = takewhile(lambda index: not tally.stopped, range(len(images)))
    return len(images), map_on_ranks(ranks, indices, BATCH, work, ScoreRow)


@contextmanager
def _writer(csv_file: str | None, json: bool, quiet: bool) -> Iterator[Callable[[ScoreRow], object]]:
    """Writes rows: to stdout as a table (unless `quiet`), JSON or CSV, or to a CSV file, complete at the end."""
    show = _drop if quiet else _print_row_as_json if json else _print_row
    if csv_file is None:
        yield show
        return
    if csv_file == "-":
        write_cells = out_csv(COLUMNS)
        yield lambda row: write_cells(row.cells())
        return
    from nvp_studio.files import stream_whole

    with stream_whole(csv_file) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        write_cells = csv_writer(text, COLUMNS)

        def write(row: ScoreRow) -> None:
            write_cells(row.cells())
            if json:
                show(row)

        yield write
        text.detach()  # flushed; the file is closed by who opened it


def _drop(row: ScoreRow) -> None:
    """Write nothing: with `--data` only the summary is printed."""


def _print_row(row: ScoreRow) -> None:
    if row.bits_per_dim is None:
        say(f"{row.path}: {row.error}")
        return
    percentile = "" if row.percentile is None else f"{row.percentile:5.1f} %"
    notes = f"  ({', '.join(row.notes)})" if row.notes else ""
    out(f"{row.bits_per_dim:9.4f}  {percentile:>7}  {row.path}{notes}")


def _print_row_as_json(row: ScoreRow) -> None:
    print_json({name: getattr(row, name) for name in COLUMNS})


def _print_tally(tally: Tally, path: str, samples: int, json: bool) -> None:
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
            }
        )
        return
    spread = "" if error is None else f" ± {error:.4f}"
    bound = f"an upper bound, {samples} sample{'' if samples == 1 else 's'}"
    result = "" if mean is None else f", mean {mean:.4f}{spread} bits/dim ({bound})"
    failed = f", {tally.failed} could not be read" if tally.failed else ""
    say(f"{scored} scored{failed}{result}")
