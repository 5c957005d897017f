"""Telling that memory ran out from everything else that can go wrong."""

_SAID = ("out of memory", "can't allocate memory", "not enough memory")
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
    return any(words in text for words in _SAID) or text == _NO_PRIMITIVE
