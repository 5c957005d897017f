"""What was measured of the layers of a flow and found in them, as plain structures that travel to the window."""

from typing import Annotated, Literal

import msgspec

from nvp_studio.explore.ledger_rows import Shape
from nvp_studio.limits import Name, Sentence

MAX_LAYERS = 4096


class LayerHealth(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of a layer; None for what it does not have."""

    layer: Name
    shape: Shape
    mean: float
    deviation: float
    largest: float
    """Of the values after it, in size."""
    slope_low: float | None = None
    slope_high: float | None = None
    """Least and greatest d(y2)/d(x2): exp(s) of an affine coupling, the slopes of splines and mixtures."""
    saturated: float | None = None
    """The part of the s that are near their bound."""
    outside: float | None = None
    """The part of the values outside of the splines' bins."""
    condition: float | None = None
    """Condition number of a channel mixing."""
    dead_channels: float | None = None
    """The part of the feature maps inside a network that are the same at every pixel of every image."""
    inverse_error: float | None = None
    """The largest difference between a value before it and the one that decoding from the latents gives back."""


class Finding(msgspec.Struct, frozen=True):
    """Something worth a person's attention."""

    layer: Name
    level: Literal["note", "problem"]
    text: Sentence
    """A sentence or two: what was found in which layer, and what to do."""


class Health(msgspec.Struct, frozen=True):
    """The layers of a model, and what was found."""

    images: int
    samples: bool
    """Whether the images are samples of the model."""
    layers: Annotated[tuple[LayerHealth, ...], msgspec.Meta(max_length=MAX_LAYERS)]
    findings: Annotated[tuple[Finding, ...], msgspec.Meta(max_length=16 * MAX_LAYERS)]
    """Problems first."""

    @property
    def sound(self) -> bool:
        """Whether nothing that was found is a problem."""
        return not any(one.level == "problem" for one in self.findings)
