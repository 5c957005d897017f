"""One trainer for each run folder: its lock is released when the process that holds it ends, however it ends."""

import time
from pathlib import Path
from typing import Self

from nvp_studio import locks
from nvp_studio.locks import LockFile, NoLocksError
from nvp_studio.training.errors import RunError

_NAME = "run.lock"
_PATIENCE = 1.0
"""Seconds to wait for the lock: a process that only looks whether it is held has it for an instant."""
_POLL_SECONDS = 0.05


class RunLockedError(RunError):
    """Another process trains in this folder; the message says which."""


class RunLock(LockFile):
    """The lock of a run folder, held from entering this context manager to leaving it.

    Entering raises `RunLockedError` while another process holds the lock, and `RunError` where the file system does not
    support locks.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / _NAME)
        self._run = folder.name

    def __enter__(self) -> Self:
        super().__enter__()
        try:
            self._wait()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _wait(self) -> None:
        until = time.monotonic() + _PATIENCE
        try:
            while not self.try_lock():
                if time.monotonic() > until:
                    raise RunLockedError(f"{self._run} is being trained by {self.holder()}")
                time.sleep(_POLL_SECONDS)
        except NoLocksError as error:
            raise RunError(f"{error.strerror}, and a run needs one; choose a folder on another disk") from error


def is_locked(folder: Path) -> bool:
    """Whether a living process trains in `folder`."""
    return locks.is_locked(folder / _NAME)
