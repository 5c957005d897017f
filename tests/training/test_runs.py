"""The run folder without torch: names, record, history, list, lock."""

import json
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from nvp_studio.checkpoints import CheckpointError, find_checkpoint
from nvp_studio.runs.history import read_history
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.errors import RunError
from nvp_studio.training.events import StepMetrics
from nvp_studio.training.lock import RunLockedError, is_locked, run_lock
from nvp_studio.training.runs import (
    MODEL_FILES,
    RunData,
    RunRecord,
    RunStatus,
    create_run_folder,
    cut_metrics,
    default_runs_folder,
    has_model,
    list_runs,
    open_run,
    read_metrics,
    read_record,
    write_record,
)

HOLD = """
import sys
from pathlib import Path
from nvp_studio.training.lock import run_lock
with run_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def record(name: str, created: str = "2026-01-02T03:04:05+00:00", **status: object) -> RunRecord:
    return RunRecord(
        name=name,
        created=created,
        config=TrainConfig(steps=100),
        data=RunData(title="Bars"),
        versions={},
        device="cpu",
        parameters=10,
        status=RunStatus(**status),  # type: ignore[arg-type] # a test's shorthand
    )


def metrics(step: int) -> StepMetrics:
    return StepMetrics(
        step=step, epoch=0.1, seconds=1.5, images=16 * step, train=4.0, learning_rate=0.1, gradient_norm=1.0
    )


def test_importing_runs_loads_neither_torch_nor_qt() -> None:
    code = "import sys, nvp_studio.training.runs; print([m for m in ('torch', 'PySide6', 'numpy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_default_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NVP_STUDIO_RUNS", str(tmp_path / "mine"))
    assert default_runs_folder() == tmp_path / "mine"
    monkeypatch.delenv("NVP_STUDIO_RUNS")
    assert default_runs_folder().parts[-2:] == ("nvp-studio", "runs")


def test_folder_names(tmp_path: Path) -> None:
    today = time.strftime("%Y-%m-%d")
    names = [create_run_folder(tmp_path / "runs", name, data).name for name, data in [
        ("", "fashion-mnist"), ("", "fashion-mnist"), ("", "/some/My photos.npz"), ("Äpfel & Birnen", "x"),
        ("../../escape", "x"), ("taken", "x"), ("taken", "x"), ("...", "x"),
    ]]  # fmt: skip
    assert names == [
        f"{today}-fashion-mnist-1",
        f"{today}-fashion-mnist-2",
        f"{today}-My-photos-1",
        "Äpfel-Birnen",
        "escape",
        "taken",
        "taken-2",
        f"{today}-x-1",
    ]
    assert {path.name for path in (tmp_path / "runs").iterdir()} == set(names)


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="choose another runs folder"):
        create_run_folder(tmp_path / "file" / "runs", "x", "x")


def test_record_comes_back(tmp_path: Path) -> None:
    written = record("one", phase="stopped", step=5, best=3.25)
    write_record(tmp_path, written)
    assert read_record(tmp_path) == written


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"name": 5}', b"\xff\xfe", b"[" * 100_000])
def test_damaged_record(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_bytes(content)
    for read in (read_record, open_run):
        with pytest.raises(RunError, match=r"run\.json"):
            read(tmp_path / "run")
    assert list_runs(tmp_path) == []


def test_list_is_newest_first_and_passes_over_what_is_no_run(tmp_path: Path) -> None:
    for name, created in [("a", "2026-01-01T00:00:00+00:00"), ("b", "2026-02-01T00:00:00+00:00")]:
        (tmp_path / name).mkdir()
        write_record(tmp_path / name, record(name, created, phase="finished", step=7, best=3.5, best_step=6))
    (tmp_path / ".trash").mkdir()
    (tmp_path / "pictures").mkdir()
    (tmp_path / "note.txt").write_text("x")
    runs = list_runs(tmp_path)
    assert [run.name for run in runs] == ["b", "a"]
    assert (runs[0].step, runs[0].best, runs[0].best_step, runs[0].data_title) == (7, 3.5, 6, "Bars")
    assert list_runs(tmp_path / "nowhere") == []


def test_configuration_of_a_stranger_costs_the_list_nothing(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    write_record(tmp_path / "run", record("run", phase="finished"))
    content = json.loads((tmp_path / "run" / "run.json").read_text())
    content["config"]["flow"] = {"image_shape": [1, 8, 8], "scales": 10**9}
    (tmp_path / "run" / "run.json").write_text(json.dumps(content))
    assert [run.name for run in list_runs(tmp_path)] == ["run"]


@pytest.mark.parametrize("name", MODEL_FILES)
def test_a_run_has_a_model_where_one_is_found(tmp_path: Path, name: str) -> None:
    assert not has_model(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(CheckpointError):
        find_checkpoint(tmp_path)
    (tmp_path / "checkpoints" / name).touch()
    assert has_model(tmp_path)
    assert find_checkpoint(tmp_path).name == name


def test_history_tolerates_a_cut_last_line(tmp_path: Path) -> None:
    lines = [msgspec.json.encode(metrics(step)) for step in range(1, 4)]
    (tmp_path / "metrics.jsonl").write_bytes(b"\n".join(lines) + b"\n" + lines[0][:30])
    assert read_metrics(tmp_path) == [metrics(1), metrics(2), metrics(3)]
    cut_metrics(tmp_path, 2)
    assert (tmp_path / "metrics.jsonl").read_bytes() == lines[0] + b"\n" + lines[1] + b"\n"


def test_history_passes_over_lines_of_a_stranger(tmp_path: Path) -> None:
    line = msgspec.json.encode(metrics(1))
    nested = line[:-1] + b',"more":' + b"[" * 100_000 + b"\n"
    (tmp_path / "metrics.jsonl").write_bytes(b"\xff\n" + nested + b"x" * 300_000 + b"\n" + line + b"\n")
    assert read_metrics(tmp_path) == [metrics(1)]
    assert read_history(tmp_path).steps.values.tolist() == [1]


def test_no_history_is_empty(tmp_path: Path) -> None:
    cut_metrics(tmp_path, 5)
    assert read_metrics(tmp_path) == []


def test_lock_is_for_one_process_and_ends_with_it(tmp_path: Path) -> None:
    assert not is_locked(tmp_path)
    write_record(tmp_path, record("run", phase="training"))
    assert open_run(tmp_path).state == "interrupted"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert is_locked(tmp_path)
        assert open_run(tmp_path).state == "training"
        with pytest.raises(RunLockedError, match=f"process {holder.pid} since"), run_lock(tmp_path):
            pass
        holder.kill()
        holder.wait()
    assert not is_locked(tmp_path)
    assert open_run(tmp_path).state == "interrupted"
    with run_lock(tmp_path):
        assert is_locked(tmp_path)
    assert not is_locked(tmp_path)


def test_looking_at_the_lock_does_not_take_it(tmp_path: Path) -> None:
    with run_lock(tmp_path):
        assert all(is_locked(tmp_path) for _ in range(10))
    with run_lock(tmp_path):
        pass
