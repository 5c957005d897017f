"""The mathematics of latents, in float64, and recipes that use it."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import chi2

from nvp_studio.explore.grids import corners_grid, draw_sheet, kept_strip, sweep
from nvp_studio.explore.latents import chi_squared_percent, keep_coarsest, manifold, squared_lengths, with_lengths_of
from nvp_studio.explore.model import OpenedModel
from nvp_studio.explore.rendering import check_recipe, draw, latent
from nvp_studio.recipe import KEPT_SHARES, Base, Corners, Image, Kept, Recipe, Seed
from tests.small_model import random_images


def picture(seed: int) -> Image:
    return Image((8, 8, 1), random_images(1, seed=seed).tobytes(), f"image {seed}")


def corners(phi: float = 0.5, phi_prime: float = 0.5) -> Corners:
    return Corners((Seed(1), picture(2), Seed(3), picture(4)), phi, phi_prime)


def recipe(base: Base, **changes: object) -> Recipe:
    return Recipe(checkpoint="", base=base, **changes)  # type: ignore[arg-type]


def test_the_manifold_is_the_paper_s() -> None:
    z = torch.randn(4, 1, 30, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    phi, other = 0.3, 0.8
    a, b = phi * math.pi / 2, other * math.pi / 2
    expected = math.cos(a) * (math.cos(b) * z[0] + math.sin(b) * z[1])
    expected += math.sin(a) * (math.cos(b) * z[2] + math.sin(b) * z[3])
    assert torch.allclose(manifold(list(z), phi, other), expected, rtol=1e-13)
    places = {(0, 0): z[0], (0, 1): z[1], (1, 0): z[2], (1, 1): z[3], (2, 0): -z[0], (4, 4): z[0], (3, 1): -z[3]}
    for place, corner in places.items():
        assert torch.equal(manifold(list(z), *place), corner), place


def test_the_corners_show_their_own_pixels_and_the_grid_goes_from_corner_to_corner(model: OpenedModel) -> None:
    recipes = corners_grid(recipe(corners()), 3, 4)
    images = draw(model, recipes).images
    for index, corner in ((0, 1), (3, 2), (8, 3), (11, 4)):
        own = draw(model, [recipe(corners().z[corner - 1])]).images[0]
        assert np.array_equal(images[index], own), corner
    sheet = draw_sheet(model, recipes, 4, 2)
    assert sheet.shape == (48, 64, 1)
    assert np.array_equal(sheet[16:32, 48:64], images[7].repeat(2, 0).repeat(2, 1))
    whole = corners_grid(recipe(corners()), 8, 8, turns=4)
    places = [one.base.phi_prime for one in whole[:8] if isinstance(one.base, Corners)]
    assert places == [index / 2 for index in range(8)]
    with pytest.raises(ValueError, match="more than"):
        draw_sheet(model, recipes, 4, 1000)
    with pytest.raises(ValueError, match="not of a picture between four corners"):
        corners_grid(recipe(Seed(1)), 3, 3)


def test_a_scale_comes_from_another_picture(model: OpenedModel) -> None:
    a, b, mixed = (
        latent(model, one) for one in (recipe(picture(5)), recipe(Seed(6)), recipe(picture(5), scales=((0, Seed(6)),)))
    )
    fine, coarse = model.flow.scales
    assert torch.equal(mixed[:, : fine.stop], b[:, : fine.stop])
    assert torch.equal(mixed[:, coarse.start :], a[:, coarse.start :])
    given = recipe(picture(5)).with_scale(1, corners()).with_scale(0, Seed(6))
    assert [number for number, _ in given.scales] == [0, 1]
    assert given.base_of(0) == Seed(6)
    assert given.with_scale(0, None).with_scale(1, picture(5)) == recipe(picture(5))
    assert Recipe.from_json(given.to_json()) == given


def test_the_coarsest_values_are_kept(model: OpenedModel) -> None:
    z, noise = (latent(model, recipe(Seed(seed))) for seed in (1, 9))
    for one in kept_strip(recipe(Seed(1)), seed=9, temperature=0.5):
        assert one.kept is not None
        kept = round(one.kept.share * 64)
        expected = torch.cat([0.5 * noise[:, : 64 - kept], z[:, 64 - kept :]], 1)
        assert torch.equal(latent(model, one), expected)
    assert [round(64 * share) for share in KEPT_SHARES] == [64, 32, 16, 8, 4]
    assert torch.equal(keep_coarsest(z, 0.0, noise), noise)


def test_offsets_may_keep_the_length_at_every_scale(model: OpenedModel) -> None:
    still, far, kept = (
        latent(model, recipe(Seed(3), offsets=offsets, keep_length=keep))
        for offsets, keep in (((), True), (((0, 4.0), (5, -3.0)), False), (((0, 4.0), (5, -3.0)), True))
    )
    scales = model.flow.scales
    assert torch.allclose(squared_lengths(kept, scales), squared_lengths(still, scales), rtol=1e-9)
    assert not torch.allclose(squared_lengths(far, scales), squared_lengths(still, scales), rtol=1e-3)
    for scale in scales:
        parts = (kept[0, scale.start : scale.stop], far[0, scale.start : scale.stop])
        assert torch.cosine_similarity(*parts, dim=0).item() == pytest.approx(1.0, abs=1e-9)
    zero = torch.zeros(1, 64, dtype=torch.float64)
    assert torch.equal(with_lengths_of(zero, still.double(), scales), zero)


@pytest.mark.parametrize(("length", "dimensions"), [(392.0, 392), (430.0, 392), (150.0, 196), (0.0, 4), (1e9, 4)])
def test_lengths_are_ranked_by_the_chi_squared_law(length: float, dimensions: int) -> None:
    assert chi_squared_percent(length, dimensions) == pytest.approx(100 * chi2.cdf(length, dimensions), abs=1e-6)


def test_a_sweep_moves_one_direction(model: OpenedModel) -> None:
    moved = sweep(recipe(Seed(1), offsets=((4, 1.0),)), 2, (-2.0, 0.0, 2.0))
    assert [one.offsets for one in moved] == [((2, -2.0), (4, 1.0)), ((4, 1.0),), ((2, 2.0), (4, 1.0))]


NAN = float("nan")


@pytest.mark.parametrize(
    "wrong",
    [
        recipe(corners(phi=-0.1)),
        recipe(corners(phi_prime=4.5)),
        recipe(corners(phi=NAN)),
        recipe(Corners((Seed(1), Seed(2), Seed(3), Image((4, 4, 1), bytes(16))))),
        recipe(Seed(1), scales=((2, Seed(1)),)),
        recipe(Seed(1), scales=((-1, Seed(1)),)),
        recipe(Seed(1), scales=((0, Seed(1)), (0, Seed(2)))),
        recipe(Seed(1), scales=((0, Image((8, 8, 1), b"short")),)),
        recipe(Seed(1), scales=((0, corners(phi=5.0)),)),
        recipe(Seed(1), kept=Kept(1.5, 0)),
        recipe(Seed(1), kept=Kept(NAN, 0)),
        recipe(Seed(1), kept=Kept(0.5, 0, -1.0)),
        recipe(Seed(1), kept=Kept(0.5, 0, math.inf)),
    ],
)
def test_a_recipe_that_cannot_be_is_refused_with_a_reason(model: OpenedModel, wrong: Recipe) -> None:
    with pytest.raises(ValueError, match="recipe"):
        check_recipe(model, wrong)
