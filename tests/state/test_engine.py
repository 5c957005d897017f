"""The engine keeps a model open through crashes and wrong files."""

import os
import signal
from pathlib import Path

import pytest

from nvp_studio.state.engine import Engine
from tests.qt import Bot, stop_engine


def test_after_a_wrong_file_and_a_crash_the_model_is_open_again(
    shared_engine: Engine, qtbot: Bot, tmp_path: Path, small_model: Path
) -> None:
    engine = shared_engine
    before = engine.model
    wrong = tmp_path / "wrong.safetensors"
    wrong.write_bytes(b"not a model")
    with qtbot.waitSignal(engine.model_failed) as failed:
        engine.open_model(str(wrong))

    path, reason = failed.args
    assert path == str(wrong)
    assert reason
    assert engine.model is before
    assert engine.model_path == str(small_model)

    roles: list[str] = []
    told = engine.crashed.connect(lambda report: roles.append(report.role))
    with qtbot.waitSignal(engine.model_opened) as opened:
        os.kill(engine.explorer.pid, signal.SIGKILL)
    assert opened.args == [before], "the good model comes back, not the wrong file"
    assert roles == ["explorer"]
    assert engine.status.startswith("Ready on ")
    engine.disconnect(told)


def test_another_model_takes_its_place(shared_engine: Engine, qtbot: Bot, other_model: Path) -> None:
    engine = shared_engine
    with qtbot.waitSignal(engine.model_opened):
        engine.open_model(str(other_model))
        assert engine.opening
    assert engine.model is not None
    assert engine.model.path == str(other_model)
    assert len(engine.model.explained_variance) == 5
    assert engine.model_path == str(other_model)


def test_a_wrong_file_asked_right_after_a_good_one_does_not_hide_it(
    shared_engine: Engine, qtbot: Bot, tmp_path: Path, other_model: Path
) -> None:
    engine = shared_engine
    gone = str(tmp_path / "gone.safetensors")
    failed: list[str] = []
    hear = engine.model_failed.connect(lambda path, _: failed.append(path))
    with qtbot.waitSignals([engine.model_opened, engine.model_failed]):
        engine.open_model(str(other_model))
        engine.open_model(gone)
    assert failed == [gone]
    engine.disconnect(hear)
    assert engine.model_path == str(other_model)


@pytest.mark.slow
def test_a_remembered_model_that_is_gone_gives_way_to_the_included_one(qtbot: Bot, tmp_path: Path) -> None:
    engine = Engine()
    with qtbot.waitSignals([engine.model_failed, engine.model_opened]):
        engine.start(str(tmp_path / "gone.safetensors"))
    assert engine.model is not None
    assert engine.model_path == ""
    stop_engine(qtbot, engine)


@pytest.mark.slow
def test_the_trainer_runs_only_when_it_is_wanted(engine: Engine, qtbot: Bot) -> None:
    assert not engine.trainer.alive
    trainer = engine.ensure_trainer()
    assert engine.ensure_trainer() is trainer
    qtbot.waitUntil(lambda: trainer.state == "ready")
    assert trainer.pid != engine.explorer.pid


def test_stopping_says_when_nothing_is_left(qtbot: Bot, small_model: Path) -> None:
    engine = Engine()
    engine.start(str(small_model))
    ends: list[None] = []
    engine.stopped.connect(lambda: ends.append(None))
    trainer = engine.ensure_trainer()
    qtbot.waitUntil(lambda: engine.explorer.alive and trainer.alive)
    engine.stop()
    qtbot.waitUntil(lambda: ends != [])
    assert not engine.explorer.alive
    assert not engine.trainer.alive
    assert len(ends) == 1
    engine.deleteLater()
