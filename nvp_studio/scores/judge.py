"""The verdict: several views of an image, each compared with reference images, combined and calibrated on others.

Each view is a number that is large for unusual images. What it says is its surprise, -ln p with p the share of the
reference images that have a larger one; beyond the highest tenth p falls exponentially. The combined distance of an
image is the sum of its surprises (Fisher's combination). Views depend on each other, so that sum has no distribution
known in advance: its p-value is a conformal one, the rank of the image among calibration images that took no part in
anything fitted (Vovk et al. 2005). For an image that is exchangeable with them P(p <= a) <= a, whatever the views are
worth.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nvp_studio.score_row import Verdict, reasons_at, verdict_at
from nvp_studio.scores.gaussians import Principal
from nvp_studio.scores.measures import Floats, Images, Measures
from nvp_studio.scores.shapes import ShapeModel

VIEWS = ("statistics", "complexity", "coarse", "shape", "turned")
"""The views, in the order of their columns."""
TAIL = 0.1
"""The share of the largest values that a tail is fitted to."""


@dataclass(frozen=True)
class Numbers:
    """A Gaussian over the statistics of images, F numbers each (`statistics`)."""

    mean: Floats
    """(F,)."""
    deviation: Floats
    """(F,)."""
    whitening: Floats
    """(F, F): W with W R W' = 1, R the correlation."""

    @classmethod
    def fit(cls, values: Floats) -> "Numbers":
        """Fit to statistics (n, F), with the correlation shrunk towards none, the more the fewer images."""
        count, size = values.shape
        mean = values.mean(0)
        deviation = np.maximum(values.std(0), 1e-3 * np.abs(mean) + 1e-6)
        standard = (values - mean) / deviation
        trust = count / (count + size)
        correlation = trust * (standard.T @ standard / count) + (1 - trust + 1e-4) * np.eye(size)
        return cls(mean, deviation, np.linalg.inv(np.linalg.cholesky(correlation)))

    def standard(self, values: Floats) -> Floats:
        """(N, F): how many deviations statistics are above the mean."""
        result: Floats = (values - self.mean) / self.deviation
        return result

    def distance(self, values: Floats) -> Floats:
        """Mahalanobis distance (N,) of statistics (N, F)."""
        distance: Floats = np.sqrt(((self.standard(values) @ self.whitening.T) ** 2).sum(1))
        return distance


def statistics(measures: Measures) -> Floats:
    """(N, F), F = 4 + 2 S.

    Bits/dim, log-determinant over D, WebP's bits/dim and their logarithm, the mean of z² at each scale, the logarithm
    of the mean of z⁴ at each scale.
    """
    webp = measures.webp_bits
    few = [measures.first_bits, measures.log_det / measures.dimensions, webp, np.log(webp)]
    return np.column_stack([*few, measures.squares, np.log(measures.fourths + 1e-12)])


@dataclass(frozen=True)
class Judgement:
    """What is said of N images."""

    views: Floats
    """(N, V), the values of `VIEWS`."""
    surprises: Floats
    """(N, V): -ln p of each view."""
    distance: Floats
    """(N,): the sum of the surprises; what images are ranked by."""
    p_value: Floats
    """(N,): conformal; small is unusual. At least 1 / (n + 1) with n calibration images."""
    typicality: Floats
    """(N,): two-sided conformal p-value of the bits/dim alone; an image may be too likely."""
    verdict: tuple[Verdict, ...]
    """N times ``typical``, ``unusual`` or ``far outside``."""
    reasons: tuple[tuple[str, ...], ...]
    """N times why the verdict is not ``typical``, in words; the strongest reason first."""
    log_tail: Floats
    """(N,): ln of the p-value that the tail fitted to the calibration images gives."""
    causes: tuple[tuple[tuple[str, float], ...], ...]
    """N times (reason, surprise) of the views that are more unusual than half of the images, the strongest first."""


@dataclass(frozen=True)
class Judge:
    """The views with all that they compare with."""

    numbers: Numbers
    coarse: Principal
    shape: ShapeModel
    views: Floats
    """(V, m): sorted values of each view for the images that statistics were fitted to."""
    calibration: Floats
    """(n,): sorted distances of the calibration images."""
    bits_per_dim: Floats
    """(n,): sorted bits/dim of the calibration images."""
    subject: str = "the training images"
    """What reasons compare with."""

    def view_values(self, measures: Measures, images: Images) -> Floats:
        """(N, V) for the images (N, H, W, C) that were measured."""
        shape, turned = self.shape.score(images)
        columns: Mapping[str, Floats] = {
            "statistics": self.numbers.distance(statistics(measures)),
            "complexity": measures.complexity,
            "coarse": self.coarse.distance(measures.coarse),
            "shape": shape,
            "turned": turned,
        }
        return np.column_stack([columns[name] for name in VIEWS])

    def surprises(self, values: Floats) -> Floats:
        """-ln p (N, V) of the values of views (N, V)."""
        return np.column_stack([-log_tail(known, column) for known, column in zip(self.views, values.T, strict=True)])

    @property
    def least_rate(self) -> float:
        """The lowest false-alarm rate that as many calibration images as there are can keep."""
        return 1 / (len(self.calibration) + 1)

    def judge(self, measures: Measures, images: Images, rate: float = 0.01) -> Judgement:
        """Judge measured images (N, H, W, C).

        `rate` in (0, 1): the share of images like the calibration images that will be called unusual. Where these are
        too few for it, `least_rate` holds instead.
        """
        if not 0 < rate < 1:
            raise ValueError(f"the false-alarm rate must lie between 0 and 1, not {rate}")
        rate = max(rate, self.least_rate)
        views = self.view_values(measures, images)
        surprises = self.surprises(views)
        distance = surprises.sum(1)
        p_value = conformal(self.calibration, distance)
        tail = log_tail(self.calibration, distance)
        verdict = tuple(verdict_at(p, ln_p, rate) for p, ln_p in zip(p_value.tolist(), tail.tolist(), strict=True))
        standard = self.numbers.standard(statistics(measures))
        causes = tuple(self._causes(surprises[index], standard[index], views[index]) for index in range(len(images)))
        reasons = tuple(
            () if said == "typical" else reasons_at(found, rate) for said, found in zip(verdict, causes, strict=True)
        )
        bits = measures.first_bits
        two_sided = 2 * np.minimum(conformal(self.bits_per_dim, bits), conformal(-self.bits_per_dim[::-1], -bits))
        two_sided = np.minimum(two_sided, 1)
        return Judgement(views, surprises, distance, p_value, two_sided, verdict, reasons, tail, causes)

    def _causes(self, surprises: Floats, standard: Floats, views: Floats) -> tuple[tuple[str, float], ...]:
        order = np.argsort(-surprises)
        strong = [index for index in order if surprises[index] > np.log(2)] or [order[0]]
        return tuple((self._reason(VIEWS[index], standard, views[index]), float(surprises[index])) for index in strong)

    def _reason(self, view: str, standard: Floats, value: float) -> str:
        """What a view has noticed by its `value`, in words; `standard`: the statistics in deviations from the mean."""
        webp = standard[3]  # the logarithm tells images that are simpler from simple ones best
        if view == "complexity":
            return (
                f"much simpler than {self.subject}"
                if webp < -2
                else "the model describes it worse than a general image format does"
            )
        if view == "statistics":
            if webp < -3:
                return f"much simpler than {self.subject}"
            if webp > 3:
                return f"much more detail than {self.subject} have"
            return "texture the model has not seen" if standard[0] > -2 else "more predictable texture than is usual"
        return {
            "coarse": "coarse shape unlike any",
            "shape": f"shape and brightness unlike those of {self.subject}",
            "turned": "fits better turned or upside down" if value > 0 else "fits about as well turned or upside down",
        }[view]


def conformal(known: Floats, values: Floats) -> Floats:
    """(1 + the number of `known`, sorted (n,), that are at least as large) / (n + 1) for values (N,)."""
    result: Floats = (1 + len(known) - np.searchsorted(known, values, side="left")) / (len(known) + 1)
    return result


def log_tail(known: Floats, values: npt.NDArray[np.float64]) -> Floats:
    """ln p (N,): as `conformal`, but beyond the highest tenth of `known` (n,) an exponential tail of their excesses."""
    start = known[min(len(known) - 1, round((1 - TAIL) * len(known)))]
    beyond = known[known > start] - start
    mean = float(beyond.mean()) if len(beyond) else 0.0
    mean = max(mean, 1e-6 * (1 + abs(float(start))))
    log_p: Floats = np.where(
        values > start,
        np.log(TAIL) - (values - start) / mean,
        np.maximum(np.log(conformal(known, values)), np.log(TAIL)),
    )
    return log_p
