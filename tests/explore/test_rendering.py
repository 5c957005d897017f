"""Recipes: the latent they describe, the picture they give, and what is refused."""

import math

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nvp_studio.explore.model import OpenedModel
from nvp_studio.explore.rendering import latent, render
from nvp_studio.flow.dequantization import images_from_unit, unit_from_images
from nvp_studio.recipe import Image, Recipe, Seed
from tests.small_model import random_images


def _image_recipe(image: np.ndarray, **changes: object) -> Recipe:
    height, width, channels = image.shape
    recipe = Recipe(checkpoint="", base=Image((height, width, channels), image.tobytes()))
    return msgspec.structs.replace(recipe, **changes)


@pytest.mark.parametrize("seed", [0, 1, 123456789])
@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.0])
def test_a_seed_is_the_first_sample_of_the_flow(model: OpenedModel, seed: int, temperature: float) -> None:
    sample = images_from_unit(model.flow.sample(1, temperature, seed)).numpy()
    shown = render(model, [Recipe(checkpoint="", base=Seed(seed), temperatures=(temperature, temperature))]).images
    assert np.array_equal(shown, sample)


def test_temperatures_act_on_their_scale_alone(model: OpenedModel) -> None:
    whole = latent(model, Recipe(checkpoint="", base=Seed(5)))[0]
    cooled = latent(model, Recipe(checkpoint="", base=Seed(5), temperatures=(0.5, 0.25)))[0]
    fine, coarse = model.flow.scales
    assert torch.equal(cooled[fine.start : fine.stop], 0.5 * whole[fine.start : fine.stop])
    assert torch.equal(cooled[coarse.start : coarse.stop], 0.25 * whole[coarse.start : coarse.stop])


def test_an_offset_is_a_step_of_standard_deviations(model: OpenedModel) -> None:
    still = render(model, [Recipe(checkpoint="", base=Seed(5))]).coordinates[0]
    moved = render(model, [Recipe(checkpoint="", base=Seed(5), offsets=((2, 1.5), (7, -3.0)))]).coordinates[0]
    expected = np.zeros(12)
    expected[[2, 7]] = 1.5, -3.0
    assert moved - still == pytest.approx(expected, abs=1e-3)


def test_offsets_are_not_cooled_with_the_base(model: OpenedModel) -> None:
    recipe = Recipe(checkpoint="", base=Seed(5), temperatures=(0.0, 0.0), offsets=((0, 2.0),))
    assert model.directions is not None
    expected = 2 * model.directions.deviation[0] * model.directions.components[0]
    assert torch.allclose(latent(model, recipe)[0], expected, atol=1e-6)


@pytest.mark.parametrize("which", ["grey", "colour"])
def test_an_image_comes_back_exactly(which: str, model: OpenedModel, colour_model: OpenedModel) -> None:
    opened = model if which == "grey" else colour_model
    height, width, channels = opened.pixel_shape
    noise = np.random.default_rng(3).integers(0, 256, (20, height, width, channels), np.uint8)
    extremes = np.stack(
        [np.zeros((height, width, channels), np.uint8), np.full((height, width, channels), 255, np.uint8)]
    )
    images = np.concatenate([random_images(20, opened.image_shape), noise, extremes])
    assert np.array_equal(render(opened, [_image_recipe(image) for image in images]).images, images)
    ones = (1.0,) * len(opened.flow.scales)
    assert np.array_equal(render(opened, [_image_recipe(images[0], temperatures=ones)]).images[0], images[0])


def test_an_image_has_its_exact_latent(model: OpenedModel) -> None:
    image = random_images(1)
    expected, _ = model.flow.encode(unit_from_images(torch.from_numpy(image), 0.5))
    assert torch.equal(latent(model, _image_recipe(image[0])), expected)


def test_the_score_is_that_of_the_picture_shown(model: OpenedModel) -> None:
    rendering = render(model, [Recipe(checkpoint="", base=Seed(seed), offsets=((0, 1.0),)) for seed in range(6)])
    assert rendering.bits_per_dim == pytest.approx(model.flow.bits_per_dim(rendering.images).numpy(), abs=1e-9)


def test_a_batch_shows_what_single_pictures_show(model: OpenedModel) -> None:
    recipes = [Recipe(checkpoint="", base=Seed(seed)) for seed in range(9)]
    together = render(model, recipes)
    for index, recipe in enumerate(recipes):
        alone = render(model, [recipe])
        assert np.abs(alone.images[0].astype(int) - together.images[index].astype(int)).max() <= 1
        assert alone.coordinates[0] == pytest.approx(together.coordinates[index], abs=1e-3)


def test_no_recipes_give_no_pictures(model: OpenedModel) -> None:
    rendering = render(model, [])
    assert rendering.images.shape == (0, 8, 8, 1)
    assert rendering.coordinates.shape == (0, 12)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, 2**63),
    st.lists(st.floats(0, 2), min_size=2, max_size=2),
    st.dictionaries(st.integers(0, 11), st.floats(-6, 6), max_size=12),
)
def test_any_recipe_within_reach_is_a_scored_picture(
    model: OpenedModel, seed: int, temperatures: list[float], offsets: dict[int, float]
) -> None:
    recipe = Recipe(
        checkpoint="", base=Seed(seed), temperatures=tuple(temperatures), offsets=tuple(sorted(offsets.items()))
    )
    rendering = render(model, [recipe])
    again = render(model, [Recipe.from_json(recipe.to_json())])
    assert rendering.images.shape == (1, 8, 8, 1)
    assert np.isfinite(rendering.bits_per_dim).all()
    assert np.array_equal(rendering.images, again.images)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"temperatures": (1.0,)}, "temperatures"),
        ({"temperatures": (1.0, math.nan)}, "temperature"),
        ({"temperatures": (1.0, math.inf)}, "temperature"),
        ({"temperatures": (-1.0, 1.0)}, "temperature"),
        ({"offsets": ((0, math.nan),)}, "not a finite number"),
        ({"offsets": ((0, math.inf),)}, "not a finite number"),
        ({"offsets": ((12, 1.0),)}, "direction 13"),
        ({"offsets": ((-1, 1.0),)}, "direction 0"),
        ({"offsets": ((0, 1e300),)}, "too far"),
        ({"base": Image((8, 8, 3), bytes(192))}, "8x8 colour"),
        ({"base": Image((8, 8, 1), bytes(63))}, "63 bytes"),
        ({"base": Image((0, 8, 1), b"")}, "image"),
    ],
)
def test_what_cannot_be_decoded_is_refused_in_one_line(
    model: OpenedModel, changes: dict[str, object], reason: str
) -> None:
    recipe = msgspec.structs.replace(Recipe(checkpoint="", base=Seed(0)), **changes)
    with pytest.raises(ValueError, match=reason) as caught:
        render(model, [recipe])
    assert "\n" not in str(caught.value)


def test_kept_bases_do_not_pile_up(model: OpenedModel) -> None:
    for seed in range(200):
        latent(model, Recipe(checkpoint="", base=Seed(seed)))
    assert len(model.base_latents) <= 64
