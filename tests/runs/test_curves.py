"""Curves of runs as arrays: quantities, axes, smoothing, clipping, segments, CSV."""

import csv
from typing import get_args

import numpy as np
import pytest
from msgspec.structs import replace

from nvp_studio.runs.curves import (
    QUANTITIES,
    Curve,
    can_be_log,
    curve,
    curves_csv,
    last_points,
    nearest,
    place_of_step,
    rates,
    smooth,
    smooth_curve,
    stack,
    step_at,
    value_range,
    without_outliers,
)
from nvp_studio.runs.history import RunHistory
from nvp_studio.runs.names import Axis
from nvp_studio.training.changes import RateChange, Restart
from tests.runs.test_history import step


def history_of(count: int, **more: object) -> RunHistory:
    history = RunHistory()
    for number in range(1, count + 1):
        history.append(replace(step(number, train=5 - number / count), seconds=2.0 * number, **more))
    return history


def plain_average(values: np.ndarray, memory: float) -> np.ndarray:
    """The definition, point by point."""
    keep, average, weight, found = 1 - 1 / memory, 0.0, 0.0, []
    for value in values:
        average, weight = keep * average + (1 - keep) * value, keep * weight + (1 - keep)
        found.append(average / weight)
    return np.array(found)


@pytest.mark.parametrize("count", [1, 3, 7, 100, 3000])
@pytest.mark.parametrize("memory", [1.5, 10.0, 33.3, 500.0])
def test_smoothing_is_the_debiased_average_with_a_cap(count: int, memory: float) -> None:
    values = np.random.default_rng(count).normal(3, 1, count)
    capped = min(memory, count / 4)
    expected = plain_average(values, capped) if capped > 1 else values
    np.testing.assert_allclose(smooth(values, memory), expected, rtol=1e-6)


def test_smoothing_leaves_a_constant_and_the_first_point_alone() -> None:
    np.testing.assert_allclose(smooth(np.full(1000, 2.5), 50), 2.5)
    values = np.random.default_rng(0).normal(0, 1, 400)
    assert smooth(values, 50)[0] == pytest.approx(values[0])
    assert smooth(values, 0) is values


def test_segments_are_smoothed_apart() -> None:
    points = Curve(np.arange(200.0), np.repeat([1.0, 5.0], 100), (100,))
    assert [part.start for part in points.segments()] == [0, 100]
    np.testing.assert_allclose(smooth_curve(points, 20).y, points.y)
    joined = smooth_curve(Curve(points.x, points.y), 20).y
    assert joined[105] < 3


def test_a_restart_and_a_return_break_the_curve_where_they_were() -> None:
    history = history_of(10)
    history.append(step(11, rollbacks=1))
    history.append(step(12, rollbacks=1))
    history.show_changes((Restart(4), RateChange(6, 0.1)))
    assert history.breaks == [4, 10]
    points = curve(history, QUANTITIES["train"])
    assert [points.x[part].tolist() for part in points.segments()] == [[1, 2, 3, 4], [5, 6, 7, 8, 9, 10], [11, 12]]


@pytest.mark.parametrize("axis", get_args(Axis))
def test_steps_and_places_on_an_axis_go_both_ways(axis: str) -> None:
    history = history_of(50)
    place = place_of_step(history, 20, axis)
    assert place == {"steps": 20, "epochs": 2.0, "seconds": 40.0}[axis]
    assert step_at(history, place, axis) == 20
    assert step_at(RunHistory(), 3.0, axis) in (0.0, 3.0)


def test_rates_are_images_over_seconds() -> None:
    found = rates(np.arange(50) * 0.5, np.arange(50) * 8.0)
    assert np.isnan(found[0])
    np.testing.assert_allclose(found[1:], 16.0)
    assert len(rates(np.empty(0), np.empty(0))) == 0
    assert len(curve(history_of(50), QUANTITIES["images_per_second"]).x) == 49


def test_layers_of_the_scales_end_at_their_sum() -> None:
    history = RunHistory()
    history.append(step(1, validation=5.0))
    history.append(replace(step(2, validation=4.0), scale_bits=(2.0, 1.5, 0.5)))
    history.append(replace(step(3, validation=3.0), scale_bits=(1.5, 1.0, 0.5)))
    steps, layers = stack(history)
    assert steps.tolist() == [2, 3]
    assert [layer.tolist() for layer in layers] == [[2.0, 1.5], [3.5, 2.5], [4.0, 3.0]]
    assert stack(RunHistory())[1] == []


def test_a_logarithmic_axis_wants_positive_values_alone() -> None:
    assert can_be_log([np.array([1.0, 2.0]), np.empty(0)])
    assert not can_be_log([np.array([1.0, 0.0])])
    assert not can_be_log([np.array([1.0]), np.array([-1.0])])
    assert not can_be_log([])


def test_clipping_takes_away_outliers_alone() -> None:
    values = np.concatenate([np.linspace(3, 4, 500), [400.0]])
    assert value_range([values], clip=False) == (3.0, 400.0)
    low, high = value_range([values], clip=True) or (0, 0)
    assert low == 3.0
    assert 3.9 < high < 6
    calm = np.linspace(3, 4, 500)
    assert value_range([calm], clip=True) == (3.0, 4.0)
    assert value_range([np.full(9, 2.0)], clip=True) == (1.9, 2.1)
    assert value_range([np.zeros(3)], clip=False) == (-1.0, 1.0)
    assert value_range([], clip=True) is None


@pytest.mark.parametrize("place", [0, 5, 11])
def test_one_spike_among_a_dozen_values_is_an_outlier_too(place: int) -> None:
    values = np.linspace(3.5, 3.0, 12)
    values[place] = 900.0
    low, high = value_range([values], clip=True) or (0, 0)
    assert low == values.min()
    assert 3.4 < high < 4.0
    clipped = without_outliers(Curve(np.arange(12.0), values))
    assert clipped.y.max() == high
    assert value_range([np.array([3.0, 900.0])], clip=True) == (3.0, 900.0), "of two values none is usual"


def test_the_end_of_a_curve_keeps_its_breaks() -> None:
    points = Curve(np.arange(101.0), np.arange(101.0), (20, 80))
    end = last_points(points, 0.5)
    assert end.x.tolist() == list(range(50, 101))
    assert [end.x[part][0] for part in end.segments()] == [50, 80]
    assert last_points(points, 1.0) is points


def test_the_point_under_the_mouse_is_the_nearest() -> None:
    points = Curve(np.array([0.0, 10.0, 20.0]), np.zeros(3))
    assert [nearest(points, place) for place in (-5, 4, 6, 14.9, 99)] == [0, 0, 1, 1, 2]
    assert nearest(Curve(np.empty(0), np.empty(0)), 1) is None


def test_csv_names_run_and_segment_and_defuses_formulas() -> None:
    text = curves_csv("steps", "train", [("=1+1", Curve(np.array([1.0, 2.0]), np.array([3.0, 4.5]), (1,)))])
    rows = list(csv.reader(text.splitlines()))
    assert rows == [["run", "segment", "steps", "train"], ["'=1+1", "1", "1", "3"], ["'=1+1", "2", "2", "4.5"]]


def test_csv_of_a_name_that_is_no_text_can_be_written() -> None:
    text = curves_csv("steps", "train", [("run\udcff", Curve(np.array([1.0]), np.array([3.0])))])
    assert text.encode().splitlines()[1] == b"run\\udcff,1,1,3"
