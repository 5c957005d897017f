"""`nvp-studio neighbours` and `nvp-studio map`."""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from nvp_studio.explore.image_map import make_image_map
from nvp_studio.explore.model import open_model
from nvp_studio.explore.neighbours import find_neighbours
from tests.cli.conftest import Run
from tests.small_model import random_images


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "known.npz"
    train = random_images(60, seed=5)
    np.savez(path, train_images=train, val_images=train[:5], test_images=random_images(120, seed=6))
    PIL.Image.fromarray(train[12, ..., 0]).save(tmp_path / "copy.png")
    PIL.Image.fromarray(random_images(1, seed=7)[0, ..., 0]).save(tmp_path / "new.png")
    return path


def test_neighbours_are_told_with_what_their_distance_means(run: Run, model: Path, data: Path) -> None:
    words = "-m", model, "--data", data, "--count", "3"
    code, told, _ = run("neighbours", data.with_name("copy.png"), *words, "--json", "--space", "both")
    assert code == 0
    facts = json.loads(told)
    assert facts["held_out"] == "test"
    pixels, latents = facts["neighbours"]["pixels"], facts["neighbours"]["latents"]
    assert pixels["indices"][0] == latents["indices"][0] == 12
    assert pixels["distances"][0] == 0
    assert (pixels["training_image"], pixels["possible_copy"], pixels["percent_as_near"]) == (True, True, 0)
    code, told, _ = run("neighbours", data.with_name("new.png"), *words)
    opened = open_model(model)
    found = find_neighbours(opened, random_images(1, seed=7)[0], str(data), count=3)
    assert code == 0
    lines = told.splitlines()
    assert lines[0] == "image of known.npz  distance in pixels, grey levels"
    assert [line.split() for line in lines[1:4]] == [
        [str(index), f"{distance:.2f}"] for index, distance in zip(found.indices, found.distances, strict=True)
    ]
    assert f"{found.percent:.1f} % of 120 test images are as near to a training image" in lines[4]


def test_what_cannot_be_compared_is_said(run: Run, model: Path, data: Path) -> None:
    picture = data.with_name("new.png")
    for words, code, reason in (
        ((picture,), 1, "choose other data"),
        ((picture, "--data", "nowhere"), 1, "no data set and no file named 'nowhere'"),
        ((data.with_name("none.png"), "--data", data), 1, "none.png"),
        ((picture, "--data", data, "--space", "colours"), 2, "give pixels, latents or both"),
    ):
        ended, told, complaint = run("neighbours", *words, "-m", model)
        assert ended == code
        assert told == ""
        assert reason in complaint


def test_a_map_is_written_with_every_image_at_its_place(run: Run, model: Path, data: Path) -> None:
    path = data.with_name("map.png")
    words = "map", "-m", model, "--data", data, "-o", path, "--side", "400"
    code, told, _ = run(*words, "--json", "--count", "50", "--scale", "2")
    assert code == 0
    facts = json.loads(told)
    assert (facts["images"], facts["space"], facts["method"]) == (50, "pixels", "pca")
    made = make_image_map(open_model(model), str(data), "x", count=50)
    assert facts["variance"] == pytest.approx(made.shares, abs=1e-5)
    with PIL.Image.open(path) as file:
        image = np.asarray(file)
    assert max(image.shape) == 400
    right, top = made.places[:, 0].argmax(), made.places[:, 1].argmax()
    columns = np.nonzero(image != 255)[1]
    assert image.shape[1] - columns.max() == pytest.approx(8, abs=4)
    for index, corner in ((right, image[:, -9:-8]), (top, image[8:9])):
        colours = set(made.thumbnails[index].ravel().tolist()) | {255, 128}
        assert set(corner.ravel().tolist()) <= colours
    code, _, complaint = run(*words, "--method", "umap")
    if find_spec("umap") is None:
        assert code == 1
        assert "pip install 'nvp-studio[map]'" in complaint
    for wrong in (("--space", "colours"), ("--method", "tsne"), ("-o", data.with_name("map.jpg"))):
        assert run(*words, *wrong)[0] == 2
