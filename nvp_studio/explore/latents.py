"""Mathematics of latents z (N, D), float64 unless the device has none: interpolation, manifold, redrawing, lengths."""

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from nvp_studio.flow.config import Scale

_MIN_SINE = 1e-6
"""Sine of an angle below which two latents are interpolated along the straight line."""
_LEAST_DISTANCE = 1e-3
"""Of two knots of a spline, as a share of the largest distance of latents."""
_AXES = ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))


def between(a: Tensor, b: Tensor, share: float, scales: Sequence[Scale]) -> Tensor:
    """The latent (1, D) that lies `share` of the way from `a` to `b`, both (1, D); 0 and 1 give those to the bit.

    At every scale the direction turns evenly (on the arc, not on the straight line) and the length goes evenly from one
    to the other: the straight line's middle is shorter than any latent that the flow has seen.
    """
    parts = []
    for scale in scales:
        one, other = (z[:, scale.start : scale.stop].double() for z in (a, b))
        of_one, of_other = _weights_between(one, other, share)
        parts.append((of_one * one + of_other * other).to(a.dtype))
    return torch.cat(parts, 1)


def _weights_between(a: Tensor, b: Tensor, share: float) -> tuple[float, float]:
    lengths = float(a.norm()), float(b.norm())
    if 0.0 in lengths:
        return 1 - share, share
    cosine = float((a * b).sum()) / (lengths[0] * lengths[1])
    angle = math.acos(max(-1.0, min(cosine, 1.0)))
    if math.sin(angle) < _MIN_SINE:  # the same way, or the opposite one, between which no arc is the shortest
        return 1 - share, share
    length = (1 - share) * lengths[0] + share * lengths[1]
    return (
        length / lengths[0] * math.sin((1 - share) * angle) / math.sin(angle),
        length / lengths[1] * math.sin(share * angle) / math.sin(angle),
    )


def manifold(corners: Sequence[Tensor], phi: float, phi_prime: float) -> Tensor:
    """A place (1, D) on the manifold through four latents, each (1, D); Dinh et al. 2017, equation 19, section 4.2.

    z = cos(phi) (cos(phi') z1 + sin(phi') z2) + sin(phi) (cos(phi') z3 + sin(phi') z4), the angles in quarter turns.
    Whole numbers give corners to the bit. The squares of the four weights sum to 1, so that corners drawn independently
    from the prior give a latent of the prior.
    """
    (down_cos, down_sin), (right_cos, right_sin) = _cos_sin(phi), _cos_sin(phi_prime)
    weights = (down_cos * right_cos, down_cos * right_sin, down_sin * right_cos, down_sin * right_sin)
    z = torch.zeros_like(corners[0])
    for weight, corner in zip(weights, corners, strict=True):
        if weight:
            z = z + weight * corner
    return z


def _cos_sin(quarter_turns: float) -> tuple[float, float]:
    if quarter_turns == int(quarter_turns):
        return _AXES[int(quarter_turns) % 4]
    angle = quarter_turns * math.pi / 2
    return math.cos(angle), math.sin(angle)


def keep_coarsest(z: Tensor, share: float, others: Tensor) -> Tensor:
    """z (1, D) with the coarsest `share` of its D values, rounded to whole values, and the rest from `others` (1, D).

    Values are in the order of `Flow.encode`: finest scale first, channel by channel within a scale.
    """
    replaced = z.shape[1] - round(share * z.shape[1])
    return torch.cat([others[:, :replaced], z[:, replaced:]], 1)


def with_lengths_of(z: Tensor, before: Tensor, scales: Sequence[Scale]) -> Tensor:
    """z (1, D), at every scale made as long as `before` (1, D) is there; a scale without length stays as it is."""
    parts = []
    for scale in scales:
        part, length = z[:, scale.start : scale.stop], before[:, scale.start : scale.stop].norm()
        now = part.norm()
        parts.append(part * (length / now) if float(now) > 0 else part)
    return torch.cat(parts, 1)


def squared_lengths(z: Tensor, scales: Sequence[Scale]) -> Tensor:
    """|z|^2 at every scale, (N, S) float64 on the CPU, of latents z (N, D)."""
    squares = z.to("cpu", torch.float64) ** 2
    return torch.stack([squares[:, scale.start : scale.stop].sum(1) for scale in scales], 1)


def chi_squared_percent(squared_length: float, dimensions: int) -> float:
    """Percentage of latents from the prior that are shorter in so many dimensions: |z|^2 is chi-squared distributed."""
    half = torch.tensor([dimensions / 2, squared_length / 2], dtype=torch.float64)
    return 100.0 * float(torch.special.gammainc(half[0], half[1]))


def on_spline(
    points: tuple[Tensor, Tensor, Tensor, Tensor], share: float, scales: Sequence[Scale], *, keep_length: bool = True
) -> Tensor:
    """The latent (1, D) `share` of the way from the second to the third of four latents (1, D); 0 and 1 give those.

    A centripetal Catmull-Rom spline by the recurrence of Barry and Goldman (SIGGRAPH 1988): knots are as far apart as
    the square roots of the distances of their latents. With `keep_length` the length at every scale then goes evenly
    from the second's to the third's, as in `between`.
    """
    _, a, b, _ = points
    if share in (0.0, 1.0):
        return b if share else a
    z = [point.double() for point in points]
    distances = [float((other - one).norm()) for one, other in itertools.pairwise(z)]
    least = max(distances) * _LEAST_DISTANCE or 1.0  # latents that are equal
    knots = [0.0]
    for distance in distances:
        knots.append(knots[-1] + math.sqrt(max(distance, least)))
    place = knots[1] + share * (knots[2] - knots[1])
    for left, right in (((0, 1, 2), (1, 2, 3)), ((0, 1), (2, 3)), ((1,), (2,))):
        z = [
            ((knots[end] - place) * one + (place - knots[begin]) * other) / (knots[end] - knots[begin])
            for one, other, begin, end in zip(z, z[1:], left, right, strict=False)
        ]
    if not keep_length:
        return z[0].to(a.dtype)
    parts = []
    for scale in scales:
        part, one, other = (tensor[:, scale.start : scale.stop].double() for tensor in (z[0], a, b))
        length = (1 - share) * float(one.norm()) + share * float(other.norm())
        now = float(part.norm())
        parts.append(part * (length / now) if now > 0 else part)
    return torch.cat(parts, 1).to(a.dtype)
