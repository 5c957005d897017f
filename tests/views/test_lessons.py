"""Lessons: every step done by mouse and keys in a real window, and not noticed without that."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication, QPushButton

from nvp_studio.resources import resource_path
from nvp_studio.state.engine import Engine
from nvp_studio.state.settings import SettingsStore
from nvp_studio.views.lessons import strip as strip_module
from nvp_studio.views.lessons.formulas import formula_html
from nvp_studio.views.lessons.steps import steps
from nvp_studio.views.lessons.strip import LessonStrip
from nvp_studio.views.lessons.texts import languages, read_lesson
from nvp_studio.views.main_window import MainWindow
from nvp_studio.views.widgets.inputs import ComboBox
from nvp_studio.views.widgets.likelihood_pad import GAUSSIAN
from tests.qt import Bot, drop, is_asking, open_window
from tests.small_model import random_images, write_small_model

PLAIN = Qt.KeyboardModifier.NoModifier


@pytest.fixture
def window(qtbot: Bot, shared_engine: Engine, tmp_path: Path) -> MainWindow:
    def finish(window: MainWindow) -> None:
        qtbot.waitUntil(lambda: not is_asking(shared_engine.explorer))

    window = open_window(qtbot, shared_engine, tmp_path, tmp_path / "runs", "explore", before_close=finish)
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    return window


@pytest.fixture
def strip(window: MainWindow, qtbot: Bot, monkeypatch: pytest.MonkeyPatch) -> LessonStrip:
    monkeypatch.setattr(strip_module, "_GO_ON_MILLISECONDS", 10**6)  # a step that was done stays
    qtbot.keyClick(window, Qt.Key.Key_F3)
    assert window.lessons.strip is not None
    return window.lessons.strip


def go_to(strip: LessonStrip, name: str, qtbot: Bot) -> None:
    """Go to a step, and wait until nothing but the person is waited for."""
    strip.course.go_to([step.name for step in strip.course.steps].index(name))
    qtbot.waitUntil(lambda: not strip.course.hindrance and "▸" in strip.task.toPlainText())


def not_noticed(strip: LessonStrip) -> None:
    for _ in range(3):
        strip.course.look()
    assert strip.course.waiting


def noticed(strip: LessonStrip, qtbot: Bot) -> None:
    qtbot.waitUntil(lambda: not strip.course.waiting)
    assert strip.course.done(strip.course.step)
    assert strip.task.toPlainText().startswith("✓")


def key(qtbot: Bot, window: MainWindow, *keys: Qt.Key, modifier: Qt.KeyboardModifier = PLAIN) -> None:
    """Press keys where the focus is."""
    for one in keys:
        qtbot.keyClick(QApplication.focusWidget() or window, one, modifier)


def choose(box: ComboBox, data: str, qtbot: Bot) -> None:
    """Choose an entry of a box by its arrow keys, from the top."""
    qtbot.keyClick(box, Qt.Key.Key_Home)
    for _ in range(box.findData(data)):
        qtbot.keyClick(box, Qt.Key.Key_Down)
    assert box.currentData() == data


# The one thing of each step, by mouse and keys. `nearly` is called after everything that is not enough.


Nearly = Callable[[], None]


def do_samples(window: MainWindow, qtbot: Bot, nearly: Nearly) -> None:
    explore = window.page("explore")
    explore.state.set_temperature(0.5)
    explore.state.set_coordinate(0, 1.0)
    nearly()
    key(qtbot, window, Qt.Key.Key_N)


def do_bend(window: MainWindow, qtbot: Bot, nearly: Nearly) -> None:
    pad, bent = window.page("lab").one_dimension.bend_pad, window.page("lab").one_dimension.bent
    qtbot.mouseClick(pad, Qt.MouseButton.LeftButton, pos=pad.handle_place(3).toPoint())
    bent.move_end(0, -2.0)
    bent.choose_density("uniform")
    nearly()

    def while_held() -> None:
        assert bent.value.knots[3][1] > 0.3
        nearly()

    qtbot.mouseDrag(pad, pad.handle_place(3).toPoint(), pad.place_of(0, 0.6).toPoint(), while_held=while_held)


def do_interval(window: MainWindow, qtbot: Bot, nearly: Nearly) -> None:
    pad, bent = window.page("lab").one_dimension.bend_pad, window.page("lab").one_dimension.bent
    bent.move_knot(3, 0.0, 0.5)
    nearly()
    end = pad.handle_place(len(bent.value.knots)).toPoint()
    qtbot.mouseDrag(pad, end, end - QPoint(30, 0))


def do_jacobian(window: MainWindow, qtbot: Bot, nearly: Nearly) -> None:
    part = window.page("lab").two_dimensions
    view = part.views.data_view
    assert part.state.pace == "paused"
    place = view.place_of(0.3, -0.2).toPoint()
    qtbot.mouseClick(view, Qt.MouseButton.LeftButton, pos=place)
    qtbot.waitUntil(lambda: part.state.led is not None)
    nearly()
    qtbot.mouseDrag(view, place, place + QPoint(4, 4), place + QPoint(9, 6))


def do_prior(window: MainWindow, qtbot: Bot, nearly: Nearly) -> None:
    slider = window.page("lab").two_dimensions.views.slider
    assert slider.value() == 0
    qtbot.keyClick(slider, Qt.Key.Key_PageUp)
    nearly()
    qtbot.keyClick(slider, Qt.Key.Key_End)


def do_gaussian(window: MainWindow, qtbot: Bot, nearly: Nearly) -> None:
    pad, fit = window.page("lab").one_dimension.likelihood_pad, window.page("lab").one_dimension.fit
    best = fit.value.largest
    assert best is not None
    ring = pad.handle_place(GAUSSIAN).toPoint()
    qtbot.mouseDrag(pad, ring, pad.surface_place(best.mu, 2 * best.sigma).toPoint())
    nearly()
    fit.move_point(0, -2.0)
    nearly()
    best = fit.value.largest
    assert best is not None
    qtbot.mouseDrag(pad, pad.handle_place(GAUSSIAN).toPoint(), pad.surface_place(best.mu, best.sigma).toPoint())


def do_ledger(window: MainWindow, qtbot: Bot, nearly: Nearly) -> None:
    page = window.page("inspect")
    table = page.table

    def click(row: int) -> None:
        index = page.state.rows.index(row, 0)
        table.scrollTo(index)
        qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=table.visualRect(index).center())

    click(page.state.last - 1)
    nearly()
    click(page.state.rows.rowCount() - 1)


def do_coupling(window: MainWindow, qtbot: Bot, nearly: Nearly) -> None:
    page = window.page("inspect")
    assert page.aspect.currentData() == "values"
    choose(page.aspect, "log-derivatives", qtbot)
    nearly()
    choose(page.aspect, "values", qtbot)
    nearly()
    choose(page.aspect, "shifts", qtbot)


def do_inverse(window: MainWindow, qtbot: Bot, nearly: Nearly) -> None:
    page = window.page("inspect")
    choose(page.aspect, "mask", qtbot)
    nearly()
    choose(page.aspect, "inputs", qtbot)


def do_product(window: MainWindow, qtbot: Bot, nearly: Nearly) -> None:
    page = window.page("inspect")
    start = page.state.position
    key(qtbot, window, Qt.Key.Key_Comma)
    nearly()
    key(qtbot, window, Qt.Key.Key_Period)
    assert page.state.position == start
    nearly()
    key(qtbot, window, Qt.Key.Key_Period)
    assert page.state.stage.layer.startswith(("normalization", "mixing"))
    nearly()
    while page.state.stage.coupling < 1:
        key(qtbot, window, Qt.Key.Key_Period)


def do_masks(window: MainWindow, qtbot: Bot, nearly: Nearly) -> None:
    page = window.page("inspect")
    while page.state.stage.mask != "channels":
        key(qtbot, window, Qt.Key.Key_Period)
        nearly()
    while page.state.stage.mask != "checkerboard":
        key(qtbot, window, Qt.Key.Key_Comma)
    choose(page.aspect, "mask", qtbot)
    nearly()
    page.setFocus()
    while page.state.stage.mask != "channels":
        nearly()
        key(qtbot, window, Qt.Key.Key_Period)


def do_scales(window: MainWindow, qtbot: Bot, nearly: Nearly) -> None:
    key(qtbot, window, Qt.Key.Key_N)
    nearly()
    alt = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier
    key(qtbot, window, Qt.Key.Key_1, modifier=alt)


def do_directions(window: MainWindow, qtbot: Bot, nearly: Nearly) -> None:
    page = window.page("inspect")
    assert page.state.position == page.state.last
    page.slider.setFocus()
    key(qtbot, window, Qt.Key.Key_Home)
    assert page.state.position == 0
    nearly()
    key(qtbot, window, Qt.Key.Key_End)
    page.speed.setCurrentIndex(page.speed.count() - 1)
    key(qtbot, window, Qt.Key.Key_P, modifier=Qt.KeyboardModifier.ShiftModifier)
    nearly()


def do_likelihood(window: MainWindow, qtbot: Bot, nearly: Nearly) -> None:
    page, folder = window.page("score"), window.settings.path.parent
    broken, picture = folder / "broken.png", folder / "picture.png"
    broken.write_bytes(b"no image")
    Image.fromarray(random_images(1, seed=3)[0, :, :, 0]).save(picture)
    assert drop(page, [broken])
    qtbot.waitUntil(lambda: page.state.rows.total == 1 and not page.state.busy)
    nearly()
    assert drop(page, [picture])


DO: dict[str, Callable[[MainWindow, Bot, Nearly], None]] = {
    step.name: globals()[f"do_{step.name.replace('-', '_')}"] for step in steps()
}

LONG = ("jacobian", "prior", "likelihood")
"""Steps that train or compile first."""


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow if name in LONG else ()) for name in DO])
def test_the_thing_of_a_step_is_noticed_and_nothing_less(
    name: str, window: MainWindow, strip: LessonStrip, qtbot: Bot
) -> None:
    go_to(strip, name, qtbot)
    DO[name](window, qtbot, lambda: not_noticed(strip))
    noticed(strip, qtbot)


@pytest.mark.parametrize("name", ["bend", "gaussian", "coupling"])
def test_what_was_done_before_a_step_does_not_count(
    name: str, window: MainWindow, strip: LessonStrip, qtbot: Bot
) -> None:
    go_to(strip, name, qtbot)
    DO[name](window, qtbot, lambda: None)
    noticed(strip, qtbot)
    go_to(strip, name, qtbot)
    not_noticed(strip)


@pytest.mark.slow
def test_a_run_through_all_lessons(
    window: MainWindow, strip: LessonStrip, qtbot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strip_module, "_GO_ON_MILLISECONDS", 50)
    for position, step in enumerate(strip.course.steps):
        qtbot.waitUntil(lambda position=position: strip.course.position == position)
        qtbot.waitUntil(lambda: not strip.course.hindrance and "▸" in strip.task.toPlainText())
        assert window.current_page.key == step.page
        DO[step.name](window, qtbot, lambda: None)
    qtbot.waitUntil(lambda: not strip.course.waiting)
    assert all(strip.course.done(step) for step in strip.course.steps)


def test_a_model_without_what_a_step_needs_is_told(
    window: MainWindow, strip: LessonStrip, tmp_path: Path, small_model: Path, qtbot: Bot
) -> None:
    engine = window.engine
    assert steps()[0].name == strip.course.step.name
    write_small_model(tmp_path / "flat.safetensors", scales=1)
    engine.open_model(str(tmp_path / "flat.safetensors"))
    qtbot.waitUntil(lambda: not engine.opening)
    strip.course.go_to([step.name for step in strip.course.steps].index("scales"))
    qtbot.waitUntil(lambda: "one scale" in strip.course.hindrance)
    assert "Open the included Peeps model" in strip.task.toPlainText()
    engine.open_model(str(small_model))
    qtbot.waitUntil(lambda: not engine.opening and not strip.course.hindrance)
    assert strip.course.waiting


def test_a_step_waits_while_another_page_is_shown(window: MainWindow, strip: LessonStrip, qtbot: Bot) -> None:
    go_to(strip, "samples", qtbot)
    window.show_page("runs")
    window.page("explore").state.new_sample()
    qtbot.waitUntil(lambda: strip.course.away)
    not_noticed(strip)
    assert strip.task.toPlainText() == "This step is on Explore (Ctrl+2)."
    window.show_page("explore")
    noticed(strip, qtbot)


# The series


def test_a_step_that_was_done_is_marked_and_the_next_one_follows(
    window: MainWindow, strip: LessonStrip, qtbot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strip_module, "_GO_ON_MILLISECONDS", 0)
    first = strip.course.step
    qtbot.waitUntil(lambda: not strip.course.hindrance)
    key(qtbot, window, Qt.Key.Key_N)
    qtbot.waitUntil(lambda: strip.course.position == 1)
    assert strip.course.done(first)
    assert not strip.course.done(strip.course.step)
    assert window.current_page.key == strip.course.step.page
    strip.list.menu().aboutToShow.emit()
    entries = strip.list.menu().actions()
    assert [entry.icon().isNull() for entry in entries] == [False] + [True] * (len(entries) - 1)
    entries[0].trigger()
    assert strip.course.position == 0
    assert window.current_page.key == "explore"


def test_a_person_may_stay(window: MainWindow, strip: LessonStrip, qtbot: Bot) -> None:
    qtbot.waitUntil(lambda: not strip.course.hindrance)
    assert not strip.stay.isVisible()
    key(qtbot, window, Qt.Key.Key_N)
    qtbot.waitUntil(strip.stay.isVisible)
    qtbot.mouseClick(strip.stay, Qt.MouseButton.LeftButton)
    assert not strip._go_on.isActive()
    assert not strip.stay.isVisible()
    assert strip.course.position == 0


def test_keys_go_forward_and_back_and_the_series_is_left_and_resumed(
    window: MainWindow, strip: LessonStrip, qtbot: Bot, tmp_path: Path, shared_engine: Engine
) -> None:
    control = Qt.KeyboardModifier.ControlModifier
    assert not window.registry["help.previous-lesson"].isEnabled()
    key(qtbot, window, Qt.Key.Key_PageDown, Qt.Key.Key_PageDown, modifier=control)
    assert strip.course.position == 2
    key(qtbot, window, Qt.Key.Key_PageUp, modifier=control)
    assert strip.course.position == 1
    qtbot.mouseClick(strip.close_button, Qt.MouseButton.LeftButton)
    assert not strip.isVisible()
    assert not window.registry["help.next-lesson"].isEnabled()
    assert not strip.course._clock.isActive()
    key(qtbot, window, Qt.Key.Key_F3)
    assert strip.isVisible()
    assert strip.course.position == 1
    for _ in strip.course.steps:
        key(qtbot, window, Qt.Key.Key_PageDown, modifier=control)
    assert strip.course.position == len(strip.course.steps) - 1
    assert not window.registry["help.next-lesson"].isEnabled()
    window.close()
    stored = SettingsStore(window.settings.path).values
    assert stored.lesson == strip.course.step.name


def test_the_welcome_leads_to_the_lessons_and_makes_room(window: MainWindow, qtbot: Bot) -> None:
    explore = window.page("explore")
    assert explore.welcome.isVisible()
    button = next(one for one in explore.welcome.findChildren(QPushButton) if "Lessons" in one.text())
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.lessons.open)
    assert not explore.welcome.isVisible()


def test_a_click_on_the_text_leaves_the_keys_to_the_page(window: MainWindow, strip: LessonStrip, qtbot: Bot) -> None:
    qtbot.waitUntil(lambda: not strip.course.hindrance)
    qtbot.mouseClick(strip.text.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(20, 10))
    qtbot.mouseClick(strip.list, Qt.MouseButton.RightButton)
    before = window.page("explore").state.recipe
    key(qtbot, window, Qt.Key.Key_N)
    assert window.page("explore").state.recipe != before


def test_everything_fits_the_smallest_window(window: MainWindow, strip: LessonStrip, qtbot: Bot) -> None:
    window.resize(800, 600)
    for position in range(len(strip.course.steps)):
        strip.course.go_to(position)
        QApplication.processEvents()
        assert (window.width(), window.height()) == (800, 600)
        assert strip.height() <= 130
        assert strip.task.document().size().height() <= strip.task.height()


# The texts


@pytest.mark.parametrize(
    ("source", "html"),
    [
        ("x_2", "<i>x</i><sub>2</sub>"),
        (r"\exp(-s)", "exp(−<i>s</i>)"),
        ("f^{-1}(z)", "<i>f</i><sup>−1</sup>(<i>z</i>)"),
        ("z^{(i_1)}", "<i>z</i><sup>(<i>i</i><sub>1</sub>)</sup>"),
        (r"x < 1", "<i>x</i>\u00a0&lt;\u00a01"),
        (r"\partial f/\partial x", "∂<i>f</i>/∂<i>x</i>"),
        (r"\log p", "log\u00a0<i>p</i>"),
    ],
)
def test_formulas_are_typeset(source: str, html: str) -> None:
    assert formula_html(source).replace("\u2060", "") == html


@pytest.mark.parametrize("source", [r"\foo", "x_", "x^}", "{x", "x}", "x_^2"])
def test_a_formula_that_cannot_be_typeset_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match="formula"):
        formula_html(source)


def describe(keys: list[str]) -> Callable[[str], str]:
    def one(key: str) -> str:
        keys.append(key)
        return "An action (X)"

    return one


@pytest.mark.parametrize("language", languages())
def test_every_step_has_a_text_without_raw_marks(language: str) -> None:
    files = {path.stem for path in (resource_path("lessons") / language).iterdir()}
    assert files == {step.name for step in steps()}
    for step in steps():
        lesson = read_lesson(step.name, describe([]), language)
        for text in (lesson.title, lesson.body, lesson.task, lesson.done):
            plain = re.sub(r"<[^>]*>", "", text)
            assert plain.strip()
            assert not re.search(r"[$\\{}_^#*`\ue000-\uf8ff]", plain), (step.name, plain)
        assert "<i>" in lesson.body or step.name == "likelihood", "a formula is typeset"


def test_a_step_without_a_translation_is_shown_in_english() -> None:
    name = steps()[0].name
    assert read_lesson(name, describe([]), "xx") == read_lesson(name, describe([]), "en")


def test_actions_in_texts_exist(strip: LessonStrip, window: MainWindow) -> None:
    for step in steps():
        window.page(step.page)
        keys: list[str] = []
        read_lesson(step.name, describe(keys))
        assert all(one in window.registry for one in keys), (step.name, keys)
    assert strip.describe("explore.new-sample") == "New sample (N)"
