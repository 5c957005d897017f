"""Where the keyboard is after a button that has it was disabled or hidden, by real keys in a shown window."""

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QPushButton, QVBoxLayout, QWidget

from nvp_studio.state.engine import Engine
from nvp_studio.views.dialogs import Dialog
from nvp_studio.views.pages.explore.page import ExplorePage
from nvp_studio.views.widgets.action_button import ActionButton
from tests.qt import Bot, open_window
from tests.small_model import random_images
from tests.views.explore_page import settled, shown_page


@pytest.fixture
def page(shared_engine: Engine, qtbot: Bot, small_model: Path, tmp_path: Path) -> ExplorePage:
    return shown_page(shared_engine, qtbot, small_model, tmp_path)


def focused(widget: QWidget) -> QWidget | None:
    return widget.window().focusWidget()


def press(
    qtbot: Bot, widget: QWidget, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier
) -> None:
    """A key as the system sends it: to the window, which gives it to shortcuts and to what has the keyboard."""
    qtbot.keyClick(widget.window().windowHandle(), key, modifier)


def button_of(part: QWidget, key: str) -> ActionButton:
    """The button of an action in a part of a page."""
    return next(one for one in part.findChildren(ActionButton) if one.defaultAction().objectName() == key)


def test_stop_takes_the_place_of_find_and_find_has_the_keyboard_again(
    page: ExplorePage, qtbot: Bot, tmp_path: Path
) -> None:
    path = tmp_path / "known.npz"
    np.savez(path, train_images=random_images(300, seed=5), test_images=random_images(50, seed=6))
    state, panel = page.neighbours.state, page.neighbours.panel
    press(qtbot, page, Qt.Key.Key_W)
    panel.data.picked.emit(str(path))
    qtbot.waitUntil(lambda: settled(page) and not state.running and state.found is not None)
    find, stop = (button_of(panel, f"explore.neighbours-{what}") for what in ("find", "stop"))
    find.setFocus()
    press(qtbot, page, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: focused(page) is stop)
    qtbot.waitUntil(lambda: focused(page) is find)
    assert not state.running


def test_finding_directions_leads_to_cancel_and_then_to_the_first_of_them(page: ExplorePage, qtbot: Bot) -> None:
    state, panel = page.directions.state, page.panel.latents.panel
    page.directions._choose("local")
    press(qtbot, page, Qt.Key.Key_J, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: not state.running and settled(page))
    find, cancel = (button_of(panel, f"explore.{what}-directions") for what in ("find", "cancel"))
    find.setFocus()
    press(qtbot, page, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: focused(page) is cancel)
    press(qtbot, page, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: focused(page) is find)
    press(qtbot, page, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: state.found is not None and focused(page) is panel.lists["local"].rows[0].slider)


def test_sliders_that_are_disabled_for_a_while_have_the_keyboard_again(page: ExplorePage, qtbot: Bot) -> None:
    latents = page.panel.latents
    slider = latents.panel.lists["model"].rows[2].slider
    slider.setFocus()
    press(qtbot, page, Qt.Key.Key_G, Qt.KeyboardModifier.AltModifier)
    assert not slider.isEnabled()
    qtbot.waitUntil(lambda: focused(page) not in (None, slider))
    assert page.panel.isAncestorOf(focused(page))
    press(qtbot, page, Qt.Key.Key_G, Qt.KeyboardModifier.AltModifier)
    qtbot.waitUntil(lambda: focused(page) is slider)


@pytest.mark.slow
def test_on_every_page_the_keyboard_stays_on_the_page_and_returns_to_each_button(
    shared_engine: Engine, qtbot: Bot, tmp_path: Path
) -> None:
    window = open_window(qtbot, shared_engine, tmp_path)
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    tried = 0
    for entry in window.registry.entries("view"):
        if not entry.key.startswith("view.page-"):
            continue
        entry.action.trigger()
        page = window.current_page
        qtbot.waitUntil(page.isVisible)
        for button in page.findChildren(ActionButton):
            action = button.defaultAction()
            if not button.isVisible() or not action.isEnabled():
                continue
            for change in (action.setEnabled, action.setVisible):
                button.setFocus()
                assert focused(page) is button
                change(False)
                qtbot.waitUntil(lambda button=button: focused(button) not in (None, button))
                assert page.isAncestorOf(focused(page)), (page.key, action.text())
                change(True)
                qtbot.waitUntil(lambda button=button: focused(button) is button)
                tried += 1
    assert tried >= 40


@pytest.fixture
def row(qtbot: Bot) -> Dialog:
    """A dialog with a field, a button *Make* and one more group."""
    dialog = Dialog(None)
    group, other = QHBoxLayout(), QVBoxLayout()
    dialog.column.addLayout(other)
    dialog.column.addLayout(group)
    for layout, names in ((other, ("Help", "Close")), (group, ("Make",))):
        for name in names:
            button = QPushButton(name, objectName=name)
            button.setAutoDefault(False)
            layout.addWidget(button)
    group.insertWidget(0, QLineEdit(objectName="field"))
    qtbot.addWidget(dialog)
    dialog.show()
    dialog.activateWindow()
    qtbot.waitUntil(dialog.isActiveWindow)
    return dialog


def part(dialog: Dialog, name: str) -> QWidget:
    found = dialog.findChild(QWidget, name)
    assert isinstance(found, QWidget)
    return found


def test_what_is_nearest_has_the_keyboard_until_the_button_is_possible_again(row: Dialog, qtbot: Bot) -> None:
    make, field = part(row, "Make"), part(row, "field")
    make.clicked.connect(lambda: make.setEnabled(False))  # type: ignore[attr-defined]
    make.setFocus()
    press(qtbot, row, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: focused(row) is field)
    make.setEnabled(True)
    qtbot.waitUntil(lambda: focused(row) is make)
    make.hide()
    qtbot.waitUntil(lambda: focused(row) is field)
    make.show()
    qtbot.waitUntil(lambda: focused(row) is make)


@pytest.mark.parametrize("used", ["typed", "clicked", "left"])
def test_the_keyboard_stays_where_a_person_went_on(row: Dialog, qtbot: Bot, used: str) -> None:
    make, field, close = part(row, "Make"), part(row, "field"), part(row, "Close")
    make.setFocus()
    make.setEnabled(False)
    qtbot.waitUntil(lambda: focused(row) is field)
    place = field
    if used == "typed":
        press(qtbot, row, Qt.Key.Key_A)
    elif used == "clicked":
        qtbot.mouseClick(row.windowHandle(), Qt.MouseButton.LeftButton, pos=field.mapTo(row, field.rect().center()))
    else:
        place = close
        close.setFocus()
    make.setEnabled(True)
    qtbot.wait(50)
    assert focused(row) is place


def test_what_the_program_chose_itself_stays(row: Dialog, qtbot: Bot) -> None:
    make, close = part(row, "Make"), part(row, "Close")
    make.setFocus()
    make.hide()
    close.setFocus()
    qtbot.wait(50)
    assert focused(row) is close
    close.setEnabled(False)
    close.setEnabled(True)
    qtbot.wait(50)
    assert focused(row) is close
