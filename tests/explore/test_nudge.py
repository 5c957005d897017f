"""Steps along the gradient of the log-density."""

import dataclasses

import numpy as np
import pytest
import torch

from nvp_studio.explore.model import OpenedModel
from nvp_studio.explore.nudge import gradient_x, gradient_z, step_density
from nvp_studio.explore.rendering import draw, latent, render
from nvp_studio.recipe import Image, Recipe, Seed


def test_the_gradients_are_those_of_finite_differences(model: OpenedModel) -> None:
    double = dataclasses.replace(model, flow=model.flow.double(), base_latents={})
    z = latent(double, Recipe(checkpoint="", base=Seed(4))).clone()
    x = double.flow.decode(0.5 * z)
    assert 0 < x.min() < x.max() < 1
    generator = torch.Generator().manual_seed(1)
    for start, gradient, density in (
        (z, gradient_z(double, z), lambda one: double.flow.log_prob(double.flow.decode(one).clamp(0, 1))),
        (x, gradient_x(double, x), double.flow.log_prob),
    ):
        if start is z:
            start = 0.5 * z
            gradient = gradient_z(double, start)
        way = torch.randn(start.shape, dtype=torch.float64, generator=generator)
        step = 1e-6 * way
        slope = (density(start + step) - density(start - step)) / 2e-6
        assert float((gradient * way).sum()) == pytest.approx(float(slope), rel=1e-4)


@pytest.mark.parametrize("space", ["z", "x"])
def test_a_step_changes_the_score_as_its_name_says(model: OpenedModel, space: str) -> None:
    recipe = Recipe(checkpoint=model.digest, base=Seed(4), temperatures=(0.8, 0.8))
    up, down = (step_density(model, recipe, space, way) for way in (True, False))  # type: ignore[arg-type]
    before, higher, lower = (render(model, [one]).bits_per_dim[0] for one in (recipe, up, down))
    assert higher < before < lower
    assert up.temperatures == recipe.temperatures
    assert isinstance(up.base, Image)
    assert draw(model, [up]).images.tobytes() == up.base.pixels
    assert not np.array_equal(draw(model, [up]).images, draw(model, [recipe]).images)
