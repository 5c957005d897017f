"""Work that reports its progress to a function, as steps between which others are served."""

import threading
from collections.abc import Callable, Generator
from typing import TypeVar

Result = TypeVar("Result")


class _AbandonedError(Exception):
    """Raised within work that nobody waits for any more."""


def stepped(work: Callable[[Callable[[int, int], None]], Result]) -> Generator[tuple[int, int], None, Result]:
    """Yield what `work` reports (done, total), and return what it returns; what it raises is raised here.

    It runs in a thread that waits at each report until the next value is asked for, so that never more than one of both
    computes. It ends at its next report when the generator is closed.
    """
    go, came = threading.Semaphore(0), threading.Semaphore(0)
    reports: list[tuple[int, int]] = []
    results: list[Result] = []
    errors: list[BaseException] = []
    abandoned = threading.Event()

    def report(done: int, total: int) -> None:
        if abandoned.is_set():  # it reports once more while it clears away
            raise _AbandonedError
        reports.append((done, total))
        came.release()
        go.acquire()
        if abandoned.is_set():
            raise _AbandonedError

    def run() -> None:
        go.acquire()
        try:
            results.append(work(report))
        except _AbandonedError:
            pass
        except BaseException as error:
            errors.append(error)
        came.release()

    thread = threading.Thread(target=run, name="stepped", daemon=True)
    thread.start()
    try:
        while True:
            go.release()
            came.acquire()
            if errors:
                raise errors[0]
            if not reports:
                return results[0]
            yield reports.pop()
    finally:
        abandoned.set()
        go.release()
        thread.join()
