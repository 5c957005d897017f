"""`nvp-studio worker`: the process that computes for a window, on stdin and stdout."""


def worker() -> None:
    """Compute for a window: the window starts this itself and speaks to it on stdin and stdout."""
    from nvp_studio.worker.server import main

    main()
