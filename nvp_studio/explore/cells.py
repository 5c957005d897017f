"""What a layer does to single values, as plain structures that travel to the window."""

from typing import Annotated, Literal

import msgspec

Points = Annotated[tuple[float, ...], msgspec.Meta(max_length=4096)]

CURVE_RANGE = 6.0
"""The curves of values are drawn from minus to plus this: the splines' bins and a sixth more of straight line."""


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """A value that a layer was given, and of a coupling the map that it applied to it: y = q(x) exp(s) + t.

    q is the value's spline, of an affine coupling x itself. A mixture over grey levels has no s and t: its map is that
    of x from 0 to 1 to z, given the colours before it in the pixel.
    """

    state: Literal["changes", "stays", "left", "value"]
    """Of a coupling: a value that stays is seen by the network; one that is a latent already (``left``) is only shown.
    Both have no map. Of another layer: ``value``."""
    before: float
    after: float
    slope: float
    """d(after)/d(before)."""
    scale: float
    """s, which of a spline coupling is that of the affine map after the spline."""
    shift: float
    """t."""
    x: Points
    y: Points
    """Points of the map, with x from -`CURVE_RANGE` to `CURVE_RANGE`, of a mixture from 0 to 1; empty where the value
    has none."""
    knots_x: Points
    knots_y: Points
    """Between the bins of a spline, or the ends of the probable grey levels of a mixture; empty for an affine map."""
    components: int = 0
    """How many logistic distributions a mixture has; 0 for another map."""
    probability: float = 0.0
    """What a mixture gives the value's grey level."""
