"""The option `--labels`: labels of image files from a CSV table, or the names of their folders."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from nvp_studio.commands.console import CommandError
from nvp_studio.file_labels import NONE, FileLabels, LabelsError

LabelsOption = Annotated[
    str | None,
    typer.Option(
        "--labels",
        metavar="FILE|none",
        help="A CSV file with the columns path and label; without it the label of a file is the name of its folder. "
        "none leaves labels out.",
    ),
]


def labels_of_files(labels: str | None, files: Iterable[Path] = ()) -> FileLabels:
    """The labels that the option asks for; raises `CommandError` for a table that cannot be read."""
    try:
        return FileLabels(labels, files)
    except LabelsError as error:
        raise CommandError(str(error)) from error


def check_labels(labels: str | None, data: str | None) -> str:
    """The field `labels` of a `Reading` for that option; a table with a data set is wrong usage."""
    if labels not in (None, NONE) and data is not None:
        raise typer.BadParameter("a table of --labels is for files; a data set has its own labels")
    return NONE if labels == NONE else ""
