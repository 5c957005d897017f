"""Tables of scores that are gone on with, and labels of files."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from nvp_studio.commands.score_watch import watched
from nvp_studio.explore import open_model
from nvp_studio.score_row import ScoreRow
from tests.cli.conftest import Run
from tests.small_model import random_images, write_small_model


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six images in two folders."""
    for number, image in enumerate(random_images(6)):
        folder = tmp_path / "photos" / ("cat" if number < 4 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(image[..., 0]).save(folder / f"{number}.png")
    return tmp_path / "photos"


@pytest.fixture
def other_model(tmp_path: Path) -> Path:
    """A model of the same images with other weights."""
    write_small_model(tmp_path / "other.safetensors", seed=7)
    return tmp_path / "other.safetensors"


def _digest(model: Path) -> str:
    return open_model(model).digest


def _rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _replace(photos: Path) -> None:
    """Give 2.png other content and the same time; add a file."""
    PIL.Image.fromarray(random_images(1, seed=9)[0, ..., 0]).save(photos / "cat" / "2.png")
    shutil.copy(photos / "cat" / "0.png", photos / "dog" / "6.png")


def test_going_on_scores_files_whose_content_changed(run: Run, model: Path, photos: Path, tmp_path: Path) -> None:
    words = ["score", photos, "-m", model, "--reference", "none", "--csv", tmp_path / "one.csv", "--resume"]
    assert run(*words)[0] == 0
    first = {row["path"]: row for row in _rows(tmp_path / "one.csv")}
    _replace(photos)
    code, _, err = run(*words)
    assert code == 0, err
    assert "5 are scored already" in err
    assert "2 scored" in err
    rows = _rows(tmp_path / "one.csv")
    second = {row["path"]: row for row in rows}
    assert len(rows) == len(second) == 7
    changed = str(photos / "cat" / "2.png")
    assert {path for path in first if second[path] != first[path]} == {changed}
    assert second[changed]["content"] != first[changed]["content"]


def test_going_on_with_members_of_an_archive(run: Run, model: Path, photos: Path, tmp_path: Path) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "photos"), "zip", photos))
    words = ["score", archive, "-m", model, "--reference", "none", "--csv", tmp_path / "one.csv", "--resume"]
    assert run(*words)[0] == 0
    _replace(photos)
    shutil.make_archive(str(tmp_path / "photos"), "zip", photos)
    code, _, err = run(*words)
    assert code == 0, err
    assert "5 are scored already" in err
    assert len({row["path"] for row in _rows(tmp_path / "one.csv")}) == len(_rows(tmp_path / "one.csv")) == 7


def test_going_on_with_a_parquet_file(run: Run, model: Path, photos: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / "one.parquet"
    (photos / "cat" / "1.png").write_bytes(b"none")
    words = ["score", photos, "-m", model, "--reference", "none", "--parquet", out, "--resume"]
    assert run(*words)[0] == 1
    assert parquet.read_table(out).num_rows == 6
    shutil.copy(photos / "cat" / "0.png", photos / "cat" / "1.png")
    _replace(photos)
    code, _, err = run(*words)
    assert code == 0, err
    assert "4 are scored already" in err
    rows = parquet.read_table(out).to_pylist()
    assert len({row["path"] for row in rows}) == len(rows) == 7
    assert not any(row["error"] for row in rows)
    out.write_bytes(b"no table")
    code, _, err = run(*words)
    assert code == 1
    assert "is no table of scores" in err
    assert out.read_bytes() == b"no table"


def _parquet_rows(path: Path) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = pytest.importorskip("pyarrow.parquet").read_table(path).to_pylist()
    return rows


KILLED = """
import os, signal, sys
from nvp_studio.cli import main
from nvp_studio.commands.score_output import Tally
add, rows = Tally.add, []
def add_or_die(tally, row):
    rows.append(row)
    if len(rows) == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    add(tally, row)
Tally.add = add_or_die
main(sys.argv[1:])
"""
"""The command line, which is killed when its fifth row comes."""


@pytest.mark.skipif(os.name != "posix", reason="kills a process by a signal")
@pytest.mark.slow_repeats
@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("resumed", [False, True])
def test_a_killed_command_loses_nothing_that_was_scored(
    run: Run, model: Path, photos: Path, tmp_path: Path, form: str, resumed: bool
) -> None:
    if form == "parquet":
        pytest.importorskip("pyarrow")
    table = tmp_path / f"one.{form}"
    words = ["score", photos, "-m", model, "--reference", "none", f"--{form}", table]
    if resumed:  # the table holds two of the images before
        run("score", photos / "dog", *words[2:])
        for number in range(6, 12):
            shutil.copy(photos / "cat" / "0.png", photos / "cat" / f"{number}.png")
        words.append("--resume")
    killed = subprocess.run([sys.executable, "-c", KILLED, *map(str, words)], capture_output=True, timeout=120)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    code, _, err = run(*words, *([] if resumed else ["--resume"]))
    assert code == 0, err
    scored = 4 + 2 * resumed
    assert f"{scored} are scored already" in err
    assert f"{(12 if resumed else 6) - scored} scored" in err
    rows = _rows(table) if form == "csv" else _parquet_rows(table)
    assert sorted(str(row["path"]) for row in rows) == sorted(map(str, photos.rglob("*.png")))
    assert [path.name for path in tmp_path.glob("one*")] == [table.name], "nothing is left beside the table"
    before = {row["path"]: row["bits_per_dim"] for row in rows}
    run(*words[:8])  # in one go
    assert {row["path"]: row["bits_per_dim"] for row in (_rows(table) if form == "csv" else _parquet_rows(table))} == (
        before
    )


def test_a_table_is_gone_on_with_by_its_own_model_and_columns(
    run: Run, model: Path, photos: Path, tmp_path: Path, other_model: Path
) -> None:
    table = tmp_path / "one.csv"
    words = ["score", photos, "--reference", "none", "--csv", table]
    run(*words, "-m", model)
    before = table.read_bytes()
    code, _, err = run(*words, "-m", other_model, "--resume")
    assert (code, table.read_bytes()) == (1, before)
    assert "has scores by" in err
    code, _, err = run(*words, "-m", model, "--resume", "--details")
    assert (code, table.read_bytes()) == (1, before)
    assert "has other columns, so nothing is added to it; it was written without --details" in err
    run(*words, "-m", model, "--details")
    shutil.copy(photos / "cat" / "0.png", photos / "dog" / "6.png")
    code, _, err = run(*words, "-m", model, "--resume")
    assert code == 0, err
    assert all(row["nats"] for row in _rows(table)), "rows that are added have the columns of the table"
    assert {row["model_sha256"] for row in _rows(table)} == {_digest(model)}


def test_labels_of_a_table_are_carried_by_scores_and_latents(
    run: Run, model: Path, photos: Path, tmp_path: Path
) -> None:
    table = tmp_path / "labels.csv"
    absolute = photos / "dog" / "4.png"
    table.write_text(f"label,path\nblack,cat/0.png\nwhite,photos/cat/1.png\n=sum(),{absolute}\n", "utf-8")
    expected = {"0.png": "black", "1.png": "white", "4.png": "=sum()"}
    code, out, err = run("score", photos, "-m", model, "--reference", "none", "--labels", table, "--json")
    assert code == 0, err
    rows = [json.loads(line) for line in out.splitlines()[:-1]]
    assert {Path(row["path"]).name: row["label"] for row in rows if row["label"]} == expected
    run("score", photos, "-m", model, "--reference", "none", "--labels", table, "--csv", tmp_path / "one.csv")
    assert [row["label"] for row in _rows(tmp_path / "one.csv")] == ["black", "white", "", "", "'=sum()", ""]
    code, _, err = run("encode", photos, "-m", model, "--labels", table, "-o", tmp_path / "z.npz")
    assert code == 0, err
    with np.load(tmp_path / "z.npz") as found:
        assert found["label_name"].tolist() == ["black", "white", "", "", "=sum()", ""]
        assert found["label"].tolist() == [1, 2, -1, -1, 0, -1]
    run("encode", photos, "-m", model, "-o", tmp_path / "z.npz")
    with np.load(tmp_path / "z.npz") as found:
        assert found["label_name"].tolist() == ["cat"] * 4 + ["dog"] * 2
        assert found["label"].tolist() == [0] * 4 + [1] * 2


@pytest.mark.parametrize("content", [b"name,class\n", b"", b"path,label\n\xff\xfe,x\n"])
def test_a_table_without_labels_is_told(run: Run, model: Path, photos: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "labels.csv").write_bytes(content)
    code, _, err = run("score", photos, "-m", model, "--labels", tmp_path / "labels.csv")
    assert code == 1
    assert "labels.csv" in err


def test_only_new_and_whole_files_are_handed_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The watcher alone, look by look."""
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "old.png").write_bytes(b"old")
    (folder / "half.png").write_bytes(b"ha")
    looks, asked = 0, []

    def stopped() -> bool:
        nonlocal looks
        looks += 1
        if looks == 20:
            (folder / "half.png").write_bytes(b"half")
        if looks == 60:
            (folder / "old.png").write_bytes(b"newer")
        return looks > 200

    def score(paths: list[Path]) -> list[ScoreRow]:
        asked.extend((path.name, path.read_bytes()) for path in paths)
        return [ScoreRow(path=path.name, bits_per_dim=None if path.stat().st_size == 2 else 1.0) for path in paths]

    rows = list(watched([folder, tmp_path / "none"], 0.001, lambda path: path.name == "old.png", score, stopped))
    assert [row.path for row in rows if row.bits_per_dim] == ["half.png", "old.png"]
    assert asked[0] == ("half.png", b"ha")
    assert capsys.readouterr().err.count("is missing; waiting for it") == 1
    assert ("old.png", b"old") not in asked
