"""Reducing curves to pixels, and the axes that follow them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvp_studio.views.widgets.curve_data import extremes, fitting_bits, fitting_steps, joined, means, visible


@given(st.integers(1, 5000), st.integers(1, 400), st.integers(0, 100))
def test_extremes_keep_order_and_range_in_few_points(count: int, bins: int, seed: int) -> None:
    x, y = np.arange(count, dtype=float), np.random.default_rng(seed).normal(size=count)
    few_x, few_y = extremes(x, y, bins)
    assert len(few_x) == len(few_y) <= 2 * bins + 2
    assert (np.diff(few_x) >= 0).all()
    assert (few_y.min(), few_y.max()) == (y.min(), y.max())
    assert set(zip(few_x, few_y, strict=True)) <= set(zip(x, y, strict=True))


@given(st.integers(1, 5000), st.integers(1, 400))
def test_means_end_at_the_last_point(count: int, bins: int) -> None:
    x = np.arange(count, dtype=float)
    few_x, few_y = means(x, 2 * x, bins)
    assert len(few_x) <= bins + 1
    assert few_x[-1] == x[-1]
    assert np.allclose(few_y, 2 * few_x)


def test_visible_takes_one_neighbour_on_each_side() -> None:
    x = np.arange(10.0)
    assert x[visible(x, 2.5, 5.5)].tolist() == [2, 3, 4, 5, 6]
    assert x[visible(x, -5, 100)].tolist() == x.tolist()


def test_a_huge_start_does_not_squeeze_the_curve() -> None:
    smoothed = np.concatenate([[4000.0, 300.0, 50.0], np.linspace(6, 3, 300)])
    low, high = fitting_bits(smoothed, smoothed, np.array([900.0, 3.1]))
    assert low <= 3.0
    assert 3.0 < high < 7.0


@pytest.mark.parametrize("value", [3.0, 0.001, 250.0])
def test_a_flat_curve_is_in_the_middle_of_a_small_range(value: float) -> None:
    flat = np.full(50, value)
    low, high = fitting_bits(flat, flat, np.empty(0))
    assert low < value < high
    assert high - low < 0.2


def test_the_range_changes_seldom_while_a_curve_grows() -> None:
    curve = 3 + 3 * np.exp(-np.arange(1, 2000) / 200) + np.random.default_rng(0).normal(0, 0.02, 1999)
    ranges = [fitting_bits(curve[:count], curve[:count], np.empty(0)) for count in range(1000, 1999)]
    assert len(set(ranges)) < 12


def test_the_axis_of_steps_stays_ahead_and_ends_with_the_run() -> None:
    assert fitting_steps(0, 1000) == 20
    assert fitting_steps(500, 1000) == 1000
    ends = [fitting_steps(step, None) for step in range(0, 20_000, 7)]
    assert all(end > step for end, step in zip(ends, range(0, 20_000, 7), strict=True))
    assert len(set(ends)) < 30


def test_segments_are_joined_with_a_gap_after_each() -> None:
    x = np.arange(10.0)
    few_x, few_y = joined(x, 2 * x, [slice(0, 4), slice(4, 10)], (0, 100), extremes, 50)
    assert np.flatnonzero(np.isnan(few_x)).tolist() == [4, 11]
    assert few_y[np.isfinite(few_y)].tolist() == (2 * x).tolist()
    assert len(joined(x, x, [], (0, 9), means, 50)[0]) == 0
