"""The Explore page by mouse, keys, files and clipboard, on a real engine."""

import os
import signal
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from PySide6.QtCore import QPoint, QPointF, QSize, Qt
from PySide6.QtGui import QImage, QKeySequence, QWheelEvent
from PySide6.QtWidgets import QApplication

from nvp_studio.image_batch import ImageBatch
from nvp_studio.recipe import Image, Recipe, Seed
from nvp_studio.state import value_edit
from nvp_studio.state.engine import Engine
from nvp_studio.state.qimages import qimages
from nvp_studio.state.settings import SettingsStore
from nvp_studio.views.main_window import MainWindow
from nvp_studio.views.pages.explore.page import ExplorePage
from nvp_studio.views.widgets.image_grid import ImageGrid
from nvp_studio.views.widgets.image_view import ImageView
from nvp_studio.views.widgets.placed_image import whole_zoom
from nvp_studio.views.widgets.sliders import STEPS_PER_UNIT
from tests.qt import WAIT_SECONDS, Bot, on_slider
from tests.small_model import random_images
from tests.views.explore_page import settled, shown_page


@pytest.fixture
def page(shared_engine: Engine, qtbot: Bot, small_model: Path, tmp_path: Path) -> ExplorePage:
    """The page in a shown window, with its first picture."""
    return shown_page(shared_engine, qtbot, small_model, tmp_path)


def pixels(page: ExplorePage) -> QImage:
    assert page.pictures.view.image is not None
    return page.pictures.view.image.copy()


def test_dragging_a_slider_changes_the_picture_and_is_one_undo(page: ExplorePage, qtbot: Bot) -> None:
    before, figure = pixels(page), page.panel.score.figure.text()
    row = page.panel.latents.directions[0]

    def picture_follows() -> None:
        qtbot.waitUntil(lambda: settled(page))
        assert pixels(page) != before

    places = [on_slider(row.slider, value) for value in (1.0, 1.5, 2.0, 2.5, 3.0)]
    qtbot.mouseDrag(row.slider, *places, while_held=picture_follows)
    qtbot.waitUntil(lambda: settled(page))
    assert page.state.coordinates[0] == pytest.approx(3.0, abs=0.05)
    assert row.figure.text() == f"{row.value:+.2f}"
    assert page.panel.score.figure.text() != figure
    assert page.state.undo.count() == 1

    page.window().registry["edit.undo"].trigger()
    qtbot.waitUntil(lambda: settled(page))
    assert pixels(page) == before
    assert page.panel.score.figure.text() == figure


@pytest.mark.slow
def test_a_double_click_puts_a_direction_back(page: ExplorePage, qtbot: Bot) -> None:
    row = page.panel.latents.directions[4]
    origin = row.value
    page.state.set_coordinate(4, 2.0)
    assert row.value == pytest.approx(2.0)
    qtbot.mouseDClick(row.slider, Qt.MouseButton.LeftButton, pos=on_slider(row.slider, 2.0))
    assert row.value == pytest.approx(origin, abs=1e-6)
    assert page.state.recipe.offsets == ()


def test_arrow_keys_move_a_slider_and_delete_resets_it(
    page: ExplorePage, monkeypatch: pytest.MonkeyPatch, qtbot: Bot
) -> None:
    monkeypatch.setattr(value_edit, "MERGE_SECONDS", WAIT_SECONDS)  # one entry, however slow the machine
    row = page.panel.latents.directions[1]
    start = row.value
    row.slider.setFocus()
    for _ in range(3):
        qtbot.keyClick(row.slider, Qt.Key.Key_Right)
    assert page.state.coordinates[1] == pytest.approx(start + 0.15, abs=0.011)
    assert page.state.undo.count() == 1
    qtbot.keyClick(row.slider, Qt.Key.Key_Down)
    assert QApplication.focusWidget() is page.panel.latents.directions[2].slider
    qtbot.keyClick(row.slider, Qt.Key.Key_Delete)
    assert page.state.recipe.offsets == ()


@pytest.mark.slow
def test_the_wheel_scrolls_past_a_slider_without_focus(page: ExplorePage) -> None:
    slider = page.panel.latents.directions[0].slider
    page.setFocus()

    def turn() -> None:
        position = QPointF(slider.rect().center())
        event = QWheelEvent(
            position,
            slider.mapToGlobal(position),
            QPoint(),
            QPoint(0, 120),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(slider, event)

    value = slider.value()
    turn()
    assert slider.value() == value
    slider.setFocus()
    turn()
    assert slider.value() != value


@pytest.mark.slow
def test_a_value_beyond_the_sliders_range_is_shown_unclipped(page: ExplorePage, qtbot: Bot) -> None:
    page.state.set_coordinate(0, 7.25)
    row = page.panel.latents.directions[0]
    assert row.figure.text() == "+7.25"
    assert row.slider.value() == 4 * STEPS_PER_UNIT
    qtbot.waitUntil(lambda: settled(page))
    assert page.state.coordinates[0] == pytest.approx(7.25, abs=1e-3), "showing it did not clamp it"


def test_n_draws_a_sample_and_typing_a_seed_brings_it_back(page: ExplorePage, qtbot: Bot) -> None:
    qtbot.keyClick(page, Qt.Key.Key_N)
    qtbot.waitUntil(lambda: settled(page))
    seed = page.state.recipe.base.seed
    assert page.panel.seed.value() == seed
    assert page.panel.seed.width() >= 100
    assert page.rect().contains(
        page.panel.seed.geometry().translated(page.panel.seed.parentWidget().mapTo(page, QPoint()))
    )
    picture = pixels(page)
    page.window().registry["explore.new-sample"].trigger()
    qtbot.waitUntil(lambda: settled(page))
    assert pixels(page) != picture
    page.panel.seed.selectAll()
    qtbot.keyClicks(page.panel.seed, str(seed))
    qtbot.keyClick(page.panel.seed, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: settled(page))
    assert pixels(page) == picture


def test_the_temperature_of_all_scales_and_of_one(page: ExplorePage, qtbot: Bot) -> None:
    all_scales, fine, coarse = page.panel.latents.temperatures
    qtbot.mouseClick(all_scales.slider, Qt.MouseButton.LeftButton, pos=on_slider(all_scales.slider, 0.5))
    assert page.state.temperatures == pytest.approx((0.5, 0.5), abs=0.02)
    assert fine.value == coarse.value == page.state.temperatures[0]
    qtbot.mouseClick(fine.slider, Qt.MouseButton.LeftButton, pos=on_slider(fine.slider, 1.2))
    assert page.state.temperatures == pytest.approx((1.2, 0.5), abs=0.02)
    qtbot.waitUntil(lambda: settled(page))
    assert page.state.samples.sheet.recipes[0].temperatures == page.state.temperatures
    qtbot.mouseDClick(all_scales.slider, Qt.MouseButton.LeftButton, pos=on_slider(all_scales.slider, 0.85))
    assert page.state.temperatures == (0.8, 0.8)


def test_a_sample_of_the_strip_is_picked_by_click_and_by_arrow_keys(page: ExplorePage, qtbot: Bot) -> None:
    assert page.sheet.shown() >= 8
    qtbot.mouseClick(page.sheet, Qt.MouseButton.LeftButton, pos=page.sheet.cell_rect(3).center())
    chosen = page.state.samples.sheet.recipes[3]
    assert page.state.recipe.base == chosen.base
    assert page.sheet.selected == 3
    qtbot.waitUntil(lambda: settled(page))
    size = 8 * 8
    assert page.state.picture.image.pixels == page.state.samples.sheet.images.pixels[3 * size : 4 * size]
    page.sheet.setFocus()
    qtbot.keyClick(page.sheet, Qt.Key.Key_Right)
    assert page.sheet.selected == 4


@pytest.mark.slow
def test_more_samples_are_other_samples(page: ExplorePage, qtbot: Bot) -> None:
    before = page.state.samples.sheet.images
    page.window().registry["explore.more-samples"].trigger()
    qtbot.waitUntil(lambda: page.state.samples.sheet.images != before)


@pytest.mark.slow
def test_random_directions_and_reset(page: ExplorePage, qtbot: Bot) -> None:
    before = pixels(page)
    page.window().registry["explore.randomize"].trigger()
    assert len(page.state.recipe.offsets) == 12
    qtbot.waitUntil(lambda: settled(page))
    assert pixels(page) != before
    page.window().registry["explore.reset"].trigger()
    qtbot.waitUntil(lambda: settled(page))
    assert pixels(page) == before


def test_a_dropped_image_is_shown_exactly_with_what_was_done_to_it(
    page: ExplorePage, qtbot: Bot, tmp_path: Path
) -> None:
    exact = random_images(1, seed=9)[0, :, :, 0]
    PIL.Image.fromarray(exact).save(tmp_path / "exact.png")
    assert page.window().open_paths([tmp_path / "exact.png"])
    qtbot.waitUntil(lambda: settled(page) and isinstance(page.state.recipe.base, Image))
    assert page.state.picture.image.pixels == exact.tobytes()
    assert page.pictures.caption.text().startswith("exact.png")
    assert page.panel.seed.value() is None

    PIL.Image.fromarray(np.tile(exact, (4, 7))).save(tmp_path / "large.png")
    page.open_paths([tmp_path / "large.png"])
    qtbot.waitUntil(lambda: settled(page) and "large.png" in page.pictures.caption.text())
    assert "56x32" in page.pictures.caption.text()


def test_the_picture_and_its_program_can_be_copied(page: ExplorePage) -> None:
    page.window().registry["explore.copy-image"].trigger()
    copied = QApplication.clipboard().image()
    assert copied.width() >= 400
    assert copied.scaled(8, 8).pixelColor(0, 0) == page.pictures.view.image.pixelColor(0, 0)
    page.window().registry["explore.copy-python"].trigger()
    assert "Recipe.from_json" in QApplication.clipboard().text()


def test_the_score_card_says_where_the_picture_lies(page: ExplorePage, qtbot: Bot) -> None:
    assert page.panel.score.figure.text() == f"{page.state.bits_per_dim:.3f}"
    assert f"{page.state.percentile():.0f} % of 100" in page.panel.score.rank.text()


def test_the_figure_is_dimmed_until_the_pictures_own_score_is_there(page: ExplorePage, qtbot: Bot) -> None:
    qtbot.waitUntil(lambda: not page.panel.score.pending)
    figure = page.panel.score.figure.text()
    dimmed: list[tuple[bool, str]] = []
    page.state.picture_changed.connect(
        lambda _: dimmed.append((page.panel.score.pending, page.panel.score.figure.text()))
    )
    page.state.new_sample(17)
    qtbot.waitUntil(lambda: settled(page) and not page.panel.score.pending)
    assert dimmed == [(True, figure)]
    assert page.panel.score.figure.text() == f"{page.state.bits_per_dim:.3f}" != figure


@pytest.mark.slow
def test_a_model_with_other_directions_gets_other_sliders(page: ExplorePage, qtbot: Bot, other_model: Path) -> None:
    page.open_paths([other_model])
    qtbot.waitUntil(lambda: len(page.panel.latents.directions) == 5 and settled(page))
    row = page.panel.latents.directions[4]
    qtbot.mouseClick(row.slider, Qt.MouseButton.LeftButton, pos=on_slider(row.slider, 2.0))
    assert page.state.coordinates[4] == pytest.approx(2.0, abs=0.05)
    assert page.window().settings.values.recent_models[0] == str(other_model)


@pytest.mark.slow
def test_a_closed_welcome_does_not_return(page: ExplorePage) -> None:
    assert page.welcome.isVisible()
    page.welcome.closed.emit()
    assert not page.welcome.isVisible()
    assert page.window().settings.values.welcome_seen


def test_the_picture_is_remembered_and_comes_back(
    shared_engine: Engine, qtbot: Bot, page: ExplorePage, tmp_path: Path
) -> None:
    page.state.new_sample(31)
    qtbot.waitUntil(lambda: settled(page))
    page.state.set_coordinate(5, 1.25)
    qtbot.waitUntil(lambda: settled(page))
    recipe, picture = page.state.recipe, pixels(page)
    page.window().close()

    window = MainWindow(shared_engine, SettingsStore(tmp_path / "window.ini"))
    qtbot.addWidget(window)
    again = window.page("explore")
    shared_engine.open_model(window.settings.values.model_path)
    qtbot.waitUntil(lambda: settled(again))
    assert again.state.recipe == recipe
    assert pixels(again) == picture


@pytest.mark.slow
def test_after_a_crash_the_picture_is_restored_and_sliders_work(window: MainWindow, engine: Engine, qtbot: Bot) -> None:
    page = window.page("explore")
    qtbot.waitUntil(lambda: settled(page))
    page.state.new_sample(6)
    qtbot.waitUntil(lambda: settled(page))
    before = pixels(page)
    os.kill(engine.explorer.pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: not page.panel.latents.isEnabled())
    assert pixels(page) == before, "the picture stays while the engine is away"
    qtbot.waitUntil(lambda: page.panel.latents.isEnabled() and settled(page))
    assert pixels(page) == before
    row = page.panel.latents.directions[0]
    qtbot.mouseClick(row.slider, Qt.MouseButton.LeftButton, pos=on_slider(row.slider, 3.0))
    qtbot.waitUntil(lambda: settled(page))
    assert pixels(page) != before


# Widgets alone


@pytest.mark.parametrize("channels", [1, 3])
def test_images_keep_every_value(qapp: QApplication, channels: int) -> None:
    values = np.random.default_rng(0).integers(0, 256, (3, 5, 7, channels), dtype=np.uint8)
    images = qimages(ImageBatch(values.shape, values.tobytes()))
    assert len(images) == 3
    for image, expected in zip(images, values, strict=True):
        assert (image.width(), image.height()) == (7, 5)
        for row in range(5):
            for column in range(7):
                color = image.pixelColor(column, row)
                shown = (color.red(), color.green(), color.blue())
                assert shown == tuple(int(v) for v in np.broadcast_to(expected[row, column], 3))


@pytest.mark.parametrize(
    ("space", "ratio", "expected"),
    [
        ((300, 200), 1.0, (196, 196)),
        ((300, 200), 2.0, (196, 196)),
        ((290, 210), 1.5, (308 / 1.5, 308 / 1.5)),
        ((20, 40), 1.0, (20, 20)),
    ],
)
def test_zoom_is_a_whole_number_of_screen_pixels(
    space: tuple[int, int], ratio: float, expected: tuple[float, float]
) -> None:
    assert whole_zoom(QSize(28, 28), QSize(*space), ratio).toTuple() == pytest.approx(expected)


def test_the_large_view_paints_pixels_as_sharp_squares(qapp: QApplication) -> None:
    view = ImageView()
    view.resize(100, 100)
    board = np.array([[0, 255], [255, 0]], dtype=np.uint8)[None, :, :, None]
    view.show_image(qimages(ImageBatch(board.shape, board.tobytes()))[0])
    grabbed = view.grab().toImage()
    tones = {grabbed.pixelColor(x, y).red() for x in range(100) for y in range(100)}
    assert tones == {0, 255}
    assert grabbed.pixelColor(49, 49).red() == 0
    assert grabbed.pixelColor(50, 49).red() == 255


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 5, 16, 64])
def test_a_contact_sheet_shows_every_cell_inside_itself(qapp: QApplication, count: int) -> None:
    grid = ImageGrid()
    grid.resize(333, 222)
    values = np.zeros((count, 8, 8, 1), np.uint8)
    grid.show_batch(ImageBatch(values.shape, values.tobytes()))
    rects = [grid.cell_rect(index) for index in range(count)]
    assert grid.shown() == count
    assert all(grid.rect().contains(rect) for rect in rects)
    assert not any(one.intersects(other) for i, one in enumerate(rects) for other in rects[:i])


def test_every_documented_shortcut_exists(page: ExplorePage) -> None:
    registry = page.window().registry
    assert registry["explore.open-image"].shortcut() == QKeySequence("Ctrl+O")
    assert registry["explore.save"].shortcut() == QKeySequence("Ctrl+S")
    assert registry["edit.undo"].shortcut() == QKeySequence("Ctrl+Z")
    assert registry["edit.redo"].shortcut() == QKeySequence("Ctrl+Shift+Z")
    actions = [entry for entry in registry.entries() if entry.key.startswith("explore.")]
    assert [entry.key for entry in actions if not entry.action.shortcuts()] == []


def test_the_first_recipe_of_a_model_is_a_sample(page: ExplorePage) -> None:
    assert page.state.recipe == Recipe(checkpoint=page.state.model.digest, base=Seed(0), temperatures=(0.8, 0.8))
