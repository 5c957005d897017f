"""Runs in the worker process: events, commands, and an end that keeps the work."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from nvp_studio.checkpoints import read_checkpoint
from nvp_studio.recipe import Recipe, Seed
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.events import (
    CheckpointSaved,
    RunImages,
    RunNotice,
    RunProgress,
    RunStarted,
    RunState,
    StepMetrics,
)
from nvp_studio.worker.messages import (
    Ask,
    Failed,
    ModelOpened,
    OpenModel,
    Picture,
    Ping,
    Pong,
    Render,
    ResumeRun,
    RunCommand,
    StartRun,
)
from nvp_studio.worker.server import Server
from tests.small_model import random_images, small_config
from tests.worker.process import HANG_SECONDS, WorkerProcess

StartWorker = Callable[[], WorkerProcess]
ENDLESS = 10_000_000


@pytest.fixture(scope="module")
def data_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "small.npz"
    np.savez(path, images=random_images(200))
    return path


def _config(data_file: Path, **changes: object) -> TrainConfig:
    fields: dict[str, object] = {
        "data": str(data_file),
        "flow": small_config(),
        "batch_size": 8,
        "warmup_steps": 5,
        "validation_images": 8,
        "device": "cpu",
        "threads": 1,
        "steps": 12,
    }
    return TrainConfig(**(fields | changes))  # type: ignore[arg-type] # fields by name


def _phases(answers: list[object]) -> list[str]:
    return [answer.phase for answer in answers if isinstance(answer, RunState)]


def _until_phase(worker: WorkerProcess, *phases: str) -> list[object]:
    """All answers up to the first of these phases."""
    answers = []
    while (answer := worker.next()) is not None:
        answers.append(answer)
        if isinstance(answer, RunState) and answer.phase in phases:
            return answers
    raise AssertionError(f"the worker ended; phases {_phases(answers)}\n{worker.stderr()}")


def _start(worker: WorkerProcess, config: TrainConfig, runs: Path) -> RunStarted:
    worker.send(StartRun(config, str(runs)))
    return worker.expect(RunStarted)


def test_a_run_reports_and_its_model_opens(start_worker: StartWorker, data_file: Path, tmp_path: Path) -> None:
    worker = start_worker()
    worker.greet()
    started = _start(worker, _config(data_file), tmp_path / "runs")
    assert started.total_steps == 12
    answers = _until_phase(worker, "finished", "failed", "stopped")
    assert _phases(answers)[-1] == "finished"
    assert [answer.step for answer in answers if isinstance(answer, StepMetrics)] == list(range(1, 13))
    assert any(isinstance(answer, RunImages) for answer in answers)
    assert [answer for answer in answers if isinstance(answer, RunProgress)][-1].fraction == 1
    for saved in (answer for answer in answers if isinstance(answer, CheckpointSaved)):
        assert Path(saved.path).exists()
    worker.send(Ask("model", 1, OpenModel(started.folder)))
    model = worker.expect(ModelOpened).model
    worker.send(Ask("explore", 1, Render(Recipe(checkpoint=model.digest, base=Seed(0)))))
    worker.expect(Picture)


def test_commands_reach_the_run(start_worker: StartWorker, data_file: Path, tmp_path: Path) -> None:
    worker = start_worker()
    worker.greet()
    _start(worker, _config(data_file, steps=ENDLESS), tmp_path)
    worker.expect(StepMetrics)
    worker.send(RunCommand("pause"))
    _until_phase(worker, "paused")
    if sys.platform != "win32":  # it lets the explorer and the window go first
        assert os.getpriority(os.PRIO_PROCESS, worker.process.pid) > os.getpriority(os.PRIO_PROCESS, 0)
    worker.send(Ping(1), Ask("explore", 1, Render(Recipe(checkpoint="", base=Seed(0)))))
    worker.expect(Pong)
    assert "run" in worker.expect(Failed, channel="explore").reason
    worker.send(RunCommand("unpause"))
    _until_phase(worker, "training")
    worker.expect(StepMetrics)
    worker.send(RunCommand("sample"))
    worker.expect(RunImages, kind="samples")
    worker.send(RunCommand("save"))
    worker.expect(CheckpointSaved, kind="last")
    worker.send(StartRun(_config(data_file), str(tmp_path)))
    assert "is under way" in worker.expect(RunNotice, level="error").text
    worker.send(RunCommand("stop"))
    _until_phase(worker, "stopped")
    worker.send(RunCommand("stop"))  # a late one meets no run and does no harm
    assert _start(worker, _config(data_file), tmp_path).step == 0


@pytest.mark.slow
def test_a_run_that_cannot_start_leaves_the_worker_ready(
    start_worker: StartWorker, data_file: Path, tmp_path: Path
) -> None:
    worker = start_worker()
    worker.greet()
    worker.send(StartRun(_config(tmp_path / "gone.npz"), str(tmp_path)))
    answers = _until_phase(worker, "failed")
    assert _phases(answers).count("failed") == 1
    state = answers[-1]
    assert isinstance(state, RunState)
    assert "gone.npz" in state.reason
    assert "\n" not in state.reason
    worker.send(ResumeRun(str(tmp_path / "no-run")))
    _until_phase(worker, "failed")
    _start(worker, _config(data_file), tmp_path)
    assert _phases(_until_phase(worker, "finished"))[-1] == "finished"


def test_the_next_run_may_be_asked_for_at_the_end_of_the_one_before(
    tmp_path: Path, data_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However late the main thread has its next turn, and whatever the one before failed of."""

    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("nvp_studio.training.resume.resume_run", fail)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    server = Server(-1, nowhere)
    following = StartRun(_config(data_file), str(tmp_path))
    told: list[object] = []

    def answer(message: object) -> None:
        told.append(message)
        if isinstance(message, RunState) and message.phase == "failed":
            server._queue_run(following)

    monkeypatch.setattr(server._outbox, "send", answer)
    server._queue_run(ResumeRun(str(tmp_path / "no-run")))
    request = server._queue.take()
    assert isinstance(request, ResumeRun)
    server._train(request)
    assert [type(message) for message in told] == [RunState]
    assert server._queue.take() == following
    assert server._outbox.close(HANG_SECONDS)
    os.close(nowhere)


@pytest.mark.slow_repeats
@pytest.mark.parametrize(("how", "state"), [("stdin", "training"), ("SIGTERM", "paused")])
def test_the_end_of_the_worker_keeps_the_run(
    how: str, state: str, start_worker: StartWorker, data_file: Path, tmp_path: Path
) -> None:
    if how == "SIGTERM" and os.name != "posix":
        pytest.skip("signals as processes know them")
    worker = start_worker()
    worker.greet()
    folder = Path(_start(worker, _config(data_file, steps=ENDLESS), tmp_path / "runs").folder)
    reached = [worker.expect(StepMetrics).step for _ in range(5)][-1]
    if state == "paused":
        worker.send(RunCommand("pause"))
        _until_phase(worker, "paused")
    if how == "stdin":
        worker.close_stdin()
    else:
        worker.process.send_signal(signal.SIGTERM)
    assert worker.wait() == 0
    assert _phases(worker.rest())[-1] == "stopped"
    assert "Traceback" not in worker.stderr()
    kept = read_checkpoint(folder / "checkpoints" / "last.safetensors").info.step
    assert kept >= reached


@pytest.mark.slow
def test_a_run_is_resumed_where_it_stopped(start_worker: StartWorker, data_file: Path, tmp_path: Path) -> None:
    worker = start_worker()
    worker.greet()
    config = _config(data_file, steps=ENDLESS, validation_every=ENDLESS)  # a stop within one repeats its step
    folder = _start(worker, config, tmp_path / "runs").folder
    worker.expect(StepMetrics, step=3)
    worker.send(RunCommand("stop"))
    _until_phase(worker, "stopped")
    kept = read_checkpoint(Path(folder) / "checkpoints" / "last.safetensors").info.step
    worker.send(ResumeRun(folder))
    assert worker.expect(RunStarted).step == kept
    assert worker.expect(StepMetrics).step == kept + 1


@pytest.mark.slow
def test_a_window_that_is_gone_ends_the_run_with_a_checkpoint(
    start_worker: StartWorker, data_file: Path, tmp_path: Path
) -> None:
    """Both ends of the window's pipes close at once, as when it is killed."""
    worker = start_worker()
    worker.greet()
    folder = Path(_start(worker, _config(data_file, steps=ENDLESS), tmp_path / "runs").folder)
    worker.expect(StepMetrics)
    worker.stop_reading()
    worker.close_stdin()
    assert worker.wait() == 0
    assert read_checkpoint(folder / "checkpoints" / "last.safetensors").info.step > 0


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_killed_worker_leaves_no_child_and_a_whole_checkpoint(
    start_worker: StartWorker, data_file: Path, tmp_path: Path
) -> None:
    worker = start_worker()
    worker.greet()
    folder = Path(_start(worker, _config(data_file, steps=ENDLESS), tmp_path / "runs").folder)
    worker.expect(StepMetrics)
    worker.send(RunCommand("save"))
    saved = worker.expect(CheckpointSaved, kind="last").step
    children = psutil.Process(worker.process.pid).children(recursive=True)
    worker.process.kill()
    worker.wait()
    assert children == []
    assert read_checkpoint(folder / "checkpoints" / "last.safetensors").info.step >= saved
