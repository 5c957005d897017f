"""What `nvp-studio render` changes of a recipe first, as the sliders and tools of Explore do."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from nvp_studio.commands.console import CommandError, say
from nvp_studio.commands.directions import find_direction
from nvp_studio.commands.pictures import read_recipe
from nvp_studio.recipe import Recipe, Seed
from nvp_studio.text import printable

if TYPE_CHECKING:
    from nvp_studio.explore.model import OpenedModel
    from nvp_studio.recipe import Source

_SEED = "seed:"
"""Before the number, in the place of a file: the sample of that seed."""
_MAX_SEED = 2**63 - 1


def seed_of(picture: str) -> int | None:
    """The seed that is named in the place of a file, None where a file is."""
    number = picture.removeprefix(_SEED)
    if number == picture:
        return None
    if not number.isdecimal() or int(number) > _MAX_SEED:
        raise CommandError(f"{printable(picture)}: a sample is named by its seed, such as seed:7")
    return int(number)


def first_recipe(opened: "OpenedModel", picture: Path) -> Recipe:
    """The recipe in a file, of a sample, or of an image that holds none, by its pixels."""
    from nvp_studio.explore.mixing import new_sample
    from nvp_studio.explore.pictures import read_picture

    seed = seed_of(str(picture))
    if seed is not None:
        return new_sample(opened, seed)
    if picture.suffix.lower() == ".json":
        return read_recipe(opened, picture)
    read = read_picture(opened, picture)
    if read.unusable:
        raise CommandError(f"{printable(str(picture))} holds no usable recipe ({'; '.join(read.notes)})")
    for note in read.notes:
        say(note)
    return read.recipe


def between(opened: "OpenedModel", recipe: Recipe, others: Sequence[str], place: str) -> Recipe:
    """The picture between that of `recipe` and one or three others, at "SHARE" or "RIGHT,DOWN"."""
    from nvp_studio.explore.mixing import mix

    parts = [_number(part, place) for part in place.split(",")]
    if len(parts) > 2:
        raise ValueError(f"the place {place} is not a share, such as 0.3, or a place such as 0.2,0.7")
    return mix(opened, recipe, [_source(opened, other) for other in others], (parts[0], parts[-1]))


def with_scales(opened: "OpenedModel", recipe: Recipe, takes: Sequence[str]) -> Recipe:
    """The recipe with scales of other pictures, each "SCALE=PICTURE"; scale 1 is the finest."""
    scales = len(opened.flow.scales)
    for take in takes:
        number, equals, other = take.partition("=")
        if not (equals and number.strip().isdecimal() and 1 <= int(number) <= scales):
            raise ValueError(f"{take}: give SCALE=PICTURE, with a scale from 1, the finest, to {scales}")
        recipe = recipe.with_scale(int(number) - 1, _source(opened, other))
    return recipe


def with_moves(opened: "OpenedModel", recipe: Recipe, moves: Sequence[str], locks: Sequence[str] = ()) -> Recipe:
    """The recipe with moves along directions, each "DIRECTION=OFFSET", and these directions locked.

    Local ones are those of `recipe`.
    """
    start = recipe
    wanted: list[tuple[str, float | None]] = [(lock, None) for lock in locks]
    for move in moves:
        name, equals, offset = move.rpartition("=")
        if not equals:
            raise ValueError(f"{move}: give DIRECTION=OFFSET, such as 3=1.5")
        wanted.append((name, _number(offset, move)))
    for name, value in wanted:
        direction = find_direction(opened, start, name)
        if isinstance(direction, int):
            recipe = recipe.with_locked(direction, True) if value is None else recipe.with_offset(direction, value)
            continue
        there = next((one for one in recipe.moves if one.vector == direction.vector), direction)
        change = {"locked": True} if value is None else {"offset": value}
        recipe = recipe.with_move(msgspec.structs.replace(there, **change))
    return recipe


def with_temperatures(opened: "OpenedModel", recipe: Recipe, values: Sequence[float]) -> Recipe:
    """The recipe with one temperature for all scales, or one for each, finest first."""
    scales = len(opened.flow.scales)
    return recipe.with_temperatures(list(values) * scales if len(values) == 1 else values)


def _source(opened: "OpenedModel", picture: str) -> "Source":
    from nvp_studio.data.images import ImageError
    from nvp_studio.explore.mixing import read_image

    seed = seed_of(picture)
    if seed is not None:
        return Seed(seed)
    try:
        return read_image(opened, picture)
    except (ImageError, OSError) as error:
        raise CommandError(f"{printable(picture)}: {error}") from error


def _number(text: str, whole: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{whole}: {text!r} is not a finite number")
    return number
