"""Locks on files. The operating system releases a lock when its process ends, however it ends."""

import errno
import os
import sys
import time
from pathlib import Path
from typing import Self

_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
"""Errors of file systems without locks."""
_HOLDER_BYTES = 200
"""Bytes of a lock file that are read to learn who holds it."""
_LOOK_AGAIN = 0.005
"""Seconds until a lock that is held is looked at again: whoever looks holds it for an instant."""


class NoLocksError(OSError):
    """A lock cannot be had, for another reason than that somebody holds it; `strerror` is one line that says why."""


class LockFile:
    """A file that one process at a time can lock, and which says which process that is.

    Used as a context manager: entering opens the file at `path`, made where there is none, and leaving closes it,
    which releases the lock. The file itself stays, for removing it would let two processes hold a lock of one name.
    Raises `OSError` where the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def __enter__(self) -> Self:
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self._descriptor)
        self._descriptor = -1

    def try_lock(self) -> bool:
        """Take the lock without waiting; False while another process, or another `LockFile`, holds it.

        Raises `NoLocksError`.
        """
        if not _lock(self._descriptor, self._path):
            return False
        try:
            # The first byte is the locked one, which Windows lets no other process read.
            os.ftruncate(self._descriptor, 0)
            os.write(self._descriptor, f"\nprocess {os.getpid()} since {time.strftime('%Y-%m-%d %H:%M:%S')}\n".encode())
        except OSError:
            pass  # a full disk: the lock holds, only its holder has no name
        return True

    def holder(self) -> str:
        """The process that holds the lock, or held it last, in words ("process 7 since 2026-01-31 12:00:00")."""
        os.lseek(self._descriptor, 1 if os.name == "nt" else 0, os.SEEK_SET)
        return os.read(self._descriptor, _HOLDER_BYTES).decode(errors="replace").strip() or "another process"


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock of the file at `path`; False where there is no such file."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        if _lock(descriptor, path):
            return False
        time.sleep(_LOOK_AGAIN)
        return not _lock(descriptor, path)
    except OSError:
        return False  # where there are no locks, nobody holds one
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> bool:
    try:
        return _system_lock(descriptor)
    except OSError as error:
        reason = f"the file {path} cannot be locked ({error.strerror})"
        if error.errno in _NO_LOCKS:
            reason = f"the file system of {path.parent} does not support locks ({error.strerror})"
        raise NoLocksError(error.errno, reason) from error


if sys.platform == "win32":

    def _system_lock(descriptor: int) -> bool:
        from filelock import lock_descriptor  # takes 30 ms to import, which the start of the window need not wait for

        return lock_descriptor(descriptor, blocking=False)

else:

    def _system_lock(descriptor: int) -> bool:
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # alone means that somebody holds it: EACCES says that it is forbidden
            return False
        return True
