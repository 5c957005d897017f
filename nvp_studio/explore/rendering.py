"""From a recipe to a latent, and from latents to pictures with their scores."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nvp_studio.explore.model import Directions, OpenedModel
from nvp_studio.flow.config import Scale
from nvp_studio.flow.dequantization import images_from_unit, unit_from_images
from nvp_studio.recipe import Blend, Image, Recipe, Seed
from nvp_studio.text import shape_text

_KEPT_BASES = 64
_MIN_SINE = 1e-6
"""Sine of an angle below which two latents are interpolated along the straight line."""


@dataclass(frozen=True)
class Drawing:
    """Decoded recipes, in their order, not scored yet."""

    images: npt.NDArray[np.uint8]
    """(N, H, W, C)."""
    base_coordinates: npt.NDArray[np.float64]
    """(N, K): where each base lies along the directions, in standard deviations from the training set's mean."""
    offsets: npt.NDArray[np.float64]
    """(N, K): how far each recipe moves its base along the directions, in the same unit."""

    @property
    def coordinates(self) -> npt.NDArray[np.float64]:
        """(N, K): base coordinates and offsets; what an offset adds along another, oblique direction does not count."""
        return self.base_coordinates + self.offsets


@dataclass(frozen=True)
class Rendering(Drawing):
    """Decoded recipes, in their order, with their scores."""

    bits_per_dim: npt.NDArray[np.float64]
    """(N,): scores of these 8-bit images, as `Inference.bits_per_dim` gives them with one sample and seed 0."""


def check_recipe(model: OpenedModel, recipe: Recipe) -> None:
    """Raise `ValueError` with a one-line reason when `model` cannot decode `recipe`.

    A recipe of another checkpoint is fine as long as it fits: the same numbers, seen through other weights.
    """
    base = recipe.base
    for part in (base.a, base.b) if isinstance(base, Blend) else (base,):
        if isinstance(part, Image):
            _check_image(model, part)
    if isinstance(base, Blend) and not 0 <= base.share <= 1:
        raise ValueError("the recipe's share of its second image is not between 0 and 1")
    scales = len(model.flow.scales)
    if len(recipe.temperatures) not in (0, scales):
        raise ValueError(f"the recipe has {len(recipe.temperatures)} temperatures, the open model {scales} scales")
    if not all(math.isfinite(value) and value >= 0 for value in recipe.temperatures):
        raise ValueError("a temperature of the recipe is negative or not a number")
    directions = 0 if model.directions is None else len(model.directions)
    for index, value in recipe.offsets:
        if not 0 <= index < directions:
            raise ValueError(f"the recipe moves along direction {index + 1}, the open model has {directions}")
        if not math.isfinite(value):
            raise ValueError(f"the recipe's offset along direction {index + 1} is not a finite number")


def _check_image(model: OpenedModel, image: Image) -> None:
    if tuple(image.shape) != model.pixel_shape:
        raise ValueError(
            f"the recipe's image is {_size(image.shape)}, the open model's are {_size(model.pixel_shape)}; "
            "open the model that it was made with"
        )
    if len(image.pixels) != math.prod(image.shape):
        raise ValueError(f"the recipe's image has {len(image.pixels)} bytes instead of {math.prod(image.shape)}")


def _size(shape: Sequence[int]) -> str:
    height, width, channels = shape
    return shape_text(channels, height, width)


@torch.inference_mode()
def latent(model: OpenedModel, recipe: Recipe) -> Tensor:
    """The latent z (1, D) of a recipe: temperature * base + sum of offset_k * deviation_k * component_k.

    Raises `ValueError` when the recipe does not fit the model, and when z leaves the range of its numbers.
    """
    check_recipe(model, recipe)
    z = _base(model, recipe.base)
    if recipe.temperatures:
        z = model.flow.with_temperature(z, recipe.temperatures)
    if recipe.offsets and model.directions is not None:
        z = z + _moves(model, model.directions, recipe)
    if not torch.isfinite(z).all():
        raise ValueError("the recipe leads too far out for the model's numbers; move its values towards 0")
    return z


@torch.inference_mode()
def moved_by_scale(model: OpenedModel, recipe: Recipe) -> tuple[float, ...]:
    """Fractions of the squared length of what the offsets add to the latent, one for each scale, finest first.

    Empty where they add nothing.
    """
    if model.directions is None or not recipe.offsets:
        return ()
    squares = _moves(model, model.directions, recipe).double() ** 2
    whole = float(squares.sum())
    if not 0 < whole < math.inf:
        return ()
    return tuple(float(squares[scale.start : scale.stop].sum()) / whole for scale in model.flow.scales)


def _moves(model: OpenedModel, directions: Directions, recipe: Recipe) -> Tensor:
    """What the offsets of a recipe add to its latent, (D,)."""
    steps = torch.from_numpy(_offsets(model, [recipe])[0]).to(directions.deviation)
    return (steps * directions.deviation) @ directions.components


def between(a: Tensor, b: Tensor, share: float, scales: Sequence[Scale]) -> Tensor:
    """The latent (1, D) that lies `share` of the way from `a` to `b`, both (1, D); 0 and 1 give those to the bit.

    At every scale the direction turns evenly (on the arc, not on the straight line) and the length goes evenly from one
    to the other: the straight line's middle is shorter than any latent that the flow has seen.
    """
    parts = []
    for scale in scales:
        one, other = (z[:, scale.start : scale.stop].double() for z in (a, b))
        of_one, of_other = _weights_between(one, other, share)
        parts.append((of_one * one + of_other * other).to(a.dtype))
    return torch.cat(parts, 1)


def _weights_between(a: Tensor, b: Tensor, share: float) -> tuple[float, float]:
    lengths = float(a.norm()), float(b.norm())
    if 0.0 in lengths:
        return 1 - share, share
    cosine = float((a * b).sum()) / (lengths[0] * lengths[1])
    angle = math.acos(max(-1.0, min(cosine, 1.0)))
    if math.sin(angle) < _MIN_SINE:  # the same way, or the opposite one, between which no arc is the shortest
        return 1 - share, share
    length = (1 - share) * lengths[0] + share * lengths[1]
    return (
        length / lengths[0] * math.sin((1 - share) * angle) / math.sin(angle),
        length / lengths[1] * math.sin(share * angle) / math.sin(angle),
    )


def _base(model: OpenedModel, base: Seed | Image | Blend) -> Tensor:
    """The base latent (1, D) of a recipe, at temperature 1."""
    if isinstance(base, Blend):  # not kept: a slider would push out its own ends
        return between(_base(model, base.a), _base(model, base.b), base.share, model.flow.scales)
    kept = model.base_latents
    if base not in kept:
        z = _image_latent(model, base) if isinstance(base, Image) else model.flow.latents(1, seed=base.seed)
        while len(kept) >= _KEPT_BASES:
            del kept[next(iter(kept))]
        kept[base] = z
    return kept[base]


def _image_latent(model: OpenedModel, image: Image) -> Tensor:
    pixels = torch.from_numpy(np.frombuffer(image.pixels, np.uint8).copy().reshape(1, *image.shape))
    x = unit_from_images(pixels, 0.5).to(model.flow.device, model.flow.dtype)
    return model.flow.encode(x)[0]


@torch.inference_mode()
def draw(model: OpenedModel, recipes: Sequence[Recipe]) -> Drawing:
    """Decode recipes as one batch.

    Raises `ValueError` when one of them does not fit the model or decodes to something that is not a picture.
    """
    height, width, channels = model.pixel_shape
    if not recipes:
        none = np.empty((0, len(model.directions or ())))
        return Drawing(np.empty((0, height, width, channels), np.uint8), none, none)
    z = torch.cat([latent(model, recipe) for recipe in recipes])
    x = model.flow.decode(z)
    if not torch.isfinite(x).all():
        raise ValueError("the recipe leads too far out for the model to decode; move its values towards 0")
    images = images_from_unit(x).cpu().numpy()
    return Drawing(images, _base_coordinates(model, recipes), _offsets(model, recipes))


def render(model: OpenedModel, recipes: Sequence[Recipe]) -> Rendering:
    """Decode recipes as one batch (`draw`) and score the 8-bit pictures, which takes about as long again."""
    drawing = draw(model, recipes)
    scores = model.flow.bits_per_dim(drawing.images).numpy()
    return Rendering(drawing.images, drawing.base_coordinates, drawing.offsets, scores)


def _base_coordinates(model: OpenedModel, recipes: Sequence[Recipe]) -> npt.NDArray[np.float64]:
    if model.directions is None:
        return np.empty((len(recipes), 0))
    z = torch.cat([latent(model, msgspec.structs.replace(recipe, offsets=())) for recipe in recipes])
    along = (z - model.directions.mean) @ model.directions.components.T
    deviation = model.directions.deviation.clamp_min(torch.finfo(along.dtype).tiny)
    coordinates: npt.NDArray[np.float64] = (along / deviation).to("cpu", torch.float64).numpy()
    return coordinates


def _offsets(model: OpenedModel, recipes: Sequence[Recipe]) -> npt.NDArray[np.float64]:
    offsets = np.zeros((len(recipes), len(model.directions or ())))
    for row, recipe in zip(offsets, recipes, strict=True):
        for index, value in recipe.offsets:
            row[index] += value
    return offsets
