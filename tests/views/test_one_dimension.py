"""Lab in one dimension: the map and the likelihood, by mouse and keys."""

import math
import re
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QAction, QColor, QKeySequence
from PySide6.QtWidgets import QApplication, QWidget

from nvp_studio.state import value_edit
from nvp_studio.state.engine import Engine
from nvp_studio.state.gaussian_fit import MOST_POINTS
from nvp_studio.views.main_window import MainWindow
from nvp_studio.views.pages.lab.one_dimension import CHANGE, LIKELIHOOD, OneDimension
from nvp_studio.views.pages.lab.page import LabPage
from nvp_studio.views.theme import colors
from nvp_studio.views.widgets.likelihood_pad import GAUSSIAN
from tests.qt import WAIT_SECONDS, Bot, open_window

SHIFT = Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def window(qtbot: Bot, shared_engine: Engine, tmp_path: Path) -> MainWindow:
    window = open_window(qtbot, shared_engine, tmp_path, tmp_path / "runs", "lab")
    window.resize(1280, 800)
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    return window


@pytest.fixture
def part(window: MainWindow) -> OneDimension:
    page = window.page("lab")
    assert isinstance(page, LabPage)
    page.show_part("one-dimension")
    QApplication.processEvents()
    return page.one_dimension


@pytest.fixture
def likelihood(part: OneDimension) -> OneDimension:
    part.show_view(LIKELIHOOD)
    QApplication.processEvents()
    return part


def drag(qtbot: Bot, pad: QWidget, *places: QPointF) -> None:
    qtbot.mouseDrag(pad, *(place.toPoint() for place in places))


def areas_in_text(part: OneDimension) -> list[str]:
    return [line.split(" = ")[1] for line in part.areas.text().split("\n")[:2]]


def test_a_dragged_point_bends_the_map_and_areas_stay_equal(part: OneDimension, qtbot: Bot) -> None:
    pad, before = part.bend_pad, part.bent.value
    assert areas_in_text(part) == ["0.5328", "0.5328"]
    drag(qtbot, pad, pad.handle_place(3), pad.place_of(0.5, 0.5), pad.place_of(0.4, -0.8))
    bent = part.bent.value
    assert bent.knots[3] == pytest.approx((0.4, -0.8), abs=0.03)
    assert bent.knots[:3] == before.knots[:3]
    assert bent.interval == before.interval
    assert bent.image != before.image
    assert areas_in_text(part) == ["0.5328", "0.5328"]
    assert bent.areas[0] == pytest.approx(bent.areas[1], abs=1e-5)
    assert part.bend_note.text() == ""
    part.page.undo.undo()
    assert part.bent.value == before
    part.page.undo.redo()
    assert part.bent.value == bent


def test_a_point_stops_where_the_map_would_fall_and_says_so(part: OneDimension, qtbot: Bot) -> None:
    pad = part.bend_pad
    drag(qtbot, pad, pad.handle_place(3), pad.place_of(0, 2.5))
    knots = part.bent.value.knots
    assert knots[3][1] == pytest.approx(knots[4][1] - 0.05)
    assert "must rise" in part.bend_note.text()
    drag(qtbot, pad, pad.handle_place(3), pad.place_of(0, 0))
    assert part.bend_note.text() == ""


def test_a_drawn_curve_becomes_the_map_or_is_refused(part: OneDimension, qtbot: Bot) -> None:
    pad = part.bend_pad

    def curve(*heights: float) -> list[QPointF]:
        return [pad.place_of(-3.5 + 7 * index / (len(heights) - 1), y) for index, y in enumerate(heights)]

    drag(qtbot, pad, *curve(-3.6, -3.4, -3.2, 2.8, 3.0, 3.2))
    assert part.bend_note.text() == ""
    drawn = part.bent.value
    assert drawn.knots[0] == pytest.approx((-3.5, -3.6), abs=0.05)
    assert drawn.knots[-1] == pytest.approx((3.5, 3.2), abs=0.05)
    assert areas_in_text(part)[0] == areas_in_text(part)[1]
    drag(qtbot, pad, *curve(-2.5, 1.0, -1.0, 3.8))
    assert re.search("falls near|does not rise", part.bend_note.text())
    assert part.bent.value == drawn
    drag(qtbot, pad, *reversed(curve(-2.5, -1.0, 2.0, 3.9)))
    assert "turns back" in part.bend_note.text()
    assert part.bent.value == drawn


def test_the_interval_and_its_ends_are_dragged(part: OneDimension, qtbot: Bot) -> None:
    pad = part.bend_pad
    middle = QPointF(pad.place_of(-0.25, 0).x(), pad.above_area().center().y())
    drag(qtbot, pad, middle, QPointF(pad.place_of(0.75, 0).x(), middle.y()))
    assert part.bent.value.interval == pytest.approx((0, 1.5), abs=0.04)
    low = len(part.bent.value.knots)
    drag(qtbot, pad, pad.handle_place(low), QPointF(pad.place_of(-2, 0).x(), middle.y()))
    assert part.bent.value.interval == pytest.approx((-2, 1.5), abs=0.04)
    drag(qtbot, pad, pad.handle_place(low), QPointF(pad.place_of(3, 0).x(), middle.y()))
    interval = part.bent.value.interval
    assert interval[0] == pytest.approx(interval[1] - 0.05), "it does not pass the other end"
    drag(qtbot, pad, pad.handle_place(low + 1), QPointF(pad.width() + 50, middle.y()))
    assert part.bent.value.interval[1] == 4
    assert areas_in_text(part)[0] == areas_in_text(part)[1]


def test_the_map_is_moved_by_keys(part: OneDimension, qtbot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(value_edit, "MERGE_SECONDS", WAIT_SECONDS)  # one entry, however slow the machine
    pad, before = part.bend_pad, part.bent.value
    pad.setFocus()
    qtbot.keyClick(pad, Qt.Key.Key_Period)
    qtbot.keyClick(pad, Qt.Key.Key_Up)
    qtbot.keyClick(pad, Qt.Key.Key_Right, SHIFT)
    assert part.bent.value.knots[1] == pytest.approx((-1.75, -1.95))
    assert "Point 2" in pad.accessibleDescription()
    part.page.undo.undo()
    assert part.bent.value == before
    for _ in range(3):
        qtbot.keyClick(pad, Qt.Key.Key_Comma)
    assert "End of the interval" in pad.accessibleDescription()
    qtbot.keyClick(pad, Qt.Key.Key_Left)
    assert part.bent.value.interval == pytest.approx((-1.05, 0.5))
    qtbot.keyClick(pad, Qt.Key.Key_L, SHIFT)
    assert part.bent.value.interval == pytest.approx((-1.05, 0.5))


def test_values_under_the_pointer_follow_the_formula(part: OneDimension, qtbot: Bot) -> None:
    pad = part.bend_pad
    part.bent.move_knot(3, 0.0, -0.7)
    qtbot.mouseMove(pad, pad.place_of(0.5, 2).toPoint())
    values = part.slope.text().split("\n")[-1].replace("·", "=").split("=")
    p_x, p_y, slope = map(float, values)
    assert p_x == pytest.approx(p_y * slope, abs=2e-3)
    assert p_x == pytest.approx(math.exp(-0.125) / math.sqrt(2 * math.pi), abs=0.01)


def test_the_pushed_density_is_drawn_where_it_is(part: OneDimension, qtbot: Bot) -> None:
    """All of the uniform density lies between -2 and 2; pushed by y = x / 2, between -1 and 1, twice as high."""
    pad = part.bend_pad
    part.density.setCurrentIndex(part.density.findData("uniform"))
    for x in (-1, 1, -2, 2, -3, 3):
        part.bent.move_knot(3 + x, x, x / 2)
    image = pad.grab().toImage()
    side, surface = pad.side_area(), QColor(colors().surface)

    def filled(y: float, density: float) -> bool:
        thickness = side.width() * density / 0.8
        return image.pixelColor(round(side.left() + thickness), round(pad.place_of(0, y).y())) != surface

    assert filled(0.8, 0.4)
    assert not filled(0.8, 0.6)
    assert not filled(1.3, 0.1)


def test_points_are_dragged_and_the_maximum_follows(likelihood: OneDimension, qtbot: Bot) -> None:
    pad, fit = likelihood.likelihood_pad, likelihood.fit
    before = fit.value
    assert before.largest is not None
    drag(qtbot, pad, pad.handle_place(4), pad.handle_place(4) + QPointF(60, 0))
    assert fit.value.points[4] > before.points[4] + 0.3
    assert fit.value.largest is not None
    assert fit.value.largest.mu > before.largest.mu
    assert fit.value.mu == before.mu
    likelihood.page.undo.undo()
    assert fit.value == before


def test_the_ring_is_dragged_to_the_maximum_by_hand_by_keys_and_by_the_button(
    likelihood: OneDimension, qtbot: Bot
) -> None:
    pad, fit = likelihood.likelihood_pad, likelihood.fit
    best = fit.value.largest
    assert best is not None
    drag(qtbot, pad, pad.handle_place(GAUSSIAN), pad.surface_place(best.mu, best.sigma))
    assert (fit.value.mu, fit.value.sigma) == pytest.approx((best.mu, best.sigma), abs=0.03)
    assert fit.value.log_likelihood == pytest.approx(best.log_likelihood, abs=0.01)
    pad.setFocus()
    qtbot.keyClick(pad, Qt.Key.Key_Left, SHIFT)
    qtbot.keyClick(pad, Qt.Key.Key_Up)
    assert fit.value.mu < best.mu - 0.2
    assert fit.value.log_likelihood < best.log_likelihood
    qtbot.keyClick(pad, Qt.Key.Key_M, SHIFT)
    assert fit.value.log_likelihood == pytest.approx(best.log_likelihood, abs=1e-6)
    assert f"log L = {best.log_likelihood:.3f}".replace("-", "−") in likelihood.values.text()


def test_points_are_added_and_removed(likelihood: OneDimension, qtbot: Bot) -> None:
    pad, fit = likelihood.likelihood_pad, likelihood.fit
    line = pad.handle_place(0).y()
    qtbot.mouseDClick(pad, Qt.MouseButton.LeftButton, pos=QPoint(round(pad.surface_place(-3, 1).x()), round(line)))
    assert fit.value.points[-1] == pytest.approx(-3, abs=0.03)
    pad.setFocus()
    qtbot.keyClick(pad, Qt.Key.Key_Delete)
    assert len(fit.value.points) == 5
    qtbot.keyClick(pad, Qt.Key.Key_Insert)
    assert len(fit.value.points) == 6
    while fit.value.points:
        qtbot.keyClick(pad, Qt.Key.Key_Delete)
        if pad.selected == GAUSSIAN:
            break
    assert fit.value.points == ()
    assert "Without points" in likelihood.fit_note.text()
    assert not likelihood.page.context.registry["lab.maximum"].isEnabled()
    pad.grab()
    for _ in range(MOST_POINTS + 1):
        qtbot.keyClick(pad, Qt.Key.Key_Insert)
    assert len(fit.value.points) == MOST_POINTS
    assert f"room for {MOST_POINTS} points" in likelihood.fit_note.text()


def test_equal_points_have_no_maximum_and_that_is_said(likelihood: OneDimension, qtbot: Bot) -> None:
    fit, pad = likelihood.fit, likelihood.likelihood_pad
    for index in range(4, 0, -1):
        fit.remove_point(index)
    assert "grows without bound" in likelihood.fit_note.text()
    pad.grab()
    pad.setFocus()
    qtbot.keyClick(pad, Qt.Key.Key_Insert)
    assert likelihood.fit_note.text() == ""


def test_the_surface_is_brightest_at_the_maximum(likelihood: OneDimension) -> None:
    pad, best = likelihood.likelihood_pad, likelihood.fit.value.largest
    assert best is not None
    image = pad._surface_image()

    def shade(mu: float, sigma: float) -> QColor:
        place, area = pad.surface_place(mu, sigma), pad.surface_area()
        return image.pixelColor(
            int((place.x() - area.left()) / area.width() * image.width()),
            int((place.y() - area.top()) / area.height() * image.height()),
        )

    def far(color: QColor, name: str) -> int:
        wanted = QColor(name)
        return abs(color.red() - wanted.red()) + abs(color.green() - wanted.green())

    assert far(shade(best.mu, best.sigma), colors().accent) <= 4
    assert far(shade(best.mu, 2 * best.sigma), colors().accent) > 10
    assert shade(-3.9, 0.3) == QColor(colors().surface)


@pytest.mark.parametrize("size", [(800, 600), (1920, 1080)])
def test_both_parts_fit(window: MainWindow, part: OneDimension, size: tuple[int, int], qtbot: Bot) -> None:
    for view in range(part.view_choice.count()):
        part.view_choice.setCurrentIndex(view)
        window.resize(*size)
        QApplication.processEvents()
        assert (window.width(), window.height()) == size
        pad = part.bend_pad if view == 0 else part.likelihood_pad
        side = part.views.currentWidget()
        assert side.rect().contains(pad.geometry())
        if view == 0:
            assert pad.rect().contains(pad.side_area().toAlignedRect())
            assert pad.rect().contains(pad.above_area().toAlignedRect())
            assert pad.rect().contains(pad.map_area().toAlignedRect())


def test_the_map_to_a_normal_density_brings_the_divergence_down(part: OneDimension, qtbot: Bot) -> None:
    def divergence() -> float:
        return float(part.areas.text().split("\n")[3].split(" = ")[1].split()[0])

    assert divergence() == 0
    part.density.setCurrentIndex(part.density.findData("two-peaks"))
    before = divergence()
    assert before > 0.1
    part.bend_pad.setFocus()
    qtbot.keyClick(part.bend_pad, Qt.Key.Key_G, SHIFT)
    assert divergence() < before / 4
    assert areas_in_text(part)[0] == areas_in_text(part)[1]
    qtbot.keyClick(part.bend_pad, Qt.Key.Key_L, SHIFT)
    assert divergence() == before


def test_undo_shows_what_it_brings_back(window: MainWindow, part: OneDimension, qtbot: Bot) -> None:
    page = window.page("lab")
    assert isinstance(page, LabPage)
    part.bent.move_knot(3, 0.0, 0.5)
    window.registry["lab.likelihood"].trigger()
    assert part.view == LIKELIHOOD
    page.show_part("two-dimensions")
    window.registry["edit.undo"].trigger()
    assert page.part == "one-dimension"
    assert part.view == CHANGE
    assert part.bent.value.knots[3] == (0, 0)


def test_keys_of_the_drawings_come_before_shortcuts_of_the_page(part: OneDimension, qtbot: Bot) -> None:
    hits = []
    for keys in (".", ","):
        action = QAction(keys, part.page)
        action.setShortcut(QKeySequence(keys))
        action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        action.triggered.connect(hits.append)
        part.page.addAction(action)
    part.bend_pad.setFocus()
    qtbot.keyClick(part.bend_pad, Qt.Key.Key_Period)
    assert part.bend_pad.selected == 1
    part.show_view(LIKELIHOOD)
    part.likelihood_pad.setFocus()
    qtbot.keyClick(part.likelihood_pad, Qt.Key.Key_Period)
    assert part.likelihood_pad.selected == 0
    assert hits == []
