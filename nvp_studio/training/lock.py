"""One trainer for each run folder: a lock that the operating system drops when its holder ends, however it ends."""

import os
import time
from pathlib import Path
from types import TracebackType

from nvp_studio.locks import try_lock
from nvp_studio.training.errors import RunError

_NAME = "run.lock"
_PATIENCE = 1.0
"""Seconds to wait for the lock: someone who only looks whether it is held has it for an instant."""


class RunLockedError(RunError):
    """Another process trains in this folder; the message says which."""


class RunLock:
    """The lock on a run folder, as a context manager that raises `RunLockedError` when another process holds it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _NAME
        self._descriptor: int | None = None

    def __enter__(self) -> "RunLock":
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        patience = time.monotonic() + _PATIENCE
        while not try_lock(descriptor, shared=False):
            if time.monotonic() > patience:
                holder = os.read(descriptor, 200).decode(errors="replace").strip()
                os.close(descriptor)
                raise RunLockedError(f"{self._path.parent.name} is being trained by {holder or 'another process'}")
            time.sleep(0.05)
        try:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"process {os.getpid()} since {time.strftime('%Y-%m-%d %H:%M:%S')}\n".encode())
        except OSError:
            pass  # a full disk: the lock holds, only its holder has no name
        self._descriptor = descriptor
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def is_locked(folder: Path) -> bool:
    """Whether a living process trains in `folder`."""
    try:
        descriptor = os.open(folder / _NAME, os.O_RDWR)
    except OSError:
        return False
    try:
        return not try_lock(descriptor, shared=True)
    finally:
        os.close(descriptor)
