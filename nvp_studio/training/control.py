"""Requests to a running loop from another thread or a signal handler: pause, stop, save, sample, change."""

import threading
from collections import deque
from collections.abc import Iterator
from typing import Literal

from nvp_studio.training.changes import ChangeRequest

Request = Literal["save", "sample"] | ChangeRequest
"""A checkpoint, a fresh sheet of samples, or another learning rate or other stop conditions, after the current step."""


class Control:
    """What the training loop looks at between steps; every method may be called from any thread."""

    def __init__(self) -> None:
        self.stop_reason: str | None = None
        """Why the loop is to stop, or None."""
        self.at_once = False
        """Whether the end is to come at once."""
        self.skips_scoring = False
        """Whether the best model is to be scored on no further images."""
        self._running = threading.Event()
        self._running.set()
        self._requests: deque[Request] = deque()

    def pause(self) -> None:
        """Ask the loop to wait after the current step."""
        self._running.clear()

    def unpause(self) -> None:
        """End a pause."""
        self._running.set()

    def stop(self, reason: str = "by the user", *, at_once: bool = False) -> None:
        """Ask the loop to save a checkpoint and end; also ends a pause. The first `reason` is kept; it reads on from
        "stopped: ".

        With `at_once`, now or in a later call, it leaves out what the checkpoint carries for exploring, which may take
        seconds to compute.
        """
        self.at_once = self.at_once or at_once
        if self.stop_reason is None:
            self.stop_reason = reason
        self._running.set()

    def skip_scoring(self) -> None:
        """End a pause, and the final scores with the images scored so far; before them, with none."""
        self.skips_scoring = True
        self._running.set()

    def request(self, request: Request) -> None:
        """Ask for something to be done after the current step."""
        self._requests.append(request)

    @property
    def paused(self) -> bool:
        """Whether a pause is asked for."""
        return not self._running.is_set()

    @property
    def has_requests(self) -> bool:
        """Whether something was requested and not taken yet."""
        return bool(self._requests)

    def wait(self, seconds: float) -> None:
        """Wait until the pause ends, at most `seconds`."""
        self._running.wait(seconds)

    def take_requests(self) -> Iterator[Request]:
        """Yield what was requested and not taken yet, the oldest first."""
        while self._requests:
            yield self._requests.popleft()
