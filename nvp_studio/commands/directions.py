"""`nvp-studio direction`: a person's own directions; and how other commands find a direction that is named."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nvp_studio.commands.console import (
    CommandError,
    DeviceOption,
    JsonOption,
    ModelOption,
    print_columns,
    print_json,
    say,
)
from nvp_studio.commands.on_ranks import open_on_rank
from nvp_studio.text import error_line

if TYPE_CHECKING:
    from nvp_studio.direction_file import OwnDirection
    from nvp_studio.explore.model import OpenedModel
    from nvp_studio.recipe import Move, Recipe


def direction(
    name: Annotated[str, typer.Argument(help="What the direction is called.")] = "",
    start: Annotated[
        list[Path] | None,
        typer.Option("--from", help="Pictures of group A: a file, folder or archive; may be given several times."),
    ] = None,
    end: Annotated[list[Path] | None, typer.Option("--to", help="Pictures of group B, to which it leads.")] = None,
    model: ModelOption = "",
    show: Annotated[bool, typer.Option("--list", help="List the model's directions of your own.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the direction of this name.")] = False,
    taken: Annotated[
        Path | None, typer.Option("--import", help="Add the directions of this file to those of the model.")
    ] = None,
    given: Annotated[
        Path | None, typer.Option("--export", help="Write the model's directions to this file, for others.")
    ] = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Make a direction from one group of pictures to another, which Explore and `render --sweep NAME` move along.

    It is half of the difference between the means of the groups' latents; where both have 20 pictures or more, it is
    the normal of a linear classifier. It is kept in a file beside the model.

    **Examples**

    `nvp-studio direction smile --from serious/ --to smiling/ --model runs/faces`

    `nvp-studio direction --export mine.directions.json --model runs/faces`
    """
    from nvp_studio.direction_file import direction_file, free_name, merged, read_directions, write_directions
    from nvp_studio.explore.own_directions import make_direction, read_own_directions, read_pictures

    if sum((show, remove, taken is not None, given is not None, bool(start or end))) != 1:
        raise typer.BadParameter("give --from and --to, or one of --list, --remove, --import and --export")
    if (start or end) and not (start and end and name):
        raise typer.BadParameter("a direction needs a name, --from and --to")
    opened = open_on_rank(model, device)
    try:
        kept = read_own_directions(opened)
        if given is not None:
            write_directions(given, kept)
        elif taken is not None:
            if not taken.is_file():
                raise CommandError(f"{taken}: there is no such file")
            kept = merged(kept, read_directions(taken, opened.flow.config.dimensions))
        elif remove:
            if all(one.name != name for one in kept):
                raise CommandError(f"there is no direction {name!r} of your own")
            kept = tuple(one for one in kept if one.name != name)
        elif start and end:
            if name != free_name(name, kept):
                raise CommandError(f"there is a direction {name!r} already; remove it, or choose another name")
            made = make_direction(opened, name, read_pictures(opened, start), read_pictures(opened, end))
            kept = (*kept, made)
        if not (show or given):
            write_directions(direction_file(opened.path, opened.digest), kept)
    except (OSError, ValueError) as error:
        raise CommandError(error_line(error)) from error
    _print(opened, kept, json)


def _print(opened: "OpenedModel", kept: "tuple[OwnDirection, ...]", json: bool) -> None:
    if json:
        facts = [
            {"name": one.name, "pictures": one.pictures, "method": one.method, "checkpoint": one.checkpoint}
            for one in kept
        ]
        print_json({"model": opened.path, "directions": facts})
    elif kept:
        rows = [[one.name, f"{one.pictures[0]} to {one.pictures[1]} pictures", one.method] for one in kept]
        print_columns([["name", "made of", "method"], *rows])
    else:
        say("the model has no directions of your own")


def find_direction(opened: "OpenedModel", recipe: "Recipe", text: str) -> "int | Move":
    """The model's direction with this number, from 1 on, or this name; one of a person's own by its name.

    "local N" is the N-th local one of the picture.
    """
    from nvp_studio.explore.local_directions import COUNT, find_local_directions
    from nvp_studio.explore.own_directions import read_own_directions

    names = () if opened.directions is None else opened.directions.names
    if text in names and text:
        return names.index(text)
    if text.isdecimal() and 1 <= int(text) <= len(names):
        return int(text) - 1
    local = text.removeprefix("local ").strip()
    if text.startswith("local ") and local.isdecimal() and 1 <= int(local) <= COUNT:
        return find_local_directions(opened, recipe).moves[int(local) - 1]
    try:
        own = {one.name: one.move for one in read_own_directions(opened)}
    except (OSError, ValueError) as error:
        raise CommandError(f"the directions of your own cannot be read: {error_line(error)}") from error
    if text in own:
        return own[text]
    known = ", ".join([*(name for name in names if name), *own])
    numbered = f"1 to {len(names)}, " if names else ""
    words = f"there are {numbered}'local 1' to 'local {COUNT}'" + (f", {known}" if known else "")
    raise CommandError(f"there is no direction {text!r}; {words}")
