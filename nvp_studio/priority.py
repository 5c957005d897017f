"""Letting other processes of the machine go first."""

import os
import sys
from contextlib import suppress

_NICENESS = 10
"""Beside a process of ordinary priority, one of this niceness gets a tenth of a core."""
_BELOW_NORMAL = 0x4000
"""Windows' BELOW_NORMAL_PRIORITY_CLASS."""


def yield_to_others() -> None:
    """Lower the priority of this thread and of threads and processes that it starts, on Windows of the whole process.

    Nothing happens where the system refuses.
    """
    if sys.platform == "win32":
        import ctypes

        kernel = ctypes.windll.kernel32
        kernel.SetPriorityClass(kernel.GetCurrentProcess(), _BELOW_NORMAL)
    else:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, max(_NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))
