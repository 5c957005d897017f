"""The messages of Explore's tool that draws a region of the picture anew."""

from typing import Annotated

import msgspec

from nvp_studio.image_batch import ImageBatch
from nvp_studio.limits import ImageBytes
from nvp_studio.recipe import Recipe


class Redraw(msgspec.Struct, frozen=True, tag="redraw"):
    """Draw a region of `recipe`'s picture anew: `RedrawProgress` after steps, then `RedrawDone`."""

    recipe: Recipe
    mask: ImageBytes
    """A byte for each pixel, row by row; not 0: it is redrawn."""
    seed: Annotated[int, msgspec.Meta(ge=0, lt=2**62)] = 0


class RedrawProgress(msgspec.Struct, frozen=True, tag="redraw-progress"):
    """Of a `Redraw`: the picture after `done` of `total` steps."""

    done: int
    total: int
    image: ImageBatch
    """One image, shape (1, H, W, C)."""


class RedrawDone(msgspec.Struct, frozen=True, tag="redraw-done"):
    """A `Redraw` came to its end."""

    recipe: Recipe
    before: float
    """Bits/dim of the picture before."""
    after: float
    accepted: float
    """The share of Langevin steps with a fixed step size that were accepted, or of all blocks of pixels."""
