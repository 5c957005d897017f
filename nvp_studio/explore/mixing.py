"""Recipes made of several pictures: blends, the manifold through four corners, and scales taken from another one."""

import os
from collections.abc import Sequence

from msgspec.structs import replace

from nvp_studio.explore.model import OpenedModel
from nvp_studio.explore.pictures import read_picture
from nvp_studio.explore.references import sample_temperatures
from nvp_studio.explore.rendering import draw
from nvp_studio.recipe import Base, Blend, Corners, Image, Recipe, Seed, Source


def new_sample(model: OpenedModel, seed: int) -> Recipe:
    """The recipe of a new sample, with the temperatures that new samples on Explore begin with."""
    recipe = Recipe(checkpoint=model.digest, base=Seed(seed))
    return recipe.with_temperatures(sample_temperatures(model))


def read_image(model: OpenedModel, path: str | os.PathLike[str]) -> Image:
    """An image file as a base latent, by its pixels at the model's size; raises `ImageError`."""
    base = read_picture(model, path, plain=True).recipe.base
    assert isinstance(base, Image)
    return base


def mix(
    model: OpenedModel, recipe: Recipe, others: Sequence[Source], place: tuple[float, float] = (0.5, 0.5)
) -> Recipe:
    """The recipe of a picture between that of `recipe` and one other (`Blend`) or three (`Corners`).

    `place` is how far to the right and how far down, in quarter turns, 0 to 4: `recipe` is top left, the others are top
    right, bottom left and bottom right; of a blend it begins with the share of the other, 0 to 1. Noise or an image
    goes in as such, with its temperatures for the whole; any other picture by the pixels that it renders to. Raises
    `ValueError` for another number of pictures, and for a recipe that does not fit the model.
    """
    if len(others) not in (1, 3):
        raise ValueError("a picture lies between two pictures or between four")
    bare = Recipe(checkpoint=recipe.checkpoint, base=recipe.base, temperatures=recipe.temperatures)
    single = recipe.base if isinstance(recipe.base, Seed | Image) else None
    if recipe == bare and single is not None and not (isinstance(single, Image) and single.temperatures):
        first: Source = single
    else:
        picture = draw(model, [recipe]).images[0]
        height, width, channels = picture.shape
        first, bare = Image((height, width, channels), picture.tobytes()), replace(bare, temperatures=())
    base: Base = Blend(first, others[0], place[0])
    if len(others) == 3:
        base = Corners((first, others[0], others[1], others[2]), phi=place[1], phi_prime=place[0])
    return replace(bare, base=base)
