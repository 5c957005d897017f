"""The tray of kept pictures on the Explore page, on a real engine."""

from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from PySide6.QtCore import Qt
from PySide6.QtGui import QContextMenuEvent
from PySide6.QtWidgets import QApplication, QLineEdit, QMenu

from nvp_studio.image_batch import ImageBatch
from nvp_studio.recipe import Seed
from nvp_studio.state.engine import Engine
from nvp_studio.state.stored_tray import read_tray, tray_path
from nvp_studio.state.tray import TrayState
from nvp_studio.views.pages.explore.page import ExplorePage
from nvp_studio.views.widgets.tray_panel import caption
from tests.qt import Bot
from tests.views.explore_page import settled, shown_page


@pytest.fixture
def page(shared_engine: Engine, qtbot: Bot, small_model: Path, tmp_path: Path) -> ExplorePage:
    """The page in a shown window, with its first picture."""
    return shown_page(shared_engine, qtbot, small_model, tmp_path)


def names(page: ExplorePage) -> list[str]:
    return [page.tools.tray_panel.list.item(row).text() for row in range(page.tools.tray_panel.list.count())]


def stored(page: ExplorePage) -> list[str]:
    return [picture.name for picture in read_tray(tray_path(page.context.settings.path))]


def test_pictures_are_kept_renamed_moved_deleted_and_all_of_it_is_undone_and_stored(
    page: ExplorePage, qtbot: Bot
) -> None:
    undo, tray = page.window().registry["edit.undo"], page.tools.tray_panel.list
    qtbot.keyClick(page, Qt.Key.Key_K)
    assert page.tools.tray_panel.isVisible()
    page.state.new_sample(7)
    qtbot.waitUntil(lambda: settled(page))
    qtbot.keyClick(page, Qt.Key.Key_K)
    assert names(page) == stored(page) == ["sample 0", "sample 7"]
    tray.setFocus()
    tray.setCurrentRow(1)
    qtbot.keyClick(tray, Qt.Key.Key_Left, Qt.KeyboardModifier.AltModifier)
    assert names(page) == stored(page) == ["sample 7", "sample 0"]
    tray.setCurrentRow(0)
    qtbot.keyClick(tray, Qt.Key.Key_F2)
    editor = tray.findChild(QLineEdit)
    editor.setText("a good one")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: page.tray.pictures[0].name == "a good one")
    assert names(page) == stored(page) == ["a good one", "sample 0"]
    tray.setCurrentRow(0)
    qtbot.keyClick(tray, Qt.Key.Key_Delete)
    assert names(page) == stored(page) == ["sample 0"]
    for wanted in (["a good one", "sample 0"], ["sample 7", "sample 0"], ["sample 0", "sample 7"]):
        undo.trigger()
        assert names(page) == stored(page) == wanted


def test_a_kept_picture_comes_back_as_one_undo_step_and_at_the_next_start(page: ExplorePage, qtbot: Bot) -> None:
    kept, pixels = page.state.recipe, page.state.picture.image.pixels
    qtbot.keyClick(page, Qt.Key.Key_K)
    page.state.new_sample(7)
    qtbot.waitUntil(lambda: settled(page))
    other, steps = page.state.recipe, page.state.undo.count()
    tray = page.tools.tray_panel.list
    tray.setCurrentRow(0)
    qtbot.keyClick(tray, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: settled(page))
    assert page.state.recipe == kept
    assert page.state.picture.image.pixels == pixels
    assert page.state.undo.count() == steps + 1
    page.window().registry["edit.undo"].trigger()
    assert page.state.recipe == other
    again = TrayState(page.state, tray_path(page.context.settings.path))
    assert again.pictures == page.tray.pictures
    assert again.pictures[0].thumbnail.pixels == pixels


def test_a_picture_of_another_model_opens_it_first(page: ExplorePage, qtbot: Bot, other_model: Path) -> None:
    kept = page.state.recipe
    qtbot.keyClick(page, Qt.Key.Key_K)
    page.context.engine.open_model(str(other_model))
    qtbot.waitUntil(lambda: not page.context.engine.opening and settled(page))
    page.state.new_sample(7)
    page.tray.show(0)
    qtbot.waitUntil(lambda: page.state.recipe == kept and settled(page))
    assert page.state.model.digest == kept.checkpoint


def test_a_damaged_file_is_told_and_kept_aside(page: ExplorePage, qtbot: Bot, tmp_path: Path) -> None:
    path = tmp_path / "own" / "some.tray"
    path.parent.mkdir()
    path.write_text('{"pictures": [{"name": 3}]}')
    tray = TrayState(page.state, path)
    assert "name" in tray.problem
    assert tray.pictures == ()
    tray.keep()
    assert len(read_tray(path)) == 1
    assert path.with_suffix(".damaged").read_text() == '{"pictures": [{"name": 3}]}'


def test_a_large_picture_is_kept_with_a_small_image(page: ExplorePage) -> None:
    levels = np.zeros((1, 50, 200, 3), np.uint8)
    levels[:, :, 100:] = (10, 200, 30)
    page.state.picture = replace(page.state.picture, image=ImageBatch.of(levels))
    page.tray.keep()
    small = page.tray.pictures[0].thumbnail
    assert small.shape == (16, 64, 3)
    image = small.batch().array()[0]
    assert image[8, 2].tolist() == [0, 0, 0]
    assert image[8, 61].tolist() == [10, 200, 30]


def test_a_right_click_offers_what_can_be_done_with_a_picture(page: ExplorePage, qtbot: Bot) -> None:
    for seed in (3, 4):
        page.state.new_sample(seed)
        qtbot.waitUntil(lambda: settled(page))
        page.tray.keep()
    page.context.registry["explore.tray"].trigger()
    tray = page.tools.tray_panel.list
    assert "Del removes it" in tray.item(0).toolTip()

    def choose(row: int, text: str) -> None:
        place = tray.visualItemRect(tray.item(row)).center()
        reason = QContextMenuEvent.Reason.Mouse
        QApplication.sendEvent(tray.viewport(), QContextMenuEvent(reason, place, tray.viewport().mapToGlobal(place)))
        menu = next(menu for menu in tray.findChildren(QMenu) if menu.isVisible())
        next(action for action in menu.actions() if action.text().replace("&", "") == text).trigger()
        menu.close()

    choose(1, "Move left")
    assert names(page) == stored(page) == ["sample 4", "sample 3"]
    choose(1, "Show")
    assert page.state.recipe.base == Seed(3)
    choose(0, "Rename")
    editor = tray.findChild(QLineEdit)
    editor.setText("four")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: names(page) == ["four", "sample 3"])
    choose(0, "Remove")
    assert names(page) == stored(page) == ["sample 3"]
    page.window().registry["edit.undo"].trigger()
    assert names(page) == ["four", "sample 3"]


def test_a_caption_keeps_the_number_that_tells_pictures_apart(page: ExplorePage) -> None:
    metrics = page.tools.tray_panel.list.fontMetrics()
    width = metrics.horizontalAdvance("Image 12345 of")
    assert caption("Image 7", metrics, width) == "Image 7"
    for name in ("Image 5646 of Peeps and others", "a picture of peeps, 5646", "5646 is the number of a picture"):
        shown = caption(name, metrics, width)
        assert "5646" in shown
        assert metrics.horizontalAdvance(shown) <= width
