"""Locks on open files that the operating system drops when their holder ends, however it ends."""

import os
import sys

if sys.platform == "win32":
    import msvcrt

    def try_lock(descriptor: int, *, shared: bool) -> bool:
        """Lock the open file `descriptor` without waiting, and say whether that worked."""
        # Locked bytes cannot be read by others, so the lock is on a byte far behind the holder's name.
        os.lseek(descriptor, 1 << 30, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
        return True

else:
    import fcntl

    def try_lock(descriptor: int, *, shared: bool) -> bool:
        """Lock the open file `descriptor` without waiting, and say whether that worked."""
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
