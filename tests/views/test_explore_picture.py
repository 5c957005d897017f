"""The picture on Explore: its zoom while sliders move, the original beside it, and what random directions moved."""

from pathlib import Path

import pytest
from PySide6.QtCore import Qt

from nvp_studio.recipe import Seed
from nvp_studio.state.engine import Engine
from nvp_studio.views.pages.explore.page import ExplorePage
from nvp_studio.views.pages.explore.picture_text import count_text, moved_text, scales_text
from tests.qt import Bot, on_slider
from tests.views.explore_page import settled, shown_page


@pytest.fixture
def page(shared_engine: Engine, qtbot: Bot, small_model: Path, tmp_path: Path) -> ExplorePage:
    """The page in a shown window, with its first picture."""
    return shown_page(shared_engine, qtbot, small_model, tmp_path)


def test_the_zoom_stays_while_a_slider_moves_and_digits_stay_with_the_slider(page: ExplorePage, qtbot: Bot) -> None:
    qtbot.keyClick(page, Qt.Key.Key_Plus)
    qtbot.keyClick(page, Qt.Key.Key_Plus, Qt.KeyboardModifier.ControlModifier)
    zoom, place = page.pictures.view.viewport.zoom, page.pictures.view.image_rect()
    assert zoom > 0
    row = page.panel.latents.directions[0]
    qtbot.mouseDrag(row.slider, on_slider(row.slider, 1.0), on_slider(row.slider, 2.0))
    qtbot.waitUntil(lambda: settled(page))
    assert page.pictures.view.image_rect() == place
    row.slider.setFocus()
    for key in (Qt.Key.Key_0, Qt.Key.Key_Return):
        focus = page.window().focusWidget()
        assert focus is not None
        qtbot.keyClick(focus, key)
    assert page.state.coordinates[0] == 0.0
    assert page.window().focusWidget() is row.slider
    assert page.pictures.view.viewport.zoom == zoom
    page.pictures.view.setFocus()
    qtbot.keyClick(page.pictures.view, Qt.Key.Key_0)
    assert page.pictures.view.viewport.zoom == 0

    page.panel.seed.selectAll()
    qtbot.keyClicks(page.panel.seed, "-3")
    assert page.panel.seed.note is not None
    assert page.panel.seed.note.isVisible(), "a seed that cannot be taken is explained below its field"
    assert "not -3" in page.panel.seed.note.text()
    qtbot.keyClick(page.panel.seed, Qt.Key.Key_Escape)
    assert not page.panel.seed.note.isVisible()
    assert page.state.recipe.base == Seed(0)


def test_random_directions_are_told_undone_repeated_and_seen_beside_the_original(page: ExplorePage, qtbot: Bot) -> None:
    page.state._random.seed(1)
    registry = page.window().registry
    assert not registry["explore.repeat-randomize"].isEnabled()
    registry["explore.randomize"].trigger()
    places = page.state.coordinates
    qtbot.waitUntil(lambda: settled(page))
    assert page.panel.latents.moved.text().startswith("12 moved, ")
    assert page.panel.latents.moved.text().endswith(("most in Fine", "most in Coarse"))
    assert "and 10 more" in page.pictures.caption.text()
    row = page.panel.latents.directions[0]
    assert row.figure.property("moved")
    assert row.slider.accessibleDescription() == f"moved by {page.state.moved[0]:+.2f}".replace("-", "−")
    registry["edit.undo"].trigger()
    qtbot.waitUntil(lambda: settled(page))
    assert page.panel.latents.moved.text() == ""
    assert not row.figure.property("moved")
    assert page.pictures.caption.text() == "Sample 0"
    registry["explore.new-sample"].trigger()
    qtbot.waitUntil(lambda: settled(page))
    registry["explore.repeat-randomize"].trigger()
    assert page.state.coordinates == pytest.approx(places)

    registry["explore.original"].trigger()
    registry["explore.randomize"].trigger()
    qtbot.waitUntil(lambda: settled(page) and not page.original.outdated)
    assert page.pictures.view.image != page.pictures.original_view.image
    registry["explore.zoom-in"].trigger()
    assert page.pictures.view.viewport is page.pictures.original_view.viewport
    registry["explore.reset"].trigger()
    qtbot.waitUntil(lambda: settled(page))
    assert page.pictures.view.image == page.pictures.original_view.image
    page.state.new_sample(5)
    assert page.state.recipe.base == Seed(5)
    qtbot.waitUntil(lambda: settled(page) and not page.original.outdated)
    assert page.pictures.view.image == page.pictures.original_view.image
    registry["explore.original"].trigger()
    assert page.pictures.original_view.isHidden()


def test_what_moved_is_told_in_words() -> None:
    names = ["", "", "hat", ""]
    assert moved_text({}, names) == ""
    assert moved_text({2: 0.5}, names) == "Moved hat by +0.50"
    text = moved_text({0: 1.0, 1: -2.0, 2: 0.5, 3: 0.1}, names)
    assert text == "Moved direction 2 by −2.00, direction 1 by +1.00 and 2 more"
    assert moved_text({2: 1e300, -1: 2.0}, names) == "Moved hat by +1e+300"
    assert count_text(1, (0.2, 0.3, 0.5)) == "1 moved, most in Coarse"
    assert count_text(1, ()) == "1 moved"
    assert "fine 20 %, middle 30 %, coarse 50 %" in scales_text((0.2, 0.3, 0.5))
    assert scales_text((1.0,)) == ""
