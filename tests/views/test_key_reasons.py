"""Keys of actions that are not possible now say why, and what Explore refuses is no news once something succeeds."""

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QToolButton

from nvp_studio.state.engine import Engine
from nvp_studio.views.main_window import MainWindow
from nvp_studio.views.pages.explore.page import ExplorePage
from nvp_studio.views.widgets.rail import Rail
from tests.qt import Bot
from tests.views.explore_page import settled, shown_page

ALT, CTRL, SHIFT = (getattr(Qt.KeyboardModifier, f"{name}Modifier") for name in ("Alt", "Control", "Shift"))


@pytest.fixture
def page(shared_engine: Engine, qtbot: Bot, small_model: Path, tmp_path: Path) -> ExplorePage:
    return shown_page(shared_engine, qtbot, small_model, tmp_path)


def messages(page: ExplorePage) -> list[str]:
    window = page.window()
    assert isinstance(window, MainWindow)
    return [one.text for one in window.notifications.shown]


@pytest.mark.parametrize(
    ("key", "modifiers", "text"),
    [
        (Qt.Key.Key_Q, SHIFT, "Redraw the painted region: needs an open model, a painted region, and a picture of"),
        (Qt.Key.Key_D, SHIFT, "Repeat the random directions: needs random directions (D)"),
        (Qt.Key.Key_J, CTRL | ALT, "Make the direction: needs pictures in both groups"),
        (Qt.Key.Key_J, ALT, "Click the slider of a direction first"),
        (Qt.Key.Key_S, SHIFT, "All of the latent is kept: choose a smaller part"),
    ],
)
def test_a_key_says_what_is_needed(
    page: ExplorePage, qtbot: Bot, key: Qt.Key, modifiers: Qt.KeyboardModifier, text: str
) -> None:
    recipe = page.state.recipe
    page.pictures.view.setFocus()
    qtbot.keyClick(page.pictures.view, key, modifiers)
    (shown,) = messages(page)
    assert shown.startswith(text)
    assert page.state.recipe == recipe


def test_escape_and_keys_that_mean_nothing_say_nothing(page: ExplorePage, qtbot: Bot) -> None:
    page.pictures.view.setFocus()
    qtbot.keyClick(page.pictures.view, Qt.Key.Key_Escape)
    qtbot.keyClick(page.pictures.view, Qt.Key.Key_F9)
    assert messages(page) == []


def test_keys_of_another_page_say_nothing(page: ExplorePage, qtbot: Bot) -> None:
    window = page.window()
    assert isinstance(window, MainWindow)
    window.show_page("inspect")
    qtbot.keyClick(window.page("inspect"), Qt.Key.Key_Q, SHIFT)
    assert messages(page) == []


def test_a_locked_scale_is_not_redrawn_and_its_key_says_so(page: ExplorePage, qtbot: Bot) -> None:
    page.state.set_locked(0, True)
    qtbot.keyClick(page, Qt.Key.Key_1, CTRL | ALT)
    assert messages(page) == ["Scale 1 is locked: unlock it on Scales (S) first."]


def test_a_refusal_is_gone_once_something_succeeds(page: ExplorePage, qtbot: Bot) -> None:
    page.larger.state.set_active(True)
    qtbot.waitUntil(lambda: settled(page))
    qtbot.keyClick(page, Qt.Key.Key_B)
    assert len(messages(page)) == 1
    qtbot.keyClick(page, Qt.Key.Key_G, ALT)
    assert messages(page) == []


def test_a_picture_that_cannot_be_drawn_is_told_until_another_is_shown(page: ExplorePage, qtbot: Bot) -> None:
    page.state.begin_gesture()
    page.state.set_coordinate(0, 1e300)
    qtbot.waitUntil(lambda: len(messages(page)) == 1)
    page.state.end_gesture("")
    assert len(messages(page)) == 1, "letting the slider go changes nothing of it"
    page.state.set_coordinate(0, 1.0)
    assert messages(page) == []


def test_a_picture_that_could_not_be_written_is_told_until_it_is_written(
    page: ExplorePage, qtbot: Bot, tmp_path: Path
) -> None:
    page.state.save_picture(tmp_path / "none" / "a.png", 1)
    qtbot.waitUntil(lambda: len(messages(page)) == 1)
    page.state.new_sample(3)
    qtbot.waitUntil(lambda: settled(page))
    assert len(messages(page)) == 1
    with qtbot.waitSignal(page.state.saved):
        page.state.save_picture(tmp_path / "a.png", 1)
    assert messages(page) == ["Saved a.png with its recipe; drop it here to get it back."]


def test_letters_of_a_page_work_beside_it_too(page: ExplorePage, qtbot: Bot) -> None:
    window = page.window()
    assert isinstance(window, MainWindow)
    recipe = page.state.recipe
    rail = window.findChild(Rail)
    assert rail is not None
    beside = rail.findChildren(QToolButton)[0]
    beside.setFocus()
    qtbot.keyClick(beside, Qt.Key.Key_N)
    assert page.state.recipe != recipe, "the picture has changed"
    qtbot.keyClick(beside, Qt.Key.Key_Q, SHIFT)
    (shown,) = messages(page)
    assert shown.startswith("Redraw the painted region")
