"""Saved pictures and their recipes, and any image file as a recipe."""

from pathlib import Path

import msgspec
import numpy as np
import PIL.Image
import pytest
from PIL.PngImagePlugin import PngInfo

from nvp_studio.data.images import ImageError
from nvp_studio.explore.model import OpenedModel, open_model
from nvp_studio.explore.pictures import read_picture, save_picture
from nvp_studio.explore.rendering import render
from nvp_studio.explore.score import score_files
from nvp_studio.recipe import PNG_KEY, Image, Recipe, Seed
from tests.small_model import random_images, write_small_model


def _recipe(model: OpenedModel) -> Recipe:
    return Recipe(checkpoint=model.digest, base=Seed(11), temperatures=(0.8, 0.9), offsets=((1, 0.1), (3, -2.25)))


@pytest.mark.parametrize("scale", [1, 2, 9])
@pytest.mark.parametrize("which", ["grey", "colour"])
def test_a_saved_picture_gives_its_recipe_back(
    scale: int, which: str, tmp_path: Path, model: OpenedModel, colour_model: OpenedModel
) -> None:
    opened = model if which == "grey" else colour_model
    recipe = _recipe(opened)
    pixels = render(opened, [recipe]).images[0]
    save_picture(tmp_path / "a.png", pixels, recipe, scale)
    with PIL.Image.open(tmp_path / "a.png") as file:
        shown = np.asarray(file)
    assert np.array_equal(shown[::scale, ::scale].reshape(pixels.shape), pixels)
    assert shown.shape[:2] == (pixels.shape[0] * scale, pixels.shape[1] * scale)
    again = read_picture(opened, tmp_path / "a.png")
    assert again.recipe == recipe
    assert again.had_recipe
    assert again.notes == ()


def test_a_recipe_with_an_image_inside_travels_too(tmp_path: Path, model: OpenedModel) -> None:
    base = Image((8, 8, 1), random_images(1)[0].tobytes(), "Gr\u00fc\u00dfe \u4e16\u754c.png")
    recipe = Recipe(checkpoint=model.digest, base=base, offsets=((0, 1.0),))
    save_picture(tmp_path / "a.png", render(model, [recipe]).images[0], recipe, 4)
    assert read_picture(model, tmp_path / "a.png").recipe == recipe


def test_a_plain_image_becomes_the_base(tmp_path: Path, model: OpenedModel) -> None:
    image = random_images(1)[0]
    PIL.Image.fromarray(image[..., 0]).save(tmp_path / "b.png")
    read = read_picture(model, tmp_path / "b.png")
    assert not read.had_recipe
    assert read.recipe.checkpoint == model.digest
    assert read.recipe.base == Image((8, 8, 1), image.tobytes(), "b.png")
    assert np.array_equal(render(model, [read.recipe]).images[0], image)


def test_what_was_done_to_the_image_is_said(tmp_path: Path, model: OpenedModel) -> None:
    PIL.Image.new("RGB", (64, 48), (200, 30, 30)).save(tmp_path / "large.png")
    read = read_picture(model, tmp_path / "large.png")
    assert any("64x48" in note for note in read.notes)
    assert len(read.notes) >= 2


def test_another_models_recipe_is_shown_with_a_word(tmp_path: Path, model: OpenedModel) -> None:
    write_small_model(tmp_path / "other.safetensors", seed=5)
    other = open_model(tmp_path / "other.safetensors")
    recipe = _recipe(other)
    save_picture(tmp_path / "c.png", render(other, [recipe]).images[0], recipe)
    read = read_picture(model, tmp_path / "c.png")
    assert read.had_recipe
    assert read.recipe == msgspec.structs.replace(recipe, checkpoint=model.digest)
    assert other.digest[:8] in read.notes[0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        '{"checkpoint": "x"}',
        '{"checkpoint":"x","base":{"type":"seed","seed":1},"offsets":[[99,1.0]]}',
        '{"checkpoint":"x","base":{"type":"image","shape":[9,9,1],"pixels":""}}',
        "[" * 100_000,
    ],
    ids=lambda text: text[:20],
)
def test_a_recipe_of_no_use_leaves_an_image(text: str, tmp_path: Path, model: OpenedModel) -> None:
    info = PngInfo()
    info.add_text(PNG_KEY, text)
    image = random_images(1)[0]
    PIL.Image.fromarray(image[..., 0]).save(tmp_path / "d.png", pnginfo=info)
    read = read_picture(model, tmp_path / "d.png")
    assert not read.had_recipe
    assert isinstance(read.recipe.base, Image)
    assert read.recipe.base.pixels == image.tobytes()
    assert "recipe" in read.notes[0]
    assert "\n" not in read.notes[0]


def test_what_is_no_image_is_an_error(tmp_path: Path, model: OpenedModel) -> None:
    (tmp_path / "e.png").write_text("hello")
    with pytest.raises(ImageError):
        read_picture(model, tmp_path / "e.png")


@pytest.mark.parametrize("scale", [0, -1, 10_000])
def test_impossible_scales_are_refused(scale: int, tmp_path: Path, model: OpenedModel) -> None:
    with pytest.raises(ValueError, match="scale"):
        save_picture(tmp_path / "f.png", random_images(1)[0], _recipe(model), scale)
    assert not list(tmp_path.glob("*.png"))


def test_a_saved_picture_scores_what_was_shown(tmp_path: Path, model: OpenedModel) -> None:
    recipe = _recipe(model)
    rendering = render(model, [recipe])
    save_picture(tmp_path / "g.png", rendering.images[0], recipe)
    (row,) = score_files(model, [tmp_path / "g.png"])
    assert row.bits_per_dim == rendering.bits_per_dim[0]


def test_a_picture_with_a_recipe_can_be_read_as_the_image_it_is(tmp_path: Path, model: OpenedModel) -> None:
    recipe = Recipe(checkpoint=model.digest, base=Seed(3), offsets=((0, 2.0),))
    pixels = render(model, [recipe]).images[0]
    save_picture(tmp_path / "moved.png", pixels, recipe, 3)
    read = read_picture(model, tmp_path / "moved.png", plain=True)
    assert read.recipe == Recipe(checkpoint=model.digest, base=Image((8, 8, 1), pixels.tobytes(), "moved.png"))
    assert not read.had_recipe
