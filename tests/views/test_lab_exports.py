"""What leaves Lab and comes back: Python, figures, animations and experiments as files."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import PIL.Image
import pytest
from msgspec.structs import replace
from PySide6.QtWidgets import QApplication

from nvp_studio.lab.code import python_code
from nvp_studio.lab.settings import LabFile, LabSettings, file_content
from nvp_studio.state.engine import Engine
from nvp_studio.state.lab import LabState
from nvp_studio.views.main_window import MainWindow
from nvp_studio.views.pages.lab.page import LabPage
from nvp_studio.views.pages.lab.two_dimensions import TwoDimensions
from tests.qt import Bot, drop, is_asking, open_window


@pytest.fixture
def window(qtbot: Bot, shared_engine: Engine, tmp_path: Path) -> MainWindow:
    def finish(window: MainWindow) -> None:
        qtbot.waitUntil(lambda: not is_asking(shared_engine.explorer))

    return open_window(qtbot, shared_engine, tmp_path, tmp_path / "runs", "lab", before_close=finish)


@pytest.fixture
def page(window: MainWindow, qtbot: Bot) -> TwoDimensions:
    page = window.page("lab")
    assert isinstance(page, LabPage)
    wait(page.two_dimensions.state, qtbot)
    return page.two_dimensions


def wait(state: LabState, qtbot: Bot) -> None:
    qtbot.waitUntil(lambda: state.view is not None and not is_asking(state.engine.explorer))


def take_steps(state: LabState, qtbot: Bot, count: int) -> None:
    for _ in range(count):
        before = len(state.losses)
        state.step()
        qtbot.waitUntil(lambda before=before: len(state.losses) == before + 1)
    wait(state, qtbot)


def run(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(code, "experiment", "exec"), names)
    return names


def save_as(page: TwoDimensions, key: str, path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: Bot) -> None:
    monkeypatch.setattr(page.page.context, "ask_save", lambda *_: path)
    page.page.context.registry[f"lab.{key}"].trigger()
    qtbot.waitUntil(path.exists)


def test_the_copied_program_trains_the_same_flow(page: TwoDimensions, qtbot: Bot) -> None:
    state = page.state
    state.take(LabSettings(couplings=2, width=8, law="spline", seed=3), state.points, "settings")
    wait(state, qtbot)
    take_steps(state, qtbot, 4)
    page.page.context.registry["lab.copy-python"].trigger()
    names = run(QApplication.clipboard().text())
    assert names["experiment"].steps == 4
    with qtbot.waitSignal(state.pointed) as found:
        state.point_at(0.5, 0.25)
    alone = names["experiment"].log_density(np.array([(0.5, 0.25)]))[0]
    assert found.args[0][2] == pytest.approx(alone, abs=1e-3)
    assert names["samples"].shape == names["latents"].shape == (1000, 2)


def test_programs_hold_few_points_and_read_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = LabSettings(data="points", couplings=1, width=4)
    few = LabFile(settings=settings, points=((0.0, 1.0), (1.0, 0.5), (-1.0, 0.25)))
    assert run(python_code(few, 1))["experiment"].steps == 1
    many = LabFile(settings=settings, points=tuple((float(n), float(n % 7)) for n in range(600)))
    (tmp_path / "experiment.json").write_bytes(file_content(many))
    monkeypatch.chdir(tmp_path)
    assert run(python_code(many, 2))["experiment"].steps == 2


def test_an_experiment_comes_back_from_its_file(
    window: MainWindow, page: TwoDimensions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: Bot
) -> None:
    state = page.state
    points = np.array([(0.0, 1.0), (1.0, 0.5), (-1.0, 0.25)], np.float32)
    mine = LabSettings(data="points", couplings=3, width=5, mask="mixed")
    state.take(mine, points, "settings")
    path = tmp_path / "mine.json"
    save_as(page, "save-experiment", path, monkeypatch, qtbot)
    assert json.loads(path.read_text())["settings"]["width"] == 5
    window.registry["edit.undo"].trigger()
    assert state.settings == LabSettings()
    assert drop(page, [path])
    assert state.settings == mine
    assert np.array_equal(state.points, points)
    wait(state, qtbot)
    path.write_text('{"kind": "nvp-studio-lab", "settings": {"width": 1000000}}')
    monkeypatch.setattr(page.page.context, "ask_files", lambda *_: [path])
    window.registry["lab.open-experiment"].trigger()
    assert any("no settings of Lab" in notice.text for notice in window.notifications.shown)
    assert state.settings == mine


def test_figure_and_animations_are_written(
    page: TwoDimensions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: Bot
) -> None:
    state = page.state
    state.take(LabSettings(couplings=1, width=4), state.points, "settings")
    wait(state, qtbot)
    assert not page._action("save-training").isEnabled()
    take_steps(state, qtbot, 4)
    state.draw_probe((0.0, 0.0), 0.2, 0)
    wait(state, qtbot)
    save_as(page, "save-figure", tmp_path / "lab.svg", monkeypatch, qtbot)
    drawing = ElementTree.parse(tmp_path / "lab.svg").getroot()
    assert drawing.tag.endswith("svg")
    texts = [text.text for text in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert page.views.data_title.text() in texts
    assert page.views.loss_title.text() in texts
    assert len(list(drawing.iter("{http://www.w3.org/2000/svg}path"))) > 3
    for key, count in (("save-layers", 31), ("save-training", 4)):
        path = tmp_path / f"{key}.webp"
        save_as(page, key, path, monkeypatch, qtbot)
        with PIL.Image.open(path) as film:
            assert film.n_frames == count  # type: ignore[attr-defined]
            assert film.height == 432


def test_of_a_long_training_some_views_are_kept(page: TwoDimensions) -> None:
    state, view = page.state, page.state.view
    assert view is not None
    for number in range(700):
        state._keep(replace(view, steps=number, losses=(1.0,)))
    steps = [shot.steps for shot in state.shots]
    assert 150 <= len(steps) <= 300
    assert len(set(np.diff(steps))) == 1
