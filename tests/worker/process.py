"""A real worker process for tests, connected by pipes."""

import os
import queue
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any, Protocol, TypeVar

import msgspec

from nvp_studio.worker.compiling_messages import Compiled
from nvp_studio.worker.framing import encode, read_messages
from nvp_studio.worker.messages import PROTOCOL, Failed, Hello, Reply, Welcome, WorkerMessage

ROOT = Path(__file__).parents[2]
HANG_SECONDS = 90.0
"""No next answer on a busy machine takes this long unless the worker hangs."""
EXPECT_SECONDS = 120.0
"""Nor does the answer that a test expects, however many others come before it; less than a test may take in all."""
_MAX_TOLD = 20

Kind = TypeVar("Kind")


class Process(Protocol):
    """What tests use of a process."""

    pid: int

    def send_signal(self, number: int) -> None: ...
    def kill(self) -> None: ...
    def wait(self, timeout: float | None = None) -> int: ...


class ForkedProcess:
    """A worker that was forked from a process that has torch, instead of one that imports it."""

    def __init__(self, stdin: Connection, stdout: Connection, stderr_file: Path) -> None:
        from tests.forked import context

        self._process = context.Process(target=_serve, args=(stdin, stdout, str(stderr_file), dict(os.environ)))
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("worker", timeout or 0)
        return self._process.exitcode


def _serve(stdin: Connection, stdout: Connection, stderr_file: str, environment: dict[str, str]) -> None:
    """Be the process that ``python -m nvp_studio.worker`` is."""
    from nvp_studio.worker.server import main

    os.environ.update(environment)
    os.dup2(stdin.fileno(), 0)
    os.dup2(stdout.fileno(), 1)
    os.dup2(os.open(stderr_file, os.O_WRONLY), 2)
    stdin.close()
    stdout.close()
    main()


class WorkerProcess:
    """A worker process with its answers in a queue and its stderr in a file."""

    def __init__(self, folder: Path, *, forked: bool = False) -> None:
        """``python -m nvp_studio.worker``, or a process `forked` to be the same."""
        self.stderr_file = folder / "stderr.txt"
        self.stderr_file.touch()
        self.process, self._stdin, self._stdout = self._forked() if forked else self._started()
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._deaf = False
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _started(self) -> tuple[Process, IO[bytes], IO[bytes]]:
        with open(self.stderr_file, "wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "nvp_studio.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                cwd=ROOT,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )
        assert process.stdin is not None
        assert process.stdout is not None
        return process, process.stdin, process.stdout

    def _forked(self) -> tuple[Process, IO[bytes], IO[bytes]]:
        (stdin, to_worker), (from_worker, stdout) = os.pipe(), os.pipe()
        with Connection(stdin, writable=False) as reading, Connection(stdout, readable=False) as writing:
            process = ForkedProcess(reading, writing, self.stderr_file)
        return process, open(to_worker, "wb", 0), open(from_worker, "rb", 0)

    def _read(self) -> None:
        for answer in read_messages(self._stdout.fileno(), WorkerMessage):
            if not isinstance(answer, Compiled):  # which comes at any moment
                self._answers.put(answer)
            if self._deaf:
                self._stdout.close()
                break
        self._answers.put(None)

    def greet(self) -> Welcome:
        self.send(Hello(PROTOCOL, "cpu", 1))
        return self.expect(Welcome)

    def send(self, *messages: msgspec.Struct) -> None:
        self.write(b"".join(map(encode, messages)))

    def write(self, data: bytes) -> None:
        self._stdin.write(data)
        self._stdin.flush()

    def close_stdin(self) -> None:
        self._stdin.close()

    def stop_reading(self) -> None:
        """Close the worker's stdout after its next answer."""
        self._deaf = True
        self._reading.join()

    def next(self, seconds: float = HANG_SECONDS) -> Any:
        """The next answer; None at the end of the worker's output."""
        return self._answers.get(timeout=seconds)

    def expect(self, kind: type[Kind], /, **fields: object) -> Kind:
        """The next message of this kind with these fields; others before it are passed over, but not for ever.

        Of an answer, `channel` and `request_id` are those of its reply.
        """
        found = self._expect(kind, fields)
        return found.answer if isinstance(found, Reply) else found  # type: ignore[no-any-return, return-value]

    def expect_reply(self, kind: type, /, **fields: object) -> Reply:
        """The same for an answer, with its channel and request id."""
        found = self._expect(kind, fields)
        assert isinstance(found, Reply)
        return found

    def _expect(self, kind: type, fields: dict[str, object]) -> Any:
        until = time.monotonic() + EXPECT_SECONDS
        passed: list[Any] = []
        while (message := self._next_before(until, kind, fields, passed)) is not None:
            content = message.answer if isinstance(message, Reply) else message
            told = _fields(message) | _fields(content)
            if isinstance(content, kind) and all(told.get(name) == value for name, value in fields.items()):
                return message
            if isinstance(content, Failed):
                raise AssertionError(
                    f"{message.channel} {message.request_id} failed: {content.reason}\n{content.details}"
                )
            passed.append(content)
        raise AssertionError(f"the worker ended without {_told(kind, fields, passed)}\n{self.stderr()}")

    def _next_before(self, until: float, kind: type, fields: dict[str, object], passed: list[Any]) -> Any:
        left = until - time.monotonic()
        with suppress(queue.Empty):
            if left > 0:
                return self.next(min(HANG_SECONDS, left))
        raise AssertionError(f"waited in vain for {_told(kind, fields, passed)}\n{self.stderr()}")

    def rest(self) -> list[Any]:
        """All answers until the end of the output."""
        answers = []
        while (answer := self.next()) is not None:
            answers.append(answer)
        return answers

    def wait(self) -> int:
        return self.process.wait(HANG_SECONDS)

    def stderr(self) -> str:
        return self.stderr_file.read_text("utf-8", "replace")

    def end(self) -> None:
        """End the process and close its pipes."""
        if not self._stdin.closed:
            with suppress(BrokenPipeError):
                self._stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reading.join()
        self._stdout.close()


def _fields(message: Any) -> dict[str, Any]:
    return {name: getattr(message, name) for name in message.__struct_fields__}


def _told(kind: type, fields: dict[str, object], passed: list[Any]) -> str:
    """The expected and the received answers: how many of each kind, and the last in full."""
    counts = ", ".join(f"{count} {name}" for name, count in Counter(type(one).__name__ for one in passed).items())
    last = "".join(f"\n  {repr(one)[:300]}" for one in passed[-_MAX_TOLD:])
    return f"{kind.__name__} {fields}; it said {counts or 'nothing'}{last}"


@contextmanager
def worker_process(folder: Path, *, forked: bool = False) -> Iterator[WorkerProcess]:
    """Start a worker and end it whatever happens."""
    worker = WorkerProcess(folder, forked=forked and os.name == "posix")
    try:
        yield worker
    finally:
        worker.end()
