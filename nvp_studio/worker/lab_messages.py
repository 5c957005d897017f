"""The messages of the page Lab in two dimensions. A worker keeps one experiment: the one that was built last."""

from typing import Annotated

import msgspec

from nvp_studio.lab.settings import LabSettings
from nvp_studio.lab.stages import Points, Stages
from nvp_studio.limits import BatchBytes, Names, PathText, Scores, Sentence

DATA_HALF = 3.0
"""Half of the side of the square of data about zero that is shown, whose density is drawn."""
NOISE_HALF = 4.0
"""The same for latents."""


class LabLook(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted of an experiment; 0: nothing of the kind."""

    samples: Annotated[int, msgspec.Meta(ge=0, le=20_000)] = 1000
    density: Annotated[int, msgspec.Meta(ge=0, le=400)] = 64
    """Cells along a side of the square of data."""
    grid: Annotated[int, msgspec.Meta(ge=0, le=120)] = 60
    """Cells along a side of the grid that is pushed through the layers."""
    cloud: Annotated[int, msgspec.Meta(ge=0, le=5000)] = 500
    """Points of data (of latents where the grid is one of them) that are pushed with the grid."""
    from_noise: bool = False
    """Whether the grid is one of latents, pushed to data, and not one of data."""


class LabBuild(msgspec.Struct, frozen=True, kw_only=True, tag="lab-build"):
    """Begin an experiment: answered by `LabBuilt`."""

    experiment: Annotated[int, msgspec.Meta(ge=0)]
    """A number by which the window knows it."""
    settings: LabSettings
    points: Points = Points()
    """A person's, where the settings ask for them."""


class LabTrain(msgspec.Struct, frozen=True, kw_only=True, tag="lab-train"):
    """Take training steps, for some time or so many, whichever ends first; answered by `LabView`."""

    experiment: int
    milliseconds: Annotated[int, msgspec.Meta(ge=0, le=5000)] = 80
    steps: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 10_000
    """At most; 0 to look alone."""
    look: LabLook = LabLook()


class LabPush(msgspec.Struct, frozen=True, kw_only=True, tag="lab-push"):
    """Lead points of a stage through the layers in both directions: answered by `LabPushed`."""

    experiment: int
    points: Points
    stage: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 0


class LabRead(msgspec.Struct, frozen=True, tag="lab-read"):
    """Read the points of a CSV file, or points in the dark pixels of an image file: answered by `LabPoints`."""

    path: PathText


class LabBuilt(msgspec.Struct, frozen=True, kw_only=True, tag="lab-built"):
    """Answer to `LabBuild`."""

    experiment: int
    note: Sentence
    """What was left out of the points."""
    parameters: int
    layers: Names
    """What each layer is."""
    data: Points
    """Some of the data."""


class LabView(msgspec.Struct, frozen=True, kw_only=True, tag="lab-view"):
    """Answer to `LabTrain`: what was asked for, by the averaged weights."""

    experiment: int
    steps: int
    """Taken so far."""
    losses: Scores
    """Mean of -log p over its batch in nats, of each step since the last view."""
    samples: Points
    density_side: Annotated[int, msgspec.Meta(ge=0, le=400)]
    density: BatchBytes
    """float32: log p in nats in the middles of the cells, row by row, lowest y first; empty where not asked for."""
    grid: Stages | None
    cloud: Stages | None

    def __post_init__(self) -> None:
        if len(self.density) != 4 * self.density_side**2:
            raise ValueError(f"a density of {self.density_side} cells along a side does not fit its bytes")


class LabPushed(msgspec.Struct, frozen=True, kw_only=True, tag="lab-pushed"):
    """Answer to `LabPush`."""

    experiment: int
    stages: Stages
    log_density: Scores
    """log p at the places of the points in data space, in nats."""


class LabPoints(msgspec.Struct, frozen=True, kw_only=True, tag="lab-points"):
    """Answer to `LabRead`: points moved and scaled into the square that is shown."""

    path: PathText
    points: Points
    note: Sentence


LabRequest = LabBuild | LabTrain | LabPush | LabRead
LabAnswer = LabBuilt | LabView | LabPushed | LabPoints
