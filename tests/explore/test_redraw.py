"""Regions drawn anew: what stays, and that the Langevin steps keep the exact conditional density."""

import dataclasses

import msgspec
import numpy as np
import pytest
import torch

from nvp_studio.explore.model import OpenedModel, open_model
from nvp_studio.explore.redraw import MaskedMala, Redrawn, RedrawStep, density_of, redraw_region, redrawing
from nvp_studio.explore.rendering import draw, latent
from nvp_studio.recipe import Image, Kept, Recipe, Seed
from nvp_studio.resources import resource_path

RECIPE = Recipe(checkpoint="", base=Seed(4))


def region(height: int, width: int, *, top: int = 2, left: int = 3) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    mask[top : top + 3, left : left + 4] = True
    return mask


@pytest.mark.parametrize("kind", ["model", "colour_model"])
def test_pixels_around_the_region_stay_at_every_step(kind: str, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(kind)
    mask = region(*model.pixel_shape[:2])
    before = draw(model, [RECIPE]).images
    *steps, last = redrawing(model, RECIPE, mask, seed=1, search=6, langevin=4)
    assert isinstance(last, Redrawn)
    assert [step.done for step in steps if isinstance(step, RedrawStep)] == list(range(11))
    for step in steps:
        assert isinstance(step, RedrawStep)
        assert np.array_equal(step.image[0][~mask], before[0][~mask])
    assert isinstance(last.recipe.base, Image)
    after = draw(model, [last.recipe]).images
    assert after.tobytes() == last.recipe.base.pixels
    assert np.array_equal(after[0][~mask], before[0][~mask])
    assert not np.array_equal(after[0][mask], before[0][mask])
    scores = model.flow.bits_per_dim(np.concatenate([before, after])).tolist()
    assert [last.before, last.after] == scores


def test_the_seed_decides(model: OpenedModel) -> None:
    mask = region(8, 8)
    one = redraw_region(model, RECIPE, mask, 5)
    assert one == redraw_region(model, RECIPE, mask, 5)
    assert one != redraw_region(model, RECIPE, mask, 6)


@pytest.mark.parametrize(
    ("before", "after"), [((), ()), ((0.7, 0.4), (0.7, 0.4)), ((0.0, 0.5), (0.0, 0.5)), ((0.001, 0.0), (0.0, 0.0))]
)
def test_temperatures_stay_and_the_picture_is_what_was_redrawn(
    model: OpenedModel, before: tuple[float, ...], after: tuple[float, ...]
) -> None:
    recipe = Recipe(checkpoint="", base=Seed(4), temperatures=before)
    redrawn = redraw_region(model, recipe, region(8, 8), 3)
    assert redrawn.temperatures == after
    assert isinstance(redrawn.base, Image)
    assert draw(model, [redrawn]).images.tobytes() == redrawn.base.pixels
    assert Recipe.from_json(redrawn.to_json()) == redrawn


def test_a_scale_that_was_at_0_goes_on_from_there(model: OpenedModel) -> None:
    before = Recipe(checkpoint="", base=Seed(4), temperatures=(0.0, 0.5))
    redrawn = redraw_region(model, before, region(8, 8), 3)
    fine = model.flow.scales[0]
    at_rest, half = (latent(model, redrawn.with_temperatures((value, 0.5))) for value in (0.0, 0.5))
    assert torch.equal(half[:, : fine.stop], 1.5 * at_rest[:, : fine.stop])
    assert torch.equal(half[:, fine.stop :], at_rest[:, fine.stop :])
    kept = msgspec.structs.replace(redrawn, kept=Kept(0.0, 5))
    assert not latent(model, kept)[:, : fine.stop].any(), "noise has the temperature that the slider shows"


def test_an_opened_image_has_no_temperatures_of_its_own(model: OpenedModel) -> None:
    opened = Recipe(checkpoint="", base=Image((8, 8, 1), bytes(range(64))))
    redrawn = redraw_region(model, opened, region(8, 8), 3)
    assert isinstance(redrawn.base, Image)
    assert (redrawn.temperatures, redrawn.base.temperatures) == ((), ())


def test_noise_of_a_scale_has_the_temperature_that_stayed(model: OpenedModel) -> None:
    redrawn = redraw_region(model, Recipe(checkpoint="", base=Seed(4), temperatures=(0.7, 0.4)), region(8, 8), 3)
    coarse = model.flow.scales[1]
    z = latent(model, redrawn.with_scale(1, Seed(9)))
    assert torch.equal(
        z[:, coarse.start :], 0.4 * latent(model, Recipe(checkpoint="", base=Seed(9)))[:, coarse.start :]
    )


def test_regions_that_cannot_be_redrawn_are_refused(model: OpenedModel) -> None:
    with pytest.raises(ValueError, match="empty"):
        redrawing(model, RECIPE, np.zeros((8, 8), bool))
    with pytest.raises(ValueError, match="4 x 4 pixels, not 8 x 8"):
        redrawing(model, RECIPE, np.ones((4, 4), bool))


@pytest.mark.slow
@pytest.mark.parametrize("place", [(3, 4), (0, 0)])
def test_the_chain_has_the_exact_conditional_distribution(model: OpenedModel, place: tuple[int, int]) -> None:
    """Of one pixel, given all others: against the density on a grid, normalized numerically."""
    double = dataclasses.replace(model, flow=model.flow.double(), base_latents={})
    density = density_of(double)
    with torch.no_grad():
        y = double.flow.preprocessing(torch.full((1, 1, 8, 8), 0.4, dtype=torch.float64))[0]
    low, high = torch.full((1, 8, 8), -6.0, dtype=torch.float64), torch.full((1, 8, 8), 6.0, dtype=torch.float64)
    mask = torch.zeros(1, 8, 8, dtype=torch.bool)
    mask[0][place] = True
    grid = torch.linspace(-6, 6, 2401, dtype=torch.float64)
    points = y.repeat(len(grid), 1, 1, 1)
    points[:, 0, place[0], place[1]] = grid
    log_prob, gradient = density(points)
    climb = torch.cumulative_trapezoid(gradient[:, 0, place[0], place[1]], grid)  # kinks of the networks do not matter
    assert torch.allclose(climb, log_prob[1:] - log_prob[0], rtol=1e-4, atol=1e-2)
    below = torch.cumsum(torch.softmax(log_prob, 0), 0)
    deviation = float(
        (torch.softmax(log_prob, 0) @ grid.square() - (torch.softmax(log_prob, 0) @ grid).square()).sqrt()
    )

    chains = 200
    chain = MaskedMala(density, y.repeat(chains, 1, 1, 1), mask, (low, high), torch.Generator().manual_seed(3))
    for step in range(200):
        chain.adapting = step < 50
        chain.step()
    found = chain.y[:, 0, place[0], place[1]].contiguous()
    assert torch.equal(chain.y[:, ~mask], y.repeat(chains, 1, 1, 1)[:, ~mask])
    ranks = torch.sort(below[torch.searchsorted(grid, found).clamp(max=len(grid) - 1)]).values
    even = (torch.arange(chains, dtype=torch.float64) + 0.5) / chains
    assert float((ranks - even).abs().max()) < 1.95 / chains**0.5, "Kolmogorov and Smirnov, one in a thousand"
    assert deviation > 0.02, "the pixel is not determined by the others"
    assert 0.2 < float(chain.accepted.mean()) / chain.steps < 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["peeps", "fashion-mnist"])
def test_a_region_goes_from_noise_to_what_is_typical_of_the_model(name: str) -> None:
    model = open_model(str(resource_path(f"models/{name}.safetensors")))
    height, width, _ = model.pixel_shape
    mask = np.zeros((height, width), bool)
    mask[10:18, 9:21] = True
    recipe = Recipe(checkpoint=model.digest, base=Seed(3), temperatures=(0.8,) * len(model.flow.scales))
    first, *_, last = redrawing(model, recipe, mask, seed=1)
    assert isinstance(first, RedrawStep)
    assert isinstance(last, Redrawn)
    noise = float(model.flow.bits_per_dim(first.image)[0])
    assert noise > last.before + 0.5
    assert last.after - last.before < 0.4 * (noise - last.before)
