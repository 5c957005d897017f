"""Blending two images on the Explore page, on a real engine, and the page's toolbar in a narrow window."""

import os
import signal
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from msgspec.structs import replace
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent
from PySide6.QtWidgets import QToolButton

from nvp_studio.recipe import Blend, Image, Recipe, Seed
from nvp_studio.state import value_edit
from nvp_studio.state.blend import STRIP_POSITIONS
from nvp_studio.state.engine import Engine
from nvp_studio.state.settings import SettingsStore
from nvp_studio.views.main_window import MainWindow
from nvp_studio.views.pages.explore.page import ExplorePage
from tests.qt import WAIT_SECONDS, Bot, on_slider, send_drag
from tests.small_model import random_images
from tests.views.explore_page import settled, shown_page

SIZE = 8 * 8


@pytest.fixture
def page(shared_engine: Engine, qtbot: Bot, small_model: Path, tmp_path: Path) -> ExplorePage:
    """The page in a shown window, with its first picture."""
    return shown_page(shared_engine, qtbot, small_model, tmp_path)


@pytest.fixture
def fragile_page(engine: Engine, qtbot: Bot, small_model: Path, tmp_path: Path) -> ExplorePage:
    """On an engine of its own, to be killed."""
    return shown_page(engine, qtbot, small_model, tmp_path)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Two image files of the model's size."""
    paths = (tmp_path / "first.png", tmp_path / "second.png")
    for index, path in enumerate(paths):
        PIL.Image.fromarray(own(index)).save(path)
    return paths


def own(index: int) -> np.ndarray:
    return random_images(2, seed=9)[index, :, :, 0]


def strip_picture(page: ExplorePage, index: int) -> bytes:
    assert page.blend.strip is not None
    return page.blend.strip.images.pixels[index * SIZE : (index + 1) * SIZE]


def choose(page: ExplorePage, qtbot: Bot, files: tuple[Path, Path]) -> None:
    """Both files as ends."""
    page.blend.open_end(0, files[0])
    qtbot.waitUntil(lambda: page.blend.ends[0] is not None)
    page.blend.open_end(1, files[1])
    qtbot.waitUntil(lambda: page.blend.active and page.blend.strip is not None and settled(page))


def test_two_image_files_are_blended_by_keys_and_the_caption_names_them(
    page: ExplorePage, qtbot: Bot, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = page.blend_panel
    assert not panel.isVisible()
    qtbot.keyClick(page, Qt.Key.Key_L)
    assert panel.isVisible()
    assert "choose A and B" in panel.strip.placeholder
    assert not panel.row.isEnabled()

    page.open_paths([files[0]])
    qtbot.waitUntil(lambda: isinstance(page.state.recipe.base, Image) and settled(page))
    steps = page.state.undo.count()
    qtbot.keyClick(page, Qt.Key.Key_A)
    assert "Now B" in panel.strip.placeholder
    assert "first.png" in panel.ends[0].toolTip()
    assert page.state.undo.count() == steps, "an end alone changes no picture"

    monkeypatch.setattr(page.context, "ask_files", lambda *_: [files[1]])
    qtbot.keyClick(page, Qt.Key.Key_B, Qt.KeyboardModifier.ShiftModifier)
    qtbot.waitUntil(lambda: page.blend.strip is not None and settled(page))
    assert panel.row.isEnabled()
    assert panel.row.value == 0.5
    assert page.pictures.caption.text() == "50 % of the way from first.png to second.png"
    assert page.state.temperatures == (1.0, 1.0)
    assert panel.strip.shown() == len(STRIP_POSITIONS)
    assert strip_picture(page, 0) == own(0).tobytes()
    assert strip_picture(page, 10) == own(1).tobytes()
    assert page.state.picture.image.pixels == strip_picture(page, 5)
    assert panel.strip.selected == 5

    page.window().registry["edit.undo"].trigger()
    qtbot.waitUntil(lambda: settled(page))
    assert page.state.picture.image.pixels == own(0).tobytes()
    assert panel.strip.selected == -1
    page.window().registry["edit.redo"].trigger()
    assert page.blend.active


def test_the_slider_moves_between_the_ends_and_a_drag_is_one_undo(
    page: ExplorePage, qtbot: Bot, files: tuple[Path, Path]
) -> None:
    choose(page, qtbot, files)
    middle, steps = page.state.picture.image.pixels, page.state.undo.count()
    slider = page.blend_panel.row.slider
    places = [on_slider(slider, value) for value in (0.6, 0.7, 0.9, 1.0)]
    qtbot.mouseDrag(slider, *places, while_held=lambda: qtbot.waitUntil(lambda: settled(page)))
    qtbot.waitUntil(lambda: settled(page))
    assert page.state.recipe.base.share == 1.0
    assert page.state.picture.image.pixels == own(1).tobytes()
    assert page.state.undo.count() == steps + 1
    page.window().registry["edit.undo"].trigger()
    qtbot.waitUntil(lambda: settled(page))
    assert page.state.picture.image.pixels == middle
    assert page.blend_panel.row.value == 0.5


def test_keys_move_slider_and_strip(
    page: ExplorePage, qtbot: Bot, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(value_edit, "MERGE_SECONDS", WAIT_SECONDS)  # one entry, however slow the machine
    choose(page, qtbot, files)
    steps = page.state.undo.count()
    panel = page.blend_panel
    panel.row.slider.setFocus()
    for _ in range(2):
        qtbot.keyClick(panel.row.slider, Qt.Key.Key_Right)
    assert page.state.recipe.base.share == pytest.approx(0.6)
    assert page.state.undo.count() == steps + 1
    assert panel.strip.selected == 6
    panel.strip.setFocus()
    qtbot.keyClick(panel.strip, Qt.Key.Key_Left)
    assert page.state.recipe.base.share == pytest.approx(0.5)
    qtbot.mouseClick(panel.strip, Qt.MouseButton.LeftButton, pos=panel.strip.cell_rect(2).center())
    qtbot.waitUntil(lambda: settled(page))
    assert page.state.picture.image.pixels == strip_picture(page, 2)
    qtbot.keyClick(panel.row.slider, Qt.Key.Key_Delete)
    assert page.state.recipe.base.share == 0.5


@pytest.mark.slow
def test_other_sliders_act_on_the_blend_and_on_the_strip(
    page: ExplorePage, qtbot: Bot, files: tuple[Path, Path]
) -> None:
    choose(page, qtbot, files)
    before = strip_picture(page, 0)
    row = page.panel.latents.temperatures[0]
    qtbot.mouseClick(row.slider, Qt.MouseButton.LeftButton, pos=on_slider(row.slider, 0.3))
    cooled = page.state.temperatures
    assert cooled == pytest.approx((0.3, 0.3), abs=0.02)
    qtbot.waitUntil(lambda: settled(page) and strip_picture(page, 0) != before)
    page.blend.set_position(0.8)
    assert page.state.temperatures == cooled
    qtbot.waitUntil(lambda: settled(page))
    assert page.state.picture.image.pixels == strip_picture(page, 8)


@pytest.mark.slow
def test_an_end_of_a_blend_has_the_pixels_shown_or_read(page: ExplorePage, qtbot: Bot, tmp_path: Path) -> None:
    page.state.new_sample(7)
    qtbot.waitUntil(lambda: settled(page))
    page.state.set_coordinate(0, 3.0)
    qtbot.waitUntil(lambda: settled(page))
    shown = page.state.picture.image.pixels
    page.state.save_picture(tmp_path / "moved.png", 4)
    qtbot.waitUntil(lambda: settled(page) and (tmp_path / "moved.png").exists())
    page.blend.take_picture(0)
    assert page.blend.ends[0] == Image((8, 8, 1), shown, "sample 7")

    page.state.new_sample(8)
    page.blend.open_end(1, tmp_path / "moved.png")
    qtbot.waitUntil(lambda: page.blend.ends[1] is not None)
    assert page.blend.ends[1] == Image((8, 8, 1), shown, "moved.png"), "not the sample that its recipe names"


@pytest.mark.slow
def test_a_file_dropped_on_a_half_of_the_panel_becomes_that_end(
    page: ExplorePage, qtbot: Bot, files: tuple[Path, Path]
) -> None:
    panel = page.blend_panel
    page.show_blend(True)
    before = page.state.recipe
    for end, share in ((1, 0.8), (0, 0.2)):
        assert send_drag(QDragEnterEvent, panel, [files[end]], 0.5)
        assert send_drag(QDragMoveEvent, panel, [files[end]], share)
        assert panel.overlay.isVisible()
        assert panel.overlay.text == f"Image {'AB'[end]} of the blend"
        assert send_drag(QDropEvent, panel, [files[end]], share)
        assert panel.overlay.isHidden()
        qtbot.waitUntil(lambda end=end: page.blend.ends[end] is not None)
        assert page.blend.ends[end] == Image((8, 8, 1), own(end).tobytes(), files[end].name)
        if end == 1:
            assert page.state.recipe == before, "one end is no picture yet"
    qtbot.waitUntil(lambda: page.blend.active and settled(page))


@pytest.mark.slow
def test_a_drop_of_anything_but_one_image_is_left_to_the_window(
    page: ExplorePage, files: tuple[Path, Path], small_model: Path
) -> None:
    page.show_blend(True)
    for paths, accepted in (([*files], True), ([small_model], True), ([], False)):
        assert send_drag(QDragEnterEvent, page.blend_panel, paths, 0.2) == accepted
        assert page.blend_panel.overlay.isHidden()


@pytest.mark.slow
def test_a_file_that_is_no_image_is_reported_and_changes_nothing(page: ExplorePage, qtbot: Bot, tmp_path: Path) -> None:
    (tmp_path / "words.png").write_bytes(b"This is text.")
    with qtbot.waitSignal(page.state.failed):
        page.blend.open_end(0, tmp_path / "words.png")
    assert page.blend.ends == (None, None)


def test_a_saved_blend_comes_back_with_its_ends(
    page: ExplorePage, qtbot: Bot, files: tuple[Path, Path], tmp_path: Path
) -> None:
    choose(page, qtbot, files)
    page.blend.set_position(0.3)
    qtbot.waitUntil(lambda: settled(page))
    recipe, ends = page.state.recipe, page.blend.ends
    page.state.save_picture(tmp_path / "blend.png", 1)
    qtbot.waitUntil(lambda: settled(page) and (tmp_path / "blend.png").exists())
    page.blend.take_picture(1)
    page.state.new_sample(1)
    page.show_blend(False)
    page.open_paths([tmp_path / "blend.png"])
    qtbot.waitUntil(lambda: page.state.recipe == recipe and settled(page))
    assert page.blend.ends == ends
    assert page.blend_panel.isVisible()
    assert page.blend_panel.row.value == pytest.approx(0.3)
    assert page.blend_panel.strip.selected == 3


@pytest.mark.slow
def test_the_panel_stays_hidden_once_hidden(page: ExplorePage, qtbot: Bot, files: tuple[Path, Path]) -> None:
    choose(page, qtbot, files)
    page.setFocus()
    qtbot.keyClick(page, Qt.Key.Key_L)
    page.state.set_coordinate(0, 1.0)
    assert not page.blend_panel.isVisible()
    assert page.blend.active


@pytest.mark.slow
def test_a_model_of_another_size_removes_the_ends_without_an_error(
    page: ExplorePage, qtbot: Bot, files: tuple[Path, Path]
) -> None:
    reasons: list[str] = []
    page.state.failed.connect(reasons.append)
    choose(page, qtbot, files)
    page.state.engine.open_model("peeps")
    qtbot.waitUntil(lambda: not page.state.engine.opening and settled(page))
    assert page.blend.ends == (None, None)
    assert page.blend.strip is None
    assert page.state.recipe.base == Seed(0)
    assert reasons == []


@pytest.mark.slow
def test_the_strip_is_restored_after_a_crash(fragile_page: ExplorePage, qtbot: Bot, files: tuple[Path, Path]) -> None:
    page = fragile_page
    choose(page, qtbot, files)
    blend = page.state.recipe
    page.blend.take_picture(0)  # requests another strip, which may not arrive before the kill
    os.kill(page.state.engine.explorer.pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: not page.blend_panel.isEnabled())
    qtbot.waitUntil(lambda: page.blend_panel.isEnabled() and settled(page))
    assert page.state.recipe != blend
    qtbot.waitUntil(lambda: page.blend.strip is not None and strip_picture(page, 0) == page.blend.ends[0].pixels)


@pytest.mark.slow
def test_a_remembered_blend_is_shown_with_its_panel(
    shared_engine: Engine, qtbot: Bot, page: ExplorePage, files: tuple[Path, Path], tmp_path: Path
) -> None:
    choose(page, qtbot, files)
    recipe = page.state.recipe
    page.window().close()
    window = MainWindow(shared_engine, SettingsStore(tmp_path / "window.ini"))
    qtbot.addWidget(window)
    again = window.page("explore")
    shared_engine.open_model(window.settings.values.model_path)
    qtbot.waitUntil(lambda: settled(again) and again.blend.strip is not None)
    assert again.state.recipe == recipe
    assert isinstance(recipe, Recipe)
    assert isinstance(recipe.base, Blend)
    assert not again.blend_panel.isHidden()


@pytest.mark.slow
@pytest.mark.parametrize("size", [QSize(1280, 800), QSize(960, 640), QSize(800, 600)])
def test_every_button_of_the_page_is_whole_at_every_size(
    page: ExplorePage, qtbot: Bot, files: tuple[Path, Path], size: QSize
) -> None:
    page.window().setMinimumSize(QSize(1, 1))  # as on a small screen
    choose(page, qtbot, files)
    page.state.engine.model_opened.emit(replace(page.state.model, name=90 * "w"))
    page.window().resize(size)
    qtbot.waitUntil(lambda: page.window().size() == size and page.width() <= size.width())
    qtbot.waitUntil(lambda: page.toolbar.wrapped)
    buttons = page.toolbar.findChildren(QToolButton)
    assert set(page.toolbar.tools) <= set(buttons)
    hidden = [button for button in buttons if not button.isVisible()]
    in_menu = [tool for tool in page.toolbar.tools if tool.defaultAction() in page.toolbar.more.menu().actions()]
    assert set(hidden) - {page.toolbar.more} <= {*page.toolbar.copies, *in_menu}, "what gives way is in a menu"
    assert page.toolbar.more.isVisible() == bool(in_menu)
    assert not in_menu or size.width() == 800
    tools = [button for button in buttons if button not in hidden]
    whole = [tool for tool in tools if tool is not page.toolbar.model_button]
    qtbot.waitUntil(lambda: all(tool.width() >= tool.sizeHint().width() for tool in whole))
    assert page.toolbar.model_button.width() >= 80
    for end, letter in zip(page.blend_panel.ends, "AB", strict=True):
        assert end.text().split()[0] == letter
        qtbot.waitUntil(lambda end=end: end.width() >= end.sizeHint().width())
    for widget in (*tools, *page.blend_panel.ends, page.blend_panel.row):
        assert widget.isVisible()
        assert widget.visibleRegion().boundingRect() == widget.rect(), widget.accessibleName()
