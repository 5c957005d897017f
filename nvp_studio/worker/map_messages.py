"""The messages of Explore's map of many images."""

from typing import Annotated, Literal

import msgspec

from nvp_studio.image_batch import ImageBatch
from nvp_studio.limits import Name, PathText
from nvp_studio.recipe import Space

MOST_IMAGES = 10_000
_Number = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]


class MakeMap(msgspec.Struct, frozen=True, tag="make-map"):
    """Lay out training images in two dimensions: `Comparing` as it goes on, then `MapMade`."""

    data: PathText = ""
    """The name of a data set or a path; empty: the model's own data."""
    space: Space = "x"
    method: Literal["pca", "umap"] = "pca"
    count: Annotated[int, msgspec.Meta(ge=3, le=MOST_IMAGES)] = 2000


class MapMade(msgspec.Struct, frozen=True, tag="map-made"):
    """Last answer to `MakeMap`; see `explore.image_map.ImageMap` for what the numbers mean."""

    title: Name
    """Of the data."""
    request: MakeMap
    numbers: Annotated[tuple[_Number, ...], msgspec.Meta(max_length=MOST_IMAGES)]
    places: Annotated[bytes, msgspec.Meta(max_length=8 * MOST_IMAGES)]
    """(N, 2) float32, little-endian: to the right and upwards."""
    thumbnails: ImageBatch
    shares: Annotated[tuple[float, ...], msgspec.Meta(max_length=2)]
    total: int
    """Training images of the data."""

    def __post_init__(self) -> None:
        if not len(self.numbers) == len(self.places) / 8 == self.thumbnails.shape[0]:
            raise ValueError("a map has other numbers of images and places")


class ReadKnown(msgspec.Struct, frozen=True, tag="read-known"):
    """Read training images, by their numbers: `Comparing` where the data are loaded first, then `KnownRead`."""

    data: PathText
    numbers: Annotated[tuple[_Number, ...], msgspec.Meta(max_length=500)]


class KnownRead(msgspec.Struct, frozen=True, tag="known-read"):
    """Last answer to `ReadKnown`."""

    title: Name
    numbers: Annotated[tuple[_Number, ...], msgspec.Meta(max_length=500)]
    images: ImageBatch
    """At the model's size."""


MapRequest = MakeMap | ReadKnown
MapAnswer = MapMade | KnownRead
