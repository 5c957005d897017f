"""`nvp-studio animate`, and `nvp-studio render --animation`."""

from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageSequence
import pytest

from nvp_studio.explore.animating import animate
from nvp_studio.explore.animation import Animation
from nvp_studio.explore.animation_files import read_animation
from nvp_studio.explore.model import OpenedModel, open_model
from nvp_studio.explore.pictures import save_picture
from nvp_studio.explore.rendering import draw
from nvp_studio.recipe import Image, Recipe, Seed
from tests.cli.conftest import Run
from tests.small_model import random_images


@pytest.fixture
def opened(model: Path) -> OpenedModel:
    return open_model(model)


@pytest.fixture
def pictures(opened: OpenedModel, tmp_path: Path) -> list[Path]:
    """A PNG with a recipe, and an image of any origin."""
    recipe = Recipe(checkpoint=opened.digest, base=Seed(7), offsets=((0, 1.0),))
    save_picture(tmp_path / "kept.png", draw(opened, [recipe]).images[0], recipe, 2)
    PIL.Image.fromarray(random_images(1)[0, :, :, 0]).save(tmp_path / "own.png")
    return [tmp_path / "kept.png", tmp_path / "own.png"]


def frames_of(path: Path) -> np.ndarray:
    with PIL.Image.open(path) as file:
        return np.stack([np.asarray(frame.convert("L")) for frame in PIL.ImageSequence.Iterator(file)])


def test_pictures_become_an_animation_and_its_file_the_same_frames(
    run: Run, model: Path, opened: OpenedModel, pictures: list[Path], tmp_path: Path
) -> None:
    options = ("--seconds", "1", "--fps", "10", "--loop", "-m", model)
    assert run("animate", *pictures, *options, "--scale", "2", "-o", tmp_path / "film.webp")[0] == 0
    film = read_animation(tmp_path / "film.webp")
    assert [type(recipe.base) for recipe in film.keyframes] == [Seed, Image]
    assert film.keyframes[0].offsets == ((0, 1.0),)
    expected = animate(opened, film)[..., 0]
    assert np.array_equal(frames_of(tmp_path / "film.webp")[:, ::2, ::2], expected)

    assert run("animate", *pictures, *options, "-o", tmp_path / "film.json")[0] == 0
    assert Animation.from_json((tmp_path / "film.json").read_bytes()) == film
    for source in ("film.json", "film.webp"):
        words = ("--animation", tmp_path / source, "-m", model, "-o", tmp_path / "again.gif")
        code, out, _ = run("render", *words, "--json")
        assert code == 0
        assert '"frames":10' in out
        assert np.array_equal(frames_of(tmp_path / "again.gif"), expected)


def test_what_cannot_be_animated_is_said(run: Run, model: Path, pictures: list[Path], tmp_path: Path) -> None:
    (tmp_path / "text.json").write_text("no")
    (tmp_path / "colour.json").write_text(
        Animation(keyframes=(Recipe(checkpoint="", base=Image((4, 4, 3), bytes(48))),) * 2).to_json()
    )
    film = tmp_path / "film.gif"
    for words, reason in (
        (("animate", pictures[0], "-o", film), "at least two keyframes"),
        (("animate", pictures[0], "-o", tmp_path / "film.json"), "at least two keyframes"),
        (("animate", *pictures, "--seconds", "9999", "-o", film), "at most 3600 seconds"),
        (("animate", pictures[0], tmp_path / "text.json", "-o", film), "text.json: "),
        (("animate", *pictures * 101, "-o", film), "202 keyframes are too many"),
        (("render", "--animation", tmp_path / "text.json", "-o", film), "not an animation"),
        (
            ("render", "--animation", tmp_path / "colour.json", "-o", film),
            "keyframe 1: the recipe's image is 4x4 colour",
        ),
        (("render", "--animation", pictures[0], "-o", film), "holds no animation"),
        (("render", "-o", film), "either a picture or --animation"),
        (("render", pictures[0], "--animation", film, "-o", film), "either a picture or --animation"),
        (("render", "--animation", film, "--kept", "-o", film), "an animation goes with"),
    ):
        code, _, told = run(*words, "-m", model)
        assert code != 0
        assert reason in " ".join(told.split()), words
        assert not film.exists()
