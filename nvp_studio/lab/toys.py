"""Toy data: densities of the plane that are easy to draw from, each about 4 wide, in float64 (N, 2)."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Chance = np.random.Generator
_RADIUS, _SPREAD = 2.0, 0.2
"""Of the circle on which the eight Gaussians lie, and the deviation of each."""
_MOON_NOISE = 0.1
_ARC_POINTS = 2000


def draw_toy(name: str, count: int, chance: Chance) -> Floats:
    """`count` points of the toy data `name`; raises `ValueError` for an unknown one."""
    if name not in _DRAWN:
        raise ValueError(f"no toy data {name!r}; there are {', '.join(_DRAWN)}")
    return _DRAWN[name](count, chance)


def known_log_density(name: str, points: Floats) -> Floats:
    """log p in nats of moons or gaussians at points (N, 2): (N,). Raises `ValueError` for other data.

    Of moons, whose points lie on two half circles with normal noise, the integral over the arcs is a sum.
    """
    if name == "gaussians":
        return _mixture_log_density(points, _centres(), _SPREAD)
    if name == "moons":
        arc = (np.arange(_ARC_POINTS) + 0.5) / _ARC_POINTS * math.pi
        centres = np.concatenate([_moon(arc, second=np.full(len(arc), second)) for second in (False, True)])
        parts = np.array_split(points, max(1, len(points) // 1000))
        return np.concatenate([_mixture_log_density(part, centres, _MOON_NOISE) for part in parts])
    raise ValueError(f"the density of {name} is not known in closed form")


def _mixture_log_density(points: Floats, centres: Floats, deviation: float) -> Floats:
    squares = ((points[:, np.newaxis] - centres) ** 2).sum(2)
    exponents = -squares / (2 * deviation**2)
    top = exponents.max(1, keepdims=True)
    total = np.log(np.exp(exponents - top).mean(1)) + top[:, 0]
    return np.asarray(total - math.log(2 * math.pi * deviation**2))


def _moon(angle: Floats, second: npt.NDArray[np.bool_]) -> Floats:
    """Points of the upper half circle, or where `second` of the lower one beside it; 3.2 wide in all."""
    x = np.where(second, 1 - np.cos(angle), np.cos(angle)) - 0.5
    y = np.where(second, 0.5 - np.sin(angle), np.sin(angle)) - 0.25
    return 1.2 * np.stack((x, y), 1)


def _moons(count: int, chance: Chance) -> Floats:
    points = _moon(chance.uniform(0, math.pi, count), chance.random(count) < 0.5)
    return points + _MOON_NOISE * chance.standard_normal((count, 2))


def _rings(count: int, chance: Chance) -> Floats:
    """Three rings about one centre, equally dense along their lines."""
    radii = np.array([0.6, 1.3, 2.0])
    radius = chance.choice(radii, count, p=radii / radii.sum()) + 0.08 * chance.standard_normal(count)
    angle = chance.uniform(0, 2 * math.pi, count)
    return np.stack((radius * np.cos(angle), radius * np.sin(angle)), 1)


def _checkerboard(count: int, chance: Chance) -> Floats:
    """The squares of one colour of a board of 4x4."""
    column = chance.integers(0, 4, count)
    row = 2 * chance.integers(0, 2, count) + column % 2
    return np.asarray(np.stack((column, row), 1) - 2 + chance.random((count, 2)))


def _spirals(count: int, chance: Chance) -> Floats:
    """Two spirals of one turn and a half."""
    turn = np.sqrt(chance.random(count)) * 3 * math.pi
    side = chance.choice([-1.0, 1.0], count)
    radius = side * 2 * turn / (3 * math.pi)
    points = np.stack((radius * np.cos(turn), radius * np.sin(turn)), 1)
    return np.asarray(points + 0.07 * chance.standard_normal((count, 2)))


def _pinwheel(count: int, chance: Chance) -> Floats:
    """Five arms that are bent the more the further they reach."""
    along = 1.1 + 0.35 * chance.standard_normal(count)
    across = 0.08 * chance.standard_normal(count)
    angle = chance.integers(0, 5, count) * 2 * math.pi / 5 + 0.7 * along
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack((along * cos - across * sin, along * sin + across * cos), 1)


def _centres() -> Floats:
    angle = np.arange(8) * math.pi / 4
    return _RADIUS * np.stack((np.cos(angle), np.sin(angle)), 1)


def _gaussians(count: int, chance: Chance) -> Floats:
    return np.asarray(_centres()[chance.integers(0, 8, count)] + _SPREAD * chance.standard_normal((count, 2)))


_DRAWN: dict[str, Callable[[int, Chance], Floats]] = {
    "moons": _moons,
    "rings": _rings,
    "checkerboard": _checkerboard,
    "spirals": _spirals,
    "pinwheel": _pinwheel,
    "gaussians": _gaussians,
}
