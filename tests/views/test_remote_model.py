"""A run on another machine is explored here: its model is copied, with a notice that shows the progress."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton

from nvp_studio.state.engine import Engine
from nvp_studio.training.changes import ChangeRequest
from nvp_studio.training.config import StopRules, TrainConfig
from nvp_studio.views.main_window import MainWindow
from nvp_studio.views.notify import Notification
from nvp_studio.views.pages.train.page import TrainPage
from tests.far import WORKER, stand_in_for_ssh
from tests.qt import Bot, open_window, stop_engine

pytestmark = [pytest.mark.skipif(os.name != "posix", reason="the stand-in needs sh"), pytest.mark.timeout(600)]


@pytest.fixture
def window(qtbot: Bot, tmp_path: Path) -> Iterator[MainWindow]:
    """A window whose engine is not started."""
    engine = Engine()
    yield open_window(qtbot, engine, tmp_path, page="train")
    stop_engine(qtbot, engine)


@pytest.fixture
def page(window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainPage:
    """The Train page of a window that trains on another machine."""
    stand_in_for_ssh(tmp_path, monkeypatch)
    page = window.page("train")
    assert isinstance(page, TrainPage)
    window.show_page("train")
    page.run_on("gpu-box", WORKER)
    return page


def notices(window: MainWindow, words: str) -> list[Notification]:
    return [notice for notice in window.notifications.shown if words in notice.text]


@pytest.mark.slow
def test_a_run_there_is_explored_while_it_trains_and_when_it_is_finished(
    window: MainWindow, page: TrainPage, qtbot: Bot, toy_data: Path, tmp_path: Path, small_model: Path
) -> None:
    window.engine.start(str(small_model))
    config = TrainConfig(data=str(toy_data), preset="quick", steps=10**6, batch_size=8, device="cpu")
    explore = window.registry["run.explore"]
    page.live.start(msgspec.structs.replace(config, checkpoint_minutes=1e-4), tmp_path / "here", "far")
    page._show_live()
    assert not explore.isEnabled(), "it has no folder yet"
    there = tmp_path / "there" / "far" / "checkpoints" / "best.safetensors"
    qtbot.waitUntil(lambda: there.exists() and explore.isEnabled())
    assert "gpu-box" in explore.toolTip()
    explore.trigger()
    assert notices(window, "Asking gpu-box for the model of far")
    qtbot.waitUntil(lambda: window.current_page.key == "explore")
    here = str(tmp_path / "models" / "gpu-box" / "far.safetensors")
    qtbot.waitUntil(lambda: window.engine.model is not None and window.engine.model.path == here)
    assert page.live.phase == "training"
    assert not notices(window, "model of far")
    window.show_page("train")
    page.live.change(ChangeRequest(stop=StopRules(minutes=1e-6)))
    qtbot.waitUntil(lambda: not page.live.under_way)
    (notice,) = notices(window, "far is finished")
    assert notice.actions[0][0] == "Explore it"
    notice.actions[0][1]()
    qtbot.waitUntil(lambda: window.current_page.key == "explore")
    assert Path(here).read_bytes() == there.read_bytes()


SLOW = """
import sys, time
sys.stdin.read()
print('{"size": 400000000, "sha256": ""}', flush=True)
while True:
    sys.stdout.buffer.write(bytes(100_000))
    sys.stdout.flush()
    time.sleep(0.05)
"""


def test_the_copy_is_shown_and_can_be_cancelled(
    window: MainWindow, page: TrainPage, qtbot: Bot, tmp_path: Path
) -> None:
    script = tmp_path / "slow.py"
    script.write_text(SLOW)
    page.run_on("gpu-box", f"exec {sys.executable} {script}")
    page.live.name = page.live.first_name = "large"
    page.live.host, page.live.folder = "gpu-box", "/there/large"
    page.actions_.show_current(None)
    window.registry["run.explore"].trigger()
    qtbot.waitUntil(lambda: bool(notices(window, "of 400 MB")))
    window.registry["run.explore"].trigger()
    assert len(notices(window, "of 400 MB")) == 1, "it is copied once"
    (cancel,) = [
        button
        for button in window.notifications.findChildren(QPushButton)
        if button.text() == "Cancel" and button.isVisible()
    ]
    qtbot.mousePress(cancel, Qt.MouseButton.LeftButton)
    (before,) = notices(window, "of 400 MB")
    qtbot.waitUntil(lambda: notices(window, "of 400 MB") != [before])
    qtbot.mouseRelease(cancel, Qt.MouseButton.LeftButton)
    assert not notices(window, "large")
    assert page.actions_._remote_model.copy is None
    qtbot.waitUntil(lambda: not list((tmp_path / "models").rglob("*large*")))
    assert window.current_page.key == "train"


@pytest.mark.slow_repeats
def test_errors_are_reported(window: MainWindow, page: TrainPage, qtbot: Bot, tmp_path: Path) -> None:
    page.live.name = page.live.first_name = "far"
    page.live.host, page.live.folder = "gpu-box", str(tmp_path / "there" / "far")
    page.actions_.show_current(None)
    window.registry["run.explore"].trigger()
    qtbot.waitUntil(lambda: bool(notices(window, "Cannot bring the model of far here: ")))
    (notice,) = notices(window, "far")
    assert notice.text.endswith("is no run of the runs folder there")
    assert notice.level == "error"
