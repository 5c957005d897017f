"""From a recipe to a latent, and from latents to pictures with their scores."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nvp_studio.explore.model import OpenedModel
from nvp_studio.flow.dequantization import images_from_unit, unit_from_images
from nvp_studio.recipe import Image, Recipe, Seed

_KEPT_BASES = 64


@dataclass(frozen=True)
class Drawing:
    """Decoded recipes, in their order, not scored yet."""

    images: npt.NDArray[np.uint8]
    """(N, H, W, C)."""
    coordinates: npt.NDArray[np.float64]
    """(N, K): where each base lies along the directions, in standard deviations from the training set's mean, plus the
    recipe's own offset along each; what an offset adds along another, oblique direction does not count."""


@dataclass(frozen=True)
class Rendering(Drawing):
    """Decoded recipes, in their order, with their scores."""

    bits_per_dim: npt.NDArray[np.float64]
    """(N,): scores of these 8-bit images, as `Flow.bits_per_dim` gives them with one sample and seed 0."""


def check_recipe(model: OpenedModel, recipe: Recipe) -> None:
    """Raise `ValueError` with a one-line reason when `model` cannot decode `recipe`.

    A recipe of another checkpoint is fine as long as it fits: the same numbers, seen through other weights.
    """
    if isinstance(recipe.base, Image):
        _check_image(model, recipe.base)
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
            f"the recipe's image is {_told(image.shape)}, the open model's are {_told(model.pixel_shape)}; "
            "open the model that it was made with"
        )
    if len(image.pixels) != math.prod(image.shape):
        raise ValueError(f"the recipe's image has {len(image.pixels)} bytes instead of {math.prod(image.shape)}")


def _told(shape: Sequence[int]) -> str:
    height, width, channels = shape
    return f"{width}x{height} {'grey' if channels == 1 else 'colour'}"


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
        steps = torch.zeros(len(model.directions), dtype=torch.float64)
        for index, value in recipe.offsets:
            steps[index] += value
        z = z + (steps.to(z) * model.directions.deviation) @ model.directions.components
    if not torch.isfinite(z).all():
        raise ValueError("the recipe leads too far out for the model's numbers; move its values towards 0")
    return z


def _base(model: OpenedModel, base: Seed | Image) -> Tensor:
    """The base latent (1, D) of a recipe, at temperature 1."""
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
        return Drawing(np.empty((0, height, width, channels), np.uint8), np.empty((0, len(model.directions or ()))))
    z = torch.cat([latent(model, recipe) for recipe in recipes])
    x = model.flow.decode(z)
    if not torch.isfinite(x).all():
        raise ValueError("the recipe leads too far out for the model to decode; move its values towards 0")
    return Drawing(images_from_unit(x).cpu().numpy(), _coordinates(model, recipes))


def render(model: OpenedModel, recipes: Sequence[Recipe]) -> Rendering:
    """Decode recipes as one batch (`draw`) and score the 8-bit pictures, which takes about as long again."""
    drawing = draw(model, recipes)
    return Rendering(drawing.images, drawing.coordinates, model.flow.bits_per_dim(drawing.images).numpy())


def _coordinates(model: OpenedModel, recipes: Sequence[Recipe]) -> npt.NDArray[np.float64]:
    if model.directions is None:
        return np.empty((len(recipes), 0))
    z = torch.cat([latent(model, msgspec.structs.replace(recipe, offsets=())) for recipe in recipes])
    along = (z - model.directions.mean) @ model.directions.components.T
    deviation = model.directions.deviation.clamp_min(torch.finfo(along.dtype).tiny)
    found: npt.NDArray[np.float64] = (along / deviation).to("cpu", torch.float64).numpy()
    for row, recipe in zip(found, recipes, strict=True):
        for index, value in recipe.offsets:
            row[index] += value
    return found
