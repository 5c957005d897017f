"""A run in a real trainer: started, paused, stopped, resumed, killed."""

import functools
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from nvp_studio.state.engine import Engine
from nvp_studio.state.run import LiveRun
from nvp_studio.state.runs import summary_of
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.runs import open_run, read_record
from tests.qt import Bot
from tests.small_model import random_images

UNTIL_STOPPED = 1_000_000


@pytest.fixture
def live(trainer_engine: Engine, qtbot: Bot) -> Iterator[LiveRun]:
    live = LiveRun(trainer_engine)
    yield live
    if live.under_way:
        live.stop()
        qtbot.waitUntil(lambda: not live.under_way)
    trainer_engine.trainer._crashes = 0  # the next test begins with a trainer that never crashed
    if live.phase == "interrupted":
        trainer_engine.trainer.force_stop()
        qtbot.waitUntil(lambda: not trainer_engine.trainer.alive)
    live.deleteLater()


def config(data: Path, steps: int = UNTIL_STOPPED, **more: object) -> TrainConfig:
    return TrainConfig(data=str(data), preset="quick", steps=steps, batch_size=8, device="cpu", **more)  # type: ignore[arg-type]


def phases(live: LiveRun) -> list[str]:
    seen: list[str] = []
    live.phase_changed.connect(lambda phase: seen.append(phase) if seen[-1:] != [phase] else None)
    return seen


@pytest.mark.slow
def test_how_much_of_the_data_is_prepared_is_shown(live: LiveRun, toy_data: Path, tmp_path: Path, qtbot: Bot) -> None:
    from nvp_studio.training.events import RunState
    from nvp_studio.views.pages.train.run_text import strip_content

    live.start(config(toy_data, 3), tmp_path)
    live._on_message(RunState("preparing", "reading photos: 300 of 1,000", 0.3))
    content = strip_content(live)
    assert (content.state, content.fraction) == ("preparing: reading photos: 300 of 1,000", 0.3)
    qtbot.waitUntil(lambda: not live.under_way)
    assert live.prepared is None


def test_a_run_to_its_end(live: LiveRun, toy_data: Path, tmp_path: Path, qtbot: Bot) -> None:
    seen = phases(live)
    live.start(config(toy_data, 12, validation_every=5, scoring_share=1.0), tmp_path, "my first")  # all that there is
    assert live.phase == "starting"
    assert live.under_way
    qtbot.waitUntil(lambda: not live.under_way)
    assert seen == ["starting", "preparing", "training", "finished"]
    assert live.folder == str(tmp_path / "my-first")
    assert live.history.steps.values.tolist() == list(range(1, 13))
    assert live.history.validation_steps.values.tolist()[:2] == [5, 10]
    assert live.images["samples"].images.shape[0] == 64
    assert live.images["reconstructions"].images.shape[0] % 2 == 0
    assert live.progress is not None
    assert live.progress.fraction == 1.0
    summary = open_run(live.folder)
    assert (summary.state, summary.step) == ("finished", 12)
    assert summary_of(live) is None


def test_a_run_goes_on_with_changed_data_only_when_told_so(live: LiveRun, tmp_path: Path, qtbot: Bot) -> None:
    data = tmp_path / "toys.npz"
    np.savez(data, images=random_images(80))
    live.start(config(data, 12), tmp_path, "toys")
    qtbot.waitUntil(lambda: live.phase == "finished")
    before = read_record(Path(live.folder)).data.digest
    np.savez(data, images=random_images(70))
    live.resume(live.folder, steps=15)
    qtbot.waitUntil(lambda: live.phase == "failed")
    assert live.data_trouble == "changed"
    assert before in live.reason
    assert "--force" not in live.reason, "that is the command line's word"
    notices: list[str] = []
    live.noticed.connect(lambda _level, text: notices.append(text))
    live.resume_refused(force=True)
    assert not live.data_trouble
    qtbot.waitUntil(lambda: live.phase == "finished")
    assert live.history.steps.values.tolist() == list(range(1, 16)), "to the budget that was asked for at first"
    assert read_record(Path(live.folder)).data.digest != before
    assert any(before in notice for notice in notices)
    elsewhere = tmp_path / "elsewhere" / "others.npz"
    elsewhere.parent.mkdir()
    data.rename(elsewhere)
    live.resume(live.folder, steps=16)
    qtbot.waitUntil(lambda: live.phase == "failed")
    assert live.data_trouble == "missing"
    assert str(data) in live.reason
    live.resume_refused(data=str(elsewhere))
    qtbot.waitUntil(lambda: live.phase == "finished")
    assert live.history.steps.values[-1] == 16
    assert read_record(Path(live.folder)).config.data == str(elsewhere)


@pytest.mark.slow
def test_a_crash_before_it_went_on_loses_no_new_budget(
    live: LiveRun, toy_data: Path, tmp_path: Path, qtbot: Bot
) -> None:
    live.start(config(toy_data, 12), tmp_path, "toys")
    qtbot.waitUntil(lambda: live.phase == "finished")
    seen = phases(live)

    def kill(phase: str) -> None:
        if phase == "preparing" and "restarting" not in seen:
            os.kill(live._engine.trainer.pid, signal.SIGKILL)

    live.phase_changed.connect(kill)
    live.resume(live.folder, steps=15)
    qtbot.waitUntil(lambda: live.phase == "finished")
    assert "restarting" in seen
    assert live.history.steps.values.tolist() == list(range(1, 16))


@pytest.mark.slow
def test_a_run_that_had_finished_when_its_engine_was_lost_is_finished(
    live: LiveRun, toy_data: Path, tmp_path: Path, qtbot: Bot
) -> None:
    """None of its messages about training arrived."""
    live.start(config(toy_data, 12), tmp_path, "toys")
    qtbot.waitUntil(lambda: live.phase == "finished")
    seen = phases(live)
    live.resume(live.folder, steps=15)
    qtbot.waitUntil(lambda: live.phase == "preparing")
    live._engine.trainer.run_event.disconnect(live._on_message)
    record = functools.partial(read_record, Path(live.folder))
    qtbot.waitUntil(lambda: (record().status.phase, record().status.step) == ("finished", 15))
    os.kill(live._engine.trainer.pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: live.phase == "restarting")
    live._engine.trainer.run_event.connect(live._on_message)
    qtbot.waitUntil(lambda: live.phase == "finished")
    assert "failed" not in seen
    assert live.history.steps.values.tolist() == list(range(1, 16))


def test_pause_is_a_state_and_stop_keeps_the_work(live: LiveRun, toy_data: Path, tmp_path: Path, qtbot: Bot) -> None:
    live.start(config(toy_data), tmp_path, "long")
    qtbot.waitUntil(lambda: len(live.history.steps) >= 3)
    live.pause()
    assert live.phase == "pausing"
    qtbot.waitUntil(lambda: live.phase == "paused")
    count = len(live.history.steps)
    with qtbot.assertNotEmitted(live.phase_changed, wait=300):
        pass
    assert len(live.history.steps) == count
    summary = summary_of(live)
    assert summary is not None
    assert summary.state == "paused"
    live.unpause()
    assert live.phase == "resuming"
    qtbot.waitUntil(lambda: len(live.history.steps) > count)
    assert live.phase == "training"
    live.stop()
    assert live.phase == "stopping"
    qtbot.waitUntil(lambda: live.phase == "stopped")
    assert live.resumable
    before = live.history.steps.values.tolist()
    train = live.history.train.values.tolist()

    live.resume(live.folder)
    qtbot.waitUntil(lambda: len(live.history.steps) > len(before) + 2)
    steps = live.history.steps.values.tolist()
    assert steps == list(range(1, len(steps) + 1))
    assert live.history.train.values.tolist()[: len(train)] == train
    assert live.started is not None
    assert live.started.step in (before[-1], before[-1] + 1)  # one more when it stopped while validating


@pytest.mark.slow
def test_no_second_run_while_one_is_under_way(live: LiveRun, toy_data: Path, tmp_path: Path, qtbot: Bot) -> None:
    live.start(config(toy_data), tmp_path, "one")
    live.start(config(toy_data), tmp_path, "two")
    qtbot.waitUntil(lambda: live.phase == "training")
    live.resume(str(tmp_path / "two"))
    assert live.name == "one"
    assert [folder.name for folder in tmp_path.iterdir()] == ["one"]


@pytest.mark.slow
def test_a_run_that_cannot_start_fails_with_a_reason_and_the_next_starts(
    live: LiveRun, toy_data: Path, tmp_path: Path, qtbot: Bot
) -> None:
    live.start(config(tmp_path / "nothing"), tmp_path / "runs")
    qtbot.waitUntil(lambda: live.phase == "failed")
    assert "no data set and no file" in live.reason
    assert not live.resumable
    assert live.reason in live.report()
    live.start(config(toy_data, 2), tmp_path / "runs")
    qtbot.waitUntil(lambda: live.phase == "finished")


def kill_after_a_save(live: LiveRun, engine: Engine, qtbot: Bot) -> None:
    """Kill the trainer of a run under way; the run must go on by itself from its last checkpoint."""
    saved: list[int] = []
    live.checkpoint_saved.connect(lambda message: saved.append(message.step) if message.kind == "last" else None)
    qtbot.waitUntil(lambda: len(live.history.steps) >= 5)
    live.save()
    qtbot.waitUntil(lambda: saved[-1:] > [0])
    os.kill(engine.trainer.pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: live.phase == "restarting")
    assert live.crash is not None
    qtbot.waitUntil(lambda: live.phase == "training" and live.history.last is not None)
    qtbot.waitUntil(lambda: live.history.last is not None and live.history.last.step > saved[-1])
    steps = live.history.steps.values.tolist()
    assert steps == list(range(1, len(steps) + 1))
    assert live.started is not None
    assert live.started.step == saved[-1]


def test_a_killed_trainer_goes_on_from_its_checkpoint(
    live: LiveRun, trainer_engine: Engine, toy_data: Path, tmp_path: Path, qtbot: Bot
) -> None:
    live.start(config(toy_data), tmp_path, "killed")
    kill_after_a_save(live, trainer_engine, qtbot)


@pytest.mark.slow
@pytest.mark.timeout(600)  # three trainers start
def test_a_killed_trainer_goes_on_by_itself_once_and_then_asks(
    live: LiveRun, trainer_engine: Engine, toy_data: Path, tmp_path: Path, qtbot: Bot
) -> None:
    seen = phases(live)
    live.start(config(toy_data), tmp_path, "killed")
    kill_after_a_save(live, trainer_engine, qtbot)
    assert "interrupted" not in seen

    os.kill(trainer_engine.trainer.pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: live.phase == "interrupted")
    assert live.resumable
    assert open_run(live.folder).state == "interrupted"
    live.resume(live.folder)
    qtbot.waitUntil(lambda: live.phase == "training")
    assert live.crash is None


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["preparing", "begun"])
def test_a_run_killed_before_its_first_checkpoint_starts_anew(
    moment: str, live: LiveRun, trainer_engine: Engine, toy_data: Path, tmp_path: Path, qtbot: Bot
) -> None:
    killed: list[int] = []

    def kill(_: object) -> None:
        if not killed and (moment == "begun" or live.phase == moment):
            killed.append(trainer_engine.trainer.pid)
            os.kill(killed[0], signal.SIGKILL)

    (live.begun if moment == "begun" else live.phase_changed).connect(kill)
    live.start(config(toy_data, 3), tmp_path, "early")
    qtbot.waitUntil(lambda: live.phase == "finished")
    assert killed
    assert open_run(live.folder).state == "finished"
    if moment == "begun":
        assert live.folder == str(tmp_path / "early"), "the folder of the killed one, which was told, made room"
    else:
        assert Path(live.folder).name in ("early", "early-2"), "the killed one may have made a folder and told nobody"


@pytest.mark.slow
def test_a_forced_stop_can_be_resumed(live: LiveRun, toy_data: Path, tmp_path: Path, qtbot: Bot) -> None:
    live.start(config(toy_data), tmp_path, "forced")
    qtbot.waitUntil(lambda: len(live.history.steps) >= 2)
    live.force_stop()
    assert live.phase == "interrupted"
    live.resume(live.folder)  # while the killed process may still be ending
    qtbot.waitUntil(lambda: live.phase == "training")


@pytest.mark.slow
def test_a_stop_before_the_engine_is_ready_cancels_the_run(qtbot: Bot, toy_data: Path, tmp_path: Path) -> None:
    engine = Engine()
    live = LiveRun(engine)
    live.start(config(toy_data), tmp_path)
    live.stop()
    assert live.phase == "stopped"
    qtbot.waitUntil(lambda: engine.trainer.state == "ready")
    with qtbot.assertNotEmitted(live.phase_changed, wait=300):
        pass
    assert live.phase == "stopped"
    assert not list(tmp_path.iterdir())
    engine.stop()
    qtbot.waitUntil(lambda: not engine.trainer.alive)
