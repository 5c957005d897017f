"""The images of a data set's split, for the commands that take `--data`."""

from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from nvp_studio.commands.console import CommandError, say
from nvp_studio.data.image_size import size_of
from nvp_studio.data.reading import Reading
from nvp_studio.data.report import suspicion_text

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from nvp_studio.explore.model import OpenedModel
    from nvp_studio.ranks import Ranks

DataOption = Annotated[
    str | None,
    typer.Option(metavar="NAME|FILE", help="A data set instead of files, such as fashion-mnist or data.npz."),
]
SplitOption = Annotated[str, typer.Option(help="With --data: train, validation or test.")]
LimitOption = Annotated[int | None, typer.Option(min=1, help="With --data: the first images only.")]


class SplitImages(NamedTuple):
    """Images (N, H, W, C) as a model takes them, with what their set says of each."""

    split: str
    images: "npt.NDArray[np.uint8]"
    labels: "npt.NDArray[Any] | None"
    label_names: tuple[str, ...]

    def name(self, index: int) -> str:
        """What an image is called: ``split/index``."""
        return f"{self.split}/{index}"

    def label(self, index: int) -> int | None:
        """The label of an image; None where there is none."""
        return None if self.labels is None else int(self.labels[index])

    def label_name(self, index: int) -> str:
        """The name of that label; empty where there is none."""
        label = self.label(index)
        return self.label_names[label] if label is not None and 0 <= label < len(self.label_names) else ""


def check_files_or_data(files: object, data: str | None) -> None:
    """Refuse both files and a data set, and neither."""
    if (data is None) == (not files):
        raise typer.BadParameter("give image files or folders, or --data NAME")


def read_split(
    opened: "OpenedModel", data: str, given: Reading, split: str, limit: int | None, ranks: "Ranks"
) -> SplitImages:
    """Load a split of the data set `data` at the size of the model's images, and say how it was read.

    Raises `CommandError` when its images cannot be the model's, or it has no such split.
    """
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
    labels = None if chosen.labels is None else chosen.labels[:limit]
    return SplitImages(split, chosen.images[:limit], labels, loaded.label_names)
