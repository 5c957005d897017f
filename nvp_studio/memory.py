"""Recognizing errors that mean lack of memory."""

_MESSAGES = ("out of memory", "can't allocate memory", "not enough memory")
_NO_PRIMITIVE = "could not create a primitive"
"""The whole message of oneDNN when there is no memory for a convolution; other errors of it have more text."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the error means lack of memory: Python's `MemoryError`, or torch's error, on a CPU a plain RuntimeError.

    Errors of this project, which are subclasses, are never taken for it, whatever their message.
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if type(error) is not RuntimeError:
        return False
    text = str(error).lower()
    return any(words in text for words in _MESSAGES) or text == _NO_PRIMITIVE
