"""What can go wrong with a run."""


class RunError(RuntimeError):
    """A run cannot be started, resumed, read or finished; the message is one line that says why."""
