"""What `nvp-studio score` reads and writes besides its rows: maps, a second model."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from nvp_studio.commands.console import CommandError
from nvp_studio.commands.on_ranks import open_on_rank
from nvp_studio.score_row import ScoreRow

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from nvp_studio.explore.model import OpenedModel
    from nvp_studio.ranks import Ranks
    from nvp_studio.scores.reference import Reference


AgainstOption = Annotated[
    str | None, typer.Option(metavar="MODEL", help="A second model, for the likelihood ratio of the two.")
]


class Draw(Protocol):
    """Writes the maps of rows and hands these on."""

    def __call__(self, rows: Iterable[ScoreRow], images: "npt.NDArray[np.uint8] | None" = None) -> Iterable[ScoreRow]:
        """`images` (N, H, W, C) are those of the rows, where they have no pixels of their own."""


def second_model(opened: "OpenedModel", against: str | None, device: str, ranks: "Ranks") -> "OpenedModel | None":
    """The model that `--against` names; raises `CommandError` where its images have another shape."""
    if against is None:
        return None
    second = open_on_rank(against, device, ranks)
    if second.image_shape != opened.image_shape:
        raise CommandError(
            f"the images of {against} have shape {second.image_shape}, those of the model {opened.image_shape}"
        )
    return second


def map_writer(opened: "OpenedModel", found: "Reference | None", folder: Path | None, seed: int) -> Draw:
    """What writes a map of each scored image into `folder`, called as the file, or passes rows on without a folder."""
    if folder is None:
        return lambda rows, images=None: rows
    if found is None:
        raise CommandError("--map needs a reference, which fixes its colours")
    from nvp_studio.files import write_whole
    from nvp_studio.scores.overlays import MapMaker

    folder.mkdir(parents=True, exist_ok=True)
    maker = MapMaker(opened.flow, found.maps)

    def draw(rows: Iterable[ScoreRow], images: "npt.NDArray[np.uint8] | None" = None) -> Iterator[ScoreRow]:
        for index, row in enumerate(rows):
            pixels = row.pixels.array() if images is None and row.pixels is not None else None
            if images is not None:
                pixels = images[index : index + 1]
            if row.bits_per_dim is not None and pixels is not None:
                write_whole(folder / map_name(row.path), maker.pictures(pixels, seed)[0])
            yield row

    return draw


class ReportWriter:
    """Writes the report of the rows that it was given; nothing without a path."""

    def __init__(
        self, path: Path | None, opened: "OpenedModel", found: "Reference | None", rate: float, seed: int
    ) -> None:
        from nvp_studio.scores.report import ScoreReport

        if path is not None and not path.absolute().parent.is_dir():
            raise CommandError(f"there is no folder {path.absolute().parent} for the report")
        self._path, self._opened, self._found, self._rate, self._seed = path, opened, found, rate, seed
        self._report = ScoreReport(judged=found is not None)

    def add(self, row: ScoreRow) -> None:
        """Take a row into account."""
        if self._path is not None:
            self._report.add(row)

    def write(self) -> None:
        """Write the file."""
        from nvp_studio.explore.report_facts import report_facts, report_picture
        from nvp_studio.files import write_whole

        if self._path is None:
            return
        picture = report_picture(self._opened, self._found, self._seed)

        def draw(row: ScoreRow) -> bytes:
            return b"" if row.pixels is None else picture(row.pixels.array())

        rate = self._rate if self._found is None else max(self._rate, self._found.judge.least_rate)
        write_whole(self._path, self._report.page(report_facts(self._opened, self._found), rate, draw))


def map_name(path: str) -> str:
    """The file name of the map of a scored file: its own name, and a digest that tells it from others of that name."""
    stem = re.sub(r"[^A-Za-z0-9_.-]", "_", Path(path).stem)[:80] or "image"
    return f"{stem}-{hashlib.blake2b(path.encode('utf-8', 'surrogateescape'), digest_size=4).hexdigest()}.png"
