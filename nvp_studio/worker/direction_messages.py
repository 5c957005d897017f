"""The messages of Explore's directions: those of a picture, a person's own, and previews of moves along them."""

from typing import Annotated

import msgspec

from nvp_studio.direction_file import OwnDirection
from nvp_studio.image_batch import ImageBatch
from nvp_studio.limits import Name, PathText
from nvp_studio.recipe import MAX_MOVES, Move, Recipe


class FindDirections(msgspec.Struct, frozen=True, tag="find-directions"):
    """Find what can change most from `recipe`'s picture: `Working` after steps, then `DirectionsFound`."""

    recipe: Recipe


class DirectionsFound(msgspec.Struct, frozen=True, tag="directions-found"):
    """Last answer to `FindDirections`: the direction that changes most first."""

    moves: Annotated[tuple[Move, ...], msgspec.Meta(max_length=MAX_MOVES)]
    grey_levels: Annotated[tuple[float, ...], msgspec.Meta(max_length=MAX_MOVES)]
    """By how much an offset of 1 changes the picture: the root of the mean square, of 256 levels."""


class Preview(msgspec.Struct, frozen=True, tag="preview"):
    """Decode recipes in short steps while nothing else is to be done: answered by `Previewed` in the same order."""

    recipes: Annotated[tuple[Recipe, ...], msgspec.Meta(max_length=1024)]


class Previewed(msgspec.Struct, frozen=True, tag="previewed"):
    """Answer to `Preview`."""

    images: ImageBatch


class ReadPictures(msgspec.Struct, frozen=True, tag="read-pictures"):
    """Read image files, folders and archives as recipes: answered by `PicturesRead`."""

    paths: Annotated[tuple[PathText, ...], msgspec.Meta(max_length=10_000)]


class PicturesRead(msgspec.Struct, frozen=True, tag="pictures-read"):
    """Answer to `ReadPictures`."""

    recipes: Annotated[tuple[Recipe, ...], msgspec.Meta(max_length=1000)]


class MakeDirection(msgspec.Struct, frozen=True, tag="make-direction"):
    """Make a direction from the pictures of `a` to those of `b`: `Working` after each, then `DirectionMade`."""

    name: Name
    a: Annotated[tuple[Recipe, ...], msgspec.Meta(max_length=1000)]
    b: Annotated[tuple[Recipe, ...], msgspec.Meta(max_length=1000)]


class DirectionMade(msgspec.Struct, frozen=True, tag="direction-made"):
    """Last answer to `MakeDirection`."""

    direction: OwnDirection


DirectionRequest = FindDirections | Preview | ReadPictures | MakeDirection
DirectionAnswer = DirectionsFound | Previewed | PicturesRead | DirectionMade
