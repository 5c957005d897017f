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
    cell_height, cell_width = height * scale + _GAP, width * scale + _GAP
    sheet = np.full((rows * cell_height + _GAP, columns * cell_width + _GAP, channels), 255, np.uint8)
    for index, image in enumerate(images):
        top, left = index // columns * cell_height + _GAP, index % columns * cell_width + _GAP
        large = image.repeat(scale, 0).repeat(scale, 1)
        sheet[top : top + height * scale, left : left + width * scale] = large
    return sheet


def png(image: Pixels) -> bytes:
    """The image (H, W, C) as the bytes of a PNG file."""
    file = io.BytesIO()
    PIL.Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(file, "PNG", optimize=True)
    return file.getvalue()
