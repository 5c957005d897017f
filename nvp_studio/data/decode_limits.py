"""Limits that a process for decoding sets itself, so that they hold in C code and when its parent has ended.

On Linux the kernel refuses memory beyond the limit. Elsewhere a thread looks at the use of memory and ends the
process. Time is that of computing where the system can measure it, so that a busy machine refuses no file that a quiet
one reads.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import NoReturn

MEMORY_BYTES = 2**30
"""Beyond what the process uses at its start."""
SECONDS = 10.0
"""Of computing for one file."""
MEMORY_EXIT = 77
"""Exit status of a process that ended itself because it used too much memory."""

_LOOK_SECONDS = 0.1


def limit_memory() -> None:
    """Limit the memory of this process to `MEMORY_BYTES` more than now; on Linux it leaves no core file either."""
    if sys.platform == "linux":
        import resource

        addresses = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        wanted = addresses + MEMORY_BYTES
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    else:
        threading.Thread(target=watch_memory, args=(peak_bytes() + MEMORY_BYTES,), daemon=True).start()


def watch_memory(most: int) -> NoReturn:
    """End this process as soon as it has used more than `most` bytes."""
    while True:
        if peak_bytes() > most:
            os._exit(MEMORY_EXIT)
        time.sleep(_LOOK_SECONDS)


def peak_bytes() -> int:
    """The most memory that this process has used."""
    if sys.platform == "win32":
        return _windows_peak_bytes()
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def limit_time(seconds: float) -> None:
    """End this process by a signal (SIGPROF) after this time of computing; 0 ends the limit. Not on Windows."""
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _windows_peak_bytes() -> int:
    import ctypes

    class Counters(ctypes.Structure):
        _fields_ = (
            ("size", ctypes.c_uint32),
            ("page_faults", ctypes.c_uint32),
            *((name, ctypes.c_size_t) for name in ("peak", "now", "paged_peak", "paged", "other_peak", "other")),
            ("page_file", ctypes.c_size_t),
            ("page_file_peak", ctypes.c_size_t),
        )

    counters = Counters()
    counters.size = ctypes.sizeof(counters)
    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore] # only on Windows
    kernel.GetCurrentProcess.restype = ctypes.c_void_p
    process = ctypes.c_void_p(kernel.GetCurrentProcess())
    kernel.K32GetProcessMemoryInfo(process, ctypes.byref(counters), counters.size)
    return int(counters.page_file_peak)
