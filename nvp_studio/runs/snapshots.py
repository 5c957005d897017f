"""The sheets that a run writes at each validation, from the same noise and the same real images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nvp_studio.files import read_regular
from nvp_studio.image_batch import ImageBatch
from nvp_studio.training.events import SheetKind
from nvp_studio.training.runs import MAX_SHEET_BYTES, MAX_SHEET_IMAGES, SHEET_COLUMNS, RunRecord, sheet_of
from nvp_studio.training.scoring_budget import PICTURES


@dataclass(frozen=True)
class Snapshot:
    """The sheets of one validation."""

    step: int
    paths: dict[SheetKind, Path]
    """The file of each kind of sheet, where there is one."""

    def path(self, kind: SheetKind) -> Path | None:
        """The file of the sheet of this kind."""
        return self.paths.get(kind)


def snapshots(folder: Path) -> list[Snapshot]:
    """All snapshots of the run in `folder`, by step."""
    sheets: dict[int, dict[SheetKind, Path]] = {}
    try:
        paths = list((folder / "samples").glob("*.png"))
    except OSError:
        paths = []
    for path in paths:
        sheet = sheet_of(path.name)
        if sheet is not None and path.is_file():
            kind, step = sheet
            sheets.setdefault(step, {})[kind] = path
    return [Snapshot(step, sheets[step]) for step in sorted(sheets)]


def nearest_snapshot(shots: Sequence[Snapshot], step: float) -> int:
    """Index of the snapshot that shows the run at `step`: the last one up to it, else the first; -1 without any."""
    return max((index for index, shot in enumerate(shots) if shot.step <= step), default=0 if shots else -1)


def read_sheet(path: Path | None, kind: SheetKind, record: RunRecord) -> ImageBatch | None:
    """The images of the sheet at `path`, which is one of this kind and of the run with this record.

    None without a path, and for a file that cannot be read or is no sheet of images of the run's shape.
    """
    from nvp_studio.data import images as image_files  # NumPy, which the command line need not wait for

    flow = record.config.flow
    if path is None or flow is None:
        return None
    channels, height, width = flow.image_shape
    try:
        pixels = image_files.read_sheet(read_regular(path, MAX_SHEET_BYTES), MAX_SHEET_IMAGES * height * width)
    except (OSError, image_files.ImageError):
        return None
    rows = pixels.shape[0] // height
    if pixels.shape != (rows * height, SHEET_COLUMNS * width, channels):
        return None
    images = pixels.reshape(rows, height, SHEET_COLUMNS, width, channels).swapaxes(1, 2)
    images = images.reshape(-1, height, width, channels)
    if kind == "reconstructions":  # the sheet's last row may be filled up with black
        images = images[: 2 * _pairs(rows, record.data.validation_images)]
    return ImageBatch.of(images)


def _pairs(rows: int, available: int) -> int:
    """Number of real images, each with its reconstruction, in a sheet of so many rows."""
    possible = {min(count, available) for count in PICTURES.values()}
    return max((count for count in possible if -(-2 * count // SHEET_COLUMNS) == rows), default=available)
