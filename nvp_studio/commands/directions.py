"""A direction among latents, as it is given on the command line."""

from typing import TYPE_CHECKING

from nvp_studio.commands.console import CommandError

if TYPE_CHECKING:
    from nvp_studio.explore.model import OpenedModel
    from nvp_studio.recipe import Move, Recipe


def find_direction(opened: "OpenedModel", recipe: "Recipe", text: str) -> "int | Move":
    """The model's direction with this number, from 1 on, or this name; "local N": the N-th local one of the picture."""
    from nvp_studio.explore.local_directions import COUNT, local_directions

    names = () if opened.directions is None else opened.directions.names
    if text in names and text:
        return names.index(text)
    if text.isdecimal() and 1 <= int(text) <= len(names):
        return int(text) - 1
    local = text.removeprefix("local ").strip()
    if text.startswith("local ") and local.isdecimal() and 1 <= int(local) <= COUNT:
        return local_directions(opened, recipe).moves[int(local) - 1]
    known = ", ".join(name for name in names if name)
    words = f"there are 1 to {len(names)}, 'local 1' to 'local {COUNT}'" + (f", {known}" if known else "")
    raise CommandError(f"there is no direction {text!r}; {words}")
