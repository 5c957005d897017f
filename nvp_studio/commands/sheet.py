"""Images as PNG files: one by one, or side by side on a contact sheet."""

import io
import math

import numpy as np
import numpy.typing as npt
import PIL.Image

Pixels = npt.NDArray[np.uint8]

_GAP = 2
_COMFORTABLE = 84
"""Screen pixels that an image's side should have on a sheet, about."""


def contact_sheet(images: Pixels, scale: int | None = None) -> Pixels:
    """Images (N, H, W, C) row by row on a squarish sheet (H', W', C), each pixel `scale` pixels wide, white between."""
    count, height, width, channels = images.shape
    scale = scale or max(1, _COMFORTABLE // max(height, width))
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    large = images.repeat(scale, 1).repeat(scale, 2)
    cells = np.pad(large, ((0, rows * columns - count), (0, _GAP), (0, _GAP), (0, 0)), constant_values=255)
    grid = cells.reshape(rows, columns, *cells.shape[1:]).transpose(0, 2, 1, 3, 4)
    sheet = grid.reshape(rows * cells.shape[1], columns * cells.shape[2], channels)
    return np.pad(sheet, ((_GAP, 0), (_GAP, 0), (0, 0)), constant_values=255)


def png(image: Pixels) -> bytes:
    """The image (H, W, C) as the bytes of a PNG file."""
    file = io.BytesIO()
    PIL.Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(file, "PNG", optimize=True)
    return file.getvalue()
