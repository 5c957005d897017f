"""`nvp-studio score`: exact bits per dimension of image files, or of a data set's split."""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import typer

from nvp_studio.commands.console import (
    CommandError,
    DeviceOption,
    ModelOption,
    Stopped,
    on_stop,
    progress_bar,
)
from nvp_studio.commands.data_split import (
    DataOption,
    LimitOption,
    SplitImages,
    SplitOption,
    check_files_or_data,
    read_split,
)
from nvp_studio.commands.on_ranks import command_ranks, map_on_ranks, on_first, open_on_rank
from nvp_studio.commands.options import given_reading, options_of, with_options
from nvp_studio.commands.parquet import check_parquet
from nvp_studio.commands.reference import RateOption, ReferenceOption, chosen_reference, rate_of, say_rate
from nvp_studio.commands.score_files import AgainstOption, Draw, ReportWriter, map_writer, second_model
from nvp_studio.commands.score_labels import LabelsOption, check_labels, labels_of_files
from nvp_studio.commands.score_output import Tally, print_tally, writers
from nvp_studio.commands.score_resume import Scored, read_csv, read_parquet
from nvp_studio.commands.score_watch import watched
from nvp_studio.data.reading import Reading
from nvp_studio.file_labels import FileLabels
from nvp_studio.image_batch import ImageBatch
from nvp_studio.score_row import ScoreRow, table_columns
from nvp_studio.text import printable

if TYPE_CHECKING:
    from nvp_studio.data.archive_paths import Archives
    from nvp_studio.explore.image_scores import Scoring
    from nvp_studio.explore.model import OpenedModel
    from nvp_studio.ranks import Ranks

BATCH = 256
FILES = 64
"""Image files that a rank reads and scores before their rows are written."""


@with_options(options_of(Reading, omit=["split", "labels"]))  # which chooses the split that is scored
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
    labels: LabelsOption = None,
    reference: ReferenceOption = None,
    false_alarms: RateOption = "1%",
    against: AgainstOption = None,
    maps: Annotated[
        Path | None,
        typer.Option("--map", metavar="FOLDER", help="Write a picture for each image that shows where its bits are."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="Write a page with counts, histograms and the most unusual images."),
    ] = None,
    details: Annotated[
        bool, typer.Option("--details", help="Write everything that is measured, in further columns.")
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Add to the table what it lacks, also one that a killed command left unfinished."
        ),
    ] = False,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Go on with the CSV file, and score files as they arrive, until Ctrl+C."),
    ] = False,
    every: Annotated[float, typer.Option(min=0.05, help="With --watch: seconds from one look to the next.")] = 1.0,
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

    The score is an upper bound on the image's code length under uniform dequantization, and of a flow of mixtures over
    grey levels the code length itself; `percentile` is the share of the reference images that score lower. Rows are
    written as they are computed, so any number of files may be given; those of a data set have its labels, a file that
    of its folder. Numbers of more than 8 bits are read as when the model was trained, unless an option says otherwise.
    A file that cannot be read gets a row with the reason, and the command ends with 1 after scoring the others.

    **Examples**

    `nvp-studio score photos/ --csv scores.csv`

    `nvp-studio score parts/ --model runs/parts --reference good-parts/ --false-alarms 0.5% --map maps/`

    `nvp-studio score incoming/ --watch --csv scores.csv`

    `nvp-studio score --data fashion-mnist --split test --csv scores.csv`

    `torchrun --nproc-per-node 8 -m nvp_studio score photos/ --csv scores.csv`
    """
    check_files_or_data(files, data)
    if json and csv_file == "-":
        raise typer.BadParameter("--json and --csv - both write to stdout; give one of them")
    if parquet is not None:
        check_parquet()
    if resume and (csv_file == "-" or (csv_file is None) == (parquet is None)):
        raise typer.BadParameter("--resume goes on with one file, that of --csv or that of --parquet")
    if watch and (files is None or csv_file in (None, "-") or parquet is not None):
        raise typer.BadParameter("--watch takes folders, and adds rows to the file of --csv")
    resume = resume or watch
    if maps is not None and reference == "none":
        raise typer.BadParameter("--map needs a reference, which fixes its colours")
    from nvp_studio.data.archive_paths import Archives
    from nvp_studio.explore.image_scores import Scoring
    from nvp_studio.runs.score_tables import TableFormat

    rate = rate_of(false_alarms)
    given = given_reading(fields | {"labels": check_labels(labels, data)})
    tally = Tally()
    named = labels_of_files(labels, files or [])
    with command_ranks() as ranks, Archives() as archives:
        opened = open_on_rank(model, device, ranks)
        opened = replace(opened, reading=given.after(opened.reading))
        chosen = None if data is None else read_split(opened, data, given, split, limit, ranks)
        found = chosen_reference(opened, reference, ranks)
        if found is not None and ranks.first:
            say_rate(found, rate)
        scoring = Scoring(samples, seed, bound == "weighted", found, rate, second_model(opened, against, device, ranks))
        draw = map_writer(opened, found, maps, seed)
        written = ReportWriter(report if ranks.first else None, opened, found, rate, seed)
        columns = table_columns(details=details, of_files=data is None)
        table = TableFormat(columns, opened.info.name, opened.digest)
        if watch and ranks.world > 1:
            raise CommandError("--watch works in one process alone")

        def read() -> Scored:
            if not resume:
                return Scored(columns)
            if csv_file:
                return read_csv(Path(csv_file), table, archives)
            return read_parquet(parquet or Path(), table, archives)

        known = on_first(ranks, read)
        done = Scored(columns) if known is None else known
        table = replace(table, columns=done.columns)
        if chosen is None:
            total, rows = (
                None,
                _file_rows(
                    opened,
                    archives,
                    files or [],
                    named,
                    scoring,
                    draw,
                    done,
                    tally,
                    ranks,
                    every if watch else None,
                    report is not None,
                ),
            )
        else:
            total = len(chosen.images)
            rows = _data_rows(opened, chosen, scoring, draw, done, tally, ranks, report is not None)
        if not ranks.first:
            with on_stop(tally.stop):
                deque(rows, maxlen=0)
            return
        try:
            quiet = data is not None or csv_file is not None or parquet is not None
            bar = progress_bar("images", rows_on_stdout=csv_file == "-" or json or not quiet)
            outputs = writers(table, csv_file, parquet, json, quiet, added=resume)
            with on_stop(tally.stop), outputs as write, bar:
                task = bar.add_task("scoring", total=total)
                for row in rows:
                    tally.add(row)
                    write(row)
                    written.add(row)
                    bar.advance(task)
            written.write()
        finally:
            exact = opened.flow.config.exact_code_length
            print_tally(tally, opened.path, samples, rate if found else None, json, exact=exact)
    if tally.stopped and not watch:
        raise Stopped(f"{tally.stopped}: not all files were scored")
    if tally.failed:
        raise typer.Exit(1)


def _file_rows(
    opened: "OpenedModel",
    archives: "Archives",
    files: list[Path],
    named: FileLabels,
    scoring: "Scoring",
    draw: Draw,
    done: Scored,
    tally: Tally,
    ranks: "Ranks",
    every: float | None,
    keep_pixels: bool,
) -> Iterator[ScoreRow]:
    """A row for each file that is not `done`; with `every`, for files that arrive, looking so often in seconds."""
    from nvp_studio.explore.score import score_files

    def work(paths: Sequence[bytes]) -> list[ScoreRow]:
        names = list(map(os.fsdecode, paths))
        rows = score_files(opened, names, cancelled=lambda: bool(tally.stopped), archives=archives, scoring=scoring)
        return [
            msgspec.structs.replace(row, pixels=row.pixels if keep_pixels else None, label_name=named.of(name))
            for row, name in zip(draw(rows), names, strict=False)
        ]

    if every is not None:
        yield from watched(
            files,
            every,
            lambda path: printable(str(path)) in done,
            lambda paths: work([os.fsencode(path) for path in paths]),
            lambda: bool(tally.stopped),
        )
        return
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
    keep_pixels: bool,
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
        rows = list(draw(score_images(opened, images, scoring, names), images))
        if not keep_pixels:
            return rows
        return [
            msgspec.structs.replace(row, pixels=ImageBatch.of(images[index : index + 1]))
            for index, row in enumerate(rows)
        ]

    left = (index for index in range(len(chosen.images)) if chosen.name(index) not in done)
    return map_on_ranks(ranks, takewhile(lambda index: not tally.stopped, left), BATCH, work, ScoreRow)
