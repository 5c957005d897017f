"""A density on the x axis, the rising map that a person bends by hand, and an interval with its image."""

from dataclasses import dataclass, replace
from functools import cached_property

from PySide6.QtCore import QCoreApplication

from nvp_studio.lab.one_dimension import (
    DENSITIES,
    LEAST_STEP,
    Density,
    Knot,
    MonotoneMap,
    NotRisingError,
    divergence_from_normal,
    knots_of_curve,
    knots_to_normal,
    probability,
    pushed_probability,
)
from nvp_studio.state.edited_value import EditedValue

LOW, HIGH = -4.0, 4.0
"""The range of x and y that is shown."""
STRAIGHT: tuple[Knot, ...] = tuple((float(x), float(x)) for x in range(-3, 4))
"""The map y = x."""
_QUANTILES = (-2.4, -1.2, -0.2, 0.0, 0.2, 1.2, 2.4)
"""The y of the points of a map to N(0, 1): closest where the two peaks part."""
_LEAST_WIDTH = 0.05


@dataclass(frozen=True)
class Bent:
    """What is seen."""

    density_name: str = "normal"
    """One of `DENSITIES`."""
    knots: tuple[Knot, ...] = STRAIGHT
    interval: tuple[float, float] = (-1.0, 0.5)
    """On the x axis."""

    @property
    def density(self) -> Density:
        """p(x)."""
        return DENSITIES[self.density_name]

    @cached_property
    def bend(self) -> MonotoneMap:
        """f."""
        return MonotoneMap(self.knots)

    @property
    def image(self) -> tuple[float, float]:
        """Of the interval, on the y axis."""
        low, high = self.bend(self.interval).tolist()
        return low, high

    @cached_property
    def areas(self) -> tuple[float, float]:
        """The probability of the interval below p(x), and that of its image below p(y)."""
        return probability(self.density, *self.interval), pushed_probability(self.density, self.bend, *self.image)

    @cached_property
    def divergence(self) -> float:
        """KL(p(y) || N(0, 1)) in nats."""
        return divergence_from_normal(self.density, self.bend)


class BentMap(EditedValue[Bent]):
    """Moves what a person drags, as far as the map goes on rising; beyond that `problem` says why not."""

    def choose_density(self, name: str) -> None:
        """Take another p(x)."""
        self.edit(replace(self.value, density_name=name), self.tr("density"))

    def straighten(self) -> None:
        """Take the map y = x."""
        self.edit(replace(self.value, knots=STRAIGHT), self.tr("straight map"))

    def map_to_normal(self) -> None:
        """Take the map that makes N(0, 1) of p(x), as nearly as its points allow."""
        knots = knots_to_normal(self.value.density, _QUANTILES)
        self.edit(replace(self.value, knots=knots), self.tr("map to N(0, 1)"))

    def move_knot(self, index: int, x: float, y: float, merge_key: str = "") -> None:
        """Move a point of the map."""
        knots = self.value.knots
        before = knots[index - 1] if index else (LOW - LEAST_STEP, LOW - LEAST_STEP)
        after = knots[index + 1] if index + 1 < len(knots) else (HIGH + LEAST_STEP, HIGH + LEAST_STEP)
        new = tuple(
            round(min(max(value, low + LEAST_STEP), high - LEAST_STEP), 6)
            for value, low, high in zip((x, y), before, after, strict=True)
        )
        wanted = (min(max(x, LOW), HIGH), min(max(y, LOW), HIGH))
        stopped = max(abs(new[0] - wanted[0]), abs(new[1] - wanted[1])) > 1e-6
        moved = (*knots[:index], (new[0], new[1]), *knots[index + 1 :])
        self.edit(
            replace(self.value, knots=moved), self.tr("point of the map"), merge_key, _must_rise() if stopped else ""
        )

    def draw(self, curve: list[Knot]) -> None:
        """Take a map through a curve that was drawn by hand."""
        try:
            knots = knots_of_curve(curve, len(self.value.knots))
        except NotRisingError as problem:
            self.refuse(str(problem))
        else:
            self.edit(replace(self.value, knots=knots), self.tr("drawn map"))

    def move_end(self, end: int, x: float, merge_key: str = "") -> None:
        """Move the low (0) or high (1) end of the interval."""
        low, high = self.value.interval
        if end:
            high = min(max(x, low + _LEAST_WIDTH), HIGH)
        else:
            low = max(min(x, high - _LEAST_WIDTH), LOW)
        self._take_interval(low, high, merge_key)

    def move_interval(self, low: float, merge_key: str = "") -> None:
        """Move the whole interval, so that it begins at `low`."""
        width = self.value.interval[1] - self.value.interval[0]
        low = min(max(low, LOW), HIGH - width)
        self._take_interval(low, low + width, merge_key)

    def _take_interval(self, low: float, high: float, merge_key: str) -> None:
        self.edit(replace(self.value, interval=(round(low, 6), round(high, 6))), self.tr("interval"), merge_key)


def _must_rise() -> str:
    return QCoreApplication.translate(
        "BentMap",
        "The point goes no further: a map that can be inverted must rise from left to right everywhere.",
    )
