"""The ledger of an image as plain structures: a row for each layer, and their total, which is the score."""

from typing import Annotated

import msgspec

from nvp_studio.limits import Name

Shape = tuple[int, int, int]
"""(channels, height, width) of a tensor."""


class LedgerRow(msgspec.Struct, frozen=True):
    """What a layer adds to the log-probability of an image."""

    layer: Name
    nats: float
    """Its log-determinant; of a prior its log-density of the latents that leave there."""
    bits_per_dim: float
    """What it adds to the score: -nats / (D ln 2)."""
    shape: Shape | None
    """Of the tensor after it; None for what is no layer."""


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of an image, first layer to last; they add up to the total within rounding of float64."""

    rows: Annotated[tuple[LedgerRow, ...], msgspec.Meta(max_length=4096)]
    nats: float
    """The log-probability of the 8-bit image."""
    bits_per_dim: float
    """The score that `nvp-studio score` gives the image."""
    samples: int
    seed: int


class BaselineRow(msgspec.Struct, frozen=True):
    """What a layer adds to the scores of many images."""

    layer: Name
    bits_per_dim: float
    """Their mean."""
    spread: float
    """Their standard deviation."""


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of the ledgers of the images that a model was validated on: what is usual in each row."""

    model: Name
    """SHA-256 of the model's checkpoint, hexadecimal."""
    source: Name
    """Where the images are from, for a person."""
    images: int
    rows: Annotated[tuple[BaselineRow, ...], msgspec.Meta(max_length=4096)]


def cumulative(rows: tuple[LedgerRow, ...], digits: int) -> list[tuple[float, float]]:
    """(bits/dim, sum so far) of each row with so many decimals, rounded so that what is shown adds up exactly.

    A row is the difference of two rounded sums: it may differ from its own rounding by one in the last digit.
    """
    shown: list[tuple[float, float]] = []
    total = before = 0.0
    for row in rows:
        total += row.bits_per_dim
        after = round(total, digits)
        shown.append((round(after - before, digits), after))
        before = after
    return shown
