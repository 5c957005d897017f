"""The size that images are brought to, in pixels: the side of squares, or width and height."""

import re

MAX_IMAGE_SIZE = 1024
"""Longest side of images that are trained on."""

ImageSize = int | tuple[int, int]
"""A side, or (width, height)."""

_SIZE = re.compile(r"(\d{1,9})\s*(?:[x×*]\s*(\d{1,9}))?", re.IGNORECASE)


def parse_size(text: str) -> ImageSize:
    """The size that a person means by 32 or 32x48, width first; raises `ValueError` with a sentence."""
    sides = sides_in(text)
    if sides is None:
        raise ValueError(f"an image size is a number of pixels such as 32, or width x height such as 32x48; not {text}")
    size = size_of(*sides)
    check_image_size(size)
    return size


def sides_in(text: str) -> tuple[int, int] | None:
    """(width, height) of any length in a text such as 32 or 32x48; None for other texts."""
    match = _SIZE.fullmatch(text.strip())
    return None if match is None else (int(match[1]), int(match[2] or match[1]))


def size_of(width: int, height: int) -> ImageSize:
    """The size of images so wide and high, a side for squares, so that equal sizes are equal."""
    return width if width == height else (width, height)


def width_and_height(size: ImageSize) -> tuple[int, int]:
    """The two sides."""
    return (size, size) if isinstance(size, int) else size


def check_image_size(size: ImageSize) -> None:
    """Raise `ValueError` for a side that no image of a run may have."""
    if not all(1 <= side <= MAX_IMAGE_SIZE for side in width_and_height(size)):
        raise ValueError(f"image_size must be from 1 to {MAX_IMAGE_SIZE} pixels, not {size_text(size)}")


def size_text(size: ImageSize) -> str:
    """The form that `parse_size` reads: 32 or 32x48."""
    return str(size) if isinstance(size, int) else "x".join(map(str, size))
