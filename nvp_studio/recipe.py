"""The recipe of a picture: an immutable structure that says how the picture was made.

Undo history, the text chunk of a saved PNG, the command line's replay and the decode request are this same object.
"""

from collections.abc import Sequence
from typing import Annotated

import msgspec

from nvp_studio.limits import ImageBytes, Name, ScaleValues
from nvp_studio.text import one_line

PNG_KEY = "nvp-studio-recipe"
"""Keyword of the PNG text chunk that holds a recipe as JSON."""


class Seed(msgspec.Struct, frozen=True, tag="seed"):
    """Base latent: standard normal noise drawn from `seed`, the first image of `Flow.sample(..., seed=seed)`."""

    seed: int


class Image(msgspec.Struct, frozen=True, tag="image"):
    """Base latent: the exact latent of an 8-bit image, dequantized at the middle of each grey level.

    `pixels` are the uint8 values in (H, W, C) order of an image that already has the model's size; `name` is for show.
    """

    shape: tuple[int, int, int]
    pixels: ImageBytes
    name: Name = ""


class Blend(msgspec.Struct, frozen=True, tag="blend"):
    """Base latent: an interpolation between two others at every scale (`rendering.between`)."""

    a: Seed | Image
    b: Seed | Image
    share: float = 0.5
    """How far from `a` (0) to `b` (1)."""


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """How a picture is made: z = temperature * base + sum of offsets along the model's directions, then decoded."""

    checkpoint: Name
    """Digest (sha-256, hexadecimal) of the checkpoint file's content that decodes it."""
    base: Seed | Image | Blend
    """Where the latent starts."""
    temperatures: ScaleValues = ()
    """Factor on the base latent for each scale, finest first; empty means 1 throughout."""
    offsets: Annotated[tuple[tuple[int, float], ...], msgspec.Meta(max_length=256)] = ()
    """(direction, standard deviations) pairs, sorted by direction, zeros left out."""

    def with_offset(self, direction: int, offset: float) -> "Recipe":
        """The recipe with another offset along one direction, in standard deviations; 0 is left out."""
        offsets = dict(self.offsets) | {direction: offset}
        kept = sorted((index, value) for index, value in offsets.items() if index != direction or abs(value) > 1e-6)
        return msgspec.structs.replace(self, offsets=tuple(kept))

    def with_temperatures(self, values: Sequence[float]) -> "Recipe":
        """The recipe with these temperatures, one for each scale, finest first; 1 throughout is written as nothing."""
        plain = all(abs(value - 1.0) < 1e-9 for value in values)
        return msgspec.structs.replace(self, temperatures=() if plain else tuple(values))

    def to_json(self) -> str:
        """The recipe as one line of JSON."""
        return msgspec.json.encode(self).decode()

    @staticmethod
    def from_json(text: str | bytes) -> "Recipe":
        """Read what `to_json` wrote; raises `ValueError` with a one-line reason for anything else."""
        try:
            recipe = msgspec.json.decode(text, type=Recipe)
            msgspec.msgpack.encode(recipe)  # whole numbers in JSON have no bound, those of messages have
        except (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError) as error:
            raise ValueError(f"not a recipe: {one_line(error)}") from error
        return recipe


def fits(base: Seed | Image | Blend, image_shape: tuple[int, int, int]) -> bool:
    """Whether the images that `base` is made of have this shape, (channels, height, width)."""
    if isinstance(base, Blend):
        return fits(base.a, image_shape) and fits(base.b, image_shape)
    channels, height, width = image_shape
    return isinstance(base, Seed) or base.shape == (height, width, channels)
