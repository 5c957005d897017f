"""Pictures that are dragged out of Explore, by real events on a real engine."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt
from PySide6.QtGui import QDrag, QDragEnterEvent, QDropEvent, QImage
from PySide6.QtWidgets import QApplication, QWidget

from nvp_studio.recipe import PNG_KEY, Image, Recipe, Seed
from nvp_studio.state.engine import Engine
from nvp_studio.views.pages.explore.page import ExplorePage
from nvp_studio.views.widgets.drag_out import PictureMime
from tests.qt import Bot
from tests.views.explore_page import settled, shown_page


@pytest.fixture
def page(shared_engine: Engine, qtbot: Bot, small_model: Path, tmp_path: Path) -> ExplorePage:
    """The page in a shown window, with its first picture."""
    return shown_page(shared_engine, qtbot, small_model, tmp_path)


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> list[QMimeData]:
    """What was dragged; each drag ends at once, as if it were let go over another program that asks for nothing."""
    found: list[QMimeData] = []
    monkeypatch.setattr(QDrag, "exec", lambda drag, *actions: found.append(drag.mimeData()))
    return found


def pull(
    qtbot: Bot, widget: QWidget, start: QPoint, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier
) -> None:
    qtbot.mousePress(widget, Qt.MouseButton.LeftButton, modifier, start)
    qtbot.mouseMove(widget, start + QPoint(3, 0))
    qtbot.mouseMove(widget, start + QPoint(20, 5))
    qtbot.mouseRelease(widget, Qt.MouseButton.LeftButton, modifier, start + QPoint(20, 5))


def written(data: QMimeData) -> Path:
    (url,) = data.urls()
    return Path(url.toLocalFile())


def test_the_picture_leaves_as_a_file_with_its_recipe_that_is_written_when_it_is_asked_for(
    page: ExplorePage, qtbot: Bot, left: list[QMimeData]
) -> None:
    view, recipe, pixels = page.pictures.view, page.state.recipe, page.state.picture.image.array()[0]
    pull(qtbot, view, view.rect().center())
    (data,) = left
    assert isinstance(data, PictureMime)
    assert data.hasUrls()
    image = data.imageData()
    assert isinstance(image, QImage)
    assert image.pixelColor(0, 0).red() == pixels[0, 0, 0]
    assert page.dragging._out._folder is None, "nothing is written before another program wants it"
    path = written(data)
    assert path.name == "sample-0.png"
    with PIL.Image.open(path) as png:
        assert Recipe.from_json(str(png.text[PNG_KEY])) == recipe
        assert np.array_equal(np.asarray(png)[:: png.height // 8, :: png.width // 8], pixels[..., 0])
    page.state.new_sample(5)
    qtbot.waitUntil(lambda: settled(page))
    page.open_paths([path])
    qtbot.waitUntil(lambda: page.state.recipe == recipe and settled(page))
    assert np.array_equal(page.state.picture.image.array()[0], pixels)
    page.context.closing.emit()
    assert not path.parent.parent.exists()


def test_a_zoomed_picture_moves_and_is_pulled_out_with_ctrl_also_while_a_region_is_painted(
    page: ExplorePage, qtbot: Bot, left: list[QMimeData]
) -> None:
    view, ctrl = page.pictures.view, Qt.KeyboardModifier.ControlModifier
    qtbot.keyClick(page, Qt.Key.Key_Plus)
    center = view.viewport.center
    pull(qtbot, view, view.rect().center())
    assert not left
    assert view.viewport.center != center
    pull(qtbot, view, view.rect().center(), ctrl)
    assert len(left) == 1
    qtbot.keyClick(page, Qt.Key.Key_0)
    qtbot.keyClick(page, Qt.Key.Key_Q)
    overlay = page.paint.overlay
    pull(qtbot, overlay, overlay.rect().center())
    assert len(left) == 1
    assert page.paint.state.region.any()


def test_samples_and_kept_pictures_leave_too_and_a_click_still_picks(
    page: ExplorePage, qtbot: Bot, left: list[QMimeData]
) -> None:
    recipe, sheet = page.state.recipe, page.state.samples.sheet
    pull(qtbot, page.sheet, page.sheet.cell_rect(2).center())
    assert page.state.recipe == recipe
    path = written(left[0])
    assert path.name == "sample-3.png"
    with PIL.Image.open(path) as png:
        assert Recipe.from_json(str(png.text[PNG_KEY])) == sheet.recipes[2]
        assert np.asarray(png)[0, 0] == sheet.images.array()[2, 0, 0, 0]
    qtbot.mouseClick(page.sheet, Qt.MouseButton.LeftButton, pos=page.sheet.cell_rect(2).center())
    assert page.state.recipe.base == Seed(3)
    qtbot.waitUntil(lambda: settled(page))
    qtbot.keyClick(page, Qt.Key.Key_K)
    page.tray.rename(0, "what: a/picture?")
    listed = page.tools.tray_panel.list
    pull(qtbot, listed.viewport(), listed.visualItemRect(listed.item(0)).center())
    path = written(left[1])
    assert path.name == "what- a-picture.png"
    with PIL.Image.open(path) as png:
        assert Recipe.from_json(str(png.text[PNG_KEY])) == page.tray.pictures[0].recipe


def test_within_the_window_a_picture_can_be_dropped_on_an_end_and_nowhere_else(
    page: ExplorePage, qtbot: Bot, left: list[QMimeData]
) -> None:
    qtbot.keyClick(page, Qt.Key.Key_L)
    pull(qtbot, page.sheet, page.sheet.cell_rect(4).center())
    panel = page.tools.blend_panel
    assert not sent(QDragEnterEvent, page.window(), left[0])
    assert page.dragging._out._folder is None
    assert sent(QDragEnterEvent, panel, left[0])
    assert sent(QDropEvent, panel, left[0])
    qtbot.waitUntil(lambda: page.blend.ends[0] is not None)
    end = page.blend.ends[0]
    assert isinstance(end, Image)
    assert end.pixels == page.state.samples.sheet.images.one(4).pixels


def sent(event: type[QDropEvent], widget: QWidget, data: QMimeData) -> bool:
    """Send an event of a drag over the left part of `widget`; whether it is accepted."""
    point = QPoint(20, widget.height() // 2)
    position = QPointF(point) if event is QDropEvent else point
    made = event(position, Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    made.ignore()
    QApplication.sendEvent(widget, made)
    return made.isAccepted()
