"""Work that cannot be interrupted, done in a thread, so that its caller can go on, tell of it, and give it up."""

import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, wait
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
    result: Future[Result] = Future()
    given_up = threading.Event()

    def progress(done: int, total: int, description: str) -> None:
        if given_up.is_set():
            raise GivenUpError

    def run() -> None:
        try:
            result.set_result(call(progress))
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=run, name="background", daemon=True).start()
    try:
        while not wait([result], seconds).done:
            yield None
        return result.result()
    finally:
        given_up.set()


def while_told(call: Callable[[], Result], progress: Progress, description: str) -> Result:
    """Return or raise what `call` does, and tell `progress` of it meanwhile; what that raises gives it up."""
    steps = in_thread(lambda _: call(), _TELL_SECONDS)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
        progress(0, 0, description)
