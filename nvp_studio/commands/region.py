"""A region of a picture, as it is given on the command line."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from nvp_studio.explore.model import OpenedModel


def read_region(model: "OpenedModel", text: str) -> "npt.NDArray[np.bool_]":
    """Which pixels (H, W) of the model's pictures are meant: "LEFT,TOP,WIDTH,HEIGHT", or an image file.

    The image is cropped and resized to the model's size as any other; pixels of a mean of 128 and more are meant.
    Raises `ValueError` where the region does not fit, and for what cannot be read.
    """
    import numpy as np

    from nvp_studio.explore.pictures import read_picture
    from nvp_studio.recipe import Image

    height, width, _ = model.pixel_shape
    region = np.zeros((height, width), np.bool_)
    parts = text.split(",")
    if len(parts) == 4 and all(part.strip().isdecimal() for part in parts):
        left, top, across, down = (int(part) for part in parts)
        region[top : top + down, left : left + across] = True
        if region.sum() != across * down:
            raise ValueError(f"the region {text} does not lie within the {width} x {height} pixels of the picture")
        return region
    base = read_picture(model, text, plain=True).recipe.base
    assert isinstance(base, Image)
    region[:] = np.frombuffer(base.pixels, np.uint8).reshape(base.shape).mean(2) >= 128
    return region
