"""Steps along the gradient of the log-density."""

import contextlib
import dataclasses

import numpy as np
import pytest
import torch

from nvp_studio.explore import nudge
from nvp_studio.explore.model import OpenedModel, open_model
from nvp_studio.explore.nudge import gradient_x, gradient_z, step_density
from nvp_studio.explore.rendering import draw, latent, render
from nvp_studio.recipe import Image, Recipe, Seed
from nvp_studio.resources import resource_path


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


@pytest.mark.parametrize("space", ["z", "x"])
@pytest.mark.parametrize("up", [True, False])
def test_a_step_that_is_too_long_is_halved(
    model: OpenedModel, space: str, up: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nudge, "STEP_Z", 1.5)
    monkeypatch.setattr(nudge, "STEP_X", 128.0)
    recipe = Recipe(checkpoint=model.digest, base=Seed(4), temperatures=(0.8, 0.8))
    scores = [render(model, [recipe]).bits_per_dim[0]]
    for _ in range(3):
        recipe = step_density(model, recipe, space, up)  # type: ignore[arg-type]
        scores.append(render(model, [recipe]).bits_per_dim[0])
    assert scores == sorted(scores, reverse=up)


def test_where_no_step_helps_the_reason_gives_the_scores(model: OpenedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nudge, "STEP_Z", 1e-7)  # no grey level changes
    recipe = Recipe(checkpoint=model.digest, base=Seed(4))
    with pytest.raises(ValueError, match=r"no 8-bit picture of higher density .* bits/dim"):
        step_density(model, recipe, "z")


@pytest.mark.slow
def test_steps_on_an_included_model_raise_the_density_shown_or_say_that_none_does() -> None:
    """Samples of Peeps lose much density by rounding, so that the longest step often leads to a lower one."""
    peeps = open_model(resource_path("models/peeps.safetensors"))
    recipe = Recipe(checkpoint=peeps.digest, base=Seed(5), temperatures=(0.0, 0.06, 0.24, 0.55))
    scores = [render(peeps, [recipe]).bits_per_dim[0]]
    with contextlib.suppress(ValueError):
        for _ in range(4):
            recipe = step_density(peeps, recipe, "z")
            scores.append(render(peeps, [recipe]).bits_per_dim[0])
    assert len(scores) > 1
    assert scores == sorted(scores, reverse=True)


def test_the_name_says_what_the_picture_was_made_from(model: OpenedModel) -> None:
    recipe = step_density(model, Recipe(checkpoint=model.digest, base=Seed(4)), "z")
    assert isinstance(recipe.base, Image)
    assert recipe.base.name == "step in z from sample 4"
    again = step_density(model, recipe, "x")
    assert isinstance(again.base, Image)
    assert again.base.name == "step in x from sample 4"
