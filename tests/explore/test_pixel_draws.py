"""Regions of pictures of a flow over grey levels: what stays, and the probabilities that the test compares."""

import numpy as np
import torch
from torch import Tensor

from nvp_studio.explore.model import OpenedModel
from nvp_studio.explore.pixel_draws import PixelDraws
from nvp_studio.explore.redraw import Redrawn, RedrawStep, redrawing
from nvp_studio.flow.dequantization import levels_of, unit_from_images
from nvp_studio.recipe import Image, Recipe
from tests.explore.test_ledger import opened
from tests.small_model import random_images, small_pyramid

SHAPE = (3, 8, 8)


def pyramid(shape: tuple[int, int, int] = SHAPE) -> OpenedModel:
    return opened(small_pyramid(shape), torch.float64)


def draws_of(model: OpenedModel, area: Tensor, seed: int = 0) -> PixelDraws:
    images = torch.from_numpy(random_images(1, model.image_shape))
    x = unit_from_images(images, 0.5).double()
    return PixelDraws(model.flow, x, area, torch.Generator().manual_seed(seed))


def test_pixels_around_the_region_stay_at_every_step_and_the_seed_decides() -> None:
    model, pixels = pyramid(), random_images(1, SHAPE)[0]
    recipe = Recipe(checkpoint="", base=Image((8, 8, 3), pixels.tobytes(), "x"))
    mask = np.zeros((8, 8), bool)
    mask[2:5, 3:7] = True
    *steps, last = redrawing(model, recipe, mask, seed=1, search=6, langevin=4)
    assert isinstance(last, Redrawn)
    assert [step.done for step in steps if isinstance(step, RedrawStep)] == list(range(11))
    for step in steps:
        assert isinstance(step, RedrawStep)
        assert np.array_equal(step.image[0][~mask], pixels[~mask])
    assert not np.array_equal(steps[-1].image[0][mask], pixels[mask])  # type: ignore[union-attr]
    assert 0 <= last.accepted <= 1
    *_, again = redrawing(model, recipe, mask, seed=1, search=6, langevin=4)
    assert again == last


def test_a_block_is_drawn_from_its_own_distribution_and_the_rest_keeps_its_levels() -> None:
    model = pyramid()
    area = torch.zeros(8, 8, dtype=torch.bool)
    area[1:6, 2:8] = True
    draws = draws_of(model, area)
    for share in (None, 0.0, 0.5, 0.99):
        redrawn = draws._redrawn(area, share)
        drawn = draws._drawn(redrawn, 3)
        assert drawn.shape == (3, *SHAPE)
        stays = ~area.expand(3, *SHAPE)
        assert torch.equal(levels_of(drawn)[stays], levels_of(draws.x).expand_as(drawn)[stays])
        changed = (levels_of(drawn) != levels_of(draws.x)).any(0).any(0)
        assert changed.any()
        assert bool(changed[area].all()) == (share is None or share > 0.9)


def test_what_is_drawn_and_the_rest_make_up_the_density_of_the_picture() -> None:
    model = pyramid()
    area = torch.zeros(8, 8, dtype=torch.bool)
    area[2:6, 2:6] = True
    draws = draws_of(model, area)
    drawn = draws._drawn(draws._redrawn(area, None), 4)
    nothing = [torch.zeros_like(places) for places in draws._redrawn(area, None)]
    whole = draws._rest(drawn, nothing)
    expected = model.flow.log_prob(drawn)
    torch.testing.assert_close(whole - whole[0], expected - expected[0], rtol=0, atol=1e-8)
    for share in (None, 0.3):
        redrawn = draws._redrawn(area, share)
        own = draws._rest(drawn, [~places for places in redrawn])
        torch.testing.assert_close(draws._rest(drawn, redrawn) + own, whole, rtol=0, atol=1e-8)
