"""What can go wrong with a run."""


class RunError(RuntimeError):
    """A run cannot be started, resumed, read or finished; the message is one line that says why."""


class StoppedError(RunError):
    """Someone asked the run to stop before training began."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"stopped before training began: {reason}")
