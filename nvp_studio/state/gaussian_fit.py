"""Points on a line, a Gaussian that a person fits to them, and its likelihood L(mu, sigma; x1 ... xn)."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QCoreApplication

from nvp_studio.lab.likelihood import Fit, largest, log_likelihood
from nvp_studio.state.edited_value import EditedValue

LOW, HIGH = -4.0, 4.0
"""The range of the points and of mu."""
SIGMA_LOW, SIGMA_HIGH = 0.2, 3.0
MOST_POINTS = 40
SHOWN_NATS = 10.0
"""How far below its maximum the surface is shown."""


@dataclass(frozen=True)
class Fitted:
    """What is seen."""

    points: tuple[float, ...] = (-0.9, 0.2, 0.8, 1.1, 2.3)
    mu: float = -1.5
    sigma: float = 1.8

    @property
    def log_likelihood(self) -> float:
        """log L in nats."""
        return float(log_likelihood(self.points, self.mu, self.sigma))

    @property
    def largest(self) -> Fit | None:
        """Where the likelihood is largest; None where it has no maximum."""
        return largest(self.points)

    def surface(self, width: int, height: int) -> npt.NDArray[np.float64]:
        """log L at the middles of `height` rows (sigma, the largest first) and `width` columns (mu), in nats."""
        mu = LOW + (np.arange(width) + 0.5) * (HIGH - LOW) / width
        sigma = SIGMA_HIGH - (np.arange(height) + 0.5) * (SIGMA_HIGH - SIGMA_LOW) / height
        return log_likelihood(self.points, mu[np.newaxis], sigma[:, np.newaxis])


class GaussianFit(EditedValue[Fitted]):
    """Moves points, mu and sigma within their ranges."""

    def move_point(self, index: int, x: float, merge_key: str = "") -> None:
        """Move a point along the line."""
        points = list(self.value.points)
        points[index] = _within(x)
        self.edit(replace(self.value, points=tuple(points)), self.tr("point"), merge_key)

    def add_point(self, x: float) -> None:
        """Add a point, behind the others."""
        if len(self.value.points) == MOST_POINTS:
            self.refuse(_tr("There is room for {0} points.").format(MOST_POINTS))
        else:
            self.edit(replace(self.value, points=(*self.value.points, _within(x))), self.tr("new point"))

    def remove_point(self, index: int) -> None:
        """Take a point away."""
        points = self.value.points
        self.edit(replace(self.value, points=points[:index] + points[index + 1 :]), self.tr("removed point"))

    def choose(self, mu: float, sigma: float, merge_key: str = "") -> None:
        """Take another Gaussian."""
        sigma = round(min(max(sigma, SIGMA_LOW), SIGMA_HIGH), 4)
        self.edit(replace(self.value, mu=_within(mu), sigma=sigma), self.tr("Gaussian"), merge_key)

    def begin_again(self) -> None:
        """Take the points and the Gaussian of the start, which is far from the maximum."""
        self.edit(Fitted(), self.tr("points of the start"))

    def go_to_maximum(self) -> None:
        """Take the Gaussian of the largest likelihood."""
        fit = self.value.largest
        if fit is not None:
            self.choose(fit.mu, fit.sigma)

    def why_no_maximum(self) -> str:
        """Why the likelihood has no maximum; empty where it has one."""
        if self.value.largest is not None:
            return ""
        if not self.value.points:
            return _tr("Without points every Gaussian is equally likely. A double click on the line adds one.")
        return _tr("All points are equal: the likelihood grows without bound as σ goes to 0.")


def _within(x: float) -> float:
    return round(min(max(x, LOW), HIGH), 4)


def _tr(text: str) -> str:
    return QCoreApplication.translate("GaussianFit", text)
