"""The training images nearest to Explore's picture, on a real engine."""

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt

from nvp_studio.recipe import Image, Recipe
from nvp_studio.state.engine import Engine
from nvp_studio.views.pages.explore.page import ExplorePage
from tests.qt import Bot
from tests.small_model import random_images
from tests.views.explore_page import settled, shown_page

TRAIN = random_images(400, seed=5)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("data") / "known.npz"
    np.savez(path, train_images=TRAIN, val_images=TRAIN[:5], test_images=random_images(150, seed=6))
    return str(path)


@pytest.fixture
def page(shared_engine: Engine, qtbot: Bot, small_model: Path, tmp_path: Path) -> ExplorePage:
    return shown_page(shared_engine, qtbot, small_model, tmp_path)


def found(page: ExplorePage) -> bool:
    state = page.neighbours.state
    return settled(page) and not state.running and state.found is not None and not state.outdated


def show_tool(page: ExplorePage, qtbot: Bot, data: str) -> None:
    qtbot.keyClick(page, Qt.Key.Key_W)
    assert page.neighbours.panel.isVisible()
    qtbot.waitUntil(lambda: bool(page.neighbours.state.problem))
    told = page.neighbours.panel.status.text()
    assert told.startswith("The model's own data, Random images, are not here; choose other data (")
    page.neighbours.panel.data.picked.emit(data)
    qtbot.waitUntil(lambda: found(page))


def test_neighbours_follow_the_picture_and_a_click_shows_one(page: ExplorePage, qtbot: Bot, data: str) -> None:
    show_tool(page, qtbot, data)
    tool, state = page.neighbours, page.neighbours.state
    apart = np.sqrt(np.square(TRAIN.astype(float) - page.state.picture.image.array()[0]).mean((1, 2, 3)))
    assert list(state.found.numbers) == np.argsort(apart, kind="stable")[: len(state.found.numbers)].tolist()
    assert tool.panel.list.count() == 10
    assert tool.panel.list.item(0).text() == f"{apart.min():.1f}"
    assert tool.panel.status.text().startswith(("No sign of a copy", "May be a copy"))
    assert "of 150 test images are as near" in tool.panel.status.text()
    number, steps = state.found.numbers[2], page.state.undo.count()
    rect = tool.panel.list.visualItemRect(tool.panel.list.item(2))
    qtbot.mouseClick(tool.panel.list.viewport(), Qt.MouseButton.LeftButton, pos=rect.center())
    assert page.state.recipe.base == Image((8, 8, 1), TRAIN[number].tobytes(), f"Image {number + 1} of known.npz")
    assert page.state.undo.count() == steps + 1
    qtbot.waitUntil(lambda: found(page) and state.found.known)
    assert state.found.numbers[0] == number
    assert tool.panel.status.text().startswith("A training image")
    tool.panel.list.setFocus()
    tool.panel.list.setCurrentRow(1)
    second = state.found.numbers[1]
    qtbot.keyClick(tool.panel.list, Qt.Key.Key_Return)
    assert page.state.recipe.base.name == f"Image {second + 1} of known.npz"
    page.window().registry["edit.undo"].trigger()
    assert page.state.recipe.base.name == f"Image {number + 1} of known.npz"


def test_latents_are_computed_in_steps_and_can_be_stopped(page: ExplorePage, qtbot: Bot, data: str) -> None:
    show_tool(page, qtbot, data)
    tool, state = page.neighbours, page.neighbours.state
    seen: list[tuple[str, int]] = []
    stops: list[int] = []

    def on_changed() -> None:
        if state.progress is not None:
            seen.append((state.progress.work, state.progress.done))
            if state.progress.work == "encoding" and not stops:
                stops.append(state.progress.done)
                page.context.registry["explore.neighbours-stop"].trigger()

    state.changed.connect(on_changed)
    tool.panel.space_picked.emit("z")
    qtbot.waitUntil(lambda: state.stopped)
    assert tool.panel.status.text().startswith("Stopped")
    assert not page.context.registry["explore.neighbours-stop"].isEnabled()
    qtbot.keyClick(page, Qt.Key.Key_N)
    qtbot.waitUntil(lambda: settled(page))
    assert not state.running
    qtbot.keyClick(page, Qt.Key.Key_W, Qt.KeyboardModifier.ShiftModifier)
    qtbot.waitUntil(lambda: found(page))
    done = [count for work, count in seen if work == "encoding"]
    assert done == sorted(done)
    assert state.found.space == "z"
    assert state.found.searched == len(TRAIN)
    base = Image((8, 8, 1), TRAIN[33].tobytes(), "x")
    page.state.show(Recipe(checkpoint="", base=base), "x")
    qtbot.waitUntil(lambda: found(page) and state.found.numbers[0] == 33)
    assert state.found.distances[0] < 0.01


def test_a_drag_is_served_while_images_are_encoded(page: ExplorePage, qtbot: Bot, tmp_path: Path) -> None:
    many = random_images(4000, seed=9)
    np.savez(tmp_path / "many.npz", train_images=many, val_images=many[:50])
    show_tool(page, qtbot, str(tmp_path / "many.npz"))
    state = page.neighbours.state
    page.neighbours.panel.space_picked.emit("z")
    qtbot.waitUntil(lambda: state.progress is not None and state.progress.work == "encoding")
    page.state.begin_gesture()
    for value in (0.5, 1.0, 1.5):
        page.state.set_coordinate(0, value)
        wanted = page.state.recipe
        qtbot.waitUntil(lambda: page.state.picture_recipe == wanted)  # noqa: B023
        assert state.running
    state.stop()
    page.state.end_gesture("x")


def test_a_closed_tool_asks_for_nothing(page: ExplorePage, qtbot: Bot, data: str) -> None:
    show_tool(page, qtbot, data)
    before = page.neighbours.state.found
    qtbot.keyClick(page, Qt.Key.Key_W)
    assert not page.neighbours.panel.isVisible()
    qtbot.keyClick(page, Qt.Key.Key_N)
    qtbot.waitUntil(lambda: settled(page))
    assert not page.neighbours.state.running
    assert page.neighbours.state.found is before
