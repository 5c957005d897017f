"""Gaussians and mixtures of them in few dimensions, fitted to vectors; bounded in size, however many there are."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from nvp_studio.scores.measures import Floats

MAX_NUMBERS = 24_000
"""Most numbers of the principal components of one Gaussian."""


@dataclass(frozen=True)
class Principal:
    """A Gaussian over vectors of d numbers: of its own variance along q principal components, of one beside them."""

    mean: Floats
    """(d,)."""
    components: Floats
    """(q, d), orthonormal rows."""
    variance: Floats
    """(q,), along the components, shrunk a little towards their mean."""
    rest: float
    """Variance along every other direction."""

    @classmethod
    def fit(cls, vectors: Floats, most: int) -> Self:
        """Fit to vectors (n, d), with at most `most` components, fewer for few or long vectors."""
        count, size = vectors.shape
        mean = vectors.mean(0)
        centred = vectors - mean
        kept = max(1, min(most, MAX_NUMBERS // size, count // 4, size))
        # Whichever of the two products is smaller has the components.
        if size <= count:
            values, rows = np.linalg.eigh(centred.T @ centred / count)
            components = rows[:, ::-1][:, :kept].T
        else:
            values, columns = np.linalg.eigh(centred @ centred.T / count)
            components = (centred.T @ columns[:, ::-1][:, :kept]).T
            components /= np.maximum(np.linalg.norm(components, axis=1, keepdims=True), 1e-12)
        variance = np.maximum(values[::-1][:kept], 0)
        whole = float(centred.var(0).sum())
        least = 1e-6 * max(whole / size, 1e-12)
        # Not below the rounding errors of components that were kept in float32.
        rest = max((whole - float(variance.sum())) / max(size - kept, 1), 1e-3 * whole / size, least)
        return cls(mean, components, 0.9 * variance + 0.1 * max(whole / size, least), rest)

    def project(self, vectors: Floats) -> tuple[Floats, Floats]:
        """Coordinates (N, q) of vectors (N, d) along the components, and the squared length (N,) beside them."""
        centred = vectors - self.mean
        inside = centred @ self.components.T
        return inside, np.maximum((centred**2).sum(1) - (inside**2).sum(1), 0)

    def distance(self, vectors: Floats) -> Floats:
        """Mahalanobis distance (N,) of vectors (N, d)."""
        inside, beside = self.project(vectors)
        distance: Floats = np.sqrt((inside**2 / self.variance).sum(1) + beside / self.rest)
        return distance


@dataclass(frozen=True)
class Mixture:
    """A mixture of K Gaussians over vectors of q numbers."""

    log_weights: Floats
    """(K,), logarithms of shares that sum up to 1."""
    means: Floats
    """(K, q)."""
    whitening: Floats
    """(K, q, q): matrices W, lower triangular, with W covariance W' = 1."""

    @classmethod
    def fit(cls, vectors: Floats, count: int, rounds: int = 40, seed: int = 0) -> Self:
        """Fit `count` Gaussians to vectors (n, q) by expectation maximization, from k-means++ centres."""
        generator = np.random.default_rng(seed)
        spread = vectors.var(0).mean() + 1e-12
        centres = [vectors[generator.integers(len(vectors))]]
        for _ in range(count - 1):
            nearest = np.min([((vectors - centre) ** 2).sum(1) for centre in centres], 0) + 1e-12
            centres.append(vectors[generator.choice(len(vectors), p=nearest / nearest.sum())])
        distances = np.stack([((vectors - centre) ** 2).sum(1) for centre in centres], 1)
        shares = np.eye(count)[distances.argmin(1)]
        mixture = cls._maximized(vectors, shares, 1e-3 * spread)
        for _ in range(rounds if count > 1 else 0):
            joint = mixture._joint(vectors)
            shares = np.exp(joint - np.logaddexp.reduce(joint, 1)[:, np.newaxis])
            mixture = cls._maximized(vectors, shares, 1e-3 * spread)
        return mixture

    @classmethod
    def _maximized(cls, vectors: Floats, shares: Floats, least: float) -> Self:
        """The mixture that fits vectors (n, q) best, of which component k has the shares (n, k)."""
        sizes = shares.sum(0) + 1e-9
        means = shares.T @ vectors / sizes[:, np.newaxis]
        size = vectors.shape[1]
        whole = np.cov(vectors.T, ddof=0).reshape(size, size)
        factors = []
        for mean, share, number in zip(means, shares.T, sizes, strict=True):
            centred = vectors - mean
            own = (share[:, np.newaxis] * centred).T @ centred / number
            trust = number / (number + size)  # a component of few vectors takes its covariance from all
            covariance = trust * own + (1 - trust) * whole + least * np.eye(size)
            factors.append(np.linalg.inv(np.linalg.cholesky(covariance)))
        return cls(np.log(sizes / sizes.sum()), means, np.stack(factors))

    def _joint(self, vectors: Floats) -> Floats:
        """(N, K): log of weight times density."""
        parts = []
        for weight, mean, factor in zip(self.log_weights, self.means, self.whitening, strict=True):
            white = (vectors - mean) @ factor.T
            scale = np.log(np.abs(np.diag(factor))).sum()
            parts.append(weight + scale - 0.5 * (white**2).sum(1) - 0.5 * vectors.shape[1] * math.log(2 * math.pi))
        return np.stack(parts, 1)

    def log_density(self, vectors: Floats) -> Floats:
        """Log-density (N,) of vectors (N, q) in nats."""
        result: Floats = np.logaddexp.reduce(self._joint(vectors), 1)
        return result
