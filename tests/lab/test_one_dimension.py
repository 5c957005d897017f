"""Change of variables and likelihood in one dimension."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvp_studio.lab.likelihood import largest, log_likelihood
from nvp_studio.lab.one_dimension import (
    DENSITIES,
    Knot,
    MonotoneMap,
    NotRisingError,
    check_rising,
    divergence_from_normal,
    knots_of_curve,
    knots_to_normal,
    probability,
    pushed_density,
    pushed_probability,
)

steps = st.lists(st.tuples(st.floats(0.1, 2), st.floats(0.1, 2)), min_size=1, max_size=8)


def rising(steps: list[tuple[float, float]]) -> list[Knot]:
    x, y = np.cumsum([(-3.0, -3.0), *steps], axis=0).T
    return list(zip(x.tolist(), y.tolist(), strict=True))


@given(steps, st.floats(-6, 6))
def test_a_map_goes_through_its_knots_rises_and_is_undone_by_its_inverse(
    steps: list[tuple[float, float]], x: float
) -> None:
    knots = rising(steps)
    bend = MonotoneMap(knots)
    assert bend([one[0] for one in knots]) == pytest.approx([one[1] for one in knots])
    assert bend.derivative(x) > 0
    assert bend.inverse(bend(x)) == pytest.approx(x, abs=1e-8)
    h = 1e-6
    if all(abs(x - one[0]) > 2 * h for one in knots):
        assert (bend(x + h) - bend(x - h)) / (2 * h) == pytest.approx(float(bend.derivative(x)), rel=1e-3)


@pytest.mark.parametrize("name", DENSITIES)
@given(steps=steps, low=st.floats(-3, 3), width=st.floats(0.01, 4))
def test_areas_are_preserved(name: str, steps: list[tuple[float, float]], low: float, width: float) -> None:
    density, bend = DENSITIES[name], MonotoneMap(rising(steps))
    before = probability(density, low, low + width)
    assert pushed_probability(density, bend, float(bend(low)), float(bend(low + width))) == pytest.approx(
        before, abs=1e-4
    )


def test_densities_are_related_by_the_derivative_and_integrate_to_one() -> None:
    bend = MonotoneMap([(-3, -3), (0, 1), (1, 1.5), (3, 3)])
    x = np.linspace(-2.9, 2.9, 50)
    for density in DENSITIES.values():
        assert pushed_density(density, bend, bend(x)) * bend.derivative(x) == pytest.approx(density.value(x), abs=1e-9)
        assert pushed_probability(density, bend, -20, 20) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("knots", "word"),
    [
        ([(0, 0)], "two points"),
        ([(0, 0), (1, math.inf)], "infinity"),
        ([(0, 0), (1, 2), (2, 2)], "does not rise between x = 1.00 and x = 2.00"),
        ([(0, 0), (0, 1)], "does not rise"),
    ],
)
def test_a_map_that_does_not_rise_is_refused(knots: list[Knot], word: str) -> None:
    with pytest.raises(NotRisingError, match=word):
        MonotoneMap(knots)


@pytest.mark.parametrize(
    ("curve", "word"),
    [
        ([(-3, -3), (0, 2), (0.2, 1.9), (3, 3)], "falls near x = 0.00"),
        ([(-3, -3), (0, 2), (-0.2, 2.1), (3, 3)], "turns back"),
        ([(3, 3), (-3, -3)], "turns back"),
        ([(0, 0), (0.1, 1)], "too short"),
        ([(0, 0)], "too short"),
        ([(-3, 1), (3, 1)], "does not rise"),
    ],
)
def test_a_drawn_curve_that_is_not_monotone_is_refused(curve: list[Knot], word: str) -> None:
    with pytest.raises(NotRisingError, match=word):
        knots_of_curve(curve, 7)


def test_a_drawn_curve_becomes_knots_on_it() -> None:
    knots = knots_of_curve([(-3, -2), (-3, -1.9), (0, 1), (3, 2)], 3)
    assert knots == ((-3, -2), (0, 1), (3, 2))


def test_the_likelihood_is_the_product_of_densities_and_largest_at_mean_and_deviation() -> None:
    points = [-1.0, 0.5, 2.0]
    product = math.prod(math.exp(-((x - 0.3) ** 2) / (2 * 0.49)) / (0.7 * math.sqrt(2 * math.pi)) for x in points)
    assert float(log_likelihood(points, 0.3, 0.7)) == pytest.approx(math.log(product))
    fit = largest(points)
    assert fit is not None
    mu, sigma = np.meshgrid(np.linspace(-3, 3, 61), np.linspace(0.1, 3, 59))
    assert log_likelihood(points, mu, sigma).max() <= fit.log_likelihood
    assert (fit.mu, fit.sigma) == pytest.approx((0.5, math.sqrt(1.5)))


@pytest.mark.parametrize("points", [[], [1.0], [0.3, 0.3, 0.3]])
def test_without_two_different_points_there_is_no_maximum(points: list[float]) -> None:
    assert largest(points) is None
    assert np.isfinite(log_likelihood(points, 0.0, 1.0))


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_the_divergence_of_a_stretched_normal_is_the_known_one(scale: float) -> None:
    bend = MonotoneMap([(-3, -3 * scale), (0, 0), (3, 3 * scale)])
    known = 0.5 * (scale**2 - 1 - math.log(scale**2))
    assert divergence_from_normal(DENSITIES["normal"], bend) == pytest.approx(known, abs=1e-6)


@pytest.mark.parametrize("name", DENSITIES)
def test_the_map_by_quantiles_makes_a_density_normal(name: str) -> None:
    density = DENSITIES[name]
    knots = knots_to_normal(density, np.linspace(-3, 3, 41).tolist())
    check_rising(knots)
    assert divergence_from_normal(density, MonotoneMap(knots)) < 0.02
    few = MonotoneMap(knots_to_normal(density, (-2.4, -1.2, -0.2, 0.0, 0.2, 1.2, 2.4)))
    straight = MonotoneMap([(-3, -3), (3, 3)])
    assert divergence_from_normal(density, few) < max(divergence_from_normal(density, straight) / 3, 1e-6)
