"""Between 8-bit images and the continuous values that a density is about: uniform dequantization."""

import torch
from torch import Tensor

LEVELS = 256
"""Grey levels of an 8-bit image."""


def unit_from_images(images: Tensor, noise: Tensor | float) -> Tensor:
    """(image + noise) / 256: uint8 (N, H, W, C) to float (N, C, H, W) in [0, 1].

    `noise` in [0, 1) has the images' shape, or is one number (0.5 for the middle of each level).
    """
    if images.dtype != torch.uint8 or images.ndim != 4:
        raise ValueError(f"images must be uint8 of shape (N, H, W, C), not {images.dtype} {tuple(images.shape)}")
    dtype = noise.dtype if isinstance(noise, Tensor) else torch.get_default_dtype()
    values = images.to(dtype) + noise
    if isinstance(noise, Tensor):  # where the sum was rounded up to the next level
        above = images.to(dtype) + 1
        values = torch.where(values < above, values, torch.nextafter(above, torch.zeros_like(above)))
    return (values / LEVELS).permute(0, 3, 1, 2).contiguous()


def levels_of(x: Tensor) -> Tensor:
    """The grey level, 0 to 255, that each value x in [0, 1] is in, as a number of x's type; without gradients."""
    return (x.detach() * LEVELS).floor().clamp(0, LEVELS - 1)


def within_levels(x: Tensor, dtype: torch.dtype) -> Tensor:
    """x in [0, 1] rounded to `dtype`, down where it would be rounded up to the next grey level."""
    rounded = x.to(dtype)
    lower = torch.nextafter(rounded, torch.zeros_like(rounded))
    return torch.where(levels_of(rounded) > levels_of(x), lower, rounded)


def level_centers(x: Tensor) -> Tensor:
    """The middle of the grey level that each value is in; its gradient is taken as 1, as that of any rounding."""
    return (levels_of(x) + 0.5) / LEVELS + (x - x.detach())


def images_from_unit(x: Tensor) -> Tensor:
    """The 8-bit images whose levels hold x, clipped to [0, 1]: float (N, C, H, W) to uint8 (N, H, W, C)."""
    levels = torch.floor(x * LEVELS).clamp(0, LEVELS - 1)
    return levels.to(torch.uint8).permute(0, 2, 3, 1).contiguous()
