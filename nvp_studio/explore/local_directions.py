"""Local directions: what can change most in a picture by a small move of its latent."""

import math
from collections.abc import Generator
from dataclasses import dataclass

from nvp_studio.explore.model import OpenedModel
from nvp_studio.explore.moves import vector_bytes
from nvp_studio.explore.rendering import latent
from nvp_studio.flow.dequantization import LEVELS
from nvp_studio.flow.engine.jacobian import ROUNDS, finding_leading
from nvp_studio.recipe import Move, Recipe

COUNT = 8
"""Local directions that are found."""
STEPS = 1 + 2 * ROUNDS
"""Steps of `finding_local_directions`."""
MOST_LEVELS = 16.0
"""Grey levels by which an offset of 1 changes a picture at most, as far as it changes in proportion."""


@dataclass(frozen=True)
class LocalDirections:
    """The leading right singular vectors of the decoder's Jacobian at a picture, the one that changes most first."""

    moves: tuple[Move, ...]
    """With an offset of 0; `Recipe.with_move` takes them. Their vectors are orthogonal. Each has length 1, a standard
    deviation of latents of the prior, or is shorter where `grey_levels` would be more than `MOST_LEVELS`."""
    singular_values: tuple[float, ...]
    """Of the Jacobian, whose images are in [0, 1]."""
    grey_levels: tuple[float, ...]
    """By how much the picture changes for an offset of 1, as far as it changes in proportion: the root of the mean
    square over its values, of 256 levels. A lower bound, closer the faster the singular values fall."""


def finding_local_directions(
    model: OpenedModel, recipe: Recipe, count: int = COUNT
) -> Generator[None, None, LocalDirections]:
    """Find them at the picture of `recipe`, where its moves have led to; yields None between short steps.

    Raises `ValueError` when the recipe does not fit the model, and for a model whose decoder has no Jacobian.
    """
    if not model.flow.config.has_gradients:
        raise ValueError(
            "this model's pictures change by whole grey levels: its decoder has no Jacobian that directions come from"
        )
    found = yield from finding_leading(model.flow, latent(model, recipe), count)
    values = found.values.tolist()
    levels = [LEVELS * value / math.sqrt(model.flow.config.dimensions) for value in values]
    lengths = [min(1.0, MOST_LEVELS / level) if level > 0 else 1.0 for level in levels]
    moves = tuple(
        Move(f"local {number}", vector_bytes(length * vector))
        for number, (length, vector) in enumerate(zip(lengths, found.right, strict=True), 1)
    )
    return LocalDirections(
        moves, tuple(values), tuple(level * length for level, length in zip(levels, lengths, strict=True))
    )


def find_local_directions(model: OpenedModel, recipe: Recipe, count: int = COUNT) -> LocalDirections:
    """As `finding_local_directions`, in one go."""
    steps = finding_local_directions(model, recipe, count)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: LocalDirections = end.value
            return found
