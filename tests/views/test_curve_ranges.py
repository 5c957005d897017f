"""Axes that follow growing curves."""

import numpy as np
import pytest

from nvp_studio.views.widgets.curve_drawing import fitting_bits, fitting_steps


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


def test_the_validations_of_a_run_of_two_steps_are_within_the_range() -> None:
    train = np.array([5.17, 5.11])
    low, high = fitting_bits(train, train, np.array([5.799, 5.713]))
    assert low <= 5.11
    assert high >= 5.799


def test_the_best_validation_is_within_the_range_wherever_the_training_curve_is() -> None:
    train = np.full(50, 3.0)
    low, high = fitting_bits(train, train, np.array([90.0, 12.0, 15.0, 80.0]))
    assert low <= 3.0
    assert 12.0 <= high < 80.0
