"""Local directions: what can change most in a picture by a small move of its latent."""

import math
from collections.abc import Generator
from dataclasses import dataclass

from nvp_studio.explore.model import OpenedModel
from nvp_studio.explore.moves import vector_bytes
from nvp_studio.explore.rendering import latent
from nvp_studio.flow.dequantization import LEVELS
from nvp_studio.flow.engine.jacobian import finding_leading
from nvp_studio.recipe import Move, Recipe

COUNT = 8
"""Local directions that are found."""


@dataclass(frozen=True)
class LocalDirections:
    """The leading right singular vectors of the decoder's Jacobian at a picture, the one that changes most first."""

    moves: tuple[Move, ...]
    """With an offset of 0; `Recipe.with_move` takes them. The vectors have length 1, which is one standard deviation of
    latents of the prior."""
    grey_levels: tuple[float, ...]
    """By how much the picture changes for an offset of 1, as far as it changes in proportion: the root of the mean
    square over its values, of 256 levels. A lower bound, closer the faster the singular values fall."""


def finding_local_directions(
    model: OpenedModel, recipe: Recipe, count: int = COUNT
) -> Generator[None, None, LocalDirections]:
    """Find them at the picture of `recipe`, where its moves have led to; yields None between short steps.

    Raises `ValueError` when the recipe does not fit the model.
    """
    found = yield from finding_leading(model.flow, latent(model, recipe), count)
    names = [f"local {number}" for number in range(1, len(found.values) + 1)]
    scale = LEVELS / math.sqrt(model.flow.config.dimensions)
    return LocalDirections(
        tuple(Move(name, vector_bytes(vector)) for name, vector in zip(names, found.right, strict=True)),
        tuple(scale * value for value in found.values.tolist()),
    )


def local_directions(model: OpenedModel, recipe: Recipe, count: int = COUNT) -> LocalDirections:
    """As `finding_local_directions`, in one go."""
    steps = finding_local_directions(model, recipe, count)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: LocalDirections = end.value
            return found
