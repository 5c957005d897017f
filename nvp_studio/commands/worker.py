"""`nvp-studio worker`: the process that computes for a window, on stdin and stdout."""

from typing import Annotated

import typer


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
