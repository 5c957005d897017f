"""A checkpoint or a step for which there is no memory: nothing is lost, and training goes on or ends with a line."""

import itertools
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from torch import Tensor

from nvp_studio.flow.engine.inference import Inference
from nvp_studio.flow.flow import Flow
from nvp_studio.training import step
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.errors import RunError, failure_line
from nvp_studio.training.runs import open_run, read_metrics
from nvp_studio.training.start import start_run
from nvp_studio.training.step import objective
from tests.faults import checks
from tests.faults.memory import REFUSED, Memory
from tests.faults.runs import LONG, Told, assert_nothing_lost, assert_same_run, checkpoint_steps, finish

PARTS = 2
STRIDE = 1 if LONG else 101
MAX_ALLOCATIONS = 20_000


def check_allocation(config: TrainConfig, whole: Path, folder: Path, patch: pytest.MonkeyPatch, memory: Memory) -> None:
    """Train with an allocation that fails: nothing is lost, and training goes on, or ends with a reason and resumes."""
    told, words = Told(), ""
    with patch.context() as inner:
        memory.install(inner)
        try:
            start_run(config, folder.parent, folder.name, report=told)
        except (RuntimeError, ValueError, OSError) as error:  # what the command line tells in a line
            words = failure_line(error)
    if not memory.failed:
        assert_same_run(whole, folder)
        return
    assert "could not be written: out of memory; training goes on" in told.notices
    assert "\n" not in words
    assert_nothing_lost(folder, told.promised)
    assert bool(words) == memory.for_ever, "a run that cannot be kept does not pass for finished, any other does"
    if memory.for_ever:
        assert "make room" in words
        assert open_run(folder).state == "failed"
        folder = finish(folder, config)
    assert_same_run(whole, folder)


@pytest.mark.parametrize("for_ever", [False, True], ids=["once", "for-ever"])
def test_some_allocations_of_a_save_fail(
    for_ever: bool, config: TrainConfig, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 150):
        memory = Memory(number, for_ever=for_ever)
        check_allocation(config, whole, tmp_path / str(number) / "faulty", monkeypatch, memory)
        assert memory.failed


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("for_ever", [False, True], ids=["once", "for-ever"])
def test_every_allocation_of_a_save_fails(
    for_ever: bool, part: int, config: TrainConfig, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1 + part * STRIDE, MAX_ALLOCATIONS, PARTS * STRIDE):
        memory = Memory(number, for_ever=for_ever)
        check_allocation(config, whole, tmp_path / str(number) / "faulty", monkeypatch, memory)
        if not memory.failed:
            assert memory.allocations > PARTS * STRIDE
            break
    assert memory.allocations < MAX_ALLOCATIONS - PARTS * STRIDE


STARVED = """
import re, resource, sys
from pathlib import Path
from nvp_studio.training import publisher
publisher._END_PAUSES = ()
write, times = publisher.Publisher.checkpoint, []
def starved(self, *words):
    times.append(1)
    if len(times) > int(sys.argv[1]):
        return write(self, *words)
    size = 1024 * int(re.search(r"VmSize:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
    resource.setrlimit(resource.RLIMIT_AS, (size + 2**22, resource.RLIM_INFINITY))
    try:
        return write(self, *words)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
publisher.Publisher.checkpoint = starved
from nvp_studio.cli import main
main(["resume", sys.argv[2], "--json"])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits of the address space as Linux has them")
@pytest.mark.parametrize("times", [1, 1000], ids=["once", "for-ever"])
def test_a_process_without_memory_for_its_checkpoint(times: int, config: TrainConfig, tmp_path: Path) -> None:
    """Real refusals: while it saves, the process may not grow by what its state takes (some 16 MB)."""
    assert config.flow is not None
    large = msgspec.structs.replace(config, flow=msgspec.structs.replace(config.flow, width=160))
    whole = start_run(large, tmp_path, "whole")
    run = checks.stopped_run(large, tmp_path, 2)
    before = checkpoint_steps(run)
    settings = {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1"}
    done = subprocess.run(
        [sys.executable, "-c", STARVED, str(times), str(run)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | settings,
    )
    assert "Traceback" not in done.stderr + done.stdout
    assert "could not be written: out of memory" in done.stderr
    if times == 1:
        assert done.returncode == 0, done.stderr
    else:
        assert done.returncode == 1, done.stderr
        assert checkpoint_steps(run) == before
        finish(run, large)
    assert_same_run(whole, run)


@pytest.mark.parametrize("room", [4, 1, 0])
def test_a_step_without_memory_is_taken_in_smaller_parts(
    room: int, config: TrainConfig, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From step 4 on there is memory for `room` of the eight images of a batch at a time."""
    calls, told = itertools.count(1), Told()

    def short(flow: Flow, x: Tensor, *words: Any) -> tuple[Tensor, Tensor]:
        if next(calls) > 3 and len(x) > room:
            raise RuntimeError(REFUSED)
        return objective(flow, x, *words)

    with monkeypatch.context() as inner:
        inner.setattr(step, "objective", short)
        if room:
            folder = start_run(config, tmp_path, "short", report=told)
        else:
            with pytest.raises(RunError, match=r"^out of memory; take a smaller batch"):
                start_run(config, tmp_path, "short", report=told)
    parts = [2, 4, 8][: {4: 1, 1: 3, 0: 3}[room]]
    assert re.findall(r"step 4: out of memory, so from here on .* in (\d+) micro-batches", told.notices) == list(
        map(str, parts)
    )
    if room:
        losses, expected = ([one.train for one in read_metrics(run)] for run in (folder, whole))
        assert losses[:3] == expected[:3]
        assert losses[3] == pytest.approx(expected[3], abs=1e-5), "of the same weights, but for rounding"
        assert losses == pytest.approx(expected, abs=0.01), "which the optimizer enlarges"
        return
    assert open_run(tmp_path / "short").state == "failed"
    assert checkpoint_steps(tmp_path / "short")["last"] == 3
    assert_same_run(whole, finish(tmp_path / "short", config))


def test_a_validation_without_memory_scores_smaller_batches(
    config: TrainConfig, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is memory for one image at a time wherever a flow computes without gradients."""
    log_prob = Inference.log_prob

    def short(flow: Inference, x: Tensor) -> Tensor:
        if not torch.is_grad_enabled() and len(x) > 1:
            raise RuntimeError(REFUSED)
        return log_prob(flow, x)

    monkeypatch.setattr(Inference, "log_prob", short)
    folder = start_run(config, tmp_path, "short")
    for one, other in zip(read_metrics(folder), read_metrics(whole), strict=True):
        assert one.train == other.train
        assert one.validation == pytest.approx(other.validation, abs=1e-5)
    assert open_run(folder).state == "finished"
