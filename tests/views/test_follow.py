"""Following a run in training on Explore, with both workers."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from PySide6.QtCore import Qt

from nvp_studio.recipe import Recipe
from nvp_studio.state.engine import Engine
from nvp_studio.state.follow import FollowState
from nvp_studio.text import grouped_number
from nvp_studio.training.config import TrainConfig
from nvp_studio.views.main_window import MainWindow
from nvp_studio.views.model_menu import ModelMenu
from nvp_studio.views.pages.explore.page import ExplorePage
from tests.qt import Bot, open_window
from tests.views.explore_page import settled

pytestmark = pytest.mark.slow


@pytest.fixture
def page(trainer_engine: Engine, qtbot: Bot, small_model: Path, tmp_path: Path) -> ExplorePage:
    """The page in a shown window, whose run is ended with the test."""

    def end_run(window: MainWindow) -> None:
        live = window.context.live
        if live.under_way:
            live.stop()
            qtbot.waitUntil(lambda: not live.under_way)

    window = open_window(qtbot, trainer_engine, tmp_path, tmp_path / "runs", "explore", before_close=end_run)
    page = window.page("explore")
    assert isinstance(page, ExplorePage)
    trainer_engine.open_model(str(small_model))
    qtbot.waitUntil(lambda: not trainer_engine.opening and settled(page))
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    page.setFocus()
    return page


def train(page: ExplorePage, qtbot: Bot, data: Path) -> FollowState:
    config = TrainConfig(
        data=str(data), preset="quick", steps=10**6, batch_size=8, device="cpu", validation_every=10**5
    )
    live = page.context.live
    live.start(config, page.context.runs_folder, "followed")
    qtbot.waitUntil(lambda: live.phase == "training" and live.progress is not None)
    state = page.follow.state
    assert state is not None
    state.least_seconds = 0.1
    return state


def plain(recipe: Recipe) -> Recipe:
    return replace(recipe, checkpoint="")


def test_newer_weights_are_shown_while_history_and_sliders_stay(page: ExplorePage, qtbot: Bot, toy_data: Path) -> None:
    action = page.context.registry["explore.follow"]
    assert not action.isEnabled()
    state = train(page, qtbot, toy_data)
    assert action.isEnabled()
    menu = page.toolbar.model_button.menu()
    assert isinstance(menu, ModelMenu)
    menu.aboutToShow.emit()
    assert action in menu.actions()
    qtbot.keyClick(page, Qt.Key.Key_E, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    assert state.following
    assert page.pictures.caption.text().startswith("Waiting for the weights of the run")
    qtbot.waitUntil(lambda: state.step is not None and settled(page))
    assert page.state.model.name == "followed"
    first, digest, image = state.step, page.state.model.digest, page.state.picture.image
    assert page.pictures.caption.text().startswith(f"Live, step {grouped_number(first)}")

    page.state.set_temperature(0.9)
    page.state.new_sample(5)
    page.state.begin_gesture()
    page.state.set_temperature(0.7, 0)
    recipe, steps = plain(page.state.recipe), page.state.undo.count()
    held = state.step
    qtbot.wait(500)
    page.state.end_gesture("temperature")
    qtbot.waitUntil(lambda: state.step > held and settled(page))
    assert plain(page.state.recipe) == recipe
    assert page.state.undo.count() == steps + 1
    assert page.state.model.digest != digest
    assert page.state.picture_recipe.checkpoint == page.state.model.digest
    page.state.undo.undo()
    page.state.undo.undo()
    page.state.undo.undo()
    qtbot.waitUntil(lambda: settled(page))
    assert page.state.picture.image != image, "the first picture, by newer weights"

    action.trigger()
    assert not state.following
    pinned = state.step
    assert page.pictures.caption.text().startswith("Pinned at step")
    with qtbot.waitSignal(page.context.live.checkpoint_saved):
        page.context.live.save()
    qtbot.waitUntil(lambda: settled(page))
    assert state.step == pinned


def test_following_ends_with_the_run_and_with_another_model(
    page: ExplorePage, qtbot: Bot, toy_data: Path, small_model: Path
) -> None:
    state = train(page, qtbot, toy_data)
    action = page.context.registry["explore.follow"]
    action.trigger()
    qtbot.waitUntil(lambda: state.step is not None and settled(page))
    page.context.engine.open_model(str(small_model))
    qtbot.waitUntil(lambda: not state.following and settled(page))
    assert state.step is None
    assert page.state.model.path == str(small_model)
    assert page.pictures.caption.text().startswith("Sample ")
    action.trigger()
    qtbot.waitUntil(lambda: state.step is not None and settled(page))
    told: list[str] = []
    state.ended.connect(told.append)
    page.context.live.stop()
    qtbot.waitUntil(lambda: not page.context.live.under_way)
    assert told == ["The run followed takes no more steps: Explore stays at the last weights that it showed."]
    assert not state.following
    assert not action.isEnabled()
    assert page.pictures.caption.text().startswith("Pinned at step")
