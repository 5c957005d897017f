"""A process for decoding, as the process sees it that gives it files."""

import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import nvp_studio
from nvp_studio.data.decode_limits import MEMORY_BYTES, MEMORY_EXIT, SECONDS
from nvp_studio.data.decode_process import Batch, Job, Ready, Result, Want, decode_result, framed, take_frames


@dataclass(frozen=True)
class Page:
    """A page, counted from 0, of a file, which is a path or content."""

    file: str | os.PathLike[str] | bytes
    number: int


Source = str | os.PathLike[str] | bytes | Page
"""A path, the content of a file, or a page."""

AHEAD = 128
"""Files that a process is given at a time, if it is fast."""
_FIRST_AHEAD = 8
"""Files that it is given at a time at first; twice as many each time that it had none left."""
_PIPE_BYTES = 4096
"""What every system's pipes hold, so that writing does not wait for a process that is decoding."""
_WIDE_PIPE_BYTES = 2**20
"""What pipes are made to hold, where the system lets them."""
_JOB_BYTES = 64
"""About what a job takes beside its path and content, in a message and in the message's own part."""
_WALL_SECONDS = 60.0 if sys.platform != "win32" else SECONDS
"""Time for a file after which the process is ended, whatever it did in it."""
_START_SECONDS = 60.0
_READ_BYTES = 2**18
_FEW_TASKS = 4
_GATHER_SECONDS = 0.001
"""While a process has more than few tasks, its results are gathered so long: waking for each costs as much as a small
file."""
_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",  # threads take addresses
    "OMP_NUM_THREADS": "1",
    # glibc gives memory back after each image otherwise, and gets it anew for the next, which takes half of the time.
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(32 * 2**20),
}
# The path of this package comes last: it is found without, where it is installed.
_CODE = "import sys; sys.path.append(sys.argv[1]); from nvp_studio.data.decode_process import main; main()"


@dataclass(eq=False, slots=True)
class Task:
    """A file on its way through the processes."""

    source: Source
    result: Result | None = None
    seconds: float = 0.0
    """The time of computing that it was given."""
    content: bytes = field(init=False, default=b"")
    job: Job = field(init=False)
    message_bytes: int = field(init=False)
    """At most how many bytes are written for it."""

    def __post_init__(self) -> None:
        source, page = (self.source.file, self.source.number) if isinstance(self.source, Page) else (self.source, None)
        if isinstance(source, bytes):
            self.content = source
            self.job = Job(b"", len(source), page)
        else:
            self.job = Job(os.fsencode(_absolute(os.fspath(source))), 0, page)
        self.message_bytes = len(self.job.path) + len(self.content) + _JOB_BYTES


def _absolute(path: str) -> str:
    return path if path.startswith("/") and os.sep == "/" else os.path.abspath(path)


class Process:
    """A process for decoding; its results arrive in a thread."""

    def __init__(self, arrived: threading.Condition) -> None:
        self.tasks: deque[Task] = deque()
        """What it was given and has not answered, in order."""
        self.results: deque[bytes] = deque()
        self.ended = self.overdue = False
        self.ready_since = math.inf
        """When it was ready; infinite while it starts."""
        self.since = time.monotonic()
        """When its first task began."""
        self._ahead = _FIRST_AHEAD
        self._given_bytes = 0
        """Of the tasks, which are perhaps in the pipe still."""
        self._arrived = arrived
        root = Path(nvp_studio.__file__).resolve().parent.parent
        self._popen = subprocess.Popen(
            [sys.executable, "-P", "-c", _CODE, str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=root,  # it keeps no other folder in use
            env={**os.environ, **_ENVIRONMENT},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            start_new_session=True,
        )
        self._pipe_bytes = _widen(self._popen)
        threading.Thread(target=self._receive, name="decoded images", daemon=True).start()

    @property
    def ready(self) -> bool:
        """Whether it takes tasks at once."""
        return self.ready_since < math.inf

    def give(self, unsent: deque[Task], want: Want, seconds: float) -> bool:
        """Send the first of the `unsent` tasks, as many as it is to have now, and remove them; whether there were any.

        Of all the same is wanted, and each may take so many seconds of computing. Never waits for a process that is
        decoding.
        """
        assert self._popen.stdin is not None
        if self.ended or self._popen.stdin.closed or 2 * len(self.tasks) > self._ahead:
            return False
        waits = self.ready and not self.tasks
        room = self._pipe_bytes - self._given_bytes
        tasks: list[Task] = []
        while unsent and 2 * len(tasks) < self._ahead:
            room -= unsent[0].message_bytes
            if room < 0 and not (waits and not tasks):
                break
            tasks.append(unsent.popleft())
        if not tasks:
            return False
        if not self.tasks:
            self.since = time.monotonic()
        self.tasks += tasks
        for task in tasks:
            task.seconds = seconds
            self._given_bytes += task.message_bytes
        with suppress(OSError):  # it has ended, which is seen by its results
            self._popen.stdin.write(framed(Batch(want, seconds, [task.job for task in tasks])))
            for task in tasks:
                self._popen.stdin.write(task.content)
            self._popen.stdin.flush()
        return True

    def take_results(self) -> None:
        """Hand the results that have arrived to their tasks."""
        if not self.results:
            return
        self.since = time.monotonic()
        while self.results:
            result = decode_result(self.results.popleft())
            if isinstance(result, Ready):
                self.ready_since = self.since
            elif self.tasks:
                task = self.tasks.popleft()
                task.result = result
                self._given_bytes -= task.message_bytes
                if not self.tasks:
                    self._ahead = min(2 * self._ahead, AHEAD)

    def begin(self) -> None:
        """Forget how fast the files of another list were."""
        self._ahead = _FIRST_AHEAD

    def check_time(self) -> None:
        """End the process if it is overdue."""
        limit = _WALL_SECONDS if self.ready else _START_SECONDS
        if self.tasks and time.monotonic() - self.since > limit:
            self.overdue = True
            self.end()

    def end(self) -> None:
        """End the process at once, and wait for that."""
        self._popen.kill()
        self.exit_status()

    def exit_status(self) -> int:
        """Wait for its end, and return its exit status."""
        assert self._popen.stdin is not None
        with suppress(OSError):
            self._popen.stdin.close()
        return self._popen.wait()

    def took_too_long(self) -> bool:
        """Whether it ended, or was ended, because of the time that its first task took."""
        if sys.platform == "win32":  # whose processes are not ended by the signal of a limit
            return self.overdue
        return self.overdue or self.exit_status() == -signal.SIGPROF

    def reason(self) -> str:
        """Why it ended at its first task, as the reason of that file."""
        status = self.exit_status()
        if self.took_too_long():
            return f"takes more than {self.tasks[0].seconds:.0f} seconds to decode"
        if status == MEMORY_EXIT:
            return f"takes more than {MEMORY_BYTES / 2**30:.0f} GB of memory to decode"
        with suppress(ValueError):
            return f"ends the decoder ({signal.Signals(-status).name})"
        return f"ends the decoder (exit status {status})"

    def _receive(self) -> None:
        assert self._popen.stdout is not None
        received = bytearray()
        with self._popen.stdout as file, suppress(OSError):
            while data := os.read(file.fileno(), _READ_BYTES):
                received += data
                if frames := take_frames(received):
                    with self._arrived:
                        self.results.extend(frames)
                        self._arrived.notify_all()
                if len(self.tasks) > _FEW_TASKS:
                    time.sleep(_GATHER_SECONDS)
        with self._arrived:
            self.ended = True
            self._arrived.notify_all()


def _widen(process: "subprocess.Popen[bytes]") -> int:
    """Let the pipes of a process hold more, where that is possible; returns what may be in that to it at a time."""
    if sys.platform != "linux":
        return _PIPE_BYTES
    import fcntl

    assert process.stdin is not None
    assert process.stdout is not None
    for pipe in (process.stdin, process.stdout):
        with suppress(OSError):  # beyond what a user may have
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _WIDE_PIPE_BYTES)
    return max(_PIPE_BYTES, fcntl.fcntl(process.stdin, fcntl.F_GETPIPE_SZ) // 2)  # which are whole pages
