"""The time of a run: seconds of training without pauses and sleep, speed over a sliding window, and what is left."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

_WINDOW_SECONDS = 10.0
_MAX_OVERHEAD = 3.0
_ASLEEP_SECONDS = 60.0
_ASLEEP_FRACTION = 0.02
"""When more than this passes between two readings of the clock, and the process computed for less than this fraction of
it, that was no training: the machine slept, or the process was suspended. On some systems the monotonic clock continues
meanwhile."""


class Clock:
    """Counts the seconds of a run, from `seconds` on; pauses and sleep do not count.

    The time of day, which may be changed, is not used.
    """

    def __init__(self, seconds: float = 0.0) -> None:
        self._seconds = self._start = seconds
        self._running = True
        self._seen, self._busy = time.monotonic(), time.process_time()
        self._slept = 0.0
        self._window: deque[tuple[float, int]] = deque()
        self._window_seconds = 0.0
        self._step_seconds = 0.0

    def seconds(self) -> float:
        """Seconds so far: steps, validations and checkpoints, over all sessions of the run."""
        if self._running:
            self._count()
        return self._seconds

    def pause(self) -> None:
        """Stop counting time."""
        self.seconds()
        self._running = False

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Count no time within the block."""
        running = self._running
        self.pause()
        yield
        self._seen, self._busy = time.monotonic(), time.process_time()
        self._running = running

    def take_slept(self) -> float:
        """Seconds that were not counted because the machine slept, since the last call."""
        slept, self._slept = self._slept, 0.0
        return slept

    def stepped(self, seconds: float, images: int) -> None:
        """Record that a step over `images` images took `seconds`."""
        self._window.append((seconds, images))
        self._window_seconds += seconds
        self._step_seconds += seconds
        while len(self._window) > 1 and self._window_seconds - self._window[0][0] >= _WINDOW_SECONDS:
            self._window_seconds -= self._window.popleft()[0]

    @property
    def images_per_second(self) -> float:
        """Speed of the last steps alone, without validations, checkpoints and pauses; 0 before the first."""
        return sum(images for _, images in self._window) / max(self._window_seconds, 1e-9)

    def seconds_for(self, images: int) -> float | None:
        """Seconds that this many more images are going to take, validations and checkpoints included."""
        if not self._window:
            return None
        overhead = (self.seconds() - self._start) / max(self._step_seconds, 1e-9)
        return images / max(self.images_per_second, 1e-9) * min(max(overhead, 1.0), _MAX_OVERHEAD)

    def _count(self) -> None:
        now, busy = time.monotonic(), time.process_time()
        passed, computed = max(0.0, now - self._seen), busy - self._busy
        self._seen, self._busy = now, busy
        if passed > _ASLEEP_SECONDS and computed < _ASLEEP_FRACTION * passed:
            self._slept += passed - computed
            passed = computed
        self._seconds += passed
