"""What a recipe adds to its base latent along directions, the model's own and others, and which of them are locked."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nvp_studio.explore.model import OpenedModel
from nvp_studio.recipe import Move, Recipe
from nvp_studio.text import one_line

_DEPENDENT = 1e-3
"""Fraction of its length that is left of a vector, without what others span, below which it counts as one of them."""


def vector_bytes(vector: Tensor | npt.NDArray[np.floating]) -> bytes:
    """D values as a `Move` stores them: float16, little-endian."""
    array = vector.detach().cpu().double().numpy() if isinstance(vector, Tensor) else np.asarray(vector)
    return array.astype("<f2").tobytes()


def move_vector(move: Move) -> Tensor:
    """What a move adds for an offset of 1, (D,) float64."""
    return torch.from_numpy(np.frombuffer(move.vector, "<f2").astype(np.float64))


def check_moves(model: OpenedModel, recipe: Recipe) -> None:
    """Raise `ValueError` with a one-line reason when the directions of `recipe` do not fit `model`."""
    directions = 0 if model.directions is None else len(model.directions)
    for index, value in recipe.offsets:
        if not 0 <= index < directions:
            raise ValueError(f"the recipe moves along direction {index + 1}, the open model has {directions}")
        if not math.isfinite(value):
            raise ValueError(f"the recipe's offset along direction {index + 1} is not a finite number")
    for index in recipe.locked:
        if not 0 <= index < directions:
            raise ValueError(f"the recipe locks direction {index + 1}, the open model has {directions}")
    size = model.flow.config.dimensions
    for move in recipe.moves:
        name = one_line(move.name, 60)
        if len(move.vector) != 2 * size:
            raise ValueError(f"the recipe's direction {name} is of another size than the open model's latents, {size}")
        if not np.isfinite(np.frombuffer(move.vector, "<f2")).all() or not math.isfinite(move.offset):
            raise ValueError(f"the recipe's direction {name} or the offset along it is not a finite number")


def offsets_along(model: OpenedModel, recipe: Recipe) -> npt.NDArray[np.float64]:
    """How far a recipe moves along each of the model's K directions, (K,), in standard deviations."""
    row = np.zeros(len(model.directions or ()))
    for index, value in recipe.offsets:
        row[index] += value
    return row


def added(model: OpenedModel, recipe: Recipe) -> Tensor:
    """What the moves of a recipe add to its latent, (D,).

    The sum of offset_k * deviation_k * component_k over the model's directions and of offset * vector over other moves.
    Of what directions that are not locked add, the part within the span of the locked ones is left out.
    """
    directions = model.directions
    total = torch.zeros(model.flow.config.dimensions, dtype=model.flow.latent_dtype, device=model.flow.device)
    fixed, locked = torch.zeros_like(total), []
    if directions is not None:
        steps = torch.from_numpy(offsets_along(model, recipe)).to(directions.deviation)
        free = torch.ones_like(steps)
        for index in recipe.locked:
            free[index] = 0
            locked.append(directions.components[index])
        total = (steps * free * directions.deviation) @ directions.components
        if locked:
            fixed = (steps * (1 - free) * directions.deviation) @ directions.components
    for move in recipe.moves:
        vector = move_vector(move).to(total)
        if move.locked:
            locked.append(vector)
            fixed = fixed + move.offset * vector
        else:
            total = total + move.offset * vector
    return fixed + without_span(total, locked) if locked else total


def without_span(vector: Tensor, others: Sequence[Tensor]) -> Tensor:
    """`vector` (D,) made orthogonal to each of `others` (D,), which may depend on each other (Gram-Schmidt)."""
    basis: list[Tensor] = []
    for other in others:
        rest = _without(_without(other, basis), basis)
        length = rest.norm()
        if float(length) > _DEPENDENT * float(other.norm()):
            basis.append(rest / length)
    return _without(_without(vector, basis), basis)  # twice, as once leaves rounding errors


def _without(vector: Tensor, basis: Sequence[Tensor]) -> Tensor:
    for one in basis:
        vector = vector - (vector * one).sum() * one
    return vector
