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
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from nvp_studio.worker.framing import encode, read_messages
from nvp_studio.worker.messages import PROTOCOL, Failed, Hello, Reply, Welcome, WorkerMessage

HANG_SECONDS = 90.0
"""No next answer on a busy machine takes this long unless the worker hangs."""
EXPECT_SECONDS = 120.0
"""Nor does the answer that a test expects, however many others come before it; less than a test may take in all."""
_MAX_TOLD = 20

Kind = TypeVar("Kind")


class WorkerProcess:
    """``python -m nvp_studio.worker`` with its answers in a queue and its stderr in a file."""

    def __init__(self, folder: Path) -> None:
        self.stderr_file = folder / "stderr.txt"
        root = Path(__file__).parents[2]
        with open(self.stderr_file, "wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "nvp_studio.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                cwd=root,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._stdin, self._stdout = self.process.stdin, self.process.stdout
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._deaf = False
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        for answer in read_messages(self._stdout.fileno(), WorkerMessage):
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
def worker_process(folder: Path) -> Iterator[WorkerProcess]:
    """Start a worker and end it whatever happens."""
    worker = WorkerProcess(folder)
    try:
        yield worker
    finally:
        worker.end()
