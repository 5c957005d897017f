"""What can go wrong with a run."""

from nvp_studio.memory import is_out_of_memory
from nvp_studio.text import error_line


class RunError(RuntimeError):
    """A run cannot be started, resumed, read or finished; the message is one line that says why."""


class DataChangedError(RunError):
    """The data of a run are no longer those that it was started with; `change` says so, with both digests."""

    def __init__(self, change: str) -> None:
        super().__init__(f"{change}; resume with --force to go on with the data as they are now")
        self.change = change


class StoppedError(RunError):
    """Someone asked the run to stop before training began."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"stopped before training began: {reason}")


def failure_line(error: BaseException) -> str:
    """Return why a run failed as one line for a person; lack of memory with what to do about it."""
    if is_out_of_memory(error):
        return "out of memory; take a smaller batch, a smaller flow, or constant memory"
    return error_line(error)
