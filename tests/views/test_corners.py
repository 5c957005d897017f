"""Four corners on the Explore page, on a real engine."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from PySide6.QtCore import QPoint, Qt

from nvp_studio.recipe import Corners, Image, Seed
from nvp_studio.state import value_edit
from nvp_studio.state.engine import Engine
from nvp_studio.views.pages.explore.page import ExplorePage
from tests.qt import WAIT_SECONDS, Bot, is_asking
from tests.small_model import random_images
from tests.views.explore_page import settled, shown_page


@pytest.fixture
def page(shared_engine: Engine, qtbot: Bot, small_model: Path, tmp_path: Path) -> ExplorePage:
    """The page in a shown window, with its first picture."""
    return shown_page(shared_engine, qtbot, small_model, tmp_path)


def filled(page: ExplorePage, qtbot: Bot) -> None:
    qtbot.keyClick(page, Qt.Key.Key_F, Qt.KeyboardModifier.ShiftModifier)
    qtbot.waitUntil(lambda: page.corners.strip is not None and settled(page))


def test_samples_become_corners_and_the_pad_is_moved_by_mouse_and_keys(
    page: ExplorePage, qtbot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(value_edit, "MERGE_SECONDS", WAIT_SECONDS)
    panel, pad = page.tools.corner_panel, page.tools.corner_panel.pad
    qtbot.keyClick(page, Qt.Key.Key_L)
    assert page.blend_panel.isVisible()
    qtbot.keyClick(page, Qt.Key.Key_F)
    assert panel.isVisible()
    assert not page.blend_panel.isVisible(), "one tool at a time"
    assert not page.context.registry["explore.blend"].isChecked()
    assert "four samples" in pad.placeholder

    filled(page, qtbot)
    seeds = tuple(recipe.base for recipe in page.state.samples.sheet.recipes[:4])
    assert page.state.recipe.base == Corners(seeds, 0.5, 0.5)
    assert pad.count == 25
    steps = page.state.undo.count()
    places = [pad.point_of(place).toPoint() for place in ((0.5, 0.5), (0.8, 0.9))]
    qtbot.mouseDrag(pad, *places, QPoint(pad.width() + 40, pad.height() + 40))
    qtbot.waitUntil(lambda: settled(page))
    assert page.state.recipe.base == Corners(seeds, 1.0, 1.0)
    assert page.state.undo.count() == steps + 1
    last = page.corners.strip.images.array()[24]
    assert page.state.picture.image.pixels == last.tobytes()

    qtbot.keyClick(pad, Qt.Key.Key_Left)
    qtbot.keyClick(pad, Qt.Key.Key_Up, Qt.KeyboardModifier.ShiftModifier)
    assert page.state.recipe.base == Corners(seeds, 0.75, 0.95)
    assert page.state.undo.count() == steps + 2
    qtbot.keyClick(pad, Qt.Key.Key_Delete)
    assert page.state.recipe.base == Corners(seeds, 0.5, 0.5)


def test_corners_take_the_picture_and_files_by_keys(
    page: ExplorePage, qtbot: Bot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = random_images(1, seed=9)[0, :, :, 0]
    PIL.Image.fromarray(own).save(tmp_path / "own.png")
    monkeypatch.setattr(page.context, "ask_files", lambda *_: [tmp_path / "own.png"])
    shown = page.state.picture.image.pixels
    for key in (Qt.Key.Key_1, Qt.Key.Key_2, Qt.Key.Key_3):
        qtbot.keyClick(page, key)
    assert page.corners.ends[:3] == (Image((8, 8, 1), shown, "sample 0"),) * 3
    assert page.tools.corner_panel.pad.placeholder == "Still to choose: 4."
    qtbot.keyClick(page, Qt.Key.Key_4, Qt.KeyboardModifier.AltModifier)
    qtbot.waitUntil(lambda: page.corners.active and page.corners.strip is not None and settled(page))
    assert page.corners.ends[3] == Image((8, 8, 1), own.tobytes(), "own.png")
    assert page.corners.strip.images.array()[24].tobytes() == own.tobytes()
    page.window().registry["edit.undo"].trigger()
    qtbot.waitUntil(lambda: settled(page))
    assert page.state.recipe.base == Seed(0)


def test_a_place_between_corners_comes_back_from_its_file_and_in_python(
    page: ExplorePage, qtbot: Bot, tmp_path: Path
) -> None:
    filled(page, qtbot)
    page.corners.set_place((0.3, 0.6))
    page.state.set_coordinate(0, 1.0)
    qtbot.waitUntil(lambda: settled(page))
    recipe, pixels = page.state.recipe, page.state.picture.image.pixels
    page.state.save_picture(tmp_path / "corners.png", 1)
    qtbot.waitUntil(lambda: settled(page) and (tmp_path / "corners.png").exists())
    page.state.new_sample(3)
    page.tools.show_tool("corners", False)
    page.open_paths([tmp_path / "corners.png"])
    qtbot.waitUntil(lambda: page.state.recipe == recipe and settled(page))
    assert page.tools.corner_panel.isVisible()
    names: dict[str, object] = {}
    exec(page.state.python_code(), names)
    assert names["rendering"].images[0].tobytes() == pixels == page.state.picture.image.pixels


def test_saving_a_large_grid_shows_its_progress_and_is_stopped(
    page: ExplorePage, qtbot: Bot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page.context, "ask_save", lambda *_: tmp_path / "grid.png")
    action = page.context.registry["explore.corners-grid"]
    filled(page, qtbot)
    page.tools.corner_panel.side.setValue(64)
    before = action.iconText()
    qtbot.keyClick(page, Qt.Key.Key_G)
    qtbot.waitUntil(lambda: page.corners.progress[0] > 0)
    assert page.corners.progress[1] == 64 * 64
    assert action.iconText().startswith("Stop (")
    page.window().show_page("runs")
    page.window().show_page("explore")
    page.setFocus()
    qtbot.keyClick(page, Qt.Key.Key_G)
    assert page.corners.progress == (0, 0)
    assert action.iconText() == before
    qtbot.waitUntil(lambda: not is_asking(page.state.engine.explorer))
    assert list(tmp_path.glob("*.png")) == []


def test_a_grid_is_saved_with_the_recipe(
    page: ExplorePage, qtbot: Bot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page.context, "ask_save", lambda *_: tmp_path / "grid.png")
    qtbot.keyClick(page, Qt.Key.Key_G)
    assert not (tmp_path / "grid.png").exists(), "there are no corners yet"
    filled(page, qtbot)
    page.tools.corner_panel.side.setValue(5)
    with qtbot.waitSignal(page.state.saved):
        page.tools.corner_panel.pad.setFocus()
        qtbot.keyClick(page.tools.corner_panel.pad, Qt.Key.Key_G)
    with PIL.Image.open(tmp_path / "grid.png") as file:
        grid = np.asarray(file)
    factor = len(grid) // 40
    pictures = grid[::factor, ::factor].reshape(5, 8, 5, 8).transpose(0, 2, 1, 3).reshape(25, 8, 8)
    assert np.array_equal(pictures, page.corners.strip.images.array()[..., 0])
    page.open_paths([tmp_path / "grid.png"])
    qtbot.waitUntil(lambda: settled(page))
    assert isinstance(page.state.recipe.base, Corners)
