"""Pictures larger than those that a model was trained on."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from nvp_studio.explore.larger import at_size
from nvp_studio.explore.local_directions import find_local_directions
from nvp_studio.explore.model import OpenedModel
from nvp_studio.explore.nudge import step_density
from nvp_studio.explore.pictures import read_picture, save_picture
from nvp_studio.explore.redraw import redraw_region
from nvp_studio.explore.rendering import check_recipe, draw, latent, render
from nvp_studio.flow.enlarging import enlarged
from nvp_studio.recipe import Blend, Image, Kept, Recipe, Seed

LARGER = Recipe(checkpoint="", base=Seed(3), enlarged=2)


def test_a_larger_sample_is_decoded_by_the_same_weights(model: OpenedModel) -> None:
    rendering = render(model, [LARGER, msgspec.structs.replace(LARGER, base=Seed(4))])
    assert rendering.images.shape == (2, 16, 16, 1)
    flow = enlarged(model.flow.flow, 2)
    x = flow.decode(at_size(model, LARGER).flow.latents(1, seed=3).float())
    levels = (x.clamp(0, 1 - 1e-6) * 256).floor().numpy()[0, 0]
    assert np.abs(levels - rendering.images[0, ..., 0]).max() <= 1
    assert np.isfinite(rendering.bits_per_dim).all()
    lengths = rendering.squared_lengths.sum(1)
    assert lengths[0] == pytest.approx(256, rel=0.4)
    small = draw(model, [msgspec.structs.replace(LARGER, enlarged=1)]).images
    assert small.shape == (1, 8, 8, 1)


def test_temperatures_blends_scales_and_kept_parts_work_as_at_the_trained_size(model: OpenedModel) -> None:
    blend = msgspec.structs.replace(LARGER, base=Blend(Seed(3), Seed(4), 0.0))
    cold = msgspec.structs.replace(LARGER, temperatures=(0.0, 0.0))
    kept = msgspec.structs.replace(LARGER, kept=Kept(1.0, 9))
    taken = msgspec.structs.replace(blend, scales=((0, Seed(3)), (1, Seed(3))))
    first = draw(model, [LARGER]).images[0]
    for same in (blend, kept, taken):
        assert np.array_equal(draw(model, [same]).images[0], first)
    big = at_size(model, LARGER)
    assert torch.equal(latent(big, cold), torch.zeros(1, 256, dtype=torch.float64))


def test_a_saved_picture_opens_again_larger(model: OpenedModel, tmp_path: Path) -> None:
    recipe = msgspec.structs.replace(LARGER, checkpoint=model.digest)
    image = draw(model, [recipe]).images[0]
    save_picture(tmp_path / "large.png", image, recipe)
    file = read_picture(model, tmp_path / "large.png")
    assert file.recipe == recipe
    assert np.array_equal(draw(model, [file.recipe]).images[0], image)


def test_what_cannot_be_larger_is_said(model: OpenedModel) -> None:
    pixels = Image((8, 8, 1), bytes(64))
    for changes, reason in (
        ({"base": pixels}, "this recipe has an image in it"),
        ({"base": Blend(Seed(1), pixels)}, "this recipe has an image in it"),
        ({"scales": ((0, pixels),)}, "this recipe has an image in it"),
        ({"offsets": ((0, 1.0),)}, "directions are those of the trained size"),
    ):
        recipe = msgspec.structs.replace(LARGER, **changes)
        for ask in (check_recipe, lambda model, recipe: draw(model, [recipe])):
            with pytest.raises(ValueError, match=reason):
                ask(model, recipe)
    with pytest.raises(ValueError, match="several sizes"):
        draw(model, [LARGER, msgspec.structs.replace(LARGER, enlarged=1)])
    with pytest.raises(ValueError, match="several sizes"):
        draw(model, [LARGER, msgspec.structs.replace(LARGER, enlarged=3)])


def test_tools_of_the_trained_size_say_so(model: OpenedModel) -> None:
    for tool in (
        lambda: step_density(model, LARGER, "z"),
        lambda: step_density(model, LARGER, "x"),
        lambda: redraw_region(model, LARGER, np.ones((8, 8), bool)),
        lambda: latent(model, LARGER),
    ):
        with pytest.raises(ValueError, match="pictures of the trained size alone"):
            tool()


def test_an_older_recipe_is_of_the_trained_size() -> None:
    assert Recipe.from_json('{"checkpoint":"a","base":{"type":"seed","seed":1}}').enlarged == 1
    with pytest.raises(ValueError, match="not a recipe"):
        Recipe.from_json('{"checkpoint":"a","base":{"type":"seed","seed":1},"enlarged":11}')


def test_gradients_are_there_after_a_larger_picture_was_drawn(model: OpenedModel) -> None:
    draw(model, [LARGER])
    own = msgspec.structs.replace(LARGER, enlarged=1)
    for space in ("z", "x"):
        assert step_density(model, own, space) != own
    find_local_directions(model, own)
    shared = (*model.flow.flow.parameters(), *model.flow.flow.buffers())
    assert not any(tensor.is_inference() for tensor in shared), "they could have no gradients again"
