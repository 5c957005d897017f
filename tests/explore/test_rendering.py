"""Recipes: the latent they describe, the picture they give, and what is refused."""

import math

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nvp_studio.explore.latents import between
from nvp_studio.explore.model import OpenedModel
from nvp_studio.explore.rendering import latent, moved_by_scale, render
from nvp_studio.flow.dequantization import images_from_unit, unit_from_images
from nvp_studio.recipe import Blend, Image, Recipe, Seed
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


def test_what_the_offsets_add_is_told_by_scale(model: OpenedModel) -> None:
    still, far = (Recipe(checkpoint="", base=Seed(5), offsets=offsets) for offsets in ((), ((2, 1.5), (7, -3.0))))
    added = latent(model, far) - latent(model, still)
    squares = [float((added[0, scale.start : scale.stop] ** 2).sum()) for scale in model.flow.scales]
    assert moved_by_scale(model, still) == ()
    assert moved_by_scale(model, far) == pytest.approx([square / sum(squares) for square in squares], rel=1e-3)


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
        ({"base": Image((8, 8, 1), bytes(64), "", (0.5,))}, "image has 1 temperatures"),
        ({"base": Image((8, 8, 1), bytes(64), "", (0.5, 0.001))}, "too small"),
        ({"base": Image((8, 8, 1), bytes(64), "", (0.5, math.nan))}, "not a number"),
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


# Blends


def _blend(share: float, **changes: object) -> Recipe:
    one, other = (Image((8, 8, 1), image.tobytes()) for image in random_images(2, seed=4))
    return Recipe(checkpoint="", base=Blend(one, other, share), **changes)


def test_the_ends_of_a_blend_are_the_images_themselves(model: OpenedModel) -> None:
    images = random_images(2, seed=4)
    assert np.array_equal(render(model, [_blend(0.0), _blend(1.0)]).images, images)
    assert torch.equal(latent(model, _blend(0.0)), latent(model, _image_recipe(images[0])))
    assert torch.equal(latent(model, _blend(1.0)), latent(model, _image_recipe(images[1])))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.75])
def test_a_blend_turns_evenly_and_keeps_the_length_at_every_scale(model: OpenedModel, share: float) -> None:
    ends = [latent(model, _blend(end)).double()[0] for end in (0.0, 1.0)]
    middle = latent(model, _blend(share)).double()[0]
    for scale in model.flow.scales:
        one, other, between = (z[scale.start : scale.stop] for z in (*ends, middle))
        assert float(between.norm()) == pytest.approx(float((1 - share) * one.norm() + share * other.norm()), rel=1e-5)
        whole, turned = _angle(one, other), _angle(one, between)
        assert turned == pytest.approx(share * whole, abs=1e-3)
        assert _angle(between, other) == pytest.approx((1 - share) * whole, abs=1e-3)


def _angle(one: torch.Tensor, other: torch.Tensor) -> float:
    return math.acos(max(-1.0, min(float(one @ other / one.norm() / other.norm()), 1.0)))


def test_a_blend_of_an_image_with_itself_is_that_image(model: OpenedModel) -> None:
    image = random_images(1, seed=4)[0]
    one = Image((8, 8, 1), image.tobytes())
    assert np.array_equal(render(model, [Recipe(checkpoint="", base=Blend(one, one, 0.4))]).images[0], image)


def test_latents_of_no_length_and_opposite_ones_are_joined_by_a_line(model: OpenedModel) -> None:
    z = latent(model, Recipe(checkpoint="", base=Seed(1)))
    assert torch.allclose(between(torch.zeros_like(z), z, 0.25, model.flow.scales), 0.25 * z)
    assert torch.allclose(between(z, -z, 0.25, model.flow.scales), 0.5 * z, atol=1e-6)


def test_samples_can_be_blended_and_are_then_cooled_and_moved(model: OpenedModel) -> None:
    plain = Recipe(checkpoint="", base=Blend(Seed(1), Seed(2), 0.5))
    assert Recipe.from_json(plain.to_json()) == plain
    z = latent(model, plain)
    cooled = latent(model, msgspec.structs.replace(plain, temperatures=(0.5, 0.5)))
    assert torch.allclose(cooled, 0.5 * z)


@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan, math.inf])
def test_a_share_beyond_the_ends_is_refused(model: OpenedModel, share: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        render(model, [_blend(share)])


def test_a_blend_of_images_of_another_size_is_refused(colour_model: OpenedModel) -> None:
    with pytest.raises(ValueError, match="open the model that it was made with"):
        render(colour_model, [_blend(0.5)])
