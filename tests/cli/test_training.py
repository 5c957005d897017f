"""`nvp-studio train` and `resume`: runs started, stopped by signals and gone on with."""

import errno
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from nvp_studio.checkpoints import load, peek
from nvp_studio.commands.options import options_of
from nvp_studio.commands.run_progress import RunPrinter
from nvp_studio.data.reading import Reading
from nvp_studio.training.batches import MicroBatch
from nvp_studio.training.config import StopRules, TrainConfig
from nvp_studio.training.events import RunEvent, RunState
from nvp_studio.training.loop import Loop
from nvp_studio.training.runs import list_runs
from tests.cli.conftest import Run
from tests.runs.folders import make_run
from tests.test_files import forbid_flushing_folders

ROOT = Path(__file__).resolve().parent.parent.parent
SMALL = ["--flow", "width=4", "--flow", "blocks=1", "--flow", "checkerboard_couplings=1", "--flow", "mixing=none"]
QUICK = [*SMALL, "--batch-size", "8", "--validation-images", "16", "--device", "cpu", "--threads", "1"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Images of two grey levels, from which anything learns something."""
    random = np.random.default_rng(3)
    images = np.where(random.random((120, 8, 8)) < 0.5, 60, 62).astype(np.uint8)
    path = tmp_path / "data.npz"
    np.savez(path, images=images)
    return path


def result_of(out: str) -> dict[str, object]:
    (line,) = out.splitlines()
    result = json.loads(line)
    assert isinstance(result, dict)
    return result


def test_a_run_ends_with_its_folder_and_figures(run: Run, data: Path, tmp_path: Path) -> None:
    code, out, err = run(
        "train", "--data", data, "--steps", 30, "--name", "mine", "--runs", tmp_path / "runs", "--json", *QUICK
    )
    assert code == 0, err
    result = result_of(out)
    folder = Path(str(result["run"]))
    assert folder == tmp_path / "runs" / "mine"
    assert (result["phase"], result["step"], result["images"]) == ("finished", 30, 240)
    assert result["validation_bits_per_dim"] == peek(folder / "checkpoints" / "best.safetensors").validation
    assert load(folder).config.width == 4
    assert json.loads((folder / "run.json").read_text())["config"]["batch_size"] == 8
    assert "30 steps in all" in err
    assert "data  values      60 to 62 of 0 to 255, 2 levels" in err
    _, out, _ = run("runs", "show", folder, "--json")
    assert sum(split["images"] for split in json.loads(out)["data"]["splits"]) == 120
    with Image.open(folder / "data.png") as sheet:
        assert sheet.size == (8 * 8, 6 * 8)
    assert "validation" in err


def test_a_finished_run_goes_on_with_a_larger_budget(run: Run, data: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    run("train", "--data", data, "--steps", 10, "--name", "mine", "--runs", runs, *QUICK)
    code, out, err = run("resume", "mine", "--runs", runs, "--steps", 14, "--json")
    assert code == 0, err
    assert result_of(out)["step"] == 14
    assert "resuming from step 10" in err
    steps = [json.loads(line)["step"] for line in (runs / "mine" / "metrics.jsonl").read_text().splitlines()]
    assert steps == list(range(1, 15))


def test_what_is_printed_for_a_person_names_the_next_commands(run: Run, data: Path, tmp_path: Path) -> None:
    code, out, _ = run("train", "--data", data, "--steps", 4, "--name", "mine", "--runs", tmp_path, *QUICK)
    assert code == 0
    assert f"nvp-studio resume {tmp_path / 'mine'} --steps 8" in out
    assert f"nvp-studio sample --model {tmp_path / 'mine'}" in out
    assert "an upper bound)" in out
    code, out, err = run(
        "train", "--data", data, "--steps", 4, "--name", "levels", "--runs", tmp_path,
        *QUICK[QUICK.index("--batch-size") :], "--flow", "law=levels", "--flow", "width=4", "--flow", "pieces=2",
    )  # fmt: skip
    assert code == 0, err
    assert "exact code lengths)" in out
    assert "an upper bound" not in out


def test_the_commands_that_are_printed_can_be_pasted(run: Run, data: Path, tmp_path: Path) -> None:
    """Into a shell, wherever the run lies."""
    runs = tmp_path / "my  runs; $(touch x) 'y'"
    code, out, _ = run("train", "--data", data, "--steps", 3, "--name", "mine", "--runs", runs, "--json", *QUICK)
    assert code == 0
    words = shlex.split(str(result_of(out)["go_on"]))
    assert words == ["nvp-studio", "resume", str(runs / "mine"), "--steps", "6"]
    code, out, err = run("resume", "mine", "--runs", runs, "--steps", 4)
    assert code == 0, err
    (go_on,) = [line.removeprefix("go on") for line in out.splitlines() if line.startswith("go on")]
    assert shlex.split(go_on) == ["nvp-studio", "resume", str(runs / "mine"), "--steps", "8"]
    (sample,) = [line.removeprefix("sample") for line in out.splitlines() if line.startswith("sample")]
    assert shlex.split(sample) == ["nvp-studio", "sample", "--model", str(runs / "mine"), "-o", "sheet.png"]


@pytest.mark.parametrize(
    ("budget", "option"),
    [
        ({"steps": 500_000}, ["--steps", "1000000"]),
        ({"steps": 700_001}, ["--steps", "1400002"]),
        ({"steps": 10**15 + 1}, ["--steps", "2000000000000002"]),
        ({"epochs": 10.0}, ["--epochs", "20"]),
        ({"minutes": 0.05}, ["--minutes", "0.1"]),
        ({"minutes": 1_234_567.25}, ["--minutes", "2469134.5"]),
    ],
)
def test_the_budget_that_is_proposed_is_one_that_is_taken(
    run: Run, tmp_path: Path, budget: dict[str, Any], option: list[str]
) -> None:
    folder = make_run(tmp_path / "run", config=TrainConfig(**budget))
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "last.safetensors").touch()
    view = RunPrinter()
    view.report(RunState("finished"))
    command = shlex.split(view.result(folder)["go_on"])
    assert command == ["nvp-studio", "resume", str(folder), *option]
    code, _, err = run(*command[1:])
    assert code == 1, "the options are right, the checkpoint is none"
    assert "last.safetensors" in err


def test_a_run_without_a_checkpoint_is_not_proposed_to_be_resumed(run: Run, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", phase="failed")
    command = shlex.split(RunPrinter().result(folder)["go_on"])
    assert command == ["nvp-studio", "train", "--like", str(folder)]
    code, _, err = run("resume", folder)
    assert code == 1
    assert "run has no checkpoint to resume from" in err
    assert shlex.join(command) in err


def test_a_disk_that_takes_no_checkpoint_is_not_resumed(
    run: Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("nvp_studio.training.checkpoint_folder.write_checkpoint", refuse)
    monkeypatch.setattr("nvp_studio.training.publisher._END_PAUSES", ())
    code, _, err = run("train", "--data", data, "--steps", 2, "--name", "a", "--runs", tmp_path / "runs", *QUICK)
    assert code == 1
    assert "make room for it and start it again" in err
    assert "resume" not in err


@pytest.mark.skipif(os.name != "posix", reason="folders are flushed on Unix alone")
def test_a_folder_that_cannot_be_flushed_is_trained_in_with_one_word(
    run: Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid_flushing_folders(monkeypatch)
    words = ["train", "--data", data, "--steps", 6, "--name", "mine", "--runs", tmp_path / "runs", "--json", *QUICK]
    code, out, err = run(*words)
    assert code == 0, err
    assert result_of(out)["phase"] == "finished"
    assert err.count("cannot be flushed") == 1
    assert "Invalid argument" in err
    code, out, err = run("resume", "mine", "--runs", tmp_path / "runs", "--steps", 8, "--json")
    assert code == 0, err
    assert err.count("cannot be flushed") == 1


@pytest.mark.skipif(os.name != "posix", reason="flock is of Unix")
@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOLCK])
def test_a_run_that_cannot_be_locked_says_why_and_leaves_no_folder(
    run: Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)
    runs = tmp_path / "runs"
    code, _, err = run("train", "--data", data, "--steps", 2, "--name", "mine", "--runs", runs, *QUICK)
    assert code == 1
    assert os.strerror(number) in err
    assert "being trained" not in err
    assert list(runs.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["train", "--data", "no-such-data", "--steps", "1"], "no-such-data"),
        (["resume", "no-such-run"], "no run no-such-run"),
    ],
)
def test_what_cannot_be_done_ends_with_1_and_one_line(run: Run, words: list[str], reason: str, tmp_path: Path) -> None:
    code, out, err = run(*words, "--runs", tmp_path)
    assert code == 1
    assert out == ""
    assert reason in err
    assert err.count("nvp-studio: ") == 1
    assert len(err.splitlines()) == 1


def test_a_launch_that_is_started_again_goes_on_with_its_run(
    run: Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the launcher of torch tells its processes; `tests/training/test_distributed.py` has the launcher itself."""
    words = ["train", "--data", data, "--steps", 8, "--name", "mine", "--runs", tmp_path / "runs", *QUICK]
    take = Loop._next_batch

    def failing(self: Loop) -> Iterator[MicroBatch]:
        if self.step == 5:
            raise RuntimeError("lost")
        return take(self)

    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "job-7")
    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_next_batch", failing)
        assert run(*words)[0] == 1
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    code, out, err = run(*words, "--json")
    assert code == 0, err
    assert "started again after a process was lost" in err
    assert (result_of(out)["phase"], result_of(out)["step"]) == ("finished", 8)
    assert [summary.name for summary in list_runs(tmp_path / "runs")] == ["mine"]
    metrics = tmp_path / "runs" / "mine" / "metrics.jsonl"
    assert [json.loads(line)["step"] for line in metrics.read_text().splitlines()] == list(range(1, 9))


@pytest.mark.slow_repeats
@pytest.mark.timeout(600)  # a whole process, from the import of torch to its last checkpoint
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_run_and_keeps_its_work(number: signal.Signals, data: Path, tmp_path: Path) -> None:
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip("whoever runs the tests has this signal ignored, as nohup does, and so does the program then")
    command = [sys.executable, "-m", "nvp_studio", "train", "--data", data, "--steps", "1000000", "--name", "mine"]
    process = subprocess.Popen(
        [str(word) for word in (*command, "--runs", tmp_path, "--validation-every", 20, "--json", *QUICK)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("step "):
            break
    process.send_signal(number)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    result = result_of(out)
    assert result["phase"] == "stopped"
    assert number.name in result["reason"]
    assert "Traceback" not in err
    (listed,) = list_runs(tmp_path)
    assert (listed.state, listed.reason) == ("stopped", result["reason"])
    assert f"stopped: {result['reason']}\n" in (tmp_path / "mine" / "log.txt").read_text()
    assert peek(tmp_path / "mine" / "checkpoints" / "last.safetensors").step == result["step"]


@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c_skips_the_final_scores_and_the_next_one_stops(
    presses: int, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = np.random.default_rng(3).integers(60, 63, (180, 8, 8), dtype=np.uint8)
    data = tmp_path / "data.npz"
    np.savez(data, x_train=images[:60], x_val=images[60:120], x_test=images[120:])
    pressed: list[str] = []

    class Watching(RunPrinter):
        def report(self, event: RunEvent) -> None:
            super().report(event)
            if isinstance(event, RunState) and event.reason.startswith("scoring the best model"):
                while len(pressed) < presses:
                    pressed.append(event.reason)
                    os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("nvp_studio.commands.train.RunPrinter", Watching)
    words = ["--scoring-share", 1, "--runs", tmp_path / "runs", "--json"]
    code, out, err = run("train", "--data", data, "--steps", 4, "--name", "mine", *words, *QUICK)
    assert code == 0, err
    assert "Skipping the rest of the scoring; once more stops the run" in err
    result = result_of(out)
    assert (result["phase"], result["step"]) == ("finished" if presses == 1 else "stopped", 4)
    assert pressed
    assert result["validation_images"] == 16
    assert result["test_images"] == 0
    code, out, err = run("resume", "mine", *words)
    assert code == 0, err
    after = result_of(out)
    assert (after["phase"], after["step"]) == ("finished", 4)
    assert (after["validation_images"], after["test_images"]) == (60, 60)


def test_every_setting_of_a_run_is_an_option() -> None:
    parts = {"flow", "stop", "reading"}
    assert {option.name for option in options_of(TrainConfig)} | parts == set(TrainConfig.__struct_fields__)
    assert {option.name for option in options_of(Reading)} == {*Reading.__struct_fields__} - {"earlier_layout"}
    assert {option.name for option in options_of(StopRules)} == set(StopRules.__struct_fields__)


def test_the_help_of_an_option_shows_its_default_or_those_of_the_presets(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    code, out, _ = run("train", "--help")
    lines = [" ".join(line.strip("│ ").split()) for line in out.splitlines()]
    assert code == 0
    assert "--warmup-steps <int> Steps over which the learning rate rises." in lines
    assert "[default: 200]" in lines
    assert (
        "--batch-size <int> Images per optimizer step; without it 16, for quick 8, for large 128, "
        "for the paper's presets 64." in lines
    )
    assert [line for line in lines if line.startswith("--flip --no-flip <bool> Mirror training images at random;")]
    assert [line for line in lines if line.startswith("╭─ Budget (give one)")]


def test_memory_is_chosen_for_a_run_and_for_its_resume(run: Run, data: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    options = ["--data", data, "--steps", 3, "--name", "mine", "--runs", runs, *QUICK]
    assert run("train", "--memory", "little", *options)[0] == 2
    assert run("train", "--memory", "constant", *options)[0] == 0
    assert json.loads((runs / "mine" / "run.json").read_text())["config"]["memory"] == "constant"
    assert run("resume", "mine", "--runs", runs, "--steps", 4, "--memory", "little")[0] == 2
    assert run("resume", "mine", "--runs", runs, "--steps", 4, "--memory", "fast")[0] == 0
    assert json.loads((runs / "mine" / "run.json").read_text())["config"]["memory"] == "fast"


def test_precision_and_determinism_are_chosen_and_recorded(run: Run, data: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    options = ["--data", data, "--steps", 3, "--name", "mine", "--runs", runs, *QUICK]
    assert run("train", "--precision", "half", *options)[0] == 2
    assert run("train", "--precision", "bfloat16", "--deterministic", *options)[0] == 0
    config = json.loads((runs / "mine" / "run.json").read_text())["config"]
    assert (config["precision"], config["deterministic"]) == ("bfloat16", True)
    assert run("resume", "mine", "--runs", runs, "--steps", 4, "--precision", "half")[0] == 2
    assert run("resume", "mine", "--runs", runs, "--steps", 4, "--precision", "auto")[0] == 0
    config = json.loads((runs / "mine" / "run.json").read_text())["config"]
    assert config["precision"] == ("bfloat16" if torch.cuda.is_available() else "float32")


def test_the_papers_presets_bring_the_papers_optimization(run: Run, data: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    small = [option for option in QUICK if option not in ("--batch-size", "8")]
    options = ["--data", data, "--steps", 1, "--preset", "paper", "--runs", runs, *small]
    assert run("train", "--name", "published", *options)[0] == 0
    assert run("train", "--name", "mine", "--learning-rate", 0.002, *options)[0] == 0
    published, mine = (json.loads((runs / name / "run.json").read_text())["config"] for name in ("published", "mine"))
    assert (published["batch_size"], published["learning_rate"], published["weight_decay"]) == (64, 1e-3, 5e-5)
    assert (mine["batch_size"], mine["learning_rate"]) == (64, 2e-3)


def test_a_run_like_another_changes_what_is_given(run: Run, data: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    run("train", "--data", data, "--steps", 4, "--name", "mine", "--seed", 5, "--runs", runs, *QUICK)
    code, _, err = run("train", "--like", "mine", "--learning-rate", 0.5, "--name", "other", "--runs", runs)
    assert code == 0, err
    mine, other = (json.loads((runs / name / "run.json").read_text())["config"] for name in ("mine", "other"))
    assert other == mine | {"learning_rate": 0.5}
    code, _, err = run("train", "--like", "mine", "--epochs", 0.1, "--name", "third", "--runs", runs)
    assert code == 0, err
    config = json.loads((runs / "third" / "run.json").read_text())["config"]
    assert (config["steps"], config["epochs"]) == (None, 0.1)


def test_a_run_like_another_on_other_data_mirrors_as_suits_these(run: Run, data: Path, tmp_path: Path) -> None:
    words = ["--steps", 2, "--runs", tmp_path / "runs"]
    assert run("train", "--data", data, "--flip", "--name", "mine", *words, *QUICK)[0] == 0
    other = tmp_path / "other.npz"
    other.write_bytes(data.read_bytes())
    for name, given in (("same", []), ("other", ["--data", other]), ("told", ["--data", other, "--flip"])):
        code, _, err = run("train", "--like", "mine", "--name", name, *words, *given)
        assert code == 0, err
    configs = {one.name: json.loads((one / "run.json").read_text())["config"] for one in (tmp_path / "runs").iterdir()}
    mirrored = {name for name, config in configs.items() if config["horizontal_flip"]}
    assert mirrored == {"mine", "same", "told"}


def test_a_target_ends_a_run_from_the_command_line(run: Run, data: Path, tmp_path: Path) -> None:
    words = ["--steps", 500, "--target", 99, "--validation-every", 2]
    code, out, err = run("train", "--data", data, *words, "--name", "mine", "--runs", tmp_path, "--json", *QUICK)
    assert code == 0, err
    result = result_of(out)
    assert (result["phase"], result["step"]) == ("finished", 2)
    assert "the target was 99" in str(result["reason"])


def test_the_live_line_counts_what_is_scored_after_the_last_step() -> None:
    view = RunPrinter()
    view.report(RunState("training", "scoring the best model: 1,200 of 15,000"))
    assert view.bar.tasks[0].fields["details"] == "scoring the best model: 1,200 of 15,000"


def test_a_run_begins_from_a_model(run: Run, data: Path, model: Path, tmp_path: Path) -> None:
    words = ["--data", data, "--runs", tmp_path / "runs", "--steps", 2, "--batch-size", 8, "--device", "cpu"]
    code, _, err = run("train", "--from", model, "--name", "tuned", *words)
    assert code == 0, err
    assert f"begins from the weights of small ({model}" in err
    folder = tmp_path / "runs" / "tuned"
    record = json.loads((folder / "run.json").read_text())
    assert record["parent"]["path"] == str(model)
    assert (record["config"]["preset"], record["config"]["flow"]["width"]) == ("quick", 6)
    for command in (["runs", "show", folder], ["info", folder], ["info", folder / "checkpoints" / "last.safetensors"]):
        assert "begun from" in run(*command)[1]
        assert str(model) in run(*command)[1]
    for options, reason in (
        (["--preset", "paper"], "--preset paper contradicts --from: small is a flow of the preset quick"),
        (["--flow", "width=8"], "keeps what that has: width 6, not 8"),
        (["--image-size", 16], "image size 8, not 16"),
        (["--from", tmp_path / "none.safetensors"], "no run can begin from"),
    ):
        code, _, err = run("train", "--from", model, *options, *words)
        assert code == 1
        assert reason in err
    code, out, err = run("train", "--from", "tuned", "--check", "--json", *words)
    assert code == 0, err
    assert json.loads(out)["parent"]["name"] == "tuned", "a run's name in the folder of runs"
    code, out, err = run("train", "--like", folder, "--check", "--json", *words)
    assert code == 0, err
    assert json.loads(out)["parent"]["name"] == "small", "it begins from the same model"
    code, out, err = run("train", "--like", folder, "--from", "", "--check", "--json", *words)
    assert code == 0, err
    assert json.loads(out)["parent"] is None


def test_a_check_prints_what_would_be_trained_on(run: Run, data: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    code, out, err = run("train", "--data", data, "--check", "--steps", 5, "--runs", runs, *QUICK)
    assert code == 0, err
    table = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert re.fullmatch(r"\d+ train, \d+ validation", table["images"])
    assert table["flow"].startswith("studio, ")
    assert "60 to 62 of 0 to 255, 2 levels" in out
    assert not runs.exists()
    np.savez(tmp_path / "one.npz", images=np.zeros((1, 8, 8), np.uint8))
    code, _, err = run("train", "--data", tmp_path / "one.npz", "--check", "--runs", runs, *QUICK)
    assert code == 1
    assert "at least two are needed" in err
    assert run("train", "--data", data, "--check", "--name", "x" * 200, "--runs", runs, *QUICK)[0] == 1


@pytest.mark.parametrize(
    ("terminal", "options", "answer", "asked", "trained"),
    [
        (True, [], False, 1, False),
        (True, [], True, 1, True),
        (True, ["--yes"], False, 0, True),
        (False, [], False, 0, True),
    ],
)
def test_serious_doubts_are_asked_about_on_a_terminal(
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    terminal: bool,
    options: list[str],
    answer: bool,
    asked: int,
    trained: bool,
) -> None:
    dark = tmp_path / "dark.npz"
    np.savez(dark, images=np.random.default_rng(0).integers(0, 13, (40, 8, 8)).astype(np.uint8))
    questions: list[str] = []
    monkeypatch.setattr("nvp_studio.commands.train.may_ask", lambda: terminal)
    monkeypatch.setattr("nvp_studio.commands.run_progress.confirm", lambda text: questions.append(text) or answer)
    code, _, err = run("train", "--data", dark, "--steps", 1, "--runs", tmp_path / "runs", *options, *QUICK)
    assert len(questions) == asked
    assert (code == 0) == trained
    assert "nearly black images" in err
    assert (tmp_path / "runs").exists() == trained


def test_a_resume_prints_what_differs_and_else_nothing_of_the_data(run: Run, data: Path, tmp_path: Path) -> None:
    runs, moved = tmp_path / "runs", tmp_path / "moved.npz"
    run("train", "--data", data, "--steps", 2, "--name", "mine", "--runs", runs, *QUICK)
    data.rename(moved)
    code, _, err = run("resume", "mine", "--runs", runs, "--steps", 3)
    assert code == 1
    assert f"the data of mine are not at {data}; resume with --data PATH" in err
    code, _, err = run("resume", "mine", "--runs", runs, "--steps", 3, "--data", moved)
    assert code == 0, err
    assert not [line for line in err.splitlines() if line.startswith("data  ") or "differ" in line]
    np.savez(data, images=np.full((50, 8, 8), 60, np.uint8))
    code, _, err = run("resume", "mine", "--runs", runs, "--steps", 4, "--data", data, "--force")
    assert code == 0, err
    assert err.count("values: 60 to 60 of 0 to 255, 1 level (before: 60 to 62") == 1
