"""`nvp-studio worker`: the process that computes for a window, on stdin and stdout."""


def worker() -> None:
    """Serve a window on stdin and stdout; the window starts this itself.

    Useful by hand only as the far end of a connection, so that a laptop's window computes on another machine.
    """
    from nvp_studio.worker.server import main

    main()
