"""`nvp-studio gui` and `nvp-studio worker`: the window, and the process that computes for it."""

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


def worker(
    send_model: Annotated[
        bool,
        typer.Option("--send-model", help="Write the model of the run named on stdin to stdout, and end."),
    ] = False,
) -> None:
    """Compute for a window, which starts this process itself and exchanges messages with it on stdin and stdout."""
    if send_model:
        from nvp_studio.worker import send_model as sender

        raise typer.Exit(sender.main())
    from nvp_studio.worker.server import main

    main()
