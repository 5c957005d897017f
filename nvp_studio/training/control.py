"""Requests to a running loop from another thread or a signal handler: pause, stop, save, sample, change."""

import threading
from collections import deque

from nvp_studio.training.changes import ChangeRequest


class Control:
    """Flags that the training loop looks at between steps; every method may be called from any thread."""

    def __init__(self) -> None:
        self._stop_reason: str | None = None
        self._hurry = False
        self._running = threading.Event()
        self._running.set()
        self._save = threading.Event()
        self._sample = threading.Event()
        self._requests: deque[ChangeRequest] = deque()

    def pause(self) -> None:
        """Ask the loop to wait after the current step."""
        self._running.clear()

    def unpause(self) -> None:
        """End a pause."""
        self._running.set()

    def stop(self, reason: str = "by the user", *, hurry: bool = False) -> None:
        """Ask the loop to save a checkpoint and end; also ends a pause. The first `reason` is kept; it reads on from
        "stopped: ".

        With `hurry`, now or in a later call, it leaves out what the checkpoint carries for exploring, which may take
        seconds to compute.
        """
        self._hurry = self._hurry or hurry
        if self._stop_reason is None:
            self._stop_reason = reason
        self._running.set()

    def save(self) -> None:
        """Ask for a checkpoint after the current step."""
        self._save.set()

    def sample(self) -> None:
        """Ask for a fresh sheet of samples after the current step."""
        self._sample.set()

    def change(self, request: ChangeRequest) -> None:
        """Ask for another learning rate or other stop conditions from the next step on."""
        self._requests.append(request)

    @property
    def stop_reason(self) -> str | None:
        """Why the loop is to stop, or None."""
        return self._stop_reason

    @property
    def hurry(self) -> bool:
        """Whether the end is to come at once."""
        return self._hurry

    @property
    def paused(self) -> bool:
        """Whether a pause is asked for."""
        return not self._running.is_set()

    def wait(self, seconds: float) -> None:
        """Wait until the pause ends, at most `seconds`."""
        self._running.wait(seconds)

    def take_save(self) -> bool:
        """Whether a checkpoint was asked for since the last call."""
        asked = self._save.is_set()
        self._save.clear()
        return asked

    def take_sample(self) -> bool:
        """Whether samples were asked for since the last call."""
        asked = self._sample.is_set()
        self._sample.clear()
        return asked

    def take_change(self) -> ChangeRequest | None:
        """The oldest change that was asked for and not taken yet."""
        return self._requests.popleft() if self._requests else None
