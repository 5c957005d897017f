"""From a recipe to a latent, and from latents to pictures with their scores."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nvp_studio.explore.larger import at_size, require_own_size
from nvp_studio.explore.latents import between, keep_coarsest, manifold, squared_lengths, with_lengths_of
from nvp_studio.explore.model import OpenedModel
from nvp_studio.explore.moves import added, check_moves, offsets_along
from nvp_studio.flow.dequantization import images_from_unit, unit_from_images
from nvp_studio.recipe import LEAST_TEMPERATURE, Base, Blend, Corners, Image, Kept, Recipe, sources
from nvp_studio.text import shape_text

_KEPT_BASES = 64


@dataclass(frozen=True)
class Drawing:
    """Decoded recipes, in their order, not scored yet."""

    images: npt.NDArray[np.uint8]
    """(N, H, W, C)."""
    base_coordinates: npt.NDArray[np.float64]
    """(N, K): where each base lies along the directions, in standard deviations from the training set's mean."""
    offsets: npt.NDArray[np.float64]
    """(N, K): how far each recipe moves its base along the directions, in the same unit."""
    squared_lengths: npt.NDArray[np.float64]
    """(N, S): |z|^2 of each latent at every scale, finest first; chi-squared distributed for latents of the prior."""

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
    model = at_size(model, recipe)
    scales = len(model.flow.scales)
    for base in (recipe.base, *(other for _, other in recipe.scales)):
        _check_base(model, base)
    numbers = [number for number, _ in recipe.scales]
    if numbers != sorted(set(numbers)) or not all(0 <= number < scales for number in numbers):
        raise ValueError(f"the recipe names scales that are not among the open model's {scales}, or one of them twice")
    if recipe.kept is not None:
        _check_kept(recipe.kept)
    if len(recipe.temperatures) not in (0, scales):
        raise ValueError(f"the recipe has {len(recipe.temperatures)} temperatures, the open model {scales} scales")
    if not all(math.isfinite(value) and value >= 0 for value in recipe.temperatures):
        raise ValueError("a temperature of the recipe is negative or not a number")
    check_moves(model, recipe)


def _check_base(model: OpenedModel, base: Base) -> None:
    for source in sources(base):
        if isinstance(source, Image):
            _check_image(model, source)
    match base:
        case Blend(share=share) if not 0 <= share <= 1:
            raise ValueError("the recipe's share of its second image is not between 0 and 1")
        case Corners(phi=phi, phi_prime=phi_prime) if not (0 <= phi <= 4 and 0 <= phi_prime <= 4):
            raise ValueError("the recipe's place between four corners is not between 0 and 4 quarter turns")


def _check_kept(kept: Kept) -> None:
    if not 0 <= kept.share <= 1:
        raise ValueError("the recipe's share of the latent that is kept is not between 0 and 1")
    if not (math.isfinite(kept.temperature) and kept.temperature >= 0):
        raise ValueError("the recipe's temperature of what is redrawn is negative or not a number")


def _check_image(model: OpenedModel, image: Image) -> None:
    if tuple(image.shape) != model.pixel_shape:
        raise ValueError(
            f"the recipe's image is {_size(image.shape)}, the open model's are {_size(model.pixel_shape)}; "
            "open the model that it was made with"
        )
    scales = len(model.flow.scales)
    if len(image.temperatures) not in (0, scales):
        raise ValueError(
            f"the recipe's image has {len(image.temperatures)} temperatures, the open model {scales} scales"
        )
    if not all(value == 0 or (math.isfinite(value) and value >= LEAST_TEMPERATURE) for value in image.temperatures):
        raise ValueError("a temperature of the recipe's image is too small or not a number")
    if len(image.pixels) != math.prod(image.shape):
        raise ValueError(f"the recipe's image has {len(image.pixels)} bytes instead of {math.prod(image.shape)}")


def _size(shape: Sequence[int]) -> str:
    height, width, channels = shape
    return shape_text(channels, height, width)


@torch.inference_mode()
def latent(model: OpenedModel, recipe: Recipe) -> Tensor:
    """The latent z (1, D) of a recipe: temperature * base + what its moves along directions add (`moves.added`).

    Where the recipe says so, the base is another one at some scales, or drawn anew but for its coarsest part, and the
    sum is as long at every scale as without the offsets.

    Raises `ValueError` when the recipe does not fit the model, and when z leaves the range of its numbers.
    """
    if model.enlargement == 1:
        require_own_size(recipe)
    check_recipe(model, recipe)
    scales = len(model.flow.scales)
    factors = recipe.factors(scales)
    z = _base(model, recipe.base)
    for number, other in recipe.scales:
        scale = model.flow.scales[number]
        z = torch.cat([z[:, : scale.start], _base(model, other)[:, scale.start : scale.stop], z[:, scale.stop :]], 1)
    if recipe.kept is not None:
        drawn = model.flow.latents(1, recipe.kept.temperature, recipe.kept.seed)
        noise = zip(recipe.temperatures or (1.0,) * scales, factors, strict=True)
        shares = [value / factor if factor else 1.0 for value, factor in noise]
        z = keep_coarsest(z, recipe.kept.share, model.flow.with_temperature(drawn, shares))
    if any(factor != 1 for factor in factors):
        z = model.flow.with_temperature(z, factors)
    if recipe.offsets or recipe.moves:
        moved = z + added(model, recipe)
        z = with_lengths_of(moved, z, model.flow.scales) if recipe.keep_length else moved
    if not torch.isfinite(z).all():
        raise ValueError("the recipe leads too far out for the model's numbers; move its values towards 0")
    return z


@torch.inference_mode()
def moved_by_scale(model: OpenedModel, recipe: Recipe) -> tuple[float, ...]:
    """Fractions of the squared length of what moves along directions add to the latent, for each scale, finest first.

    Empty where they add nothing.
    """
    if not (recipe.offsets or recipe.moves):
        return ()
    squares = added(model, recipe).double() ** 2
    whole = float(squares.sum())
    if not 0 < whole < math.inf:
        return ()
    return tuple(float(squares[scale.start : scale.stop].sum()) / whole for scale in model.flow.scales)


def _base(model: OpenedModel, base: Base) -> Tensor:
    """The base latent (1, D) of a recipe, at temperature 1."""
    match base:  # those made of others are not kept: a slider would push out its own ends
        case Blend(a=a, b=b, share=share):
            return between(_base(model, a), _base(model, b), share, model.flow.scales)
        case Corners(z=corners, phi=phi, phi_prime=phi_prime):
            return manifold([_base(model, corner) for corner in corners], phi, phi_prime)
    kept, key = model.base_latents, (base, model.flow.compiled)
    if key not in kept:
        z = _image_latent(model, base) if isinstance(base, Image) else model.flow.latents(1, seed=base.seed)
        while len(kept) >= _KEPT_BASES:
            del kept[next(iter(kept))]
        kept[key] = z
    return kept[key]


def _image_latent(model: OpenedModel, image: Image) -> Tensor:
    pixels = torch.from_numpy(np.frombuffer(image.pixels, np.uint8).copy().reshape(1, *image.shape))
    x = unit_from_images(pixels, 0.5).to(model.flow.device, model.flow.dtype)
    z = model.flow.encode(x)[0]
    factors = [1 / value if value else 1.0 for value in image.temperatures]
    return model.flow.with_temperature(z, factors) if factors else z


@torch.inference_mode()
def draw(model: OpenedModel, recipes: Sequence[Recipe]) -> Drawing:
    """Decode recipes as one batch.

    They are pictures of one size, the trained one or a larger one. Raises `ValueError` when one of them does not fit
    the model or decodes to something that is not a picture.
    """
    model = at_size(model, recipes[0]) if recipes else model
    height, width, channels = model.pixel_shape
    if not recipes:
        none = np.empty((0, len(model.directions or ())))
        return Drawing(
            np.empty((0, height, width, channels), np.uint8), none, none, np.empty((0, len(model.flow.scales)))
        )
    z = torch.cat([latent(model, recipe) for recipe in recipes])
    images = decoded(model, z)
    lengths = squared_lengths(z, model.flow.scales).numpy()
    offsets = np.stack([offsets_along(model, recipe) for recipe in recipes])
    return Drawing(images, _base_coordinates(model, recipes), offsets, lengths)


@torch.inference_mode()
def decoded(model: OpenedModel, z: Tensor) -> npt.NDArray[np.uint8]:
    """The pictures (N, H, W, C) of latents (N, D); raises `ValueError` where one decodes to something else."""
    x = model.flow.decode(z)
    if not torch.isfinite(x).all():
        raise ValueError("the recipe leads too far out for the model to decode; move its values towards 0")
    images: npt.NDArray[np.uint8] = images_from_unit(x).cpu().numpy()
    return images


def draw_reduced(model: OpenedModel, recipes: Sequence[Recipe]) -> npt.NDArray[np.uint8]:
    """The pictures of recipes, (N, H, W, C) of the trained size: larger ones as means of their pixels."""
    height, width, channels = model.pixel_shape
    images = np.empty((len(recipes), height, width, channels), np.uint8)
    for factor in {recipe.enlarged for recipe in recipes}:
        places = [place for place, recipe in enumerate(recipes) if recipe.enlarged == factor]
        drawn = draw(model, [recipes[place] for place in places]).images
        cells = drawn.reshape(len(places), height, factor, width, factor, channels)
        images[places] = cells.mean((2, 4)).round()
    return images


def render(model: OpenedModel, recipes: Sequence[Recipe]) -> Rendering:
    """Decode recipes as one batch (`draw`) and score the 8-bit pictures, which takes about as long again."""
    drawing = draw(model, recipes)
    model = at_size(model, recipes[0]) if recipes else model
    scores = model.flow.bits_per_dim(drawing.images).numpy()
    return Rendering(drawing.images, drawing.base_coordinates, drawing.offsets, drawing.squared_lengths, scores)


def _base_coordinates(model: OpenedModel, recipes: Sequence[Recipe]) -> npt.NDArray[np.float64]:
    if model.directions is None:
        return np.empty((len(recipes), 0))
    z = torch.cat([latent(model, msgspec.structs.replace(recipe, offsets=(), moves=())) for recipe in recipes])
    along = (z - model.directions.mean) @ model.directions.components.T
    deviation = model.directions.deviation.clamp_min(torch.finfo(along.dtype).tiny)
    coordinates: npt.NDArray[np.float64] = (along / deviation).to("cpu", torch.float64).numpy()
    return coordinates
