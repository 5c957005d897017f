"""What can go wrong with a run."""


class RunError(RuntimeError):
    """A run cannot be started, resumed, read or finished; the message is one line that says why."""


class DataChangedError(RunError):
    """The data of a run are no longer those that it was started with; `change` says so, with both digests."""

    def __init__(self, change: str) -> None:
        super().__init__(f"{change}; resume with --force to go on with the data as they are now")
        self.change = change


_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")
_NO_PRIMITIVE = "could not create a primitive"
"""What oneDNN says when it finds no memory for a convolution; of what it cannot compute it says more."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory could not be had: Python's error, or what torch raises instead, on a CPU a plain RuntimeError.

    Errors of our own have their words already, whatever these say of memory.
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if type(error) is not RuntimeError:
        return False
    text = str(error).lower()
    return any(words in text for words in _OUT_OF_MEMORY) or text == _NO_PRIMITIVE


class StoppedError(RunError):
    """Someone asked the run to stop before training began."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"stopped before training began: {reason}")
