"""Directions of a person's own on Explore: made of two groups of pictures, kept, shared and moved along."""

import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent

from nvp_studio.direction_file import OwnDirection, read_directions, write_directions
from nvp_studio.explore.model import open_model
from nvp_studio.explore.own_directions import make_direction, read_pictures
from nvp_studio.recipe import Recipe, Seed
from nvp_studio.state.engine import Engine
from nvp_studio.views.menus import MnemonicMenu
from nvp_studio.views.pages.explore.page import ExplorePage
from tests.qt import Bot, on_slider
from tests.views.explore_page import settled, shown_page


@pytest.fixture
def model_file(small_model: Path, tmp_path: Path) -> Path:
    """A model in a folder of its own, where its directions are kept."""
    folder = tmp_path / "model"
    folder.mkdir()
    return Path(shutil.copy(small_model, folder / "mine.safetensors"))


@pytest.fixture
def page(shared_engine: Engine, qtbot: Bot, model_file: Path, tmp_path: Path) -> ExplorePage:
    """The page in a shown window, with its first picture."""
    return shown_page(shared_engine, qtbot, model_file, tmp_path)


def drop(page: ExplorePage, group: int, *paths: Path) -> None:
    """Drop files on a group."""
    row, data = page.directions.own.head.rows[group], QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    copy, left, none = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    row.dragEnterEvent(QDragEnterEvent(QPoint(5, 5), copy, data, left, none))
    row.dropEvent(QDropEvent(QPointF(5, 5), copy, data, left, none))


def test_a_direction_is_made_of_pictures_on_screen_samples_and_files(
    page: ExplorePage, qtbot: Bot, model_file: Path, tmp_path: Path
) -> None:
    tool, state, panel = page.directions.own, page.directions.own.state, page.panel.latents.panel
    make = page.context.registry["explore.make-direction"]
    both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier
    qtbot.keyClick(page, Qt.Key.Key_A, both)
    assert panel.kind == "own"
    assert tool.head.editor.isVisible()
    assert panel.shown.empty.text() == "You have made no direction for this model yet."
    page.sheet.clicked.emit(2)
    qtbot.waitUntil(lambda: settled(page))
    qtbot.keyClick(page, Qt.Key.Key_A, both)
    qtbot.keyClick(page, Qt.Key.Key_A, both)
    assert [recipe.base for recipe in state.groups[0]] == [Seed(0), Seed(3)], "the same picture is there once"
    assert not make.isEnabled()
    folder = tmp_path / "photos"
    folder.mkdir()
    for level in (10, 90):
        PIL.Image.fromarray(np.full((8, 8), level, np.uint8)).save(folder / f"{level}.png")
    PIL.Image.fromarray(np.full((8, 8), 200, np.uint8)).save(tmp_path / "one.png")
    drop(page, 1, folder)
    drop(page, 1, tmp_path / "one.png")
    qtbot.waitUntil(lambda: len(state.groups[1]) == 3)
    qtbot.waitUntil(lambda: [row.grid.count for row in tool.head.rows] == [2, 3])
    assert [row.count.text() for row in tool.head.rows] == ["2", "3"]
    make.trigger()
    assert state.directions == (), "it needs a name"
    tool.head.name.setFocus()
    qtbot.keyClicks(tool.head.name, "lighter\r")
    qtbot.waitUntil(lambda: bool(state.directions))
    opened = open_model(model_file)
    expected = make_direction(opened, "lighter", state.groups[0], read_pictures(opened, [folder, tmp_path / "one.png"]))
    kept = read_directions(model_file.with_suffix(".directions.json"), 64)
    assert kept == state.directions == (expected,)
    assert not tool.head.editor.isVisible()
    assert tool.head.isAncestorOf(page.window().focusWidget()), "the letters of the page go on working"

    row = panel.shown.rows[0]
    assert row.name.text() == "lighter"
    assert "From 2 pictures to 3" in row.toolTip()
    qtbot.mouseDrag(row.slider, on_slider(row.slider, 0.0), on_slider(row.slider, 2.0))
    (move,) = page.state.recipe.moves
    assert (move.name, move.vector) == ("lighter", expected.vector)
    assert page.directions.state.local == (), "it is not one of the picture's"
    assert page.state.undo.undoText() == "lighter"
    page.state.undo.undo()
    page.state.undo.undo()
    assert state.directions == ()
    assert read_directions(model_file.with_suffix(".directions.json"), 64) == ()
    page.state.undo.redo()
    assert state.directions == (expected,)


def test_a_click_takes_a_picture_out_of_its_group_and_the_menu_adds_many(page: ExplorePage, qtbot: Bot) -> None:
    tool, state = page.directions.own, page.directions.own.state
    page.context.registry["explore.new-direction"].trigger()
    row = tool.head.rows[1]
    qtbot.mouseClick(row.add, Qt.MouseButton.LeftButton)
    menu = row.findChildren(MnemonicMenu)[-1]
    texts = [action.text() for action in menu.actions()]
    assert "All 24 &samples below the picture" in texts
    assert [action.text() for action in menu.actions() if not action.isEnabled()] == [
        "No pictures of this model in the &tray",
        "&Clear group B",
    ]
    menu.actions()[texts.index("All 24 &samples below the picture")].trigger()
    menu.close()
    assert len(state.groups[1]) == 24
    qtbot.waitUntil(lambda: row.grid.count == 24)
    qtbot.mouseClick(row.grid, Qt.MouseButton.LeftButton, pos=row.grid.cell_rect(1).center())
    assert [recipe.base for recipe in state.groups[1]] == [Seed(1), *(Seed(seed) for seed in range(3, 25))]
    state.add(0, [Recipe(checkpoint="", base=Seed(seed)) for seed in range(100, 120)])
    assert tool.head.note.text().startswith("Made by a linear classifier")
    state.make("classified")
    qtbot.waitUntil(lambda: bool(state.directions))
    assert state.directions[0].method == "classifier"


def test_directions_are_renamed_deleted_imported_and_exported(
    page: ExplorePage, qtbot: Bot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, registry = page.directions.own.state, page.context.registry
    assert not registry["explore.export-directions"].isEnabled()
    vector = np.random.default_rng(1).standard_normal(64).astype("<f2").tobytes()
    write_directions(tmp_path / "theirs.directions.json", [OwnDirection("smile", vector, "other weights", (4, 5))])
    monkeypatch.setattr(page.context, "ask_files", lambda *words, **more: [tmp_path / "theirs.directions.json"])
    registry["explore.import-directions"].trigger()
    assert [direction.name for direction in state.directions] == ["smile"]
    assert "made with other weights" in page.panel.latents.panel.shown.rows[0].toolTip()
    problems: list[str] = []
    page.state.failed.connect(problems.append)
    registry["explore.import-directions"].trigger()
    assert "not here already" in problems.pop()
    (tmp_path / "theirs.directions.json").write_bytes(b"{}")
    registry["explore.import-directions"].trigger()
    assert problems.pop().startswith("theirs.directions.json: no file of directions")

    state.rename(0, "  grin ")
    assert state.directions[0].name == "grin"
    state.rename(0, "")
    assert state.directions[0].name == "grin"
    monkeypatch.setattr(page.context, "ask_save", lambda *words: tmp_path / "out.directions.json")
    registry["explore.export-directions"].trigger()
    qtbot.waitUntil((tmp_path / "out.directions.json").exists)
    assert read_directions(tmp_path / "out.directions.json", 64) == state.directions

    panel = page.panel.latents.panel
    panel.shown.rows[0].slider.setValue(100)
    panel.shown.menu_requested.emit(0, QPoint())
    menu = panel.findChildren(MnemonicMenu)[-1]
    delete = next(action for action in menu.actions() if action.text() == "&Delete")
    delete.trigger()
    menu.close()
    assert state.directions == ()
    assert len(page.state.recipe.moves) == 1, "the picture stays as it is"
    assert len(page.directions.state.local) == 1


def test_a_damaged_file_is_told_and_kept_under_another_name(
    page: ExplorePage, qtbot: Bot, model_file: Path, shared_engine: Engine
) -> None:
    file = model_file.with_suffix(".directions.json")
    file.write_bytes(b"damaged")
    problems: list[str] = []
    page.state.lost.connect(problems.append)
    shared_engine.open_model(str(model_file))
    qtbot.waitUntil(lambda: not shared_engine.opening and settled(page))
    assert any("Your own directions cannot be read" in problem for problem in problems)
    state = page.directions.own.state
    state.add(0, [Recipe(checkpoint="", base=Seed(1))])
    state.add(1, [Recipe(checkpoint="", base=Seed(2))])
    state.make("new")
    qtbot.waitUntil(lambda: bool(state.directions))
    assert file.with_suffix(".damaged").read_bytes() == b"damaged"
    assert len(read_directions(file, 64)) == 1


def test_without_a_direction_the_head_stays_at_the_top_of_a_high_list(page: ExplorePage, qtbot: Bot) -> None:
    panel = page.panel.latents.panel
    panel.show_kind("own")
    page.window().resize(1280, 900)
    shown, head = panel.shown, page.directions.own.head
    qtbot.waitUntil(lambda: shown.viewport().height() > 2 * head.sizeHint().height())
    assert head.y() == 0
    least = head.heightForWidth(head.width()) if head.hasHeightForWidth() else head.sizeHint().height()
    assert head.height() <= least
    assert shown.empty.y() < head.geometry().bottom() + 20
