"""A run on another machine, over a stand-in for ssh that runs the command here."""

import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from nvp_studio.state.engine import Engine
from nvp_studio.state.remote import remote_program, remote_reason, with_option
from nvp_studio.state.run import LiveRun
from nvp_studio.state.runs import summary_of
from nvp_studio.training.changes import CHANGES, ChangeRequest, RateChange, Restart, StopChange
from nvp_studio.training.config import StopRules, TrainConfig
from nvp_studio.training.lock import run_lock
from nvp_studio.training.runs import open_run
from tests.far import WORKER
from tests.qt import Bot

pytestmark = [pytest.mark.skipif(os.name != "posix", reason="the stand-in needs sh"), pytest.mark.timeout(600)]

OTHER_VERSION = f"exec {sys.executable} -c 'import nvp_studio.worker.server as s; s.PROTOCOL += 1; s.main()'"


@pytest.mark.parametrize(
    ("command", "with_it"),
    [
        ("nvp-studio worker", "nvp-studio worker --x"),
        ("/venvs/nvp-studio.worker/bin/nvp-studio worker", "/venvs/nvp-studio.worker/bin/nvp-studio worker --x"),
        ("bash -lc 'nvp-studio worker'", "bash -lc 'nvp-studio worker --x'"),
        ("(cd flows; python -P -m nvp_studio worker 2>log)", "(cd flows; python -P -m nvp_studio worker --x 2>log)"),
        ("nice python -m nvp_studio.worker", "nice python -m nvp_studio.worker --x"),
        ("./my-worker", "./my-worker --x"),
    ],
)
def test_an_option_goes_to_the_worker_of_a_command(command: str, with_it: str) -> None:
    assert with_option(command, "--x") == with_it


@pytest.fixture
def engine(far_engine: Engine) -> Engine:
    return far_engine


@pytest.fixture
def config(far_config: TrainConfig) -> TrainConfig:
    return far_config


def test_a_run_is_trained_there_and_shown_here(engine: Engine, qtbot: Bot, config: TrainConfig, tmp_path: Path) -> None:
    engine.run_on("gpu-box", WORKER)
    live = LiveRun(engine)
    live.start(config, tmp_path / "here", "far")
    qtbot.waitUntil(lambda: not live.under_way)
    assert (live.phase, live.reason) == ("finished", "")
    assert live.folder == str(tmp_path / "there" / "far")
    assert open_run(live.folder).step == 6
    assert live.history.last is not None
    assert live.history.last.step == 6
    assert set(live.images) == {"samples", "reconstructions"}
    assert not (tmp_path / "here").exists()
    live.deleteLater()


@pytest.mark.slow
def test_a_lost_connection_is_taken_up_again(engine: Engine, qtbot: Bot, config: TrainConfig, tmp_path: Path) -> None:
    engine.run_on("gpu-box", WORKER)
    live = LiveRun(engine)
    live.start(msgspec.structs.replace(config, steps=10**6, checkpoint_minutes=1e-4), tmp_path, "far")
    qtbot.waitUntil(lambda: live.history.last is not None and live.history.last.step >= 3)
    os.kill(engine.trainer.pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: live.phase == "restarting")
    stop_once_it_goes_on(live, qtbot)
    live.deleteLater()


def stop_once_it_goes_on(live: LiveRun, qtbot: Bot) -> None:
    """Expect the run of a killed worker to go on from a checkpoint, and stop it."""
    assert live.started is not None
    assert live.history.last is not None
    before, seen = live.started, live.history.last.step
    qtbot.waitUntil(lambda: live.started is not before)
    assert live.started.step >= 2
    qtbot.waitUntil(lambda: live.history.last is not None and live.history.last.step > seen)
    live.stop()
    qtbot.waitUntil(lambda: not live.under_way)
    assert live.phase == "stopped"
    assert live.history.last is not None
    assert open_run(live.folder).step >= live.history.last.step


@pytest.mark.slow
def test_changes_of_a_remote_run_are_those_received(
    engine: Engine, qtbot: Bot, config: TrainConfig, tmp_path: Path
) -> None:
    engine.run_on("gpu-box", WORKER)
    live = LiveRun(engine)
    live.start(msgspec.structs.replace(config, steps=10**6, checkpoint_minutes=1e-4), tmp_path, "far")
    qtbot.waitUntil(lambda: live.history.last is not None and live.history.last.step >= 3)
    (tmp_path / "there" / "far" / CHANGES).write_bytes(b'{"type":"learning-rate","step":1,"learning_rate":0.5}\n')
    live.change(ChangeRequest(learning_rate=0.001, stop=StopRules(patience=100)))
    qtbot.waitUntil(lambda: live.settings is not None and live.settings.stop.patience == 100)
    assert live.settings is not None
    changed = live.settings.step
    assert live.history.changes == (RateChange(changed, 0.001), StopChange(changed, StopRules(patience=100)))
    qtbot.waitUntil(lambda: live.history.last is not None and live.history.last.step > changed + 3)
    os.kill(engine.trainer.pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: live.started is not None and live.started.step > changed)
    qtbot.waitUntil(lambda: live.settings is not None)
    assert live.started is not None
    assert [change.step for change in live.history.changes] == [changed, changed, live.started.step]
    assert isinstance(live.history.changes[-1], Restart)
    assert (summary_of(live), live.local_folder) == (None, ""), "a folder of this path here would be another run"
    live.force_stop()
    live.deleteLater()


@pytest.mark.slow
def test_a_run_resumes_once_the_lost_worker_has_ended(
    engine: Engine, qtbot: Bot, config: TrainConfig, tmp_path: Path
) -> None:
    engine.run_on("gpu-box", WORKER)
    live = LiveRun(engine)
    live.start(msgspec.structs.replace(config, steps=10**6, checkpoint_minutes=1e-4), tmp_path, "far")
    qtbot.waitUntil(lambda: live.history.last is not None and live.history.last.step >= 3)
    with ExitStack() as before:
        live.crashed.connect(lambda _: before.enter_context(run_lock(tmp_path / "there" / "far")))
        os.kill(engine.trainer.pid, signal.SIGKILL)
        qtbot.waitUntil(lambda: "waiting for it to end" in live.reason)
        assert live.under_way
    stop_once_it_goes_on(live, qtbot)
    live.deleteLater()


@pytest.mark.parametrize(
    ("host", "command", "reason"),
    [
        ("nowhere", WORKER, "cannot connect to nowhere (ssh: connect to host nowhere port 22: No route to host)"),
        ("gpu-box", "no-such-program worker", "there is no nvp-studio on gpu-box"),
        ("gpu-box", OTHER_VERSION, "install the same version of NVP Studio on both sides"),
        ("gpu-box", "echo Welcome to gpu-box, have a nice day; " + WORKER, "start-up files must print nothing"),
    ],
    ids=["no connection", "no program", "other version", "banner"],
)
def test_errors_of_the_other_machine_are_reported(
    engine: Engine, qtbot: Bot, config: TrainConfig, host: str, command: str, reason: str, tmp_path: Path
) -> None:
    engine.run_on(host, command)
    live = LiveRun(engine)
    live.start(config, tmp_path / "here", "far")
    qtbot.waitUntil(lambda: not live.under_way)
    assert live.phase == "failed"
    assert reason in live.reason
    assert engine.trainer.state == "failed", "a person has to do something before it is tried again"
    live.deleteLater()


@pytest.mark.parametrize("host", ["-oProxyCommand=boom", "two words", ""])
def test_an_invalid_host_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="not the name of a machine"):
        remote_program(host)


def test_an_end_without_a_message_has_its_exit_code() -> None:
    assert (
        remote_reason("gpu-box", 3, False, ["out of memory"])
        == "the engine on gpu-box ended with code 3 (out of memory)"
    )
    assert remote_reason("gpu-box", None, False, []) == "the engine on gpu-box ended"
