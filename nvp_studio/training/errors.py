"""What can go wrong with a run."""

from nvp_studio.memory import is_out_of_memory
from nvp_studio.text import error_line


class RunError(RuntimeError):
    """A run cannot be started, resumed, read or finished; the message is one line that says why."""


class ResumeDataError(RunError):
    """A run is not resumed because of its data; `reason` says why, the message also what to do."""

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(f"{reason}; {advice}")
        self.reason = reason


class DataChangedError(ResumeDataError):
    """The data of a run are not those that it was started with; `reason` says how they differ, with both digests."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            reason,
            "resume with --data PATH if they are elsewhere, or with --force to go on with the data as they are now",
        )


class DataMissingError(ResumeDataError):
    """The data of a run are not where they were, or cannot be read as what the run learns from."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, "resume with --data PATH if they are elsewhere")


class UnfitDataError(RunError):
    """Data that a flow cannot be trained on: there are none, or they have another shape."""


class StoppedError(RunError):
    """Someone asked the run to stop before training began."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"stopped before training began: {reason}")


def failure_line(error: BaseException) -> str:
    """Return why a run failed as one line for a person; lack of memory with what to do about it."""
    if is_out_of_memory(error):
        return "out of memory; take a smaller batch, a smaller flow, or constant memory"
    return error_line(error)
