"""The strip of Explore's history, the picture before while a key is held, and two compared, on a real engine."""

from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QMenu

from nvp_studio.recipe import Seed
from nvp_studio.state.engine import Engine
from nvp_studio.state.history import HistoryState
from nvp_studio.state.qimages import qimage
from nvp_studio.views.menus import MnemonicMenu
from nvp_studio.views.pages.explore.page import ExplorePage
from tests.qt import Bot, on_slider
from tests.views.explore_page import settled, shown_page


@pytest.fixture
def page(shared_engine: Engine, qtbot: Bot, small_model: Path, tmp_path: Path) -> ExplorePage:
    """The page in a shown window, with its first picture."""
    page = shown_page(shared_engine, qtbot, small_model, tmp_path)
    page.tray.pictures = ()
    return page


def sample(page: ExplorePage, qtbot: Bot, seed: int) -> None:
    page.state.new_sample(seed)
    qtbot.waitUntil(lambda: settled(page))


def titles(page: ExplorePage) -> list[str]:
    return [step.title for step in page.compare.strip.steps.steps]


def test_the_strip_follows_undo_and_goes_back_and_forth_by_click_and_by_keys(page: ExplorePage, qtbot: Bot) -> None:
    strip, first = page.compare.strip, page.state.recipe
    assert not strip.isVisible()
    qtbot.keyClick(page, Qt.Key.Key_H)
    assert strip.isVisible()
    assert strip.empty.isVisible()
    assert titles(page) == ["beginning: sample 0"]
    for seed in (4, 5):
        sample(page, qtbot, seed)
    qtbot.keyClick(page, Qt.Key.Key_K)
    qtbot.keyClick(page, Qt.Key.Key_R)
    row = page.panel.latents.directions[0]
    qtbot.mouseDrag(row.slider, on_slider(row.slider, 1.0), *(on_slider(row.slider, 1 + i / 8) for i in range(9)))
    qtbot.waitUntil(lambda: settled(page))
    assert titles(page) == [
        "beginning: sample 0",
        "new sample: sample 4",
        "new sample: sample 5",
        "direction 1: sample 5",
    ], "the tray changes no picture"
    assert not strip.empty.isVisible()
    last = page.state.recipe
    assert page.history.image(last) == qimage(page.state.picture.image)
    assert page.history.image(page.history.steps[1].recipe) is not None

    place = strip.list.visualRect(strip.steps.index(1)).center()
    qtbot.mouseClick(strip.list.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert page.state.recipe.base == Seed(4)
    assert page.state.undo.index() == 1
    assert page.state.undo.count() == 4, "nothing is lost"
    assert [step.undone for step in strip.steps.steps] == [False, False, True, True]
    strip.list.setFocus()
    qtbot.keyClick(strip.list, Qt.Key.Key_Left)
    assert page.state.recipe == first
    qtbot.keyClick(strip.list, Qt.Key.Key_End)
    assert page.state.recipe == last
    qtbot.keyClick(strip.list, Qt.Key.Key_Left)
    assert page.state.recipe.base == Seed(5)
    assert len(page.tray.pictures) == 1, "going to the step before keeps what was kept after it"
    sample(page, qtbot, 9)
    assert len(titles(page)) == 4
    qtbot.keyClick(page, Qt.Key.Key_H)
    assert not strip.isVisible()


def test_pictures_that_were_never_shown_are_decoded_once_the_strip_is(page: ExplorePage, qtbot: Bot) -> None:
    for seed in range(30, 36):
        page.state.new_sample(seed)
    qtbot.waitUntil(lambda: settled(page))
    missing = [step for step in page.history.steps if page.history.image(step.recipe) is None]
    assert missing, "a newer picture replaces one that was not begun"
    qtbot.keyClick(page, Qt.Key.Key_H)
    qtbot.waitUntil(lambda: all(page.history.image(step.recipe) is not None for step in page.history.steps))


def test_a_held_slider_costs_the_history_nothing(page: ExplorePage, qtbot: Bot) -> None:
    qtbot.keyClick(page, Qt.Key.Key_H)
    seen: list[object] = []
    page.history.changed.connect(lambda: seen.append(None))
    page.state.begin_gesture()
    for value in (0.5, 1.0, 1.5):
        page.state.set_coordinate(0, value)
        qtbot.waitUntil(lambda: page.state.picture_recipe == page.state.recipe)
    assert not seen
    page.state.end_gesture("direction 1")
    qtbot.waitUntil(lambda: len(seen) > 0)
    assert len(page.history.steps) == 2


def test_another_model_begins_another_history(page: ExplorePage, qtbot: Bot, other_model: Path) -> None:
    sample(page, qtbot, 4)
    page.context.engine.open_model(str(other_model))
    qtbot.waitUntil(lambda: not page.context.engine.opening and settled(page))
    assert [step.recipe for step in page.history.steps] == [page.state.recipe]
    assert page.compare.state.a.recipe == page.state.recipe
    again = HistoryState(page.state)
    assert again.current == 0


def test_the_picture_before_is_shown_while_its_key_is_held(page: ExplorePage, qtbot: Bot) -> None:
    view, before = page.pictures.view, page.state.picture.image
    sample(page, qtbot, 4)
    now = view.image
    qtbot.keyPress(page, Qt.Key.Key_V)
    assert view.image == qimage(before)
    assert page.pictures.caption.text().startswith("Before: ")
    for _ in range(3):  # a key that repeats, as some systems tell it
        qtbot.keyRelease(page, Qt.Key.Key_V)
        qtbot.keyPress(page, Qt.Key.Key_V)
        assert view.image == qimage(before)
    qtbot.keyRelease(page, Qt.Key.Key_V)
    qtbot.waitUntil(lambda: view.image == now)
    assert page.pictures.caption.text() == "Sample 4"
    qtbot.keyClick(page, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    kept = page.state.picture.image
    sample(page, qtbot, 5)
    qtbot.keyPress(page, Qt.Key.Key_V)
    assert view.image == qimage(kept)
    sample(page, qtbot, 6)
    assert view.image == qimage(page.state.picture.image), "another picture is shown at once"
    assert not page.compare.held
    page.context.registry["explore.before"].trigger()
    assert view.image == qimage(kept), "from the palette it stays until it is chosen again"
    page.context.registry["explore.before"].trigger()
    assert view.image == qimage(page.state.picture.image)
    qtbot.keyRelease(page, Qt.Key.Key_V)


def test_two_pictures_are_compared_by_a_divider(page: ExplorePage, qtbot: Bot) -> None:
    view, overlay, before = page.pictures.view, page.compare.overlay, page.state.picture.image
    score = page.state.bits_per_dim
    sample(page, qtbot, 4)
    qtbot.keyClick(page, Qt.Key.Key_V, Qt.KeyboardModifier.ShiftModifier)
    assert overlay.isVisible()
    bar = page.compare.bar
    assert bar.isVisible()
    assert bar.texts["a"].text() == f"{score:.3f} bits/dim  ·  the beginning: sample 0"
    assert bar.texts["b"].text() == f"{page.state.bits_per_dim:.3f} bits/dim  ·  on screen: sample 4"
    image = view.image_rect().toRect()

    def shown(x: float) -> int:
        return (
            overlay.window()
            .grab()
            .toImage()
            .pixelColor(view.mapTo(view.window(), QPoint(round(image.left() + x * image.width()), image.bottom() - 3)))
            .red()
        )

    pixels = (before.array()[0, -1, :, 0], page.state.picture.image.array()[0, -1, :, 0])
    assert shown(1.5 / 8) == pixels[0][1]
    assert shown(6.5 / 8) == pixels[1][6]
    at = lambda x: QPoint(round(image.left() + x * image.width()), image.center().y())  # noqa: E731
    qtbot.mouseDrag(overlay, at(0.5), at(0.3), at(0.125))
    assert overlay.place == pytest.approx(0.125, abs=0.01)
    assert shown(2.5 / 8) == pixels[1][2]
    view.setFocus()
    qtbot.keyClick(view, Qt.Key.Key_End)
    assert shown(6.5 / 8) == pixels[0][6]
    qtbot.keyClick(view, Qt.Key.Key_Left)
    assert overlay.place == pytest.approx(0.98)

    qtbot.keyClick(page, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier)
    sample(page, qtbot, 7)
    assert bar.texts["b"].text().endswith("  ·  sample 4")
    assert overlay.b == qimage(page.compare.state.b.image)
    qtbot.keyClick(view, Qt.Key.Key_Home)
    assert shown(6.5 / 8) == pixels[1][6], "B stays what was chosen"
    qtbot.keyClick(page, Qt.Key.Key_Q)
    assert not overlay.isVisible()
    assert not bar.isVisible()
    assert page.paint.overlay.isVisible()
    qtbot.keyClick(page, Qt.Key.Key_V, Qt.KeyboardModifier.ShiftModifier)
    assert overlay.isVisible()
    assert not page.paint.overlay.isVisible()


def choices(page: ExplorePage, side: str, part: int) -> list[str]:
    menu = page.compare.bar.buttons[side].menu()
    assert isinstance(menu, MnemonicMenu)
    menu.aboutToShow.emit()
    submenus = [action.menu() for action in menu.actions() if action.menu() is not None]
    chosen = submenus[part]
    assert isinstance(chosen, QMenu)
    page._chosen = chosen
    return [action.text() for action in chosen.actions()]


def test_a_and_b_are_chosen_from_the_history_and_the_tray(page: ExplorePage, qtbot: Bot) -> None:
    qtbot.keyClick(page, Qt.Key.Key_V, Qt.KeyboardModifier.ShiftModifier)
    assert choices(page, "a", 0) == ["There is no other step yet"]
    assert choices(page, "a", 1) == ["No picture of this model is kept"]
    first = page.state.recipe
    qtbot.keyClick(page, Qt.Key.Key_K)
    sample(page, qtbot, 4)
    sample(page, qtbot, 5)
    state = page.compare.state
    assert choices(page, "a", 0) == ["new sample: sample 5", "new sample: sample 4", "beginning: sample 0"]
    page._chosen.actions()[1].trigger()
    qtbot.waitUntil(lambda: state.a.bits_per_dim is not None)
    assert state.a.recipe.base == Seed(4)
    assert choices(page, "b", 1) == ["sample 0"]
    page._chosen.actions()[0].trigger()
    qtbot.waitUntil(lambda: state.b.bits_per_dim is not None)
    assert state.b.recipe == first
    page.context.registry["explore.compare-clear"].trigger()
    assert state.a.recipe == first
    assert not state.chosen


def test_a_strip_or_a_tool_that_closes_gives_the_keyboard_to_the_picture(page: ExplorePage, qtbot: Bot) -> None:
    qtbot.keyClick(page, Qt.Key.Key_H)
    assert page.compare.strip.list.hasFocus()
    qtbot.keyClick(page.compare.strip.list, Qt.Key.Key_H)
    assert page.pictures.view.hasFocus()
    qtbot.keyClick(page.pictures.view, Qt.Key.Key_K, Qt.KeyboardModifier.ShiftModifier)
    page.tools.tray_panel.list.setFocus()
    qtbot.keyClick(page.tools.tray_panel.list, Qt.Key.Key_K, Qt.KeyboardModifier.ShiftModifier)
    assert page.pictures.view.hasFocus()


def test_a_low_page_leaves_out_what_an_open_tool_has_no_room_for(page: ExplorePage, qtbot: Bot) -> None:
    page.window().resize(800, 600)
    assert page.welcome.isVisible()
    page.context.registry["explore.history"].trigger()
    assert not page.welcome.isVisible()
    page.tools.show_tool("animate", True)
    page.context.registry["help.lessons"].trigger()
    qtbot.waitUntil(lambda: not page.samples.isVisible())
    qtbot.waitUntil(lambda: page.pictures.geometry().bottom() < page.tools.y())
    assert page.tools.geometry().bottom() <= page.tools.parentWidget().height()
    page.context.registry["help.lessons"].trigger()
    qtbot.waitUntil(page.samples.isVisible)
    page.tools.show_tool("animate", False)
    page.context.registry["explore.history"].trigger()
    assert page.welcome.isVisible()
