"""Painting a region on Explore's picture and redrawing it, on a real engine."""

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt

from nvp_studio.image_batch import ImageBatch
from nvp_studio.recipe import Image, Recipe, Seed
from nvp_studio.state.engine import Engine
from nvp_studio.views.pages.explore.page import ExplorePage
from tests.qt import Bot
from tests.views.explore_page import settled, shown_page


@pytest.fixture
def page(shared_engine: Engine, qtbot: Bot, small_model: Path, tmp_path: Path) -> ExplorePage:
    """The page in a shown window, with its first picture and the tool open."""
    page = shown_page(shared_engine, qtbot, small_model, tmp_path)
    qtbot.keyClick(page, Qt.Key.Key_Q)
    assert page.paint.panel.isVisible()
    qtbot.waitUntil(page.paint.overlay.isVisible)
    return page


def at(page: ExplorePage, column: int, row: int) -> QPoint:
    return page.pictures.view.pixel_rect(QPoint(column, row)).center().toPoint()


def paint(page: ExplorePage, qtbot: Bot) -> np.ndarray:
    page.paint.panel.brush.setValue(1)
    qtbot.mouseDrag(page.paint.overlay, at(page, 2, 3), at(page, 5, 3))
    expected = np.zeros((8, 8), bool)
    expected[3, 2:6] = True
    assert np.array_equal(page.paint.state.region, expected)
    return expected


def test_a_painted_region_is_redrawn_as_one_step(page: ExplorePage, qtbot: Bot) -> None:
    tool, state = page.paint, page.state
    assert not page.context.registry["explore.paint-redraw"].isEnabled()
    region = paint(page, qtbot)
    assert tool.panel.status.text() == "4 of 64 pixels to redraw"
    before, recipe, steps = state.picture.image.array(), state.recipe, state.undo.count()
    seen: list[ImageBatch] = []
    tool.state.stepped.connect(seen.append)
    qtbot.keyClick(page, Qt.Key.Key_Q, Qt.KeyboardModifier.ShiftModifier)
    assert tool.state.running
    qtbot.waitUntil(lambda: not tool.state.running and settled(page))
    assert len(seen) > 100
    assert all(np.array_equal(image.array()[0][~region], before[0][~region]) for image in seen)
    after = state.picture.image.array()
    assert isinstance(state.recipe.base, Image)
    assert state.recipe.base.pixels == after.tobytes()
    assert state.undo.count() == steps + 1
    result = tool.state.result
    assert result.after == state.bits_per_dim
    assert tool.panel.status.text().startswith(f"{result.before:.3f} bits/dim before, {result.after:.3f} now (")
    shown = page.pictures.view.image
    tool.panel.before.pressed.emit()
    assert page.pictures.view.image != shown
    tool.panel.before.released.emit()
    assert page.pictures.view.image == shown
    page.window().registry["edit.undo"].trigger()
    assert state.recipe == recipe
    assert tool.state.result is None
    qtbot.waitUntil(lambda: settled(page))
    assert np.array_equal(state.picture.image.array(), before)


def test_temperatures_and_samples_stay_as_they_are(page: ExplorePage, qtbot: Bot) -> None:
    state = page.state
    state.set_temperature(0.6, 0)
    kept = state.temperatures
    qtbot.waitUntil(lambda: settled(page))
    paint(page, qtbot)
    sheet, outdated = state.samples.sheet, []
    state.samples.outdated.connect(lambda: outdated.append(True))
    page.paint.state.start(1)
    qtbot.waitUntil(lambda: not page.paint.state.running and settled(page))
    assert page.paint.state.result is not None
    assert state.temperatures == kept
    assert [row.value for row in page.panel.latents.temperatures[1:]] == [*kept]
    assert (state.samples.sheet, outdated) == (sheet, [])
    assert page.pictures.caption.text().startswith("Redrawn region from sample 0")
    assert state.picture.image.pixels == state.recipe.base.pixels
    state.set_temperature(0.9, 0)
    state.reset_temperature(0)
    assert state.temperatures == kept, "those at which the picture is as it was redrawn"
    state.new_sample(5)
    assert state.recipe == Recipe(checkpoint=state.recipe.checkpoint, base=Seed(5), temperatures=kept)


def test_redrawing_is_cancelled_by_escape_and_by_another_picture(page: ExplorePage, qtbot: Bot) -> None:
    paint(page, qtbot)
    for key in (Qt.Key.Key_Escape, Qt.Key.Key_N):
        shown, recipe = page.pictures.view.image, page.state.recipe
        with qtbot.waitSignal(page.paint.state.stepped):
            page.paint.state.start(1)
        qtbot.keyClick(page, key)
        assert not page.paint.state.running
        if key == Qt.Key.Key_Escape:
            assert page.pictures.view.image == shown
            assert page.state.recipe == recipe
        qtbot.waitUntil(lambda: settled(page))
        assert not isinstance(page.state.recipe.base, Image)


def test_the_region_is_painted_erased_inverted_and_cleared_by_keys(page: ExplorePage, qtbot: Bot) -> None:
    view, state, registry = page.pictures.view, page.paint.state, page.context.registry
    page.paint.panel.brush.setValue(1)
    assert view.hasFocus(), "the tool was opened by its key"
    assert view.focusPolicy() == Qt.FocusPolicy.StrongFocus, "Tab reaches it too"
    qtbot.keyClick(view, Qt.Key.Key_Right)
    pixel = view.viewport.pixel
    qtbot.keyClick(view, Qt.Key.Key_Space)
    assert state.region.sum() == 1
    assert state.region[pixel.y(), pixel.x()]
    registry["explore.paint-invert"].trigger()
    assert state.region.sum() == 63
    registry["explore.paint-invert"].trigger()
    qtbot.keyClick(view, Qt.Key.Key_Space, Qt.KeyboardModifier.ShiftModifier)
    assert not state.region.any()
    state.stroke((-5, 0.5), (20, 0.5), 3, erase=False)
    assert state.region[:2].all()
    assert not state.region[2:].any()
    registry["explore.paint-clear"].trigger()
    assert not state.region.any()
    assert not registry["explore.paint-clear"].isEnabled()


def test_the_wheel_and_other_buttons_reach_the_picture(page: ExplorePage, qtbot: Bot) -> None:
    view = page.pictures.view
    qtbot.keyClick(page, Qt.Key.Key_Plus)
    assert view.viewport.zoom
    zoomed = QPointF(view.viewport.center)
    start = page.paint.overlay.rect().center()
    qtbot.mousePress(page.paint.overlay, Qt.MouseButton.MiddleButton, pos=start)
    qtbot.mouseMove(page.paint.overlay, start + QPoint(15, 15))
    qtbot.mouseRelease(page.paint.overlay, Qt.MouseButton.MiddleButton, pos=start + QPoint(15, 15))
    assert view.viewport.center != zoomed
    assert not page.paint.state.region.any()


def test_each_stroke_is_one_undo_step(page: ExplorePage, qtbot: Bot) -> None:
    state, registry, tool = page.paint.state, page.context.registry, page.paint
    steps = page.state.undo.count()
    first = paint(page, qtbot)
    assert page.state.undo.count() == steps + 1, "a stroke of several moves of the mouse"
    qtbot.mouseDrag(tool.overlay, at(page, 1, 6), at(page, 3, 6), at(page, 6, 6))
    qtbot.mousePress(tool.overlay, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier, at(page, 2, 3))
    qtbot.mouseRelease(tool.overlay, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier, at(page, 2, 3))
    second = state.region
    assert second.sum() == 9
    registry["explore.paint-invert"].trigger()
    registry["explore.paint-clear"].trigger()
    assert page.state.undo.count() == steps + 5
    assert page.state.undo.undoText() == "clearing of the region"
    qtbot.mouseClick(tool.overlay, Qt.MouseButton.RightButton, pos=at(page, 2, 3))
    assert page.state.undo.count() == steps + 5, "what changes nothing is no step"
    assert len(page.history.steps) == 1, "and no picture of the history"
    qtbot.keyClick(page, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert np.array_equal(state.region, ~second)
    qtbot.keyClick(page, Qt.Key.Key_Q)
    assert not tool.panel.isVisible()
    for expected in (second, second | first, first, np.zeros((8, 8), bool)):
        qtbot.keyClick(page, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert np.array_equal(state.region, expected)
        assert tool.panel.isVisible(), "what undo changes is seen"
    assert page.state.undo.index() == steps
    registry["edit.redo"].trigger()
    assert np.array_equal(state.region, first)

    with qtbot.waitSignal(state.stepped):
        state.start(1)
    registry["edit.undo"].trigger()
    assert not state.running
    assert not state.region.any()
    qtbot.mousePress(tool.overlay, Qt.MouseButton.LeftButton, pos=at(page, 2, 3))
    page.state.new_sample(4)
    qtbot.mouseRelease(tool.overlay, Qt.MouseButton.LeftButton, pos=at(page, 2, 3))
    assert page.state.undo.undoText() == "stroke of the brush"
    qtbot.waitUntil(lambda: settled(page))
