"""Directions from one group of pictures to another: how they are found, their file, and the command line."""

import base64
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from msgspec.structs import replace

from nvp_studio.cli import main
from nvp_studio.direction_file import (
    MAX_DIRECTIONS,
    OwnDirection,
    direction_file,
    merged,
    read_directions,
    write_directions,
)
from nvp_studio.explore.model import OpenedModel, open_model
from nvp_studio.explore.own_directions import (
    direction_between,
    make_direction,
    read_own_directions,
    read_pictures,
    shrinkage,
)
from nvp_studio.explore.pictures import save_picture
from nvp_studio.explore.rendering import draw, latent
from nvp_studio.recipe import Image, Move, Recipe, Seed
from tests.small_model import write_small_model


@pytest.fixture
def opened(tmp_path: Path) -> OpenedModel:
    """A model in a folder of its own, where its directions are kept."""
    write_small_model(tmp_path / "small.safetensors")
    return open_model(tmp_path / "small.safetensors")


def samples(first: int, count: int) -> list[Recipe]:
    return [Recipe(checkpoint="", base=Seed(seed)) for seed in range(first, first + count)]


def test_few_pictures_give_half_of_the_difference_of_their_means(opened: OpenedModel) -> None:
    a, b = samples(0, 3), samples(10, 2)
    made = make_direction(opened, " up ", a, b)
    means = [np.mean([latent(opened, recipe)[0].double().numpy() for recipe in side], 0) for side in (a, b)]
    assert np.frombuffer(made.vector, "<f2") == pytest.approx((means[1] - means[0]) / 2, abs=2e-3)
    assert (made.name, made.method, made.pictures, made.checkpoint) == ("up", "means", (3, 2), opened.digest)


def test_many_pictures_give_the_normal_of_a_discriminant_with_a_shrunk_covariance() -> None:
    chance = np.random.default_rng(3)
    spread = np.exp(chance.standard_normal(30))
    a, b = chance.standard_normal((40, 30)) * spread, chance.standard_normal((25, 30)) * spread
    b[:, 4] += 6 * spread[4]
    vector, method = direction_between(a, b)
    assert method == "classifier"
    x = np.concatenate((a - a.mean(0), b - b.mean(0)))
    share, mean = shrinkage(x)
    assert 0 < share < 1
    covariance = x.T @ x / len(x)
    assert mean == pytest.approx(np.trace(covariance) / 30)
    difference = b.mean(0) - a.mean(0)
    normal = np.linalg.solve((1 - share) * covariance + share * mean * np.eye(30), difference)
    unit = normal / np.linalg.norm(normal)
    assert vector == pytest.approx(unit * (difference @ unit) / 2)
    threshold = (a.mean(0) + b.mean(0)) @ unit / 2
    assert np.mean(np.concatenate((a @ unit < threshold, b @ unit > threshold))) > 0.97
    assert vector @ unit * 2 == pytest.approx((b.mean(0) - a.mean(0)) @ unit), "+2 is the whole way from A to B"


def test_the_shrinkage_is_ledoit_and_wolfs() -> None:
    x = np.random.default_rng(5).standard_normal((12, 5)) * (1, 2, 3, 1, 1)
    x -= x.mean(0)
    covariance = x.T @ x / 12
    mean = np.trace(covariance) / 5
    distance = ((covariance - mean * np.eye(5)) ** 2).sum()
    error = sum(((np.outer(row, row) - covariance) ** 2).sum() for row in x) / 12**2
    assert shrinkage(x)[0] == pytest.approx(min(error, distance) / distance)


@pytest.mark.parametrize(("a", "b", "reason"), [(0, 2, "at least one picture"), (1, 1, "do not differ")])
def test_groups_that_give_no_direction_are_refused(opened: OpenedModel, a: int, b: int, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        make_direction(opened, "no", samples(0, a), samples(0, b))


def test_pictures_are_read_with_their_recipes_and_from_folders(opened: OpenedModel, tmp_path: Path) -> None:
    recipe = Recipe(checkpoint=opened.digest, base=Seed(3), offsets=((1, 2.0),))
    image = draw(opened, [recipe]).images[0]
    save_picture(tmp_path / "with-recipe.png", image, recipe, 2)
    folder = tmp_path / "folder"
    folder.mkdir()
    for level in (10, 200):
        PIL.Image.fromarray(np.full((8, 8), level, np.uint8)).save(folder / f"{level}.png")
    found = read_pictures(opened, [tmp_path / "with-recipe.png", folder])
    assert found[0] == recipe
    bases = [one.base for one in found[1:]]
    assert all(isinstance(base, Image) for base in bases)
    assert {base.pixels[0] for base in bases if isinstance(base, Image)} == {10, 200}
    with pytest.raises(ValueError, match="more than 1 pictures"):
        read_pictures(opened, [folder], most=1)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no pictures"):
        read_pictures(opened, [tmp_path / "empty"])


def own(seed: int, name: str = "own", size: int = 64) -> OwnDirection:
    return OwnDirection(name, np.random.default_rng(seed).standard_normal(size).astype("<f2").tobytes(), "ab")


def test_the_file_lies_beside_the_model_or_where_the_environment_says(
    opened: OpenedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NVP_STUDIO_DIRECTIONS", str(tmp_path / "mine"))
    path = direction_file(opened.path, opened.digest)
    assert path == tmp_path / "small.directions.json"
    assert read_own_directions(opened) == ()
    write_directions(path, [own(1), own(2, "other")])
    assert read_own_directions(opened) == (own(1), own(2, "other"))
    included = open_model("fashion-mnist")
    file = direction_file(included.path, included.digest)
    assert file == tmp_path / "mine" / f"{included.digest[:32]}.directions.json"


def test_directions_of_two_files_are_merged_without_doubles_and_equal_names() -> None:
    both = merged([own(1), own(2, "b")], [own(2, "c"), own(3)])
    assert [(one.name, one.vector) for one in both] == [
        ("own", own(1).vector),
        ("b", own(2).vector),
        ("own 2", own(3).vector),
    ]
    with pytest.raises(ValueError, match="at most 64"):
        merged([], [own(seed, str(seed)) for seed in range(MAX_DIRECTIONS + 1)])


def _entry(**changes: object) -> dict[str, object]:
    vector = base64.b64encode(np.zeros(64, "<f2").tobytes()).decode()
    return {"name": "a", "vector": vector, "checkpoint": ""} | changes


def _encoded(value: float) -> str:
    return base64.b64encode(np.full(64, value, "<f2").tobytes()).decode()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no file of directions"),
        (b"[" * 100_000, "no file of directions"),
        (b'{"format": "other", "directions": []}', "no file of directions"),
        ([_entry(name="")], "no file of directions"),
        ([_entry(name="  ")], "has no name"),
        ([_entry(name="x" * 61)], "no file of directions"),
        ([_entry(vector="AAAA")], "another size"),
        ([_entry(vector=_encoded(np.nan))], "not finite or too large"),
        ([_entry(vector=_encoded(6e4))], "not finite or too large"),
        ([_entry(), _entry()], "one name"),
        ([_entry(name="a\u202e\n", vector="AAAA")], "another size"),
        ([_entry(name=str(number)) for number in range(65)], "no file of directions"),
        ([_entry(pictures=[-1, 2])], "no file of directions"),
    ],
)
def test_a_file_from_a_stranger_is_refused_in_one_line(content: object, reason: str, tmp_path: Path) -> None:
    whole = {"format": "nvp-studio-directions", "directions": content}
    path = tmp_path / "strange.directions.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(whole).encode())
    with pytest.raises(ValueError, match=reason) as caught:
        read_directions(path, 64)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000


def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        return int(ended.value.code or 0), *capsys.readouterr()

    return call


def test_the_command_line_makes_shares_and_sweeps_directions(
    opened: OpenedModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = command(capsys)
    sides = {"a": samples(0, 2), "b": samples(5, 3)}
    for name, recipes in sides.items():
        (tmp_path / name).mkdir()
        for number, image in enumerate(draw(opened, recipes).images):
            PIL.Image.fromarray(image[..., 0]).save(tmp_path / name / f"{number}.png")
    model = ("-m", opened.path)
    words = ("--from", tmp_path / "a", "--to", tmp_path / "b")
    code, out, _ = run("direction", "lighter", *words, *model, "--json")
    assert code == 0
    assert json.loads(out)["directions"] == [
        {"name": "lighter", "pictures": [2, 3], "method": "means", "checkpoint": opened.digest}
    ]
    (kept,) = read_own_directions(opened)
    expected = make_direction(
        opened, "lighter", read_pictures(opened, [tmp_path / "a"]), read_pictures(opened, [tmp_path / "b"])
    )
    assert replace(kept, vector=b"") == replace(expected, vector=b"")
    vectors = [np.frombuffer(one.vector, "<f2").astype(float) for one in (kept, expected)]
    assert vectors[0] == pytest.approx(vectors[1], rel=2e-3, abs=1e-3), "to the rounding of float16"
    assert "already" in run("direction", "lighter", *words, *model)[2]

    save_picture(tmp_path / "p.png", draw(opened, samples(1, 1)).images[0], samples(1, 1)[0])
    sheet = ("--sweep", "lighter", "--from", "-2", "--to", "2", "--steps", "3", "-o", tmp_path / "sheet.png")
    assert run("render", tmp_path / "p.png", *sheet, *model)[0] == 0
    with PIL.Image.open(tmp_path / "sheet.png") as file:
        pictures = np.asarray(file).reshape(8, 3, 8).transpose(1, 0, 2)
    base = samples(1, 1)[0]
    moved = [base.with_move(Move("lighter", kept.vector, offset)) for offset in (-2.0, 0.0, 2.0)]
    assert np.array_equal(pictures, draw(opened, moved).images[..., 0])

    assert run("direction", "--export", tmp_path / "shared.json", *model)[0] == 0
    assert run("direction", "lighter", "--remove", *model)[0] == 0
    assert read_own_directions(opened) == ()
    assert run("direction", "lighter", "--remove", *model)[0] == 1
    assert run("direction", "--import", tmp_path / "shared.json", *model)[0] == 0
    assert read_own_directions(opened) == (kept,)
    assert "lighter" in run("direction", "--list", *model)[1]
    assert run("direction", "--import", tmp_path / "missing.json", *model)[0] == 1
    assert run("direction", "x", "--from", tmp_path / "a", *model)[0] == 2
