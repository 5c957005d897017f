"""The messages of Explore's tools that compare with known images: neighbours of a picture."""

from typing import Annotated

import msgspec

from nvp_studio.image_batch import ImageBatch
from nvp_studio.limits import Name, PathText
from nvp_studio.recipe import Recipe, Space

MAX_COUNT = 64
"""Most neighbours of one request."""


class FindNeighbours(msgspec.Struct, frozen=True, tag="find-neighbours"):
    """Find the training images nearest to `recipe`'s picture: `Comparing` as it goes on, then `NeighboursFound`."""

    recipe: Recipe
    data: PathText = ""
    """The name of a data set or a path; empty: the model's own data."""
    space: Space = "x"
    count: Annotated[int, msgspec.Meta(ge=1, le=MAX_COUNT)] = 8


class Comparing(msgspec.Struct, frozen=True, tag="comparing"):
    """Of a request about known images: so much of a part of the work is done; of a total of 0: not known yet."""

    work: Name
    """"loading" the data, or what `explore.neighbours.Step` names."""
    done: int
    total: int


class NeighboursFound(msgspec.Struct, frozen=True, tag="neighbours-found"):
    """Last answer to `FindNeighbours`; see `explore.neighbours.Neighbours` for what the numbers mean."""

    title: Name
    """Of the data."""
    space: Space
    images: ImageBatch
    """The neighbours, nearest first."""
    numbers: Annotated[tuple[int, ...], msgspec.Meta(max_length=MAX_COUNT)]
    """Which of the training images they are, from 0."""
    distances: Annotated[tuple[float, ...], msgspec.Meta(max_length=MAX_COUNT)]
    percent: float
    """Percentage of the held-out images that are as near to a training image."""
    held: int
    """How many these are."""
    tested: bool
    """Whether they are test images; else validation images."""
    typical: float
    """The median of their distances."""
    near: bool
    """Whether the picture may be a copy."""
    known: bool
    """Whether it is a training image."""
    searched: int
    """Training images that were compared."""
    total: int
    """Training images of the data."""


NeighbourRequest = FindNeighbours
NeighbourAnswer = Comparing | NeighboursFound
