"""Following a run in training on Explore, with both workers."""

import os
import signal
from pathlib import Path

import pytest
from msgspec.structs import replace
from PySide6.QtCore import Qt

from nvp_studio.recipe import Recipe, Seed
from nvp_studio.runs.trash import discard_run
from nvp_studio.state.engine import Engine
from nvp_studio.state.follow import FollowState
from nvp_studio.text import grouped_number
from nvp_studio.training.changes import ChangeRequest
from nvp_studio.training.config import StopRules, TrainConfig
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
        for client in (trainer_engine.trainer, trainer_engine.explorer):
            client._crashes = 0  # the next test begins with workers that never crashed

    window = open_window(qtbot, trainer_engine, tmp_path, tmp_path / "runs", "explore", before_close=end_run)
    page = window.page("explore")
    assert isinstance(page, ExplorePage)
    trainer_engine.open_model(str(small_model))
    qtbot.waitUntil(lambda: not trainer_engine.opening and settled(page))
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    page.setFocus()
    return page


def train(page: ExplorePage, qtbot: Bot, data: Path, name: str = "followed", **changes: object) -> FollowState:
    config = TrainConfig(
        data=str(data), preset="quick", steps=10**6, batch_size=8, device="cpu", validation_every=10**5
    )
    live = page.context.live
    live.start(replace(config, **changes), page.context.runs_folder, name)
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


def follow(page: ExplorePage, qtbot: Bot) -> FollowState:
    """Follow the run by the action, until weights of it are shown."""
    state = page.follow.state
    page.context.registry["explore.follow"].trigger()
    qtbot.waitUntil(lambda: state.step is not None and settled(page))
    return state


def test_following_waits_while_the_run_is_paused_and_ends_when_it_finishes(
    page: ExplorePage, qtbot: Bot, toy_data: Path
) -> None:
    live, told = page.context.live, []
    train(page, qtbot, toy_data)
    state = follow(page, qtbot)
    state.ended.connect(told.append)
    live.pause()
    qtbot.waitUntil(lambda: live.phase == "paused" and not state._asked_at)
    paused_at, step = live.progress.step, state.step
    state._ask()
    assert state._asked_at is None, "a run that is paused is not asked for weights that it has written already"
    assert state.following
    assert page.pictures.caption.text().startswith(f"Live, step {grouped_number(step)}")
    page.state.new_sample(7)
    qtbot.waitUntil(lambda: settled(page))
    live.unpause()
    qtbot.waitUntil(lambda: state.step > paused_at and settled(page))

    live.change(ChangeRequest(stop=StopRules(minutes=1e-6)))
    qtbot.waitUntil(lambda: live.phase == "finished")
    assert len(told) == 1
    assert not state.following
    assert not page.context.registry["explore.follow"].isEnabled()
    qtbot.waitUntil(lambda: settled(page))
    assert page.pictures.caption.text().startswith(f"Pinned at step {grouped_number(state.step)}")
    image = page.state.picture.image
    page.state.new_sample(8)
    qtbot.waitUntil(lambda: settled(page))
    page.window().registry["edit.undo"].trigger()
    qtbot.waitUntil(lambda: settled(page))
    assert page.state.picture.image == image, "the last weights stay"


def test_a_run_of_another_architecture_is_followed_next_and_closing_the_window_does_no_harm(
    page: ExplorePage, qtbot: Bot, toy_data: Path, trainer_engine: Engine, tmp_path: Path
) -> None:
    live, failures = page.context.live, []
    page.state.failed.connect(failures.append)
    train(page, qtbot, toy_data)
    follow(page, qtbot)
    live.stop()
    qtbot.waitUntil(lambda: live.phase == "stopped" and settled(page))
    shapes, discarded = page.state.model.latent_shapes, live.folder
    discard_run(Path(discarded))
    page.state.new_sample(5)
    qtbot.waitUntil(lambda: settled(page))
    image = page.state.picture.image

    state = train(page, qtbot, toy_data, "other", image_size=16)
    assert page.pictures.caption.text().startswith("Pinned at step"), "weights of the run before"
    follow(page, qtbot)
    assert page.state.model.name == "other"
    assert page.state.model.latent_shapes != shapes
    assert page.state.recipe.base == Seed(5)
    assert page.state.picture.image != image
    first = state.step
    state._ask()  # it would be a while until it asks again by itself
    qtbot.waitUntil(lambda: state.step > first and settled(page))
    assert failures == []

    page.window().close()
    window = open_window(qtbot, trainer_engine, tmp_path, tmp_path / "runs", "explore")
    again = window.page("explore")
    qtbot.waitUntil(lambda: settled(again))
    assert again.state.model.name == "other"
    assert again.state.recipe.base == Seed(5)
    window.close()


def test_following_goes_on_after_a_crash_of_either_process(page: ExplorePage, qtbot: Bot, toy_data: Path) -> None:
    train(page, qtbot, toy_data)
    state = follow(page, qtbot)
    engine = page.context.engine
    for client in (engine.explorer, engine.trainer):
        step, restarts = state.step, []
        client.crashed.connect(restarts.append)
        os.kill(client.pid, signal.SIGKILL)
        qtbot.waitUntil(lambda restarts=restarts: bool(restarts))
        qtbot.waitUntil(lambda: page.context.live.phase == "training" and engine.explorer.state == "ready")
        assert state.following
        state._ask()  # it would be a while until it asks again by itself
        qtbot.waitUntil(lambda step=step: state.step > step and settled(page))
