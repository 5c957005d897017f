"""A picture as a PNG file with its recipe inside."""

import io

import numpy as np
import numpy.typing as npt
import PIL.Image
from PIL.PngImagePlugin import PngInfo

from nvp_studio import __version__
from nvp_studio.recipe import PNG_KEY, Recipe

MAX_SIDE = 16_384
"""Of a picture file, in pixels."""


def png_bytes(image: npt.NDArray[np.uint8], recipe: Recipe) -> bytes:
    """The content of a PNG file of an image (H, W, C), uint8, with a recipe inside."""
    text = PngInfo()
    text.add_itxt(PNG_KEY, recipe.to_json())
    text.add_itxt("Software", f"NVP Studio {__version__}")
    file = io.BytesIO()
    PIL.Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(file, "PNG", pnginfo=text, optimize=True)
    return file.getvalue()


def enlarged(pixels: npt.NDArray[np.uint8], pixel_size: int) -> npt.NDArray[np.uint8]:
    """The image (H, W, C) with each pixel a square of `pixel_size` pixels; `ValueError` for a size not possible."""
    height, width, _ = pixels.shape
    if not 1 <= pixel_size <= max(1, MAX_SIDE // max(height, width)):
        raise ValueError(f"a scale of {pixel_size} is not possible for {width}x{height} pixels")
    return pixels.repeat(pixel_size, 0).repeat(pixel_size, 1)
