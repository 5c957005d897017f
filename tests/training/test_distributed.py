"""One run on several processes: the run of one process, with its stops, its bad steps and its ends."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from nvp_studio.checkpoints import read_checkpoint
from nvp_studio.flow.flow import Flow
from nvp_studio.ranks import Ranks
from nvp_studio.training.augmentation import Augmentation
from nvp_studio.training.batches import Batches
from nvp_studio.training.config import StopRules, TrainConfig
from nvp_studio.training.distributed import check_divisible, micro_batch_ranges
from nvp_studio.training.errors import RunError
from nvp_studio.training.resume import resume_run
from nvp_studio.training.runs import open_run, read_metrics
from nvp_studio.training.start import start_run
from tests.small_model import small_pyramid
from tests.training.conftest import TINY, Events, bars
from tests.training.launch import HANG_SECONDS, ROOT, Ended, launch
from tests.training.on_ranks import first_gradient
from tests.training.test_resume import StopAt

MakeConfig = Callable[..., TrainConfig]

pytestmark = [pytest.mark.skipif(os.name != "posix", reason="gloo between local processes"), pytest.mark.timeout(600)]

STEPS = 10
ROUNDING = 1e-5
"""Bits/dim between losses of the same weights and images: some tens of roundings of a float32 of about 8."""
GRADIENT_ROUNDING = 1e-4
"""Relative difference of gradients of the same weights and images, whose terms cancel in part. A rank's gradient that
is missing, or counted twice, makes a quarter at least."""
APART = 1e-3
"""Bits/dim between losses after some steps. Optimizers enlarge differences of rounding, so no processor's figure is
another's; but the weights can have moved by hardly more than the learning rates so far, 0.001 in all. Other images or
other noise in a batch make a hundred times as much."""


def cases(make_config: MakeConfig) -> dict[str, TrainConfig]:
    """Long runs, of which the first steps must not depend on the number of processes; a short one matches samples."""
    paper = msgspec.structs.replace(TINY, normalization="batch", network_norm="batch", mixing="none")
    common = {"steps": 4000, "warmup_steps": 200, "validation_every": 5}
    return {
        "plain": make_config(**common),
        "odd": make_config(**common, batch_size=13, horizontal_flip=True),
        "parts": make_config(**common, accumulate=3),
        "constant": make_config(**common, memory="constant"),
        "batch-norm": make_config(**common, flow=paper),
        "pyramid": make_config(**common, flow=small_pyramid((1, 8, 8)), memory="constant", accumulate=2),
        "matched": make_config(steps=STEPS, learning_rate=1e-5, validation_every=5, match_samples=0.3, accumulate=2),
    }


@pytest.mark.slow_repeats
@pytest.mark.parametrize(("count", "names"), [(2, "plain"), (2, ""), (4, "")])
def test_several_processes_take_the_steps_of_one(
    count: int, names: str, tmp_path: Path, make_config: MakeConfig
) -> None:
    """Of all cases, or of those that are named."""
    configs = {name: config for name, config in cases(make_config).items() if not names or name in names.split()}
    words = [f"{name}={msgspec.json.encode(config).decode()}" for name, config in configs.items()]
    for process in launch(count, "tests.training.on_ranks:train", tmp_path, STEPS, *words):
        assert process.code == 0, process.err
    for name, config in configs.items():
        stop = StopAt(STEPS)
        with first_gradient(tmp_path / f"{name}-alone.pt"):
            alone = read_metrics(start_run(config, tmp_path, f"{name}-alone", control=stop.control, report=stop))
        gradient, summed = (torch.load(tmp_path / f"{stem}.pt") for stem in (f"{name}-alone", name))
        assert (summed - gradient).norm() < GRADIENT_ROUNDING * gradient.norm(), name
        together = read_metrics(tmp_path / name)
        assert [one.step for one in together] == list(range(1, STEPS + 1))
        for one, other in zip(alone, together, strict=True):
            assert abs(one.train - other.train) < (ROUNDING if one.step == 1 else APART), (name, one.step)
            assert (one.validation is None) == (one.step % 5 != 0)
            if one.validation is not None and other.validation is not None:
                assert abs(one.validation - other.validation) < APART, (name, one.step)
        digests = (tmp_path / f"{name}.digests").read_text().split()
        assert len(digests) == count
        assert len(set(digests)) == 1, "the weights of the ranks are the same, bit for bit"


def run_on(count: int, function: str, folder: Path, config: TrainConfig, *words: object) -> list[Ended]:
    return launch(count, f"tests.training.on_ranks:{function}", folder, msgspec.json.encode(config).decode(), *words)


def log_of(folder: Path) -> str:
    return (folder / "log.txt").read_text()


@pytest.mark.slow
def test_what_one_rank_is_asked_all_do(tmp_path: Path, make_config: MakeConfig) -> None:
    for process in run_on(3, "pause_and_stop_one", tmp_path, make_config(minutes=20)):
        assert process.code == 0, process.err
    run = open_run(tmp_path / "stopped")
    assert (run.state, run.step, run.reason) == ("stopped", 6, "the last rank was asked to")
    assert log_of(tmp_path / "stopped").count(" paused\n") == 1
    assert len(set((tmp_path / "stopped.digests").read_text().split())) == 1
    assert read_checkpoint(tmp_path / "stopped" / "checkpoints" / "last.safetensors").info.step == 6


@pytest.mark.slow
@pytest.mark.parametrize("signalled", ["early", "second", "all"])
def test_a_signal_while_a_rank_reads_its_data_stops_the_run(
    signalled: str, tmp_path: Path, make_config: MakeConfig
) -> None:
    for process in run_on(2, "stop_while_reading", tmp_path, make_config(), signalled):
        assert (process.code, process.err) == (0, "")
    run = open_run(tmp_path / "stopped")
    assert (run.state, run.step, run.reason) == ("stopped", 0, "SIGTERM")
    assert_goes_on(tmp_path / "stopped", 0)


@pytest.mark.slow
def test_a_bad_step_of_one_rank_is_skipped_and_rolled_back_by_all(tmp_path: Path, make_config: MakeConfig) -> None:
    for process in run_on(2, "spoil_one", tmp_path, make_config(steps=12)):
        assert process.code == 0, process.err
    metrics = read_metrics(tmp_path / "spoilt")
    assert [one.step for one in metrics] == [1, 2, 3, 5, 6, 7, 11, 12]
    assert (metrics[-1].skipped, metrics[-1].rollbacks) == (4, 1)
    assert len(set((tmp_path / "spoilt.digests").read_text().split())) == 1


@pytest.mark.slow
def test_an_error_of_one_rank_ends_all_with_one_line(tmp_path: Path, make_config: MakeConfig) -> None:
    processes = run_on(2, "fail_one", tmp_path, make_config())
    assert [process.code for process in processes] == [1, 1]
    reason = "process 1 of 2: out of memory; take a smaller batch, a smaller flow, or constant memory"
    assert [process.err for process in processes] == ["", f"nvp-studio: {reason}\n"]
    run = open_run(tmp_path / "failed")
    assert (run.state, run.step, run.reason) == ("failed", 3, reason)
    assert_goes_on(tmp_path / "failed", 3)


@pytest.mark.slow
def test_a_run_that_its_conditions_ended_goes_on_together(tmp_path: Path, make_config: MakeConfig) -> None:
    config = make_config(steps=40, validation_every=5, stop=StopRules(target=50.0))
    words = (tmp_path, msgspec.json.encode(config).decode(), 12)
    for process in launch(2, "tests.training.on_ranks:end_and_resume", *words):
        assert process.code == 0, process.err
    run = open_run(tmp_path / "ended")
    assert (run.state, run.step) == ("finished", 12)
    assert [one.step for one in read_metrics(tmp_path / "ended")] == list(range(1, 13))


@pytest.mark.slow
def test_a_rank_lost_in_the_middle_of_a_step_leaves_the_state_before_it(
    tmp_path: Path, make_config: MakeConfig
) -> None:
    """Batch normalization averages while it computes; the checkpoint is of whole steps all the same."""
    paper = msgspec.structs.replace(TINY, normalization="batch", network_norm="batch", mixing="none")
    config = make_config(flow=paper, batch_size=8)
    assert [process.code for process in run_on(2, "kill_one_late", tmp_path, config)] == [1, -signal.SIGKILL]
    stop = StopAt(5)
    start_run(config, tmp_path, "alone", control=stop.control, report=stop)
    found, wanted = (
        read_checkpoint(tmp_path / name / "checkpoints" / "last.safetensors") for name in ("killed", "alone")
    )
    assert found.info.step == wanted.info.step == 5
    for name, tensor in found.tensors.items():
        if name.startswith("weights.") and name.endswith(("mean", "variance", "var")):
            torch.testing.assert_close(tensor, wanted.tensors[name], rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.slow_repeats
@pytest.mark.parametrize("count", [2, 4])
def test_a_killed_rank_ends_all_and_the_work_is_kept(count: int, tmp_path: Path, make_config: MakeConfig) -> None:
    processes = run_on(count, "kill_one", tmp_path, make_config())
    assert [process.code for process in processes] == [1, -signal.SIGKILL, 1, 1][:count]
    said = [line for process in processes for line in process.err.splitlines() if line.startswith("nvp-studio")]
    assert said == [
        f"nvp-studio: one of the {count} processes ended without an error message (killed, or out of memory)"
    ]
    assert open_run(tmp_path / "killed").reason in said[0]
    assert_goes_on(tmp_path / "killed", 5)


@pytest.mark.slow
def test_a_rank_lost_before_a_validation_leaves_it_to_the_resumed_run(tmp_path: Path, make_config: MakeConfig) -> None:
    config = make_config(minutes=1.0)
    assert [process.code for process in run_on(2, "kill_one_before_validation", tmp_path, config)] == [
        1,
        -signal.SIGKILL,
    ]
    resume_run(tmp_path / "killed", steps=8)
    metrics = read_metrics(tmp_path / "killed")
    assert [one.step for one in metrics] == list(range(1, 9))
    assert metrics[5].validation is not None


def assert_goes_on(folder: Path, step: int) -> None:
    """That the last checkpoint is of `step` and one process goes on from it to the end of 40 steps."""
    assert read_checkpoint(folder / "checkpoints" / "last.safetensors").info.step == step
    events = Events()
    resume_run(folder, report=events)
    assert open_run(folder).state == "finished"
    assert [one.step for one in read_metrics(folder)] == list(range(1, 41))


def torchrun(module: str, words: list[Any], runs: Path, data: Path) -> subprocess.CompletedProcess[str]:
    """Train the run ``mine`` by two processes, started again once; `words` come before the command."""
    small = ["--flow", "width=4", "--flow", "blocks=1", "--flow", "checkerboard_couplings=1", "--device", "cpu"]
    options = ["--data", data, "--steps", 40, "--name", "mine", "--runs", runs, "--checkpoint-minutes", 0.0001]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=1"]
    command = [*launcher, "-m", module, *words, "train", *options, *small, "--json"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [str(word) for word in command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=HANG_SECONDS
    )


def assert_finished_once(ended: subprocess.CompletedProcess[str], runs: Path) -> None:
    """That the launcher's processes were started again, and ended the one run well."""
    assert ended.returncode == 0, ended.stderr
    assert (runs / "killed").exists()
    assert [path.name for path in runs.iterdir() if path.is_dir()] == ["mine"], "no second run was begun"
    result = json.loads(ended.stdout.splitlines()[-1])
    assert (result["phase"], result["step"]) == ("finished", 40)
    assert [one.step for one in read_metrics(runs / "mine")] == list(range(1, 41))
    assert "started again after a process was lost" in ended.stderr
    assert open_run(runs / "mine").state == "finished"


@pytest.mark.slow
def test_the_launcher_starts_again_and_the_run_goes_on(tmp_path: Path, data_file: Path) -> None:
    ended = torchrun("tests.training.killed_once", [tmp_path / "killed"], tmp_path, data_file)
    assert_finished_once(ended, tmp_path)
    assert not (tmp_path / "finalized").exists(), "torch may abort a rank that finalizes"


@pytest.mark.slow
def test_the_launcher_starts_again_and_the_run_has_finished(tmp_path: Path, data_file: Path) -> None:
    ended = torchrun("tests.training.killed_late", [tmp_path / "killed", tmp_path / "mine"], tmp_path, data_file)
    assert_finished_once(ended, tmp_path)
    assert "mine had finished before its processes were started again" in ended.stderr
    assert "nvp-studio: " not in ended.stderr, "nothing went wrong"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"batch_size": 2}, "a batch of 2 images cannot be divided among 3 processes"),
        ({"accumulate": 2, "flow": "paper"}, "needs the whole batch at once"),
        ({"memory": "constant", "flow": "paper"}, "needs --memory fast"),
    ],
)
def test_what_cannot_be_divided_is_refused(changes: dict[str, Any], reason: str, make_config: MakeConfig) -> None:
    three = Ranks()
    three.world = 3
    paper = msgspec.structs.replace(TINY, normalization="batch", mixing="none")
    flow = paper if changes.pop("flow", None) else TINY
    with pytest.raises(RunError, match=reason):
        check_divisible(make_config(**changes), Flow(flow), three)


def test_shares_of_a_batch_are_the_batch() -> None:
    batches = Batches(bars(50, 0), 13, seed=2, augmentation=Augmentation(True, 2), device=torch.device("cpu"))
    for step in range(6):
        shares = []
        for rank in range(4):
            ranks = Ranks()
            ranks.rank, ranks.world = rank, 4
            shares += [batches.take(step, 1, part) for part in micro_batch_ranges(*ranks.own_range(0, 13), 2)]
        assert torch.equal(torch.cat(shares), batches.take(step, 1))


def test_parts_cover_a_range_once() -> None:
    assert micro_batch_ranges(3, 10, 3) == [(3, 5), (5, 7), (7, 10)]
    assert micro_batch_ranges(4, 6, 5) == [(4, 5), (5, 6)]
