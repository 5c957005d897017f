"""The map of training images in its own window, on a real engine."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QImage, QWheelEvent
from PySide6.QtWidgets import QApplication

from nvp_studio.recipe import Image
from nvp_studio.state import stored_tray, tray
from nvp_studio.state.engine import Engine
from nvp_studio.views.pages.explore.map_dialog import MapDialog
from nvp_studio.views.pages.explore.page import ExplorePage
from tests.qt import Bot
from tests.small_model import random_images
from tests.views.explore_page import settled, shown_page

TRAIN = random_images(600, seed=5)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("data") / "known.npz"
    np.savez(path, train_images=TRAIN, val_images=TRAIN[:5])
    return str(path)


@pytest.fixture
def page(shared_engine: Engine, qtbot: Bot, small_model: Path, tmp_path: Path) -> ExplorePage:
    return shown_page(shared_engine, qtbot, small_model, tmp_path)


def opened(page: ExplorePage, qtbot: Bot, data: str) -> MapDialog:
    qtbot.keyClick(page, Qt.Key.Key_M, Qt.KeyboardModifier.AltModifier)
    dialog = page.map.dialog
    assert dialog is not None
    qtbot.waitUntil(lambda: bool(dialog.state.problem))
    assert "Random images, are not here; choose other data" in dialog.view.placeholder
    assert not dialog.export.isEnabled()
    dialog.data.picked.emit(data)
    qtbot.waitUntil(lambda: dialog.state.made is not None and len(dialog.view._shown) > 0)
    return dialog


def at(dialog: MapDialog, index: int) -> QPoint:
    return dialog.view.mapFromScene(QPointF(*dialog.view.places[index]))


def isolated(dialog: MapDialog) -> int:
    """The image farthest to the right, which nothing hides."""
    return int(dialog.view.places[:, 0].argmax())


def test_a_click_and_return_show_an_image_on_explore(page: ExplorePage, qtbot: Bot, data: str) -> None:
    dialog = opened(page, qtbot, data)
    numbers, steps = dialog.state.made.numbers, page.state.undo.count()
    place = isolated(dialog)
    qtbot.mouseClick(dialog.view.viewport(), Qt.MouseButton.LeftButton, pos=at(dialog, place))
    expected = Image((8, 8, 1), TRAIN[numbers[place]].tobytes(), f"Image {numbers[place] + 1} of known.npz")
    qtbot.waitUntil(lambda: page.state.recipe.base == expected and settled(page))
    assert page.state.undo.count() == steps + 1
    assert f"Image {numbers[place] + 1}" in dialog.status.text()
    qtbot.keyClick(dialog.view, Qt.Key.Key_Left)
    other = dialog.view.marked
    assert dialog.view.places[other, 0] < dialog.view.places[place, 0]
    qtbot.keyClick(dialog.view, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: page.state.recipe.base.name == f"Image {numbers[other] + 1} of known.npz")
    dialog.close()
    qtbot.waitUntil(lambda: page.map.dialog is None)


def test_images_that_are_encircled_go_into_the_tray(
    page: ExplorePage, qtbot: Bot, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialog = opened(page, qtbot, data)
    view, viewport = dialog.view, dialog.view.viewport()
    middle = viewport.rect().center()
    assert not dialog.keep.isEnabled()
    dialog.lasso.click()
    corners = [middle + QPoint(*corner) for corner in ((-60, -50), (60, -50), (60, 50), (-60, 50))]
    qtbot.mouseDrag(viewport, *corners)
    where = np.array([at(dialog, index).toTuple() for index in range(len(view.places))]) - middle.toTuple()
    inside = (np.abs(where) < (59, 49)).all(1)
    outside = (np.abs(where) > (61, 51)).any(1)
    assert view.selected[inside].all()
    assert not view.selected[outside].any()
    chosen = int(view.selected.sum())
    assert 0 < chosen < len(view.places)
    assert dialog.status.text().startswith(f"{chosen} selected")
    before = len(page.tray.pictures)
    for module in (tray, stored_tray):
        monkeypatch.setattr(module, "MAX_PICTURES", before + 5)
    dialog.keep.click()
    qtbot.waitUntil(lambda: len(page.tray.pictures) == before + min(5, chosen))
    first = dialog.state.made.numbers[int(np.flatnonzero(view.selected)[0])]
    assert page.tray.pictures[before].recipe.base.pixels == TRAIN[first].tobytes()
    assert page.tray.pictures[before].name == f"Image {first + 1} of known.npz"
    page.window().registry["edit.undo"].trigger()
    assert len(page.tray.pictures) == before
    qtbot.keyClick(view, Qt.Key.Key_Escape)
    assert not view.selected.any()
    assert dialog.isVisible()
    place = isolated(dialog)
    shift = Qt.KeyboardModifier.ShiftModifier
    dialog.lasso.click()
    qtbot.mouseClick(viewport, Qt.MouseButton.LeftButton, shift, at(dialog, place))
    assert np.flatnonzero(view.selected).tolist() == [place]
    view.mark(place)
    qtbot.keyClick(view, Qt.Key.Key_Space)
    assert not view.selected.any()
    qtbot.keyClick(view, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: page.map.dialog is None)


def test_the_select_button_says_what_to_do_and_again_after_a_straight_drag(
    page: ExplorePage, qtbot: Bot, data: str
) -> None:
    dialog = opened(page, qtbot, data)
    viewport, middle = dialog.view.viewport(), dialog.view.viewport().rect().center()
    off = dialog.lasso.grab().toImage()
    dialog.lasso.click()
    assert dialog.status.text().startswith("Draw a line around images to select them")
    on = dialog.lasso.grab().toImage()
    assert on.pixelColor(off.width() // 2, 4) != off.pixelColor(off.width() // 2, 4), "the state is visible"
    qtbot.mouseDrag(viewport, *(middle + QPoint(step, 0) for step in (-60, 0, 60)))
    assert not dialog.view.selected.any()
    assert dialog.status.text().startswith("Nothing is selected: draw a line around images")
    qtbot.mouseDrag(viewport, *(middle + QPoint(*step) for step in ((-60, -50), (60, -50), (60, 50), (-60, 50))))
    assert " selected" in dialog.status.text().split("  ·  ")[0]
    dialog.lasso.click()
    assert "draw" not in dialog.status.text().lower()
    dialog.close()


def test_wheel_drag_and_keys_move_the_map(page: ExplorePage, qtbot: Bot, data: str, tmp_path: Path) -> None:
    dialog = opened(page, qtbot, data)
    view, viewport = dialog.view, dialog.view.viewport()
    dots = len(view.places) - len(view._shown)
    assert dots > 0
    point = QPointF(at(dialog, int(view._shown[0])))
    scene = view.mapToScene(point.toPoint())
    qtbot.mouseMove(viewport, point.toPoint())
    wheel = QWheelEvent(
        point,
        viewport.mapToGlobal(point),
        QPoint(),
        QPoint(0, 5 * 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(viewport, wheel)
    assert view.transform().m11() / view._fit == pytest.approx(1.5**5)
    moved = view.mapFromScene(scene) - point.toPoint()
    assert moved.manhattanLength() <= 2
    before, recipe = at(dialog, 0), page.state.recipe
    qtbot.mouseDrag(viewport, QPoint(100, 100), QPoint(130, 90), QPoint(150, 80))
    assert at(dialog, 0) - before == QPoint(50, -20)
    assert page.state.recipe == recipe
    qtbot.keyClick(view, Qt.Key.Key_Minus)
    assert view.transform().m11() / view._fit == pytest.approx(1.5**4)
    qtbot.keyClick(view, Qt.Key.Key_0)
    assert view.transform().m11() == pytest.approx(view._fit)
    image = view.picture(1200)
    assert image.width() == 1200
    factor = 1200 / viewport.width()
    middle = QPointF(at(dialog, isolated(dialog))) * factor
    assert image.pixelColor(2, 2) != image.pixelColor(middle.toPoint())
    dialog.close()


def test_a_map_is_saved_as_png(
    page: ExplorePage, qtbot: Bot, data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialog = opened(page, qtbot, data)
    path = tmp_path / "map.png"
    monkeypatch.setattr(page.context, "ask_save", lambda *_: path)
    dialog.export.click()
    qtbot.waitUntil(path.exists)
    qtbot.waitUntil(lambda: QImage(str(path)).width() == 2400)
    dialog.close()


def test_a_map_by_latents_is_made_in_steps_and_can_be_stopped(page: ExplorePage, qtbot: Bot, data: str) -> None:
    dialog = opened(page, qtbot, data)
    works: set[str] = set()

    def note() -> None:
        if dialog.state.progress is not None:
            works.add(dialog.state.progress.work)
            if dialog.state.progress.work == "encoding":
                dialog.stop.click()

    dialog.state.changed.connect(note)
    dialog.space.setCurrentIndex(1)
    dialog.space.activated.emit(1)
    qtbot.waitUntil(lambda: dialog.state.stopped)
    assert "Draw makes one" in dialog.view.placeholder
    assert not dialog.stop.isEnabled()
    dialog.state.changed.disconnect(note)
    dialog.start.click()
    qtbot.waitUntil(lambda: dialog.state.made is not None)
    assert dialog.state.made.request.space == "z"
    dialog.method.setCurrentIndex(1)
    dialog.method.activated.emit(1)
    qtbot.waitUntil(lambda: not dialog.state.running)
    if find_spec("umap") is None:
        assert dialog.view.placeholder.startswith(
            "UMAP needs umap-learn, which is not installed: pip install 'nvp-studio[map]'"
        )
        dialog.method.setCurrentIndex(0)
        dialog.method.activated.emit(0)
        qtbot.waitUntil(lambda: dialog.state.made is not None)
    assert dialog.state.made is not None
    dialog.close()


def test_the_key_that_opens_the_map_closes_it_from_both_windows(page: ExplorePage, qtbot: Bot, data: str) -> None:
    action = page.context.registry["explore.map"]
    for from_map in (True, False):
        opened(page, qtbot, data)
        dialog = page.map.dialog
        assert dialog is not None
        assert action.isChecked()
        window = dialog if from_map else page.window()
        window.activateWindow()
        qtbot.waitUntil(window.isActiveWindow)
        qtbot.keyClick(dialog.view if from_map else page, Qt.Key.Key_M, Qt.KeyboardModifier.AltModifier)
        assert page.map.dialog is None
        page.window().activateWindow()
        qtbot.waitUntil(page.window().isActiveWindow)
        page.setFocus()
        assert not action.isChecked()
