"""A map of many images as one image."""

import numpy as np

from nvp_studio.data.dataset import Images
from nvp_studio.explore.image_map import ImageMap

MAX_SIDE = 16_384
_MARGIN = 0.02
_DOT = 3
_DOT_LEVEL = 128
_WHITE = 255


def draw_map(made: ImageMap, side: int = 2400, pixel_size: int = 1) -> Images:
    """The map on white, (H, W, C) with a longer side of `side` pixels, each pixel of an image `pixel_size` wide.

    Where images would hide one another the first one is drawn, the others are grey dots. Raises `ValueError` for sizes
    that are not possible.
    """
    thumbnails = made.thumbnails.repeat(pixel_size, 1).repeat(pixel_size, 2)
    count, height, width, channels = thumbnails.shape
    if not max(height, width) < side <= MAX_SIDE:
        raise ValueError(f"a map is more than {max(height, width)} and at most {MAX_SIDE:,} pixels wide, not {side}")
    low, high = made.places.min(0), made.places.max(0)
    room = side * (1 - 2 * _MARGIN) - np.array([width, height])
    scale = float((room / np.maximum(high - low, 1e-12)).min())
    at = (made.places - low) * (scale, -scale) + (0, float(high[1] - low[1]) * scale)
    at += side * _MARGIN
    sides = np.ceil(at.max(0) + (width, height) + side * _MARGIN).astype(int).clip(1, side)
    image = np.full((sides[1], sides[0], channels), _WHITE, np.uint8)
    corners = np.rint(at).astype(int)
    _, first = np.unique(np.floor(at / (width, height)).astype(int), axis=0, return_index=True)
    dots = np.setdiff1d(np.arange(count), first)
    for x, y in corners[dots] + (width // 2, height // 2):
        image[y : y + _DOT, x : x + _DOT] = _DOT_LEVEL
    for index in np.sort(first):
        x, y = corners[index]
        room_for = image[y : y + height, x : x + width]
        room_for[:] = thumbnails[index][: room_for.shape[0], : room_for.shape[1]]
    return image
