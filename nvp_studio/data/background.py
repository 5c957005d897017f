"""Work that cannot be interrupted, done in a thread, so that its caller can go on, tell of it, and give it up."""

import threading
from collections.abc import Callable, Generator
from contextlib import closing
from typing import TypeVar

from nvp_studio.data.options import Progress

Result = TypeVar("Result")

_TELL_SECONDS = 0.1


class GivenUpError(Exception):
    """Nobody waits for the result any more."""


def in_thread(call: Callable[[Progress], Result], seconds: float) -> Generator[None, None, Result]:
    """Yield None each so many seconds until `call` has ended; returns or raises what it does.

    Closing the generator leaves the thread to itself. From then on the `Progress` that `call` gets raises, so that it
    ends as soon as it tells of anything.
    """
    results: list[Result] = []
    errors: list[BaseException] = []
    ended, given_up = threading.Event(), threading.Event()

    def progress(done: int, total: int, description: str) -> None:
        if given_up.is_set():
            raise GivenUpError

    def run() -> None:
        try:
            results.append(call(progress))
        except BaseException as error:
            errors.append(error)
        ended.set()

    threading.Thread(target=run, name="background", daemon=True).start()
    try:
        while not ended.wait(seconds):
            yield None
        if errors:
            raise errors[0]
        return results[0]
    finally:
        given_up.set()
        errors.clear()  # an error holds this frame, and what is open in its own


def while_told(call: Callable[[], Result], progress: Progress, description: str) -> Result:
    """Return or raise what `call` does, and tell `progress` of it meanwhile; what that raises gives it up."""
    with closing(in_thread(lambda _: call(), _TELL_SECONDS)) as steps:
        while True:
            try:
                next(steps)
            except StopIteration as end:
                result: Result = end.value
                return result
            progress(0, 0, description)
