"""Verdicts on the command line: references, maps, going on with a file, comparing groups."""

import csv
import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from tests.cli.conftest import Run
from tests.small_model import random_images, write_small_model


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, a folder of good images, one of others that are drawn alike, and one of noise."""
    root = tmp_path_factory.mktemp("verdicts")
    write_small_model(root / "small.safetensors")
    noise = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1), np.uint8)
    for name, images in (
        ("good", random_images(300)),
        ("usual", random_images(20, seed=5)),
        ("noise", noise),
    ):
        (root / name).mkdir()
        for index, image in enumerate(images):
            PIL.Image.fromarray(image[..., 0]).save(root / name / f"{index:03}.png")
    return root


def _rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_reference_of_a_folder_gives_verdicts_maps_and_everything_measured(
    run: Run, files: Path, tmp_path: Path
) -> None:
    model, out = files / "small.safetensors", tmp_path / "out.csv"
    code, _, err = run("reference", files / "good", "-m", model, "--name", "fine")
    assert code == 0, err
    assert "reference fine: 300 images" in err
    code, printed, _ = run("reference", "--list", "-m", model, "--json")
    assert [one["name"] for one in json.loads(printed)] == ["fine"]
    words = ["-m", model, "--reference", "fine", "--false-alarms", "5%"]
    code, _, err = run(
        "score", files / "noise", files / "usual", *words, "--csv", out, "--details", "--map", tmp_path / "maps"
    )
    assert code == 0, err
    rows = _rows(out)
    assert {row["label"] for row in rows} == {"noise", "usual"}
    called = {
        label: sum(row["verdict"] != "typical" for row in rows if row["label"] == label) for label in ("noise", "usual")
    }
    assert called["noise"] >= 18
    assert called["usual"] <= 6
    for row in rows:
        assert bool(row["reasons"]) == (row["verdict"] != "typical")
        assert (float(row["p_value"]) <= 0.05) == (row["verdict"] != "typical")
        assert float(row["complexity"]) == pytest.approx(
            float(row["bits_per_dim"]) - 8 * int(row["webp_bytes"]) / 64, abs=1e-4
        )
    maps = list((tmp_path / "maps").iterdir())
    assert len(maps) == 40
    with PIL.Image.open(maps[0]) as picture:
        assert picture.format == "PNG"
        assert picture.height == 256
    assert "called unusual or far outside" in err

    code, printed, err = run("compare", files / "usual", files / "noise", *words, "--json")
    assert code == 0, err
    found = json.loads(printed)
    assert found["images"] == [20, 20]
    assert set(found["auroc"]) >= {"bits_per_dim", "complexity", "verdict"}
    assert found["auroc"]["verdict"]["low"] <= found["auroc"]["verdict"]["value"] <= found["auroc"]["verdict"]["high"]
    assert found["auroc"]["verdict"]["value"] > 0.9
    assert found["called_unusual"][1] >= 18


def test_a_model_without_its_data_scores_without_verdicts(run: Run, files: Path, tmp_path: Path) -> None:
    model, out = files / "small.safetensors", tmp_path / "out.csv"
    code, _, err = run("score", files / "usual", "-m", model, "--csv", out)
    assert code == 0
    assert "no verdicts: " in err
    assert {(row["verdict"], row["p_value"]) for row in _rows(out)} == {("", "")}
    code, _, err = run("score", files / "usual", "-m", model, "--reference", "unknown")
    assert code == 1
    assert "no reference 'unknown'" in err


def test_going_on_skips_what_is_scored(run: Run, files: Path, tmp_path: Path) -> None:
    model, out = files / "small.safetensors", tmp_path / "out.csv"
    words = ["-m", model, "--csv", out, "--reference", "none"]
    assert run("score", files / "usual", *words)[0] == 0
    whole = out.read_text("utf-8")
    lines = whole.splitlines(keepends=True)
    failed = lines[3].split(",")[0] + "," * 8 + "it was locked,\n"
    out.write_text("".join(lines[:3]) + failed + lines[4][:20], "utf-8")
    code, _, err = run("score", files / "usual", *words, "--resume")
    assert code == 0, err
    assert "2 are scored already" in err
    assert "18 scored" in err
    assert sorted(out.read_text("utf-8").splitlines()) == sorted(whole.splitlines())
    broken = "".join(lines[:-1]) + lines[-1].replace(".png", "\N{CAT}.png")
    out.write_bytes(broken.encode().split(b"\x90\x88")[0])  # ends in the middle of a character
    code, _, err = run("score", files / "usual", *words, "--resume")
    assert code == 0, err
    assert "19 are scored already" in err
    assert sorted(out.read_text("utf-8").splitlines()) == sorted(whole.splitlines())
    out.write_text("name,size\na,1\n", "utf-8")
    code, _, err = run("score", files / "usual", *words, "--resume")
    assert code == 1
    assert "other columns" in err
    assert out.read_text("utf-8") == "name,size\na,1\n"
    assert run("score", files / "usual", "-m", model, "--resume")[0] == 2


def test_a_second_model_gives_a_likelihood_ratio(run: Run, files: Path, tmp_path: Path) -> None:
    write_small_model(tmp_path / "other.safetensors", seed=3)
    words = ["--reference", "none", "--details", "--csv"]
    for model, other in (
        (files / "small.safetensors", tmp_path / "other.safetensors"),
        (tmp_path / "other.safetensors", None),
    ):
        extra = [] if other is None else ["--against", other]
        code, _, err = run("score", files / "usual", "-m", model, *extra, *words, tmp_path / f"{model.stem}.csv")
        assert code == 0, err
    first, second = _rows(tmp_path / "small.csv"), _rows(tmp_path / "other.csv")
    for one, two in zip(first, second, strict=True):
        expected = float(two["bits_per_dim"]) - float(one["bits_per_dim"])
        assert float(one["likelihood_ratio"]) == pytest.approx(expected, abs=1e-4)
        assert two["likelihood_ratio"] == ""
    words = ["-m", files / "small.safetensors", "--reference", "none", "--json"]
    against = ["--against", tmp_path / "other.safetensors"]
    code, out, err = run("compare", files / "usual", files / "noise", *words, *against)
    assert code == 0, err
    alone = json.loads(run("compare", files / "usual", files / "noise", *words)[1])["auroc"]
    found = json.loads(out)["auroc"]
    assert found.keys() - alone.keys() == {"likelihood_ratio"}
    assert 0 <= found["likelihood_ratio"]["low"] <= found["likelihood_ratio"]["value"] <= 1


@pytest.mark.parametrize("rate", ["0", "1", "150%", "much", "-1%", "nan"])
def test_a_rate_that_is_none_is_wrong_usage(run: Run, files: Path, rate: str) -> None:
    code, _, err = run("score", files / "usual", "-m", files / "small.safetensors", f"--false-alarms={rate}")
    assert code == 2
    assert "false-alarms" in err
