"""Explore's directions: those of the picture, locks, search and previews, on a real engine."""

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QHelpEvent
from PySide6.QtWidgets import QApplication, QToolTip

from nvp_studio.explore.local_directions import find_local_directions
from nvp_studio.explore.model import open_model
from nvp_studio.explore.moves import added, move_vector
from nvp_studio.explore.rendering import draw
from nvp_studio.recipe import Seed
from nvp_studio.state.engine import Engine
from nvp_studio.views.menus import MnemonicMenu
from nvp_studio.views.pages.explore.page import ExplorePage
from tests.qt import Bot, on_slider
from tests.views.explore_page import settled, shown_page


@pytest.fixture
def page(shared_engine: Engine, qtbot: Bot, small_model: Path, tmp_path: Path) -> ExplorePage:
    """The page in a shown window, with its first picture."""
    return shown_page(shared_engine, qtbot, small_model, tmp_path)


def choose(page: ExplorePage, kind: str) -> None:
    """Choose whose directions are shown, as a person does."""
    choice = page.panel.latents.panel.choice
    choice.setCurrentIndex(choice.findData(kind))
    choice.activated.emit(choice.currentIndex())


def test_directions_of_the_picture_are_sliders_and_the_picture_that_they_belong_to_is_told(
    page: ExplorePage, qtbot: Bot, small_model: Path
) -> None:
    panel, state = page.panel.latents.panel, page.directions.state
    head, sliders = panel.heads["local"], panel.lists["local"]
    choose(page, "local")
    assert state.running
    assert head.isVisible()
    assert not panel.search.isVisible()
    qtbot.waitUntil(lambda: not state.running)
    opened = open_model(small_model)
    expected = find_local_directions(opened, page.state.recipe)
    assert state.found.moves == expected.moves
    assert state.found.grey_levels == pytest.approx(expected.grey_levels)
    assert [row.name.text() for row in sliders.rows] == [str(number) for number in range(1, 9)]
    assert head.text.text().startswith("What can change most")
    assert not head.find_button.isVisible()

    steps, row = page.state.undo.count(), sliders.rows[2]
    qtbot.mouseDrag(row.slider, on_slider(row.slider, 0.0), on_slider(row.slider, 2.0))
    qtbot.waitUntil(lambda: settled(page))
    (move,) = page.state.recipe.moves
    assert move.vector == expected.moves[2].vector
    assert move.offset == pytest.approx(row.value) == pytest.approx(2, abs=0.1)
    assert page.state.undo.count() == steps + 1
    assert page.pictures.caption.text().endswith(f"Moved local direction 3 by +{move.offset:.2f}")
    assert not state.outdated, "along its own directions the picture stays the one that they belong to"
    page.state.undo.undo()
    assert page.state.recipe.moves == ()
    assert row.value == 0
    page.state.undo.redo()

    page.state.show(page.state.recipe.with_offset(1, 2.0), "other")
    assert state.outdated
    assert head.text.text() == "These directions belong to another picture."
    assert head.find_button.isVisible()
    found = state.found
    qtbot.keyClick(page, Qt.Key.Key_J)
    qtbot.waitUntil(lambda: not state.running)
    assert state.found != found
    assert not state.outdated
    assert sliders.rows[8].name.text() == "3, of another picture", "what was moved before can still be moved back"
    qtbot.mouseDClick(sliders.rows[8].slider, Qt.MouseButton.LeftButton)
    assert page.state.recipe.moves == ()
    assert len(sliders.rows) == 8
    page.state.new_sample(5)
    assert state.outdated


def test_finding_is_cancelled_and_forgotten_with_the_model(
    page: ExplorePage, qtbot: Bot, small_model: Path, shared_engine: Engine
) -> None:
    state, registry = page.directions.state, page.context.registry
    assert not registry["explore.cancel-directions"].isEnabled()
    registry["explore.find-directions"].trigger()
    assert page.panel.latents.panel.kind == "local"
    assert registry["explore.cancel-directions"].isEnabled()
    assert not registry["explore.find-directions"].isEnabled()
    registry["explore.cancel-directions"].trigger()
    assert not state.running
    assert state.found is None
    state.find()
    qtbot.waitUntil(lambda: state.found is not None)
    shared_engine.open_model(str(small_model))
    qtbot.waitUntil(lambda: not shared_engine.opening and settled(page))
    assert state.found is None
    assert page.panel.latents.panel.lists["local"].rows == []


def test_what_moves_along_others_is_orthogonal_to_a_locked_direction(
    page: ExplorePage, qtbot: Bot, small_model: Path
) -> None:
    sliders = page.panel.latents.panel.lists["model"]
    sliders.menu_requested.emit(3, QPoint())
    menu = page.panel.latents.panel.findChildren(MnemonicMenu)[-1]
    lock = menu.actions()[0]
    assert lock.text().startswith("&Lock")
    lock.trigger()
    menu.close()
    page.window().activateWindow()
    qtbot.waitUntil(page.window().isActiveWindow)
    assert page.state.recipe.locked == (3,)
    button = sliders.rows[3]._lock
    assert button.isVisible()
    assert page.state.undo.undoText() == "lock of direction 4"

    choose(page, "local")
    qtbot.waitUntil(lambda: page.directions.state.found is not None)
    local = page.panel.latents.panel.lists["local"]
    local.rows[0].slider.setValue(300)
    qtbot.waitUntil(lambda: settled(page))
    model = open_model(small_model)
    change = added(model, page.state.recipe)
    assert abs(float(change @ model.directions.components[3])) < 1e-6
    assert float(change.norm()) > 0.1
    wanted = 3 * move_vector(page.state.recipe.moves[0]).to(change)
    assert abs(float(wanted @ model.directions.components[3])) > 1e-4, "without the lock it would have moved along it"

    local.rows[1].slider.setFocus()
    qtbot.keyClick(local.rows[1].slider, Qt.Key.Key_J, Qt.KeyboardModifier.AltModifier)
    assert [move.locked for move in page.directions.state.local] == [number == 1 for number in range(8)]
    assert not page.directions.state.outdated
    choose(page, "model")
    button = sliders.rows[3]._lock
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert page.state.recipe.locked == ()
    assert not button.isVisible()
    page.state.new_sample(9)
    assert page.state.recipe.base == Seed(9)
    assert [move.locked for move in page.state.recipe.moves] == [True], "a lock stays with the next sample"


def test_directions_are_found_by_name(page: ExplorePage, qtbot: Bot) -> None:
    panel = page.panel.latents.panel
    panel.search.setFocus()
    qtbot.keyClicks(panel.search, "n 1")
    shown = [index for index, row in enumerate(panel.lists["model"].rows) if row.isVisible()]
    assert shown == [0, 9, 10, 11]
    panel.search.setText("nothing")
    assert panel.lists["model"].empty.isVisible()
    assert panel.lists["model"].empty.text() == "No direction is called so."
    panel.search.clear()
    assert all(row.isVisible() for row in panel.lists["model"].rows)


def test_previews_show_what_the_sliders_lead_to_and_a_click_goes_there(
    page: ExplorePage, qtbot: Bot, small_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel, state = page.panel.latents.panel, page.previews.state
    sliders = panel.lists["model"]
    assert not sliders.strips[0].isVisible()
    qtbot.keyClick(page, Qt.Key.Key_J, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    strip = sliders.strips[0]
    assert strip.isVisible()
    qtbot.waitUntil(lambda: len(strip.images) == 3 and not strip.dimmed)
    opened = open_model(small_model)
    recipe, origin = page.state.recipe, page.state.origin
    expected = draw(opened, [recipe.with_offset(0, value - origin[0]) for value in (-2.0, 0.0, 2.0)]).images
    assert np.abs(state.images(0)[0].array().astype(int) - expected).max() <= 1, "compiled or not"
    in_view = sliders.in_view()
    assert 0 < len(in_view) < len(sliders.rows)
    assert state.images(len(sliders.rows) - 1)[0] is None, "what cannot be seen is not drawn"

    qtbot.mouseClick(strip, Qt.MouseButton.LeftButton, pos=strip.image_rect(2).center())
    assert page.state.coordinates[0] == pytest.approx(2)
    assert not strip.dimmed, "its own slider changes nothing of a strip"
    qtbot.mouseClick(strip, Qt.MouseButton.LeftButton, pos=strip.image_rect(0).center())
    assert page.state.coordinates[0] == pytest.approx(-2)
    page.undo.undo()
    assert page.state.coordinates[0] == pytest.approx(2), "each click is one entry of the undo menu"
    assert sliders.strips[1].dimmed
    qtbot.waitUntil(lambda: not sliders.strips[1].dimmed)

    row = sliders.rows[1]
    qtbot.mousePress(row.slider, Qt.MouseButton.LeftButton, pos=on_slider(row.slider, 1.0))
    qtbot.mouseMove(row.slider, on_slider(row.slider, 2.0))
    with monkeypatch.context() as patched:
        asked: list[object] = []
        patched.setattr(state._channel, "ask", lambda request, on_answer: asked.append(request))
        qtbot.wait(300)
        assert asked == [], "a slider that is held waits for no preview"
    assert sliders.strips[0].dimmed
    qtbot.mouseRelease(row.slider, Qt.MouseButton.LeftButton, pos=on_slider(row.slider, 2.0))
    qtbot.waitUntil(lambda: not sliders.strips[0].dimmed)
    sliders.verticalScrollBar().setValue(sliders.verticalScrollBar().maximum())
    last = sliders.strips[-1]
    qtbot.waitUntil(lambda: len(last.images) == 3)
    page.context.registry["explore.previews"].trigger()
    assert not last.isVisible()


def test_a_slider_that_is_rested_on_shows_its_previews_until_it_is_moved(page: ExplorePage, qtbot: Bot) -> None:
    panel, rested = page.panel.latents.panel, page.previews.rested
    popup, row = rested.popup, panel.shown.rows[0]
    qtbot.mouseMove(row, QPoint(5, 5))
    assert not popup.isVisible(), "not at once"
    qtbot.waitUntil(popup.isVisible)
    assert len(popup.images) == 3
    assert popup.images[0] != popup.images[2]
    assert popup.text.text() == row.toolTip()
    help_event = QHelpEvent(QEvent.Type.ToolTip, QPoint(5, 5), row.mapToGlobal(QPoint(5, 5)))
    QApplication.sendEvent(row, help_event)
    assert not QToolTip.isVisible(), "the frame takes its place"
    assert page.rect().contains(popup.geometry())

    pressed = on_slider(row.slider, 0.5)
    qtbot.mousePress(row.slider, Qt.MouseButton.LeftButton, pos=pressed)
    assert not popup.isVisible()
    assert page.previews.state._wanted == ()
    qtbot.mouseMove(row.slider, on_slider(row.slider, 1.0))
    qtbot.mouseRelease(row.slider, Qt.MouseButton.LeftButton, pos=on_slider(row.slider, 1.0))
    qtbot.waitUntil(lambda: settled(page))
    assert not popup.isVisible()
    assert not rested._rest.isActive(), "it does not come again by itself"

    panel.shown.rows[0].slider.setFocus(Qt.FocusReason.OtherFocusReason)
    qtbot.keyClick(row.slider, Qt.Key.Key_Down)
    second = panel.shown.rows[1]
    assert second.slider.hasFocus()
    qtbot.waitUntil(popup.isVisible)
    assert popup.text.text() == second.toolTip()
    qtbot.keyClick(second.slider, Qt.Key.Key_Right)
    assert not popup.isVisible()
    qtbot.waitUntil(lambda: settled(page))
    qtbot.keyClick(second.slider, Qt.Key.Key_Up)
    qtbot.waitUntil(popup.isVisible)
    panel.shown.rows[1].slider.setFocus(Qt.FocusReason.OtherFocusReason)
    assert not popup.isVisible()

    page.context.registry["explore.previews"].trigger()
    qtbot.mouseMove(panel.shown.rows[3], QPoint(5, 5))
    qtbot.waitUntil(lambda: not rested._rest.isActive())
    assert rested.index is None, "previews are below all sliders"


def test_a_click_on_a_preview_in_the_frame_sets_the_slider_and_reaches_nothing_beneath(
    page: ExplorePage, qtbot: Bot
) -> None:
    panel, popup = page.panel.latents.panel, page.previews.rested.popup
    row = panel.shown.rows[0]
    qtbot.mouseMove(row, QPoint(5, 5))
    qtbot.waitUntil(popup.isVisible)
    before, entries = page.state.recipe, page.undo.count()
    window = page.window()
    place = popup.mapTo(window, popup.image_center(2))
    qtbot.mouseMove(window, place)
    assert popup.isVisible(), "the pointer went from the slider to the pictures"
    qtbot.mouseClick(window.windowHandle(), Qt.MouseButton.LeftButton, pos=place)
    assert page.state.coordinates[0] == pytest.approx(2)
    assert [index for index, _ in page.state.recipe.offsets] == [0], "and no other slider"
    assert page.undo.count() == entries + 1
    assert popup.isVisible(), "so that a second press does not go to a slider beneath it"
    qtbot.mouseDClick(window.windowHandle(), Qt.MouseButton.LeftButton, pos=place)
    assert (page.state.coordinates[0], page.undo.count()) == (pytest.approx(2), entries + 1)
    page.undo.undo()
    assert page.state.recipe == before
    assert not popup.isVisible(), "another change of the picture"

    qtbot.mouseMove(panel.shown.rows[1], QPoint(5, 5))
    qtbot.mouseMove(row, QPoint(5, 5))
    qtbot.waitUntil(popup.isVisible)
    text = popup.text.mapTo(window, popup.text.rect().center())
    qtbot.mouseMove(window, popup.mapTo(window, popup.image_center(0)))
    qtbot.mouseMove(window, text)
    assert not popup.isVisible(), "past the pictures the sliders are free"


def test_directions_are_sorted_by_variance_and_by_what_they_change(
    page: ExplorePage, qtbot: Bot, small_model: Path
) -> None:
    registry, sliders = page.context.registry, page.panel.latents.panel.lists["model"]

    def order() -> list[int]:
        return sorted(range(len(sliders.rows)), key=lambda index: sliders.rows[index].y())

    before = order()
    registry["explore.sort-effect"].trigger()
    qtbot.waitUntil(lambda: bool(page.previews.state.effects))
    opened = open_model(small_model)
    recipe, origin = page.state.recipe, page.state.origin
    effects = []
    for index in range(len(sliders.rows)):
        ends = draw(opened, [recipe.with_offset(index, value - origin[index]) for value in (-2.0, 2.0)]).images
        effects.append(float(np.sqrt(((ends[1].astype(float) - ends[0]) ** 2).mean())))
    assert page.previews.state.effects == pytest.approx(effects, abs=0.5)
    measured = page.previews.state.effects
    qtbot.waitUntil(lambda: order() == sorted(range(len(measured)), key=lambda index: -measured[index]))
    assert order() != before
    page.state.new_sample(7)
    qtbot.waitUntil(lambda: settled(page))
    assert order() == sorted(range(len(measured)), key=lambda index: -measured[index]), "sliders stay where they are"
    registry["explore.sort-variance"].trigger()
    variance = page.state.model.explained_variance
    qtbot.waitUntil(lambda: order() == sorted(range(len(variance)), key=lambda index: -variance[index]))
    registry["explore.sort-names"].trigger()
    qtbot.waitUntil(lambda: order() == before)
