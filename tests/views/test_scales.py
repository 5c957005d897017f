"""Scales and the typical set on the Explore page, on a real engine."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from PySide6.QtCore import QPoint, Qt

from nvp_studio.recipe import KEPT_SHARES, Image, Kept, Seed
from nvp_studio.state.engine import Engine
from nvp_studio.views.pages.explore.page import ExplorePage
from nvp_studio.views.widgets.number_field import NumberField
from tests.qt import Bot, on_slider
from tests.small_model import random_images
from tests.views.explore_page import settled, shown_page

ALT = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier


@pytest.fixture
def page(shared_engine: Engine, qtbot: Bot, small_model: Path, tmp_path: Path) -> ExplorePage:
    """The page in a shown window, with its first picture."""
    return shown_page(shared_engine, qtbot, small_model, tmp_path)


def labels(page: ExplorePage, scale: int) -> list[str]:
    menu = page.tools.scale_panel.buttons[scale].menu()
    menu.aboutToShow.emit()
    return [action.text() for action in menu.actions() if action.isEnabled() and not action.isSeparator()]


def choose(page: ExplorePage, scale: int, text: str) -> None:
    menu = page.tools.scale_panel.buttons[scale].menu()
    menu.aboutToShow.emit()
    next(action for action in menu.actions() if action.text() == text).trigger()


def test_a_scale_is_redrawn_taken_from_a_file_and_given_back(
    page: ExplorePage, qtbot: Bot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = random_images(1, seed=9)[0, :, :, 0]
    PIL.Image.fromarray(own).save(tmp_path / "own.png")
    monkeypatch.setattr(page.context, "ask_files", lambda *_: [tmp_path / "own.png"])
    qtbot.keyClick(page, Qt.Key.Key_S)
    assert page.tools.scale_panel.isVisible()
    before, steps = page.state.recipe, page.state.undo.count()
    qtbot.keyClick(page, Qt.Key.Key_1, ALT)
    assert [scale for scale, _ in page.state.recipe.scales] == [0]
    qtbot.waitUntil(lambda: settled(page))
    assert page.pictures.caption.text().startswith("Sample 0  ·  Fine of sample ")
    choose(page, 1, "Take from an image file…")
    qtbot.waitUntil(lambda: page.state.recipe.base_of(1) == Image((8, 8, 1), own.tobytes(), "own.png"))
    assert page.state.undo.count() == steps + 2
    assert "own.png" in page.tools.scale_panel.buttons[1].toolTip()
    choose(page, 0, "The picture's own")
    assert page.state.recipe.base_of(0) == Seed(0)
    assert "The picture's own" not in labels(page, 0)
    for _ in range(3):
        page.window().registry["edit.undo"].trigger()
    assert page.state.recipe == before
    assert not page.context.registry["explore.redraw-3"].isEnabled(), "the model has two scales"


def test_a_scale_is_taken_from_the_tray(page: ExplorePage, qtbot: Bot) -> None:
    qtbot.keyClick(page, Qt.Key.Key_K)
    page.state.set_coordinate(0, 2.0)
    qtbot.waitUntil(lambda: settled(page))
    moved = page.state.picture.image
    qtbot.keyClick(page, Qt.Key.Key_K)
    page.tray.rename(1, "moved & kept")
    page.state.new_sample(4)
    qtbot.keyClick(page, Qt.Key.Key_S)

    def take(text: str) -> None:
        menu = page.tools.scale_panel.buttons[1].menu()
        menu.aboutToShow.emit()
        others = next(action.menu() for action in menu.actions() if action.text() == "Take from")
        next(action for action in others.actions() if action.text() == text).trigger()

    take("Tray: sample 0")
    assert page.state.recipe.base_of(1) == Seed(0)
    take("Tray: moved && kept")
    assert page.state.recipe.base_of(1) == Image((8, 8, 1), moved.pixels, "moved & kept")
    assert page.state.recipe.base_of(0) == Seed(4)
    qtbot.waitUntil(lambda: settled(page))


def test_a_locked_scale_stays_when_samples_are_drawn(page: ExplorePage, qtbot: Bot) -> None:
    choose(page, 1, "Lock")
    assert "Redraw" not in labels(page, 1)
    page.scales.redraw(1)
    assert page.state.recipe.scales == ()
    qtbot.keyClick(page, Qt.Key.Key_N)
    assert page.state.recipe.scales == ((1, Seed(0)),)
    page.state.pick_sample(3)
    assert page.state.recipe.scales == ((1, Seed(0)),)
    assert page.state.recipe.base == page.state.samples.sheet.recipes[3].base
    choose(page, 1, "Lock")
    qtbot.keyClick(page, Qt.Key.Key_N)
    assert page.state.recipe.scales == ()


def test_a_part_is_kept_and_comes_back_from_its_file_and_in_python(
    page: ExplorePage, qtbot: Bot, tmp_path: Path
) -> None:
    page.tools.show_tool("scales", True)
    qtbot.waitUntil(lambda: page.scales.strip is not None and settled(page))
    assert page.tools.scale_panel.strip.selected == 0
    strip = page.tools.scale_panel.strip
    qtbot.mouseClick(strip, Qt.MouseButton.LeftButton, pos=strip.cell_rect(2).center())
    page.scales.redraw(0)
    page.scales.keep(KEPT_SHARES[2])
    page.scales.set_rest_temperature(0.5)
    page.state.set_coordinate(0, 2.0)
    page.state.set_keep_length(True)
    qtbot.waitUntil(lambda: settled(page))
    recipe, pixels = page.state.recipe, page.state.picture.image.pixels
    assert isinstance(recipe.kept, Kept)
    assert (recipe.kept.share, recipe.kept.temperature, recipe.keep_length) == (0.25, 0.5, True)
    assert "25 % of the latent kept" in page.pictures.caption.text()
    page.state.save_picture(tmp_path / "kept.png", 1)
    qtbot.waitUntil(lambda: settled(page) and (tmp_path / "kept.png").exists())
    page.state.new_sample(3)
    assert page.state.recipe.kept is None
    page.open_paths([tmp_path / "kept.png"])
    qtbot.waitUntil(lambda: page.state.recipe == recipe and settled(page))
    assert page.tools.scale_panel.strip.selected == 2
    assert page.tools.length_panel.keep.isChecked()
    names: dict[str, object] = {}
    exec(page.state.python_code(), names)
    assert names["rendering"].images[0].tobytes() == pixels == page.state.picture.image.pixels
    images = page.scales.strip.images.array()
    assert np.array_equal(images[2].tobytes(), pixels)


def test_the_gauge_follows_the_picture_and_lengths_may_be_kept(page: ExplorePage, qtbot: Bot) -> None:
    qtbot.keyClick(page, Qt.Key.Key_T)
    gauge = page.tools.length_panel.gauge
    assert gauge.isVisible()
    page.state.set_temperature(1.0)
    qtbot.waitUntil(lambda: settled(page))
    before = gauge.texts()
    assert all("of about 32" in text for text in before)
    page.state.set_coordinate(0, 40.0)
    qtbot.waitUntil(lambda: settled(page))
    assert any("longer than 99.9+ % of samples" in text for text in gauge.texts())
    assert gauge.is_marked(0) or gauge.is_marked(1)
    qtbot.keyClick(page, Qt.Key.Key_T, Qt.KeyboardModifier.ControlModifier)
    assert page.state.recipe.keep_length
    assert page.tools.length_panel.keep.isChecked()
    qtbot.waitUntil(lambda: settled(page))
    assert gauge.texts() == before
    page.window().registry["edit.undo"].trigger()
    assert not page.tools.length_panel.keep.isChecked()
    assert not page.window().registry["explore.keep-length"].isChecked()


def test_a_short_latent_at_a_low_temperature_is_explained_and_not_marked(page: ExplorePage, qtbot: Bot) -> None:
    qtbot.keyClick(page, Qt.Key.Key_T)
    gauge, note = page.tools.length_panel.gauge, page.tools.length_panel.note
    page.state.set_temperature(1.0)
    qtbot.waitUntil(lambda: settled(page))
    assert "lower ones" not in note.text()
    page.state.set_temperature(0.1)
    qtbot.waitUntil(lambda: settled(page))
    assert all("shorter than 99.9+ % of samples" in text for text in gauge.texts())
    assert not gauge.is_marked(0)
    assert "lower ones lie left" in note.text()
    gauge.show_lengths([0.3, 0.3], [32, 32], [0.0, 0.0])
    assert gauge.is_marked(0)


def test_a_slider_at_its_end_is_told_beside_it_in_the_heading_and_by_the_gauge(page: ExplorePage, qtbot: Bot) -> None:
    note, heading = page.tools.length_panel.note, page.panel.latents.moved
    plain = note.text()
    first, second = page.panel.latents.directions[:2]
    qtbot.mouseDrag(first.slider, on_slider(first.slider, 0.0), on_slider(first.slider, 4.0) + QPoint(40, 0))
    qtbot.waitUntil(lambda: settled(page))
    assert first.slider.value() == first.slider.maximum()
    assert heading.text() == "1 moved, 1 at its end"
    assert note.text() == "At the end: direction 1; nearly no training image is as far out"
    assert note.text() in heading.toolTip()
    assert first.figure.property("end")
    assert first.slider.accessibleDescription().endswith(", at the end of the slider")
    second.slider.setFocus()
    qtbot.keyClick(second.slider, "-")
    editor = second.findChild(NumberField)
    qtbot.keyClick(editor, "7")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: settled(page))
    assert heading.text() == "2 moved, 2 at their ends"
    assert "direction 1, direction 2" in note.text()
    qtbot.keyClick(page, Qt.Key.Key_R)
    qtbot.waitUntil(lambda: settled(page))
    assert (heading.text(), note.text()) == ("", plain)
    assert not first.figure.property("end")


def test_steps_of_the_density_are_taken_by_keys_and_undone(page: ExplorePage, qtbot: Bot) -> None:
    before, score, steps = page.state.recipe, page.state.bits_per_dim, page.state.undo.count()
    for key, modifier, lower in (
        (Qt.Key.Key_U, Qt.KeyboardModifier.NoModifier, True),
        (Qt.Key.Key_U, Qt.KeyboardModifier.ShiftModifier, False),
        (Qt.Key.Key_U, Qt.KeyboardModifier.ControlModifier, True),
        (Qt.Key.Key_U, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier, False),
    ):
        qtbot.keyClick(page, key, modifier)
        qtbot.waitUntil(lambda: isinstance(page.state.recipe.base, Image) and settled(page))
        assert page.state.picture.image.pixels == page.state.recipe.base.pixels
        assert (page.state.bits_per_dim < score) == lower
        assert f"Step in {page.state.recipe.base.name[8]} from sample 0" in page.pictures.caption.text()
        assert page.state.undo.count() == steps + 1
        names: dict[str, object] = {}
        exec(page.state.python_code(), names)
        assert names["rendering"].images[0].tobytes() == page.state.picture.image.pixels
        page.window().registry["edit.undo"].trigger()
        qtbot.waitUntil(lambda: settled(page))
        assert page.state.recipe == before
