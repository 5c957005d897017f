"""The engine keeps a model open through crashes and wrong files."""

import os
import signal
from pathlib import Path

import pytest

from nvp_studio.state.engine import Engine
from nvp_studio.worker.messages import ModelInfo
from tests.qt import Bot, stop_engine


def collect(engine: Engine) -> tuple[list[ModelInfo], list[tuple[str, str]]]:
    opened: list[ModelInfo] = []
    failed: list[tuple[str, str]] = []
    engine.model_opened.connect(opened.append)
    engine.model_failed.connect(lambda path, reason: failed.append((path, reason)))
    return opened, failed


def test_the_model_is_opened_again_after_a_crash(engine: Engine, qtbot: Bot, small_model: Path) -> None:
    opened, _ = collect(engine)
    before = engine.model
    reports = []
    engine.crashed.connect(reports.append)
    os.kill(engine.explorer.pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: bool(opened))

    assert opened == [before]
    assert [report.role for report in reports] == ["explorer"]
    assert engine.status.startswith("Ready on ")


def test_a_file_that_is_no_model_leaves_the_open_one(
    engine: Engine, qtbot: Bot, tmp_path: Path, small_model: Path
) -> None:
    opened, failed = collect(engine)
    before = engine.model
    wrong = tmp_path / "wrong.safetensors"
    wrong.write_bytes(b"not a model")
    engine.open_model(str(wrong))
    qtbot.waitUntil(lambda: bool(failed))

    assert failed[0][0] == str(wrong)
    assert failed[0][1]
    assert engine.model is before
    assert engine.model_path == str(small_model)

    os.kill(engine.explorer.pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: bool(opened))
    assert opened == [before], "after a crash the good model comes back, not the wrong file"


def test_another_model_takes_its_place(engine: Engine, qtbot: Bot, other_model: Path) -> None:
    opened, _ = collect(engine)
    engine.open_model(str(other_model))
    assert engine.opening
    qtbot.waitUntil(lambda: bool(opened))
    assert engine.model is not None
    assert engine.model.path == str(other_model)
    assert len(engine.model.explained_variance) == 5
    assert engine.model_path == str(other_model)


def test_a_wrong_file_asked_right_after_a_good_one_does_not_hide_it(
    engine: Engine, qtbot: Bot, tmp_path: Path, other_model: Path
) -> None:
    opened, failed = collect(engine)
    engine.open_model(str(other_model))
    engine.open_model(str(tmp_path / "gone.safetensors"))
    qtbot.waitUntil(lambda: bool(opened and failed))
    assert engine.model_path == str(other_model)
    assert [path for path, _ in failed] == [str(tmp_path / "gone.safetensors")]


def test_a_remembered_model_that_is_gone_gives_way_to_the_included_one(qtbot: Bot, tmp_path: Path) -> None:

    engine = Engine()
    _, failed = collect(engine)
    asked: list[str] = []
    engine.model_opening.connect(asked.append)
    engine.start(str(tmp_path / "gone.safetensors"))
    qtbot.waitUntil(lambda: bool(failed))
    assert asked == [str(tmp_path / "gone.safetensors"), ""]
    stop_engine(qtbot, engine)


@pytest.mark.slow
def test_the_trainer_runs_only_when_it_is_wanted(engine: Engine, qtbot: Bot) -> None:
    assert not engine.trainer.alive
    trainer = engine.ensure_trainer()
    assert engine.ensure_trainer() is trainer
    qtbot.waitUntil(lambda: trainer.state == "ready")
    assert trainer.pid != engine.explorer.pid


def test_stopping_says_when_nothing_is_left(engine: Engine, qtbot: Bot) -> None:
    ends: list[None] = []
    engine.stopped.connect(lambda: ends.append(None))
    engine.ensure_trainer()
    engine.stop()
    qtbot.waitUntil(lambda: bool(ends))
    assert not engine.explorer.alive
    assert not engine.trainer.alive
    assert len(ends) == 1
