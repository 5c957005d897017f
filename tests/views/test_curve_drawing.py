"""What the plots of curves show, before anything is painted."""

import numpy as np
import pytest
from PySide6.QtCore import QCoreApplication
from PySide6.QtGui import QFontMetrics

from nvp_studio.runs.history import RunHistory
from nvp_studio.training.changes import RateChange, Restart
from nvp_studio.views.theme import scaled_font
from nvp_studio.views.widgets.curve_comparison import CurveComparison
from nvp_studio.views.widgets.curve_drawing import Drawing, PlotOptions, comparison, run_drawing
from nvp_studio.views.widgets.curve_list import CurveList, ListedCurve
from nvp_studio.views.widgets.run_curves import RunCurves
from nvp_studio.views.widgets.series import Series
from tests.qt import Bot
from tests.runs.test_history import step


def history(steps: int, level: float) -> RunHistory:
    """Training falls from `level` + 1 to `level`; every tenth step is validated."""
    made = RunHistory()
    for number in range(1, steps + 1):
        value = level + 1 - number / steps
        made.append(step(number, train=value, validation=value if number % 10 == 0 else None))
    return made


def test_one_run_is_drawn_raw_and_smoothed_with_validations_and_a_ring_around_the_best() -> None:
    drawing = run_drawing(history(30, 3.0), total_steps=None)
    raw, smoothed, dots, ring = drawing.traces
    assert (raw.style, smoothed.style, dots.style, ring.style) == ("thin", "bold", "dots", "ring")
    assert len(raw.points.x) == len(smoothed.points.x) == 30
    assert dots.points.x.tolist() == [10, 20, 30]
    assert (ring.points.x.tolist(), ring.points.y.tolist()) == ([30], [3.0])
    assert drawing.limits is not None
    (left, right), (low, high) = drawing.limits
    assert left == 0
    assert right > 30
    assert low <= 3.0 < 4.0 <= high


def test_several_runs_are_drawn_on_one_axis_and_what_changed_is_marked_for_the_current_one() -> None:
    first, second = history(20, 3.0), history(40, 5.0)
    second.show_changes((Restart(15), RateChange(20, 0.5)))
    series = [Series("a", "A", first, 0), Series("b", "B", second, 1)]
    drawing = comparison(series, "b", PlotOptions(quantity="train", memory=0))
    assert [trace.colour for trace in drawing.traces] == [0, 1]
    assert [place for place, _ in drawing.marks] == [15, 20]
    assert drawing.marks[1][1] == "rate 0.5"
    assert drawing.curves["b"].breaks == (15,)
    assert comparison(series, "a", PlotOptions(quantity="train")).marks == []


def test_a_logarithmic_axis_has_limits_in_powers_of_ten() -> None:
    drawing = comparison([Series("a", "A", history(20, 99.0), 0)], "a", PlotOptions(quantity="train", log=True))
    assert drawing.log
    assert drawing.limits is not None
    low, high = drawing.limits[1]
    assert 1.9 < low < high < 2.1


def test_nothing_to_draw_is_an_empty_drawing() -> None:
    drawing = comparison([], "", PlotOptions())
    assert (list(drawing.traces), drawing.limits, drawing.curves) == ([], None, {})


@pytest.mark.parametrize("zoomed", [False, True])
def test_a_long_curve_is_painted_in_few_points_at_every_zoom_and_keeps_its_extremes(zoomed: bool, qtbot: Bot) -> None:
    from nvp_studio.views.widgets.curve_plot import CurvePlot

    plot = CurvePlot(None, axis_width=46)
    qtbot.addWidget(plot)
    plot.resize(400, 200)
    plot.show()
    long = RunHistory()
    noise = np.random.default_rng(0).normal(size=20_000)
    for number, value in enumerate(noise, 1):
        long.append(step(number, train=float(value)))
    plot.show_drawing(run_drawing(long, None))
    if zoomed:
        plot.getPlotItem().getViewBox().setRange(xRange=(5000, 15_000), padding=0)
    x, y = plot._curves[0][1].getData()
    assert len(x) <= 4 * plot.width()
    inside = (long.steps.values >= 5100) & (long.steps.values <= 14_900) if zoomed else long.steps.values <= 19_900
    assert np.nanmax(y) >= noise[inside].max()
    assert np.nanmin(y) <= noise[inside].min()


def test_a_curve_of_many_validations_is_drawn_without_dots() -> None:
    for steps, styles in ((4000, ["bold", "dots"]), (4010, ["bold"])):
        drawing = comparison([Series("a", "A", history(steps, 3.0), 0)], "a", PlotOptions())
        assert [trace.style for trace in drawing.traces] == styles


def test_another_unit_of_the_axis_is_shown_in_full_after_a_zoom(qtbot: Bot) -> None:
    from nvp_studio.views.widgets.curve_plot import CurvePlot

    plot = CurvePlot(None, axis_width=46)
    qtbot.addWidget(plot)
    plot.show()
    view = plot.getPlotItem().getViewBox()
    series = [Series("a", "A", history(20, 99.0), 0)]
    plot.show_drawing(comparison(series, "a", PlotOptions(quantity="train")))
    view.setRange(xRange=(5, 6), yRange=(99.2, 99.4), padding=0)
    view.sigRangeChangedManually.emit((True, True))
    assert not plot.following
    logarithmic = comparison(series, "a", PlotOptions(quantity="train", log=True))
    plot.show_drawing(logarithmic)
    plot.grab()
    assert logarithmic.limits is not None
    assert view.viewRange()[1] == pytest.approx(logarithmic.limits[1])
    assert plot.following


def test_a_restarted_run_has_a_gap_in_its_curve(qtbot: Bot) -> None:
    from nvp_studio.views.widgets.curve_plot import CurvePlot

    plot = CurvePlot(None, axis_width=46)
    qtbot.addWidget(plot)
    restarted = history(40, 3.0)
    restarted.show_changes((Restart(15),))
    plot.show_drawing(run_drawing(restarted, None))
    _, y = plot._curves[0][1].getOriginalDataset()
    assert np.flatnonzero(np.isnan(y)).tolist() == [15]
    plot.show_drawing(Drawing())
    assert plot._curves == []


def test_other_values_of_the_same_curves_change_their_texts_alone(qtbot: Bot) -> None:
    curves = CurveList()
    qtbot.addWidget(curves)
    curves.show_entries([ListedCurve("Scale 1", 0)], ["1.000 bits/dim"])
    item = curves.item(0)
    curves.show_entries([ListedCurve("Scale 1", 0)], ["2.000 bits/dim"])
    assert curves.item(0) is item
    assert item.text() == "Scale 1\n2.000 bits/dim"


def test_outliers_that_are_clipped_do_not_bend_the_smoothed_curve() -> None:
    spiked = RunHistory()
    for number in range(1, 301):
        spiked.append(step(number, train=1e4 if number == 150 else 3.0 + 0.01 * (number % 7)))
    series = [Series("a", "A", spiked, 0)]
    clipped = comparison(series, "a", PlotOptions(quantity="train", clip=True)).curves["a"]
    whole = comparison(series, "a", PlotOptions(quantity="train", clip=False)).curves["a"]
    assert clipped.y.max() < 3.1
    assert whole.y.max() > 100


@pytest.mark.usefixtures("qapp")
def test_a_run_that_ended_before_the_place_under_the_mouse_has_no_value_there() -> None:
    curves = CurveComparison()
    series = [Series("a", "A", history(20, 3.0), 0), Series("b", "B", history(40, 5.0), 1)]
    curves.controls.quantity.setCurrentIndex(curves.controls.quantity.findData("train"))
    curves.show_series(series, "a")
    assert not any("–" in curves.list.item(row).text() for row in range(2)), "at the end each has its own"
    curves._on_pointed(30.0)
    assert curves.list.item(0).text() == "A\nended before"
    assert "ended" not in curves.list.item(1).text()
    curves.controls.quantity.setCurrentIndex(curves.controls.quantity.findData("validation"))
    curves.show_series([Series("c", "A", RunHistory(), 0)], "c")
    curves._on_pointed(None)
    assert curves.list.item(0).text() == "A\nno validation yet"
    curves.deleteLater()


@pytest.mark.usefixtures("qapp")
def test_a_validation_shown_at_a_later_step_says_of_which_step_it_is() -> None:
    curves = RunCurves()
    curves.show_history(history(24, 3.0), None, None)
    assert "(step 20)  ·  step 24" in curves.reading.text()
    curves._on_pointed(20.0)
    assert "of step" not in curves.reading.text()
    curves.deleteLater()


def test_texts_of_changes_never_cover_each_other_and_all_are_there_where_there_is_room(qtbot: Bot) -> None:
    from nvp_studio.views.widgets.curve_plot import CurvePlot

    plot = CurvePlot(None, axis_width=46)
    qtbot.addWidget(plot)
    texts = ("rate 0.001", "resumed", "stop rules", "resumed", "rate 0.0005")
    marks = list(zip((3.0, 5.0, 6.0, 40.0, 99.0), texts, strict=True))
    plot.show()
    for width, height, whole in ((1200, 500, True), (500, 140, False), (260, 90, False)):
        plot.resize(width, height)
        plot.show_drawing(Drawing(marks=marks, limits=((0.0, 100.0), (0.0, 1.0))))
        QCoreApplication.processEvents()
        labels = [line.label for line in plot._marks if line.label.isVisible()]
        assert labels
        assert not whole or len(labels) == len(marks)
        places = [label.mapRectToScene(label.boundingRect()) for label in labels]
        area = plot.getPlotItem().getViewBox().sceneBoundingRect().adjusted(-2, -2, 2, 2)
        axis = plot.getPlotItem().getAxis("left")
        spacing = axis.tickSpacing(0.0, 1.0, area.height())[0][0]
        assert spacing * area.height() >= QFontMetrics(scaled_font(11)).height() or spacing >= 1
        for number, place in enumerate(places):
            assert area.contains(place), (width, texts[number])
            assert not any(place.intersects(other) for other in places[:number]), (width, texts[number])
