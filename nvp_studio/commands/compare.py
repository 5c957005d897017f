"""`nvp-studio compare`: how well every score, and the verdict, tells two groups of images apart."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nvp_studio.commands.console import (
    CommandError,
    DeviceOption,
    JsonOption,
    ModelOption,
    print_columns,
    print_json,
    progress_bar,
    say,
)
from nvp_studio.commands.on_ranks import open_on_rank
from nvp_studio.commands.reference import RateOption, ReferenceOption, chosen_reference, rate_of, say_rate
from nvp_studio.commands.score_files import AgainstOption, second_model
from nvp_studio.score_row import ScoreRow, unusualness

if TYPE_CHECKING:
    from nvp_studio.explore.image_scores import Scoring
    from nvp_studio.explore.model import OpenedModel


def compare(
    a: Annotated[Path, typer.Argument(help="Files of the usual group: a folder, a file, a zip or tar file.")],
    b: Annotated[Path, typer.Argument(help="Those of the other group.")],
    model: ModelOption = "",
    reference: ReferenceOption = None,
    false_alarms: RateOption = "1%",
    against: AgainstOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the dequantization noise and of the intervals.")] = 0,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Compare two groups of images: the AUROC of every score, with a bootstrap interval of 95 %.

    The AUROC is the probability that an image of B is more unusual than one of A by that score: 0.5 where the score
    cannot tell them apart, 1 where it always can, below 0.5 where it calls those of A more unusual. Files that cannot
    be read are left out, and the command ends with 1.

    **Examples**

    `nvp-studio compare good/ bad/ --model runs/parts`

    `nvp-studio compare good/ bad/ --json`
    """
    import numpy as np

    from nvp_studio.explore.image_scores import Scoring
    from nvp_studio.ranks import ALONE
    from nvp_studio.scores.separation import auroc_interval

    rate = rate_of(false_alarms)
    opened = open_on_rank(model, device)
    found = chosen_reference(opened, reference, ALONE)
    if found is not None:
        say_rate(found, rate)
    second = second_model(opened, against, device, ALONE)
    scoring = Scoring(seed=seed, reference=found, rate=rate, against=second)
    groups = [_rows(opened, path, scoring) for path in (a, b)]
    scored = [[row for row in rows if row.numbers is not None] for rows in groups]
    for path, rows in zip((a, b), scored, strict=True):
        if len(rows) < 2:
            raise CommandError(f"{path} has {len(rows)} images that could be scored; two are the fewest")
    values = [[unusualness(row) for row in rows] for rows in scored]
    table = {}
    for name in values[0][0]:
        usual, unusual = (np.array([one[name] for one in group], np.float64) for group in values)
        table[name] = auroc_interval(usual, unusual, seed=seed)
    failed = sum(row.numbers is None for rows in groups for row in rows)
    called = [sum(row.verdict not in ("", "typical") for row in rows) for rows in scored] if found else None
    if json:
        print_json(
            {
                "model": opened.path,
                "images": [len(rows) for rows in scored],
                "failed": failed,
                "auroc": {name: one._asdict() for name, one in table.items()},
                "false_alarms": rate if found else None,
                "called_unusual": called,
            }
        )
    else:
        lines = [[name, f"{one.value:.3f}", f"{one.low:.3f} to {one.high:.3f}"] for name, one in table.items()]
        print_columns([["score", "AUROC", "95 % interval"], *lines])
        counts = [f"{number} of {len(rows)}" for number, rows in zip(called or (0, 0), scored, strict=True)]
        if called is not None:
            say(f"called unusual or far outside at a rate of {rate:.2%}: {counts[0]} of A, {counts[1]} of B")
    if failed:
        say(f"{failed} could not be read")
        raise typer.Exit(1)


def _rows(opened: "OpenedModel", path: Path, scoring: "Scoring") -> list[ScoreRow]:
    from msgspec.structs import replace

    from nvp_studio.explore.score import score_files

    rows = []
    with progress_bar("images") as bar:
        task = bar.add_task(f"scoring {path}", total=None)
        for row in score_files(opened, [path], scoring=scoring):
            rows.append(replace(row, pixels=None))
            bar.advance(task)
    return rows
