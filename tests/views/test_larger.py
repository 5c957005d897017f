"""Explore's picture larger than trained, on a real engine."""

from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from PySide6.QtCore import Qt

from nvp_studio.recipe import Image, Recipe, Seed
from nvp_studio.state.engine import Engine
from nvp_studio.views.pages.explore.page import ExplorePage
from nvp_studio.worker.messages import RenderSheet
from tests.qt import Bot
from tests.views.explore_page import settled, shown_page


@pytest.fixture
def page(shared_engine: Engine, qtbot: Bot, small_model: Path, tmp_path: Path) -> ExplorePage:
    return shown_page(shared_engine, qtbot, small_model, tmp_path)


def press(page: ExplorePage, qtbot: Bot) -> None:
    qtbot.keyClick(page, Qt.Key.Key_G, Qt.KeyboardModifier.AltModifier)


def test_a_sample_is_shown_twice_as_large_and_back(page: ExplorePage, qtbot: Bot) -> None:
    state, action = page.state, page.context.registry["explore.larger"]
    state.new_sample(5)
    qtbot.waitUntil(lambda: settled(page))
    state.set_coordinate(0, state.origin[0] + 1)
    qtbot.waitUntil(lambda: settled(page))
    before = state.recipe
    press(page, qtbot)
    assert action.isChecked()
    assert state.recipe == Recipe(
        checkpoint=before.checkpoint, base=Seed(5), temperatures=before.temperatures, enlarged=2
    )
    qtbot.waitUntil(lambda: settled(page))
    assert state.picture.image.shape == (1, 16, 16, 1)
    assert page.pictures.view.image.width() == 16
    assert "2 times as large as trained" in page.pictures.caption.text()
    assert state.percentile() is None
    assert page.panel.score.figure.text() != "–"
    assert page.panel.score.band._mark is None, "the reference has the trained size"
    assert page.panel.score.rank.text() == "Larger than the reference images"
    assert not page.panel.latents.panel.isEnabled()
    assert page.panel.latents.moved.text() == "trained size only"
    names = ("find-directions", "randomize")
    assert not any(page.context.registry[f"explore.{name}"].isEnabled() for name in names)
    qtbot.keyClick(page, Qt.Key.Key_N)
    qtbot.waitUntil(lambda: settled(page))
    assert state.picture.image.shape == (1, 16, 16, 1)
    for _ in range(2):
        page.window().registry["edit.undo"].trigger()
    assert state.recipe == before
    assert not action.isChecked()
    assert page.panel.latents.panel.isEnabled()
    assert all(page.context.registry[f"explore.{name}"].isEnabled() for name in names)
    page.window().registry["edit.redo"].trigger()
    press(page, qtbot)
    assert state.recipe.enlarged == 1
    qtbot.waitUntil(lambda: settled(page) and bool(state.origin))
    assert state.picture.image.shape == (1, 8, 8, 1)


def test_an_image_cannot_be_larger_and_brings_the_trained_size_back(page: ExplorePage, qtbot: Bot) -> None:
    state, told = page.state, []
    state.failed.connect(told.append)
    base = Image((8, 8, 1), bytes(range(64)))
    state.new_sample(5)
    press(page, qtbot)
    state.show(Recipe(checkpoint="", base=base, enlarged=2), "x")
    assert state.recipe.enlarged == 1
    qtbot.waitUntil(lambda: settled(page))
    press(page, qtbot)
    assert told == ["A larger picture begins from noise, which an image does not have: take a new sample (N) first."]
    assert not page.context.registry["explore.larger"].isChecked()
    assert state.recipe.enlarged == 1


def test_tools_work_on_a_larger_picture_or_say_why_not(page: ExplorePage, qtbot: Bot, tmp_path: Path) -> None:
    state, told = page.state, []
    state.new_sample(5)
    press(page, qtbot)
    qtbot.waitUntil(lambda: settled(page))
    state.failed.connect(told.append)
    qtbot.keyClick(page, Qt.Key.Key_S)
    qtbot.waitUntil(lambda: page.scales.strip is not None and page.scales.strip.images.shape[1:3] == (16, 16))
    qtbot.keyClick(page, Qt.Key.Key_U)
    qtbot.waitUntil(lambda: bool(told))
    assert "pictures of the trained size alone" in told[0]
    state.save_picture(tmp_path / "large.png", 2)
    qtbot.waitUntil((tmp_path / "large.png").exists)
    recipe, small = state.recipe, replace(state.recipe, enlarged=1)
    answers = []
    channel = state.engine.explorer.channel("test", page)
    channel.ask(RenderSheet((small, recipe, small), scores=False), answers.append)
    qtbot.waitUntil(lambda: bool(answers))
    assert answers[0].images.shape == (3, 8, 8, 1)
    reduced = state.picture.image.array()[0].reshape(8, 2, 8, 2, 1).mean((1, 3)).round()
    assert np.array_equal(answers[0].images.array()[1], reduced)
    state.new_sample(6)
    state.open_image(tmp_path / "large.png")
    qtbot.waitUntil(lambda: settled(page) and state.recipe == recipe)
