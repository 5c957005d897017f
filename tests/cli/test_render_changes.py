"""`nvp-studio render`: pictures that are made of others, moved along directions, or drawn of a seed."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from msgspec.structs import replace

from nvp_studio.explore.grids import corners_grid
from nvp_studio.explore.local_directions import find_local_directions
from nvp_studio.explore.mixing import mix, new_sample, read_image
from nvp_studio.explore.model import OpenedModel, open_model
from nvp_studio.explore.pictures import save_picture
from nvp_studio.explore.rendering import draw, latent
from nvp_studio.recipe import Blend, Corners, Image, Kept, Recipe, Seed
from tests.cli.conftest import Run
from tests.small_model import random_images, write_small_model


@pytest.fixture
def opened(model: Path) -> OpenedModel:
    found = open_model(model)
    found.flow.compile()  # as commands do
    return found


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    PIL.Image.fromarray(random_images(1)[0, :, :, 0]).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def moved(opened: OpenedModel, tmp_path: Path) -> Path:
    """A PNG whose recipe is more than noise."""
    recipe = Recipe(checkpoint=opened.digest, base=Seed(7), offsets=((0, 1.0),))
    save_picture(tmp_path / "moved.png", draw(opened, [recipe]).images[0], recipe, 2)
    return tmp_path / "moved.png"


def rendered(run: Run, model: Path, path: Path, *words: object) -> Recipe:
    """The recipe that the command writes, after a look at the pixels beside it."""
    code, _, told = run("render", *words, "-m", model, "-o", path)
    assert code == 0, told
    with PIL.Image.open(path) as file:
        recipe = Recipe.from_json(str(file.text["nvp-studio-recipe"]))
        opened = open_model(model)
        opened.flow.compile()
        assert np.array_equal(np.asarray(file), draw(opened, [recipe]).images[0, ..., 0])
    return recipe


def test_a_sample_is_named_by_its_seed(run: Run, model: Path, opened: OpenedModel, tmp_path: Path) -> None:
    assert rendered(run, model, tmp_path / "7.png", "seed:7") == new_sample(opened, 7)
    warm = rendered(run, model, tmp_path / "8.png", "seed:7", "--temperature", "0.5", "--temperature", "0.9")
    assert warm == replace(new_sample(opened, 7), temperatures=(0.5, 0.9))
    for name in ("seed:", "seed:-1", "seed:x", "seed:1e5", f"seed:{10**30}"):
        code, _, told = run("render", name, "-m", model, "-o", tmp_path / "no.png")
        assert code == 1
        assert "a sample is named by its seed, such as seed:7" in told
    assert not (tmp_path / "no.png").exists()


def test_pictures_are_blended_and_made_corners(
    run: Run, model: Path, opened: OpenedModel, photo: Path, moved: Path, tmp_path: Path
) -> None:
    blend = rendered(run, model, tmp_path / "blend.png", "seed:1", "--between", photo, "--place", "0.25")
    image = read_image(opened, photo)
    assert blend == replace(new_sample(opened, 1), base=Blend(Seed(1), image, 0.25))
    assert blend == mix(opened, new_sample(opened, 1), [image], (0.25, 0.25))

    others = ("--between", photo, "--between", "seed:5", "--between", moved)
    corners = rendered(run, model, tmp_path / "corners.png", moved, *others, "--place", "0.2,0.7")
    assert isinstance(corners.base, Corners)
    assert (corners.base.phi, corners.base.phi_prime) == (0.7, 0.2)
    first, *rest, last = corners.base.z
    assert rest == [image, Seed(5)]
    with PIL.Image.open(moved) as file:
        pixels = np.asarray(file)[::2, ::2].tobytes()
    assert isinstance(first, Image)
    assert isinstance(last, Image)
    assert first.pixels == pixels  # it is moved: by its pixels
    assert last.shape == (8, 8, 1)

    grid = ("render", moved, *others, "--grid", "3", "-m", model, "-o", tmp_path / "grid.png")
    assert run(*grid)[0] == 0
    with PIL.Image.open(tmp_path / "grid.png") as file:
        assert np.array_equal(np.asarray(file)[:8, :8].tobytes(), pixels)
        sheet = np.asarray(file).reshape(3, 8, 3, 8).transpose(0, 2, 1, 3).reshape(-1, 8, 8)
    assert np.array_equal(sheet, draw(opened, corners_grid(corners, 3, 3)).images[..., 0])


def test_scales_are_taken_from_other_pictures(
    run: Run, model: Path, opened: OpenedModel, photo: Path, tmp_path: Path
) -> None:
    image = read_image(opened, photo)
    taken = rendered(run, model, tmp_path / "a.png", photo, "--take", "1=seed:9")
    assert taken == Recipe(checkpoint=opened.digest, base=image, scales=((0, Seed(9)),))
    other = rendered(run, model, tmp_path / "b.png", "seed:3", "--take", f"2={photo}", "--temperature", "1")
    fine, coarse = opened.flow.scales
    z = latent(opened, other)
    assert z[:, fine.start : fine.stop].equal(opened.flow.latents(1, seed=3)[:, fine.start : fine.stop])
    photos = latent(opened, Recipe(checkpoint=opened.digest, base=image))
    assert z[:, coarse.start : coarse.stop].equal(photos[:, coarse.start : coarse.stop])
    kept = rendered(run, model, tmp_path / "c.png", photo, "--keep", "0.25", "--seed", "4", "--temperature", "0.6")
    assert kept == Recipe(checkpoint=opened.digest, base=image, kept=Kept(0.25, 4, 0.6))


def test_sliders_are_moved_by_name_and_number(
    run: Run, model: Path, opened: OpenedModel, photo: Path, tmp_path: Path
) -> None:
    words = ("--move", "3=1.5", "--move", "local 1=-2", "--move", "local 2=1", "--keep-length")
    recipe = rendered(run, model, tmp_path / "a.png", photo, *words)
    start = Recipe(checkpoint=opened.digest, base=read_image(opened, photo))
    assert recipe.offsets == ((2, 1.5),)
    assert recipe.keep_length
    found = {move.vector: move.offset for move in recipe.moves}
    one, two = find_local_directions(opened, start).moves[:2]
    assert found == {one.vector: -2.0, two.vector: 1.0}
    words = ("--move", "3=1.5", "--move", "local 1=-2", "--lock", "local 1", "--lock", "2")
    recipe = rendered(run, model, tmp_path / "b.png", photo, *words)
    assert recipe.locked == (1,)
    assert [(move.offset, move.locked) for move in recipe.moves] == [(-2.0, True)]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--between", "seed:2", "--between", "seed:3"), "between two pictures or between four"),
        (("--between", "seed:2", "--place", "1.5"), "share of its second image is not between 0 and 1"),
        (("--between", "seed:2", "--place", "0.5,x"), "'x' is not a finite number"),
        (("--between", "seed:2", "--place", "1,1,1"), "is not a share, such as 0.3, or a place such as 0.2,0.7"),
        (("--between", "nothing.png"), "nothing.png: "),
        (("--take", "3=seed:1"), "a scale from 1, the finest, to 2"),
        (("--take", "seed:1"), "give SCALE=PICTURE"),
        (("--move", "3"), "give DIRECTION=OFFSET"),
        (("--move", "99=1"), "there is no direction '99'"),
        (("--move", "1=nan"), "is not a finite number"),
        (("--move", "1=1e300"), "leads too far out"),
        (("--temperature", "1", "--temperature", "1", "--temperature", "2"), "has 3 temperatures"),
        (("--temperature", "-1"), "negative or not a number"),
    ],
)
def test_what_cannot_be_changed_is_said(
    words: tuple[str, ...], reason: str, run: Run, model: Path, tmp_path: Path
) -> None:
    code, _, told = run("render", "seed:1", *words, "-m", model, "-o", tmp_path / "no.png")
    assert code == 1
    assert reason in " ".join(told.split())
    assert not (tmp_path / "no.png").exists()


def test_an_image_is_taken_by_its_pixels_unless_it_holds_a_recipe_of_no_use(
    run: Run, model: Path, opened: OpenedModel, photo: Path, tmp_path: Path
) -> None:
    recipe = rendered(run, model, tmp_path / "a.png", photo)
    assert recipe == Recipe(checkpoint=opened.digest, base=read_image(opened, photo))
    with PIL.Image.open(photo) as one, PIL.Image.open(tmp_path / "a.png") as other:
        assert np.array_equal(np.asarray(one), np.asarray(other))
    colour = Recipe(checkpoint="x", base=Image((4, 4, 3), bytes(48)))
    save_picture(tmp_path / "colour.png", np.zeros((4, 4, 3), np.uint8), colour)
    code, _, told = run("render", tmp_path / "colour.png", "--kept", "-m", model, "-o", tmp_path / "no.png")
    assert code == 1
    assert "holds no usable recipe" in told


def test_a_model_without_directions_names_the_local_ones(run: Run, tmp_path: Path) -> None:
    write_small_model(tmp_path / "bare.safetensors", directions=0)
    words = ("render", "seed:1", "-m", tmp_path / "bare.safetensors", "-o", tmp_path / "a.png", "--sweep")
    code, _, told = run(*words, "1")
    assert code == 1
    assert "there is no direction '1'; there are 'local 1' to 'local 8'" in told
    assert run(*words, "local 1")[0] == 0
