"""`ledger` gives the score of `score`, row by row; `doctor` says which layer misbehaves."""

import json
import math
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import Run
from tests.small_model import random_images


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    Image.fromarray(random_images(1, seed=3)[0, :, :, 0]).save(path)
    return path


@pytest.mark.parametrize("samples", [1, 3])
def test_the_rows_add_up_to_the_score_of_the_same_file(run: Run, model: Path, picture: Path, samples: int) -> None:
    words = ["--model", model, "--samples", samples, "--seed", 5, "--json"]
    code, out, _ = run("ledger", picture, *words)
    assert code == 0
    made = json.loads(out)
    scored = json.loads(run("score", picture, "--reference", "none", *words)[1].splitlines()[0])
    assert made["bits_per_dim"] == scored["bits_per_dim"]
    rows = made["rows"]
    assert set(rows[0]) == {"layer", "nats", "bits_per_dim", "shape"}
    assert math.fsum(row["bits_per_dim"] for row in rows) == pytest.approx(made["bits_per_dim"], abs=1e-12)
    assert math.fsum(row["nats"] for row in rows) == pytest.approx(made["nats"], abs=1e-9)
    assert rows[0]["layer"] == "dequantization"
    assert rows[0]["bits_per_dim"] == pytest.approx(8)


def test_the_table_adds_up_as_it_is_printed(run: Run, model: Path, picture: Path) -> None:
    code, out, _ = run("ledger", picture, "--model", model)
    lines = [line.rsplit(None, 2) for line in out.splitlines()[1:]]
    *rows, score = lines
    assert code == 0
    assert sum(round(10_000 * float(value)) for _, value, _ in rows) == round(10_000 * float(score[-1]))
    assert rows[-1][-1] == score[-1]


def test_what_is_no_image_is_one_line(run: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("text")
    for path in (tmp_path / "text.png", tmp_path / "none.png", tmp_path):
        code, out, err = run("ledger", path, "--model", model)
        assert (code, out) == (1, "")
        assert len(err.splitlines()) == 1


def test_the_doctor_ends_with_0_for_a_sound_model(run: Run, model: Path, picture: Path) -> None:
    code, out, _ = run("doctor", model, "--image", picture)
    assert code == 0
    assert "no problem was found" in out
    facts = json.loads(run("doctor", model, "--json")[1])
    assert facts["sound"] is True
    assert facts["images"] == 16
    assert facts["layers"][1]["layer"] == "logit"
