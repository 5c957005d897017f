"""Lab in two dimensions: an experiment in the explorer, trained and looked at by real mouse and key events."""

import os
import signal
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtWidgets import QApplication

from nvp_studio.state.engine import Engine
from nvp_studio.views.actions import plain_text, why_not
from nvp_studio.views.main_window import MainWindow
from nvp_studio.views.pages.lab.page import LabPage
from nvp_studio.views.pages.lab.two_dimensions import TwoDimensions
from tests.qt import Bot, drop, is_asking, open_window


@pytest.fixture
def window(qtbot: Bot, shared_engine: Engine, tmp_path: Path) -> MainWindow:
    def finish(window: MainWindow) -> None:
        page = window.page("lab")
        assert isinstance(page, LabPage)
        page.two_dimensions.state.set_pace("paused")
        qtbot.waitUntil(lambda: not is_asking(shared_engine.explorer))

    return open_window(qtbot, shared_engine, tmp_path, tmp_path / "runs", "lab", before_close=finish)


@pytest.fixture
def page(window: MainWindow, qtbot: Bot) -> TwoDimensions:
    page = window.page("lab")
    assert isinstance(page, LabPage)
    wait(page.two_dimensions, qtbot)
    page.two_dimensions.setFocus()
    return page.two_dimensions


def wait(page: TwoDimensions, qtbot: Bot) -> None:
    """Until there is an experiment and nothing more is on its way."""
    qtbot.waitUntil(lambda: page.state.view is not None and not is_asking(page.state.engine.explorer))


def trained(page: TwoDimensions, qtbot: Bot, steps: int) -> None:
    page.views.data_view.setFocus()
    qtbot.keyClick(page.views.data_view, Qt.Key.Key_X)
    qtbot.waitUntil(lambda: len(page.state.losses) >= steps)
    qtbot.keyClick(page.views.data_view, Qt.Key.Key_X)
    wait(page, qtbot)


def press(page: TwoDimensions, key: str) -> None:
    page.page.context.registry[f"lab.{key}"].trigger()


def test_an_experiment_waits_to_be_trained(page: TwoDimensions) -> None:
    assert page.state.built is not None
    assert page.state.losses == []
    assert page.views.data_title.text() == "Data"
    assert page.views.density_view.scene.heat is not None
    assert page.views.layers_view.scene.mesh is not None
    assert page.views.loss_view.empty_text == "Train to see the loss."
    assert "parameters" in page.panel.facts.text()


def test_what_is_told_to_train_before_it_is_built_is_trained_then(page: TwoDimensions, qtbot: Bot) -> None:
    state, registry = page.state, page.page.context.registry
    state.built = None
    state.reset()
    assert state.building
    assert why_not(registry["lab.step"]) == "the experiment is on its way"
    qtbot.keyClick(page.views.data_view, Qt.Key.Key_X)
    assert plain_text(registry["lab.play"]) == "Pause training"
    assert "is trained then" in page.views.data_view.empty_text
    qtbot.waitUntil(lambda: len(state.losses) > 0)
    qtbot.keyClick(page.views.data_view, Qt.Key.Key_X)
    assert state.pace == "paused"


def test_training_plays_pauses_takes_single_steps_and_begins_anew(page: TwoDimensions, qtbot: Bot) -> None:
    trained(page, qtbot, 30)
    assert page.state.pace == "paused"
    steps = len(page.state.losses)
    assert page.state.view is not None
    assert page.state.view.steps == steps
    assert page.views.loss_title.text().startswith("Loss: ")
    assert len(page.views.data_view.scene.dots) == 2
    assert np.mean(page.state.losses[-5:]) < np.mean(page.state.losses[:5])
    qtbot.keyClick(page.views.data_view, Qt.Key.Key_E)
    qtbot.waitUntil(lambda: len(page.state.losses) == steps + 1)
    press(page, "slow")
    qtbot.waitUntil(lambda: len(page.state.losses) >= steps + 3)
    play = page.page.context.registry["lab.play"]
    assert plain_text(play) == "Pause training"
    qtbot.keyClick(page.views.data_view, Qt.Key.Key_X)
    assert (page.state.pace, plain_text(play)) == ("paused", "Train")
    press(page, "slow")
    press(page, "slow")
    assert page.state.pace == "paused"
    press(page, "reset")
    qtbot.waitUntil(lambda: page.state.losses == [])
    wait(page, qtbot)
    assert page.state.view.steps == 0


def test_nothing_is_trained_while_the_page_is_hidden(window: MainWindow, page: TwoDimensions, qtbot: Bot) -> None:
    press(page, "play")
    qtbot.waitUntil(lambda: len(page.state.losses) > 0)
    window.show_page("inspect")
    wait(page, qtbot)
    steps = len(page.state.losses)
    qtbot.wait(300)
    assert len(page.state.losses) == steps
    window.show_page("lab")
    qtbot.waitUntil(lambda: len(page.state.losses) > steps)


def test_settings_begin_the_experiment_anew_and_can_be_undone(
    window: MainWindow, page: TwoDimensions, qtbot: Bot
) -> None:
    panel, state = page.panel, page.state
    panel.law_field.setCurrentIndex(1)
    qtbot.keyClick(panel.couplings_field, Qt.Key.Key_Up)
    assert (state.settings.law, state.settings.couplings) == ("spline", 7)
    wait(page, qtbot)
    assert state.layers == 8
    window.registry["edit.undo"].trigger()
    window.registry["edit.undo"].trigger()
    assert (state.settings.law, state.settings.couplings) == ("affine", 6)
    assert panel.law_field.currentData() == "affine"
    assert panel.couplings_field.value() == 6
    wait(page, qtbot)
    assert state.layers == 7
    window.registry["edit.redo"].trigger()
    assert state.settings.law == "spline"


def test_the_slider_moves_the_grid_continuously(page: TwoDimensions, qtbot: Bot) -> None:
    trained(page, qtbot, 20)
    grid = page.state.view.grid if page.state.view else None
    assert grid is not None
    qtbot.keyClick(page.views.slider, Qt.Key.Key_End)
    assert page.views.layers_title.text() == "Noise, after coupling 6: x changes"
    qtbot.keyClick(page.views.slider, Qt.Key.Key_Left)
    assert page.views.position == pytest.approx(6.95)
    assert page.views.layers_title.text() == "Coupling 6: x changes  ·  95 %"
    assert page.views.layers_view.scene.mesh is not None
    np.testing.assert_allclose(page.views.layers_view.scene.mesh[0], grid.at(6.95)[0], atol=1e-5)
    qtbot.keyClick(page.views.slider, Qt.Key.Key_Home)
    assert page.views.layers_title.text() == "Data space"
    press(page, "layers")
    qtbot.waitUntil(lambda: page.views.position == page.state.layers)
    assert not page._action("layers").isChecked()
    press(page, "noise")
    qtbot.waitUntil(lambda: bool(page.state.view and page.state.view.grid and page.state.view.grid.origin == 7))


def test_a_square_drawn_on_one_side_is_seen_on_the_other_with_its_area(page: TwoDimensions, qtbot: Bot) -> None:
    trained(page, qtbot, 20)
    view = page.views.data_view
    start = view.place_of(0.2, -0.3).toPoint()
    qtbot.mouseDrag(view, start, start + QPoint(4, 2), start + QPoint(6, 6))
    qtbot.waitUntil(lambda: page.state.led is not None)
    assert len(page.state.probe_at(0)) == 257
    page.views.move_to(page.state.layers)
    area, det = page.state.ratios(page.views.position)
    assert area == pytest.approx(det, rel=0.1)
    assert page.views.layers_line.text() == f"Area x {area:.4g}  ·  |det J| {det:.4g}"
    assert page.views.density_line.text().startswith("p 0.")
    assert page.views.layers_view.scene.outline is not None
    before = page.state.probe_at(0)[0, 0]
    qtbot.keyClick(view, Qt.Key.Key_Right)
    qtbot.waitUntil(lambda: page.state.probe_at(0)[0, 0] == pytest.approx(before + 0.05, abs=1e-5))
    qtbot.keyClick(view, Qt.Key.Key_Delete)
    assert page.state.led is None
    qtbot.mouseClick(
        page.views.layers_view, Qt.MouseButton.LeftButton, pos=page.views.layers_view.place_of(0.5, 0.5).toPoint()
    )
    qtbot.waitUntil(lambda: page.state.led is not None)
    assert page.state.led.stages.origin == page.state.layers
    area, det = page.state.ratios(page.state.layers)
    assert area is None
    latent = page.state.probe_at(page.state.layers)[0].astype(float)
    prior = -np.log(2 * np.pi) - (latent**2).sum() / 2
    assert page.state.led.log_density[0] == pytest.approx(prior + np.log(det), abs=1e-3)


def test_the_density_under_the_pointer_is_told(page: TwoDimensions, qtbot: Bot) -> None:
    with qtbot.waitSignal(page.state.pointed) as found:
        qtbot.mouseMove(page.views.density_view, page.views.density_view.place_of(0.5, 0.25).toPoint())
    x, y, log_p = found.args[0]
    assert (x, y) == pytest.approx((0.5, 0.25), abs=0.05)
    assert page.views.density_line.text().startswith(f"p {np.exp(log_p):.4g}")
    QApplication.sendEvent(page.views.density_view, QEvent(QEvent.Type.Leave))
    assert page.views.density_line.text() == "Point at it to read the density"


def test_own_points_are_drawn_and_trained_on(window: MainWindow, page: TwoDimensions, qtbot: Bot) -> None:
    panel, state = page.panel, page.state
    panel.data_field.setCurrentIndex(panel.data_field.findData("points"))
    qtbot.waitUntil(lambda: state.problem != "")
    assert page.views.data_view.empty_text.startswith("Draw points")
    assert page._action("draw").isChecked()
    assert not page._action("play").isEnabled()
    places = [page.views.data_view.place_of(x, x / 2).toPoint() for x in (-1.0, -0.5, 0.0, 0.5)]
    qtbot.mouseDrag(page.views.data_view, *places)
    assert len(state.points) == 25
    wait(page, qtbot)
    assert state.problem == ""
    trained(page, qtbot, 3)
    window.registry["edit.undo"].trigger()
    assert len(state.points) == 0
    window.registry["edit.redo"].trigger()
    assert len(state.points) == 25
    wait(page, qtbot)
    press(page, "clear")
    qtbot.waitUntil(lambda: state.problem != "")


def test_dropped_files_give_points_or_a_word(
    window: MainWindow, page: TwoDimensions, tmp_path: Path, qtbot: Bot
) -> None:
    table = tmp_path / "points.csv"
    table.write_text("x,y\n" + "".join(f"{n},{n % 7}\n" for n in range(40)) + "inf,2\n")
    assert drop(page, [table])
    qtbot.waitUntil(lambda: len(page.state.points) == 40)
    assert page.state.settings.data == "points"
    wait(page, qtbot)
    assert any("1 of 41 points" in notice.text for notice in window.notifications.shown)
    picture = tmp_path / "picture.png"
    PIL.Image.fromarray(np.eye(32, dtype=np.uint8) * 0).save(picture)
    assert drop(page, [picture])
    qtbot.waitUntil(lambda: len(page.state.points) == 20_000)
    wait(page, qtbot)
    text = tmp_path / "words.csv"
    text.write_text("the quick\nbrown fox\n")
    assert drop(page, [text])
    qtbot.waitUntil(lambda: any("two columns" in notice.text for notice in window.notifications.shown))
    assert len(page.state.points) == 20_000


@pytest.mark.slow
def test_the_experiment_begins_anew_after_the_engine_ended(engine: Engine, tmp_path: Path, qtbot: Bot) -> None:
    window = open_window(qtbot, engine, tmp_path, tmp_path / "runs", "lab")
    lab = window.page("lab")
    assert isinstance(lab, LabPage)
    page = lab.two_dimensions
    wait(page, qtbot)
    trained(page, qtbot, 3)
    os.kill(engine.explorer.pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: page.state.view is None)
    assert not page._action("play").isEnabled()
    wait(page, qtbot)
    assert page.state.losses == []
    assert page._action("play").isEnabled()
