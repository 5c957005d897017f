"""`nvp-studio runs`: listing, comparing, labelling, exporting and throwing away."""

import json
from pathlib import Path

import pytest

from nvp_studio.runs.labels import read_labels
from nvp_studio.training.changes import ChangeRequest, RateChange, record_changes, take_request
from nvp_studio.training.config import StopRules
from tests.cli.conftest import Run
from tests.runs.folders import make_trained_run


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for name, level in (("one", 3.0), ("two", 2.0)):
        make_trained_run(tmp_path / "runs" / name, level=level)
    return tmp_path / "runs"


def test_lists_in_the_order_asked_for(run: Run, runs: Path) -> None:
    code, out, _ = run("runs", "list", "--runs", runs, "--sort", "best")
    lines = out.splitlines()
    assert code == 0
    assert lines[0].split()[:5] == ["run", "state", "data", "preset", "best"]
    assert [line.split()[0] for line in lines[1:]] == ["two", "one"]
    assert "2.0000" in lines[1]
    code, _, err = run("runs", "list", "--runs", runs, "--sort", "colour")
    assert code == 2
    assert "colour" in err


def test_lists_the_trash_likewise(run: Run, runs: Path) -> None:
    run("runs", "tag", "two", "good", "--runs", runs)
    run("runs", "rm", "one", "two", "--runs", runs)
    out = run("runs", "list", "--trash", "--sort", "name", "--runs", runs)[1]
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["one", "two"]
    out = run("runs", "list", "--trash", "--sort", "best", "--runs", runs)[1]
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["two", "one"]
    (found,) = json.loads(run("runs", "list", "--trash", "--tag", "good", "--json", "--runs", runs)[1])
    assert found["name"] == "two"


def test_labels_are_written_and_listed(run: Run, runs: Path) -> None:
    assert run("runs", "rename", "one", "first try", "--runs", runs)[0] == 0
    assert run("runs", "note", "first try", "all well", "--runs", runs)[0] == 0
    assert run("runs", "tag", "one", "good", "paper", "--runs", runs)[1] == "good, paper\n"
    assert run("runs", "tag", "one", "--remove", "paper", "--runs", runs)[1] == "good\n"
    (found,) = json.loads(run("runs", "list", "--runs", runs, "--tag", "good", "--json")[1])
    assert (found["label"], found["note"], found["tags"]) == ("first try", "all well", ["good"])
    assert read_labels(runs / "one").note == "all well"
    assert run("runs", "note", "one", "--runs", runs)[1] == "all well\n"


def test_shows_a_run_with_its_changes(run: Run, runs: Path) -> None:
    record_changes(runs / "one", RateChange(40, 0.5))
    code, out, _ = run("runs", "show", "one", "--runs", runs)
    assert code == 0
    assert "after step 40: learning rate 0.5" in out
    assert "3.0000 bits/dim at step 100" in out
    facts = json.loads(run("runs", "show", "one", "--runs", runs, "--json")[1])
    assert facts["changes"] == [{"type": "learning-rate", "step": 40, "learning_rate": 0.5}]
    assert facts["snapshots"] == [25, 50, 75, 100]


def test_compares_and_gives_the_curves(run: Run, runs: Path, tmp_path: Path) -> None:
    code, out, _ = run("runs", "compare", "one", "two", "--runs", runs)
    assert code == 0
    assert out.splitlines()[0].split() == ["one", "two"]
    assert any(line.split() == ["at", "step", "100", "3.0000", "2.0000"] for line in out.splitlines())
    facts = json.loads(run("runs", "compare", "one", "two", "--runs", runs, "--by", "seconds", "--json")[1])
    assert facts["validation"][-1] == {"at": 100.0, "lowest": [3.0, 2.0]}
    assert run("runs", "compare", "one", "two", "--runs", runs, "--csv", tmp_path / "c.csv")[0] == 0
    assert len((tmp_path / "c.csv").read_text().splitlines()) == 9


def test_exports_to_files_and_to_stdout(run: Run, runs: Path, tmp_path: Path) -> None:
    code, out, _ = run("runs", "export", "one", "two", "--runs", runs, "-o", tmp_path / "out")
    assert code == 0
    assert out.split() == [str(tmp_path / "out" / f"{name}.csv") for name in ("one", "two")]
    code, out, _ = run("runs", "export", "one", "--runs", runs, "-o", "-")
    assert out.splitlines()[0].startswith("step,epoch,seconds")
    assert len(out.splitlines()) == 101
    assert run("runs", "timelapse", "one", "--runs", runs, "-o", tmp_path / "film.gif")[0] == 0
    assert (tmp_path / "film.gif").read_bytes()[:6] == b"GIF89a"


def test_throws_away_brings_back_and_deletes(run: Run, runs: Path) -> None:
    assert run("runs", "rm", "one", "--runs", runs)[0] == 0
    assert not (runs / "one").exists()
    assert "one" in run("runs", "list", "--trash", "--runs", runs)[1]
    assert run("runs", "restore", "one", "--runs", runs)[0] == 0
    assert (runs / "one" / "metrics.jsonl").exists()
    code, _, err = run("runs", "rm", "--forever", "--yes", "one", "--runs", runs)
    assert code == 1
    assert "no run one" in err
    run("runs", "rm", "one", "--runs", runs)
    assert run("runs", "rm", "--forever", "--yes", "one", "--runs", runs)[0] == 0
    assert list((runs / ".trash").iterdir()) == []


def test_a_change_is_left_for_the_run(run: Run, runs: Path) -> None:
    code, _, err = run("runs", "change", "one", "--learning-rate", 0.5, "--patience", 4, "--runs", runs)
    assert code == 0
    assert "when the run is resumed" in err
    assert take_request(runs / "one") == ChangeRequest(learning_rate=0.5, stop=StopRules(patience=4))
    assert run("runs", "change", "one", "--runs", runs)[0] == 2
    code, _, err = run("runs", "change", "one", "--learning-rate", -1, "--runs", runs)
    assert code == 1
    assert "must be more than 0, not -1" in err


def test_an_unknown_run_is_one_line(run: Run, runs: Path) -> None:
    code, out, err = run("runs", "show", "three", "--runs", runs)
    assert (code, out) == (1, "")
    assert "no run three" in err
