"""`nvp-studio render`: every kind of recipe again to the bit, and sheets."""

from pathlib import Path

import msgspec
import numpy as np
import PIL.Image
import pytest

from nvp_studio.explore.grids import corners_grid, kept_strip, sweep
from nvp_studio.explore.local_directions import find_local_directions
from nvp_studio.explore.model import OpenedModel, open_model
from nvp_studio.explore.nudge import step_density
from nvp_studio.explore.pictures import save_picture
from nvp_studio.explore.redraw import redraw_region
from nvp_studio.explore.rendering import draw
from nvp_studio.recipe import Blend, Corners, Kept, Move, Recipe, Seed
from tests.cli.conftest import Run

CORNERS = Corners((Seed(1), Seed(2), Seed(3), Seed(4)), 0.25, 0.75)


@pytest.fixture
def opened(model: Path) -> OpenedModel:
    return open_model(model)


def saved(opened: OpenedModel, path: Path, **fields: object) -> tuple[Recipe, np.ndarray]:
    recipe = Recipe(checkpoint=opened.digest, **fields)  # type: ignore[arg-type]
    image = draw(opened, [recipe]).images[0]
    save_picture(path, image, recipe, 3)
    return recipe, image[..., 0]


def move(name: str, seed: int, *, locked: bool) -> Move:
    """One unlike the model's directions."""
    vector = np.random.default_rng(seed).normal(0, 0.3, 64).astype("<f2")
    return Move(name, vector.tobytes(), 1.5, locked=locked)


MOVE, LOCKED = move("first", 1, locked=False), move("second", 2, locked=True)


@pytest.mark.parametrize(
    "fields",
    [
        {"base": CORNERS},
        {"base": Seed(1), "scales": ((0, CORNERS), (1, Blend(Seed(5), Seed(6), 0.3)))},
        {"base": Seed(1), "kept": Kept(0.25, 7, 0.6)},
        {"base": Seed(1), "enlarged": 2, "kept": Kept(0.5, 7, 0.6), "scales": ((1, CORNERS),)},
        {"base": Seed(1), "offsets": ((0, 4.0),), "keep_length": True, "temperatures": (0.7, 0.9)},
        {"base": Seed(1), "moves": (MOVE, LOCKED), "offsets": ((1, 2.0),), "locked": (0,)},
    ],
)
def test_a_picture_is_rendered_again_to_the_bit(
    fields: dict[str, object], run: Run, model: Path, opened: OpenedModel, tmp_path: Path
) -> None:
    recipe, image = saved(opened, tmp_path / "picture.png", **fields)
    assert run("render", tmp_path / "picture.png", "-m", model, "-o", tmp_path / "again.png")[0] == 0
    with PIL.Image.open(tmp_path / "again.png") as file:
        assert np.array_equal(np.asarray(file), image)
        assert Recipe.from_json(str(file.text["nvp-studio-recipe"])) == recipe


def test_sheets_hold_the_pictures_that_their_recipes_make(
    run: Run, model: Path, opened: OpenedModel, tmp_path: Path
) -> None:
    recipe, _ = saved(opened, tmp_path / "picture.png", base=CORNERS)
    local = find_local_directions(opened, recipe).moves[1]
    for words, recipes, columns in (
        (("--sweep", "3", "--from", "-2", "--to", "2", "--steps", "5"), sweep(recipe, 2, (-2, -1, 0, 1, 2)), 5),
        (("--sweep", "local 2", "--from", "-2", "--to", "2", "--steps", "3"), sweep(recipe, local, (-2, 0, 2)), 3),
        (("--grid", "3"), corners_grid(recipe, 3, 3), 3),
        (("--grid", "4", "--whole"), corners_grid(recipe, 4, 4, 4.0), 4),
        (("--kept", "--seed", "5", "--temperature", "0.5"), kept_strip(recipe, 5, 0.5), 5),
    ):
        command = (
            "render",
            tmp_path / "picture.png",
            *words,
            "-m",
            model,
            "--scale",
            "2",
            "-o",
            tmp_path / "sheet.png",
        )
        assert run(*command)[0] == 0
        with PIL.Image.open(tmp_path / "sheet.png") as file:
            sheet = np.asarray(file)[::2, ::2]
        images = sheet.reshape(-1, 8, columns, 8).transpose(0, 2, 1, 3).reshape(-1, 8, 8)
        assert np.array_equal(images, draw(opened, recipes).images[..., 0]), words


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--sweep", "99"), "there is no direction '99'; there are 1 to 12, 'local 1' to 'local 8'"),
        (("--grid", "3"), "not of a picture between four corners"),
        (("--sweep", "1", "--scale", "5000"), "more than 16,384 pixels wide"),
    ],
)
def test_what_cannot_be_rendered_is_said(
    words: tuple[str, ...], reason: str, run: Run, model: Path, opened: OpenedModel, tmp_path: Path
) -> None:
    saved(opened, tmp_path / "picture.png", base=Seed(1))
    code, _, told = run("render", tmp_path / "picture.png", *words, "-m", model, "-o", tmp_path / "sheet.png")
    assert code == 1
    assert reason in told
    assert not (tmp_path / "sheet.png").exists()


def test_a_step_of_the_density_is_taken_first(run: Run, model: Path, opened: OpenedModel, tmp_path: Path) -> None:
    recipe, _ = saved(opened, tmp_path / "picture.png", base=Seed(1))
    assert run("render", tmp_path / "picture.png", "--nudge", "x-", "-m", model, "-o", tmp_path / "step.png")[0] == 0
    with PIL.Image.open(tmp_path / "step.png") as file:
        step = step_density(opened, recipe, "x", up=False)
        assert np.asarray(file).tobytes() == step.base.pixels
        assert Recipe.from_json(str(file.text["nvp-studio-recipe"])) == step


def test_a_sample_is_rendered_larger_than_trained(run: Run, model: Path, opened: OpenedModel, tmp_path: Path) -> None:
    recipe, _ = saved(opened, tmp_path / "picture.png", base=Seed(1))
    words = "render", tmp_path / "picture.png", "-m", model, "-o", tmp_path / "large.png"
    assert run(*words, "--larger", "3")[0] == 0
    larger = msgspec.structs.replace(recipe, enlarged=3)
    with PIL.Image.open(tmp_path / "large.png") as file:
        assert np.array_equal(np.asarray(file), draw(opened, [larger]).images[0, ..., 0])
        assert file.size == (24, 24)
        assert Recipe.from_json(str(file.text["nvp-studio-recipe"])) == larger
    code, _, told = run(*words, "--larger", "2", "--sweep", "1")
    assert code == 1
    assert "directions are those of the trained size" in told


def test_a_region_is_redrawn_first(run: Run, model: Path, opened: OpenedModel, tmp_path: Path) -> None:
    recipe, image = saved(opened, tmp_path / "picture.png", base=Seed(1))
    height, width = image.shape
    region = np.zeros((height, width), bool)
    region[1:3, 2:6] = True
    PIL.Image.fromarray(region.astype(np.uint8) * 255).save(tmp_path / "region.png")
    opened.flow.compile()
    redrawn = redraw_region(opened, recipe, region, 3)
    for words in ("2,1,4,2", tmp_path / "region.png"):
        told = run(
            "render",
            tmp_path / "picture.png",
            "--redraw",
            words,
            "--seed",
            "3",
            "-m",
            model,
            "-o",
            tmp_path / "new.png",
        )
        assert told[0] == 0
        with PIL.Image.open(tmp_path / "new.png") as file:
            assert Recipe.from_json(str(file.text["nvp-studio-recipe"])) == redrawn
            assert np.asarray(file).tobytes() == redrawn.base.pixels
    code, _, told = run(
        "render", tmp_path / "picture.png", "--redraw", "2,1,99,2", "-m", model, "-o", tmp_path / "no.png"
    )
    assert code == 1
    assert "does not lie within" in told
