"""What `nvp-studio score` reads and writes besides its rows: files to go on with, maps, a second model."""

import csv
import hashlib
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from nvp_studio.commands.console import CommandError, say
from nvp_studio.commands.on_ranks import open_on_rank
from nvp_studio.csv_file import csv_cell, csv_writer
from nvp_studio.score_row import ScoreRow

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from nvp_studio.explore.model import OpenedModel
    from nvp_studio.ranks import Ranks
    from nvp_studio.scores.reference import Reference


class Draw(Protocol):
    """Writes the maps of rows and hands these on."""

    def __call__(self, rows: Iterable[ScoreRow], images: "npt.NDArray[np.uint8] | None" = None) -> Iterable[ScoreRow]:
        """`images` (N, H, W, C) are those of the rows, where they have no pixels of their own."""


class Scored:
    """The names of what is scored already, as digests, so that millions fit into memory."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._digests = {_digest(csv_cell(name)) for name in names}

    def __contains__(self, name: str) -> bool:
        return bool(self._digests) and _digest(csv_cell(name)) in self._digests

    @classmethod
    def read(cls, path: str, columns: Sequence[str]) -> Self:
        """The rows with a score of a CSV file with these columns; nothing where there is no file.

        Rows without a score, and a last line that was cut off, are taken out of the file. Raises `CommandError` for a
        file with other columns.
        """
        done = cls()
        if not Path(path).exists():
            return done
        from nvp_studio.files import stream_whole

        try:
            with open(path, encoding="utf-8", newline="") as old, stream_whole(path) as file:
                text = io.TextIOWrapper(file, encoding="utf-8", newline="")
                write = csv_writer(text, columns)
                lines = (line for line in old if line.endswith("\n"))
                table = csv.reader(lines)
                heading = next(table, list(columns))
                if tuple(heading) != tuple(columns):
                    raise CommandError(f"{path} has other columns, so nothing is added to it")
                name, error = columns.index("path"), columns.index("error")
                for row in table:
                    if len(row) == len(columns) and not row[error]:
                        done._digests.add(_digest(row[name]))
                        write(row)
                text.detach()
        except (UnicodeDecodeError, csv.Error) as problem:
            raise CommandError(f"{path} is no table of scores, so nothing is added to it: {problem}") from problem
        say(f"{len(done._digests)} are scored already")
        return done


@contextmanager
def added_rows(path: str, columns: Sequence[str]) -> Iterator[Callable[[ScoreRow], object]]:
    """Give a function that adds a row to the CSV file at `path`, which is made where there is none.

    Each row is in the file at once, so that a command that is ended by force loses none.
    """
    fresh = not Path(path).exists()
    with open(path, "a", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        if fresh:
            table.writerow(columns)

        def write(row: ScoreRow) -> None:
            table.writerow(row.cells(columns))
            file.flush()

        yield write


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


def map_name(path: str) -> str:
    """The file name of the map of a scored file: its own name, and a digest that tells it from others of that name."""
    stem = re.sub(r"[^A-Za-z0-9_.-]", "_", Path(path).stem)[:80] or "image"
    return f"{stem}-{hashlib.blake2b(path.encode('utf-8', 'surrogateescape'), digest_size=4).hexdigest()}.png"


def _digest(name: str) -> bytes:
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=12).digest()
