"""Time in a run: seconds of training without pauses, speed over a sliding window, and what is left."""

import time
from collections import deque

_WINDOW_SECONDS = 10.0
_MOST_OVERHEAD = 3.0


class Clock:
    """Counts the seconds of a run, from `seconds` on; pauses do not count."""

    def __init__(self, seconds: float = 0.0) -> None:
        self._before = seconds
        self._running_since: float | None = time.monotonic()
        self._start = seconds
        self._window: deque[tuple[float, int]] = deque()
        self._window_seconds = 0.0
        self._step_seconds = 0.0

    def seconds(self) -> float:
        """Seconds so far: steps, validations and checkpoints, over all stretches of the run."""
        if self._running_since is None:
            return self._before
        return self._before + time.monotonic() - self._running_since

    @property
    def running(self) -> bool:
        """Whether it counts."""
        return self._running_since is not None

    def pause(self) -> None:
        """Stop counting."""
        self._before, self._running_since = self.seconds(), None

    def proceed(self) -> None:
        """Count again."""
        self._running_since = time.monotonic()

    def stepped(self, seconds: float, images: int) -> None:
        """A step over `images` images took `seconds`."""
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
        return images / max(self.images_per_second, 1e-9) * min(max(overhead, 1.0), _MOST_OVERHEAD)
