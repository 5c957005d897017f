"""`score`, `encode` and a run from a model on several processes: the output of one."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nvp_studio.training.runs import read_metrics
from tests.cli.conftest import Run
from tests.small_model import random_images, write_small_model
from tests.training.launch import COMMAND_LINE, launch

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="gloo between local processes"),
    pytest.mark.timeout(600),
]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """11 images, of which one is too large and one is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, image in enumerate(random_images(11)):
        Image.fromarray(image[:, :, 0]).save(folder / f"{number:02}.png")
    Image.fromarray(random_images(1, (1, 16, 16))[0, :, :, 0]).save(folder / "03.png")
    (folder / "07.png").write_bytes(b"no picture")
    return folder


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_scores_come_in_the_order_of_the_files(run: Run, model: Path, photos: Path, tmp_path: Path) -> None:
    words = ["score", photos, "--model", model, "--device", "cpu", "--csv"]
    code, _, _ = run(*words, tmp_path / "one.csv")
    processes = launch(3, COMMAND_LINE, *words, tmp_path / "three.csv")
    assert (code, [process.code for process in processes]) == (1, [1, 0, 0]), "a file cannot be read"
    one, three = rows_of(tmp_path / "one.csv"), rows_of(tmp_path / "three.csv")
    assert [row["path"] for row in three] == [str(photos / f"{number:02}.png") for number in range(11)]
    for row, other in zip(one, three, strict=True):
        assert (row["notes"], row["error"]) == (other["notes"], other["error"])
        if row["bits_per_dim"]:
            assert float(row["bits_per_dim"]) == pytest.approx(float(other["bits_per_dim"]), abs=1e-5)
    assert [process.out for process in processes[1:]] == ["", ""]
    assert "10 scored, 1 could not be read" in processes[0].err


def test_a_split_is_scored_once(run: Run, model: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x_train=random_images(20), x_test=random_images(701, seed=4))
    words = ["score", "--data", tmp_path / "data.npz", "--model", model, "--device", "cpu", "--csv"]
    run(*words, tmp_path / "one.csv")
    for process in launch(2, COMMAND_LINE, *words, tmp_path / "two.csv"):
        assert process.code == 0, process.err
    one, two = rows_of(tmp_path / "one.csv"), rows_of(tmp_path / "two.csv")
    assert [row["path"] for row in two] == [f"test/{number}" for number in range(701)]
    for row, other in zip(one, two, strict=True):
        assert float(row["bits_per_dim"]) == pytest.approx(float(other["bits_per_dim"]), abs=1e-5)


def test_latents_come_in_the_order_of_the_files(run: Run, model: Path, photos: Path, tmp_path: Path) -> None:
    words = ["encode", photos, "--model", model, "--device", "cpu", "-o"]
    code, _, _ = run(*words, tmp_path / "one.npz")
    processes = launch(2, COMMAND_LINE, *words, tmp_path / "two.npz")
    assert (code, processes[0].code) == (1, 1)
    assert processes[0].err.count("\n") == 2, "what was changed, and what cannot be read, once"
    with np.load(tmp_path / "one.npz") as one, np.load(tmp_path / "two.npz") as two:
        assert one["names"].tolist() == two["names"].tolist()
        assert len(two["z"]) == 10
        np.testing.assert_allclose(one["z"], two["z"], atol=1e-4)
        assert two["exact"].all()


@pytest.mark.slow
def test_every_process_begins_from_the_model(run: Run, model: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", images=random_images(90))
    words = ["train", "--from", model, "--data", tmp_path / "data.npz", "--batch-size", 8, "--steps", 3]
    words += ["--device", "cpu", "--threads", 1, "--runs", tmp_path, "--name"]
    assert run(*words, "one")[0] == 0
    for process in launch(2, COMMAND_LINE, *words, "two"):
        assert process.code == 0, process.err
    one, two = (read_metrics(tmp_path / name) for name in ("one", "two"))
    assert [step.train for step in two] == pytest.approx([step.train for step in one], abs=1e-3)


def test_a_wrong_model_is_told_once(model: Path, photos: Path, tmp_path: Path) -> None:
    processes = launch(2, COMMAND_LINE, "encode", photos, "--model", tmp_path / "none", "-o", tmp_path / "z.npz")
    assert [process.code for process in processes] == [1, 1]
    assert len([line for process in processes for line in process.err.splitlines()]) == 1


@pytest.mark.slow
def test_a_reference_and_a_report_are_shared(run: Run, photos: Path, tmp_path: Path) -> None:
    """Rank 0 alone makes the reference and the report; all ranks judge by it."""
    write_small_model(tmp_path / "small.safetensors")
    good = tmp_path / "good"
    good.mkdir()
    for number, image in enumerate(random_images(120, seed=7)):
        Image.fromarray(image[:, :, 0]).save(good / f"{number:03}.png")
    model = ["-m", tmp_path / "small.safetensors", "--device", "cpu"]
    words = ["score", photos, *model, "--reference", good, "--false-alarms", "10%", "--csv"]
    processes = launch(2, COMMAND_LINE, *words, tmp_path / "two.csv", "--report", tmp_path / "two.html")
    assert [process.code for process in processes] == [1, 0], processes
    run(*words, tmp_path / "one.csv")
    one, two = rows_of(tmp_path / "one.csv"), rows_of(tmp_path / "two.csv")
    assert [row["path"] for row in two] == [row["path"] for row in one]
    for row, other in zip(one, two, strict=True):
        assert bool(other["verdict"]) == (not other["error"])
        assert (row["label"], row["content"], row["error"]) == (other["label"], other["content"], other["error"])
        if row["p_value"]:
            assert float(other["p_value"]) == pytest.approx(float(row["p_value"]), abs=2 / 48), "one rank or the next"
    assert "10 images scored" in (tmp_path / "two.html").read_text("utf-8")
    assert len(list(tmp_path.glob("*.references/*"))) == 1


def test_a_reference_of_too_few_images_is_told_once(model: Path, photos: Path, tmp_path: Path) -> None:
    """Rank 0 alone makes it, while the others wait."""
    processes = launch(2, COMMAND_LINE, "score", photos, "-m", model, "--reference", photos, "--device", "cpu")
    assert [process.code for process in processes] == [1, 1]
    lines = [line for process in processes for line in process.err.splitlines()]
    assert len(lines) == 1, lines
    assert "a reference needs at least" in lines[0]
