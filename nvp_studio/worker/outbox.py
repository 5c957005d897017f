"""Messages of the worker to the window, written by a thread of its own so that computing waits for no slow reader."""

import os
import threading
import time
from collections import deque
from collections.abc import Callable

import msgspec

from nvp_studio.training.events import RunProgress, StepMetrics
from nvp_studio.worker.framing import encode
from nvp_studio.worker.score_messages import ScoreRows

BATCH_SECONDS = 1 / 30
"""Seconds that steps and progress of a run, and rows of scores, wait for more of them, to be written together."""
MAX_WAITING_BYTES = 2**27
"""With more than this waiting to be written, `send` waits for the reader."""

_BATCHED = (StepMetrics, RunProgress, ScoreRows)


class Outbox:
    """Messages on their way to a file descriptor, in the order they were sent, from any thread.

    When the other end is gone (a closed pipe), `on_closed` is called once, from the writing thread, and everything
    sent afterwards is dropped.
    """

    def __init__(self, descriptor: int, on_closed: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._on_closed = on_closed
        self._changed = threading.Condition()
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._due: float | None = None
        self._writing = False
        self._closed = False
        threading.Thread(target=self._write_all, name="outbox", daemon=True).start()

    def send(self, message: msgspec.Struct) -> None:
        """Queue a message; `FrameError` when it is larger than a frame may be."""
        frame = encode(message)
        with self._changed:
            self._changed.wait_for(lambda: self._waiting_bytes <= MAX_WAITING_BYTES or self._closed)
            if self._closed:
                return
            self._waiting.append(frame)
            self._waiting_bytes += len(frame)
            due = time.monotonic() + (BATCH_SECONDS if isinstance(getattr(message, "answer", message), _BATCHED) else 0)
            if self._due is None or due < self._due:
                self._due = due
                self._changed.notify_all()

    def close(self, seconds: float) -> bool:
        """Write all that waits and refuse further messages; returns whether all was written.

        Writing may take `seconds`. They count from its beginning, for the import of torch in another thread can keep
        the writing thread from running for longer.
        """

        def is_written() -> bool:
            return self._closed or not (self._waiting or self._writing)

        with self._changed:
            self._due = 0.0
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._writing or is_written())
            self._changed.wait_for(is_written, seconds)
            written = not self._waiting and not self._writing
            self._closed = True
            self._changed.notify_all()
        return written

    def _write_all(self) -> None:
        while (data := self._take()) is not None:
            try:
                self._write(data)
            except OSError:
                self._drop_all()
                return
            with self._changed:
                self._writing = False
                self._changed.notify_all()

    def _take(self) -> bytes | None:
        """Wait for messages that are due and take all that wait; None once closed."""
        with self._changed:
            while not self._closed:
                left = None if self._due is None or not self._waiting else self._due - time.monotonic()
                if left is not None and left <= 0:
                    data = b"".join(self._waiting)
                    self._waiting.clear()
                    self._waiting_bytes, self._due, self._writing = 0, None, True
                    self._changed.notify_all()
                    return data
                self._changed.wait(left)
        return None

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def _drop_all(self) -> None:
        with self._changed:
            self._closed, self._writing = True, False
            self._waiting.clear()
            self._changed.notify_all()
        self._on_closed()
