"""A picture at every layer of a flow, as plain structures that travel to the window."""

from typing import Annotated, Literal

import msgspec

from nvp_studio.explore.ledger_rows import Ledger, Shape
from nvp_studio.image_batch import ImageBatch
from nvp_studio.limits import Name

Aspect = Literal["values", "log-derivatives", "shifts", "mask", "inputs"]
"""What may be shown of a stage; only couplings have others than values."""
BINS = 50
MAX_STAGES = 4096


class InspectedStage(msgspec.Struct, frozen=True, kw_only=True):
    """A layer and the values after it."""

    layer: Name
    shape: Shape
    """Of the tensor after it."""
    low: float
    high: float
    """The range of the values that its picture shows, from black to white."""
    mean: float
    deviation: float
    least: float
    most: float
    histogram: Annotated[tuple[float, ...], msgspec.Meta(max_length=256)]
    """The density of the values after it in `BINS` bins of equal width; values beyond the ends are in none."""
    bins_low: float
    bins_high: float
    coupling: int
    """Which of the couplings it is, in the pictures of their parameters; -1 for another layer."""
    parameters: int
    """How many trained parameters it has."""
    flops: int
    """Floating-point operations of its convolutions for one image, two for each multiplication and addition."""
    scale: int
    """From 1, finest first; 0 before the first scale."""
    mask: Literal["", "checkerboard", "channels", "pixels"]
    """Of a coupling."""
    law: Literal["", "affine", "spline", "levels"]
    """Of a coupling: what it does to a value."""

    @property
    def scale_range(self) -> float:
        """The pictures of its log-derivatives go from minus to plus this."""
        return LEVELS_SCALE_RANGE if self.law == "levels" else SCALE_RANGE


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one picture: its ledger, and the stages, the picture's pixels first.

    Stage i + 1 belongs to row i of the ledger; rows after the last stage belong to no layer. Pictures have the size of
    the images, or of every `step`-th row and column of them.
    """

    ledger: Ledger
    stages: Annotated[tuple[InspectedStage, ...], msgspec.Meta(max_length=MAX_STAGES)]
    values: ImageBatch
    """One image for each stage: its values, laid back onto the pixels."""
    log_derivatives: ImageBatch
    """One image for each coupling, over its `InspectedStage.scale_range`; s of an affine coupling."""
    shifts: ImageBatch
    """t of each coupling, from -`SHIFT_RANGE` to `SHIFT_RANGE`; a mixture over grey levels has none."""
    masks: ImageBatch
    """0 where a coupling's values stay, 255 where they change, 128 where they are latents already."""
    step: int
    reference_mean: float | None
    """Mean bits/dim of the reference images; None where the model has none."""


SCALE_RANGE = 2.0
LEVELS_SCALE_RANGE = 12.0
"""Of a mixture over grey levels: a level of the probability P is stretched by 256 P, and more where z is far from 0."""
SHIFT_RANGE = 4.0
VALUE_RANGE = 4.0
"""Of the values from the logit on: four standard deviations of the prior."""
STAYS, LEFT, CHANGES = 0, 128, 255
"""Values of `Inspection.masks`."""
