"""`nvp-studio gui`: the window."""

from typing import Annotated

import typer


def gui(
    arguments: Annotated[
        list[str] | None, typer.Argument(help="Handed to the window, after `--`, such as `-- --reset-settings`.")
    ] = None,
) -> None:
    """Open the window."""
    from nvp_studio.app import main

    raise typer.Exit(main(arguments or []))
