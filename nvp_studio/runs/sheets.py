"""Reading the contact sheets of a run."""

from pathlib import Path

from nvp_studio.data.images import ImageError, read_image
from nvp_studio.files import read_regular
from nvp_studio.image_batch import ImageBatch
from nvp_studio.training.events import SheetKind
from nvp_studio.training.runs import MAX_SHEET_BYTES, SHEET_COLUMNS, RunRecord


def read_sheet(path: Path | None, kind: SheetKind, record: RunRecord) -> ImageBatch | None:
    """The images of the sheet at `path`, which is one of this kind and of the run with this record.

    None without a path, and for a file that cannot be read or is no sheet of images of the run's shape.
    """
    flow = record.config.flow
    if path is None or flow is None:
        return None
    try:
        pixels = read_image(read_regular(path, MAX_SHEET_BYTES)).pixels
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
    return ImageBatch.of(images)
