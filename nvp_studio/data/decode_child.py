"""A process for decoding, as the process sees it that gives it files."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

import nvp_studio
from nvp_studio.data.decode_limits import MEMORY_BYTES, MEMORY_EXIT, SECONDS
from nvp_studio.data.decode_process import Ready, Result, Want, take_frames


@dataclass(frozen=True)
class Page:
    """A page of a file, counted from 0."""

    path: str | os.PathLike[str]
    number: int


Source = str | os.PathLike[str] | bytes | Page
"""A path, the content of a file, or a page."""

AHEAD = 16
"""Files that a process is given at a time."""
_PIPE_BYTES = 4096
"""What every system's pipes hold, so that writing does not wait for a process that is decoding."""
_WALL_SECONDS = 60.0 if sys.platform != "win32" else SECONDS
"""Time for a file after which the process is ended, whatever it did in it."""
_START_SECONDS = 60.0
_READ_BYTES = 2**18
_FEW_TASKS = 4
_GATHER_SECONDS = 0.001
"""While a process has more than few tasks, its results are gathered so long: waking for each costs as much as a small
file."""
# The path of this package comes last: it is found without, where it is installed.
_CODE = "import sys; sys.path.append(sys.argv[1]); from nvp_studio.data.decode_process import main; main()"


@dataclass(eq=False)
class Task:
    """A file on its way through the processes."""

    source: Source
    want: Want
    result: Result | None = None

    @property
    def file(self) -> str | os.PathLike[str] | bytes:
        """The path or the content."""
        return self.source.path if isinstance(self.source, Page) else self.source

    @property
    def page(self) -> int | None:
        """The page, None where that is not said."""
        return self.source.number if isinstance(self.source, Page) else None

    @property
    def content_bytes(self) -> int:
        """The size of the content, 0 for a path."""
        return len(self.source) if isinstance(self.source, bytes) else 0


class Process:
    """A process for decoding; its results arrive in a thread."""

    def __init__(self, arrived: threading.Condition) -> None:
        self.tasks: deque[Task] = deque()
        """What it was given and has not answered, in order."""
        self.results: deque[bytes] = deque()
        self.ready = self.ended = self.overdue = False
        self.since = time.monotonic()
        """When its first task began."""
        self._given_bytes: deque[int] = deque()
        self._arrived = arrived
        root = Path(nvp_studio.__file__).resolve().parent.parent
        self._popen = subprocess.Popen(
            [sys.executable, "-P", "-c", _CODE, str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=root,  # it keeps no other folder in use
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},  # threads take addresses
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            start_new_session=True,
        )
        threading.Thread(target=self._receive, name="decoded images", daemon=True).start()

    def has_room(self, message_bytes: int) -> bool:
        """Whether a message can be written without waiting."""
        assert self._popen.stdin is not None
        if len(self.tasks) >= AHEAD or self.ended or self._popen.stdin.closed:
            return False
        return sum(self._given_bytes) + message_bytes <= _PIPE_BYTES or (self.ready and not self.tasks)

    def give(self, task: Task, message: bytes, content: bytes) -> None:
        """Write a task for the process, which gets it at the next `flush` at the latest."""
        assert self._popen.stdin is not None
        if not self.tasks:
            self.since = time.monotonic()
        self.tasks.append(task)
        self._given_bytes.append(len(message))
        with suppress(OSError):  # it has ended, which is seen by its results
            self._popen.stdin.write(message)
            self._popen.stdin.write(content)

    def flush(self) -> None:
        """Send what was given, unless the process was ended: `ended` is set some time after."""
        assert self._popen.stdin is not None
        if not self._popen.stdin.closed:
            with suppress(OSError):
                self._popen.stdin.flush()

    def take_results(self) -> None:
        """Hand the results that have arrived to their tasks."""
        while self.results:
            result = msgspec.msgpack.decode(self.results.popleft(), type=Result)
            self.since = time.monotonic()
            if isinstance(result, Ready):
                self.ready = True
            elif self.tasks:
                self.tasks.popleft().result = result
                self._given_bytes.popleft()

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

    def reason(self, seconds: float) -> str:
        """Why it ended at its first task, as the reason of that file."""
        status = self.exit_status()
        if self.took_too_long():
            return f"takes more than {seconds:.0f} seconds to decode"
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
