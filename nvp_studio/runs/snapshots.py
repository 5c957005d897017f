"""The sheets that a run leaves behind: the same noise and the same real images at each of its snapshots."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nvp_studio.data.images import ImageError, decode_image
from nvp_studio.files import read_regular
from nvp_studio.runs.names import Kind
from nvp_studio.training.events import ImageBatch
from nvp_studio.training.runs import SHEET_COLUMNS, RunRecord, sheet_of

_MAX_SHEET_BYTES = 100_000_000


@dataclass(frozen=True)
class Snapshot:
    """The sheets of one validation; None where there is none of that kind."""

    step: int
    samples: Path | None = None
    reconstructions: Path | None = None

    def path(self, kind: Kind) -> Path | None:
        """The file of the sheet of this kind."""
        return self.samples if kind == "samples" else self.reconstructions

    def images(self, kind: Kind, record: RunRecord) -> ImageBatch | None:
        """The images of the sheet of this kind, of the run that has this record.

        None without such a sheet, and for a file that cannot be read or is no sheet of images of the run's shape.
        """
        path, flow = self.path(kind), record.config.flow
        if path is None or flow is None:
            return None
        try:
            pixels = decode_image(read_regular(path, _MAX_SHEET_BYTES)).pixels
        except (OSError, ImageError):
            return None
        channels, height, width = flow.image_shape
        rows = pixels.shape[0] // height
        if pixels.shape != (rows * height, SHEET_COLUMNS * width, channels):
            return None
        images = pixels.reshape(rows, height, SHEET_COLUMNS, width, channels).swapaxes(1, 2)
        images = images.reshape(-1, height, width, channels)
        if kind == "reconstructions":  # the sheet's last row may be filled up with black
            images = images[: 2 * record.data.validation_images]
        return ImageBatch((images.shape[0], height, width, channels), images.tobytes())


def snapshots(folder: Path) -> list[Snapshot]:
    """All snapshots of the run in `folder`, by step."""
    found: dict[int, dict[Kind, Path]] = {}
    try:
        paths = list((folder / "samples").glob("*.png"))
    except OSError:
        paths = []
    for path in paths:
        sheet = sheet_of(path.name)
        if sheet is not None and path.is_file():
            kind, step = sheet
            found.setdefault(step, {})[kind] = path
    return [Snapshot(step, **found[step]) for step in sorted(found)]


def nearest_snapshot(shots: Sequence[Snapshot], step: float) -> int:
    """Which snapshot shows the run as it was at `step`: the last one up to it, else the first; -1 without any."""
    return max((place for place, shot in enumerate(shots) if shot.step <= step), default=0 if shots else -1)
