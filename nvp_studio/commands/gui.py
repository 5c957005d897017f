"""`nvp-studio gui`: the window."""

import os
import sys
from typing import Annotated

import typer

from nvp_studio.commands.console import CommandError


def gui(
    arguments: Annotated[
        list[str] | None, typer.Argument(help="Handed to the window, after `--`, such as `-- --reset-settings`.")
    ] = None,
) -> None:
    """Open the window."""
    display = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    if sys.platform == "linux" and not any(os.environ.get(name) for name in display):
        raise CommandError("no display, so no window can open; without one use train, sample, encode, decode, score")
    from nvp_studio.app import main

    raise typer.Exit(main(arguments or []))
