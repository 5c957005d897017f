"""One trainer for each run folder: its lock is released when the process that holds it ends, however it ends."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from nvp_studio import locks
from nvp_studio.locks import LockFile, NoLocksError
from nvp_studio.training.errors import RunError

_NAME = "run.lock"
_PATIENCE = 1.0
"""Seconds to wait for the lock: a process that only looks whether it is held has it for an instant."""
_POLL_SECONDS = 0.05


class RunLockedError(RunError):
    """Another process trains in this folder; the message says which."""


@contextmanager
def run_lock(folder: Path, keep_waiting: Callable[[str], bool] = lambda reason: False) -> Iterator[None]:
    """Hold the lock of a run folder.

    While another process holds it, `keep_waiting` is called once a second, with who it is, and may raise. Raises
    `RunLockedError` when it says no, and `RunError` where the folder cannot have a lock.
    """
    until = time.monotonic() + _PATIENCE
    with LockFile(folder / _NAME) as lock:
        try:
            while not lock.try_lock():
                if time.monotonic() > until:
                    if not keep_waiting(reason := f"{folder.name} is being trained by {lock.holder()}"):
                        raise RunLockedError(reason)
                    until = time.monotonic() + _PATIENCE
                time.sleep(_POLL_SECONDS)
        except NoLocksError as error:
            raise RunError(f"{error.strerror}, and a run needs one; choose a folder on another disk") from error
        yield


def is_locked(folder: Path) -> bool:
    """Whether a living process trains in `folder`."""
    return locks.is_locked(folder / _NAME)
