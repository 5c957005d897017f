"""How fast something advances of late, and how long the rest of it takes."""

from collections import deque

_WINDOW_SECONDS = 15.0
"""The speed is that of so long a time: long enough to be steady, short enough to follow what changes."""
_LEAST_SECONDS = 1.0
"""Before so much time has passed there is no speed."""


class Pace:
    """Counts of what was done, with the moments they were told at; moments are seconds of any clock."""

    def __init__(self) -> None:
        self._counts: deque[tuple[float, int]] = deque()

    def begin(self, moment: float) -> None:
        """Forget what was; nothing is done yet."""
        self._counts.clear()
        self._counts.append((moment, 0))

    def add(self, moment: float, count: int) -> None:
        """So many more are done at this moment."""
        if not self._counts:
            return
        self._counts.append((moment, self._counts[-1][1] + count))
        while len(self._counts) > 2 and self._counts[1][0] < moment - _WINDOW_SECONDS:
            self._counts.popleft()

    @property
    def per_second(self) -> float | None:
        """Of late; None as long as it is not known."""
        if len(self._counts) < 2:
            return None
        (began, before), (ended, after) = self._counts[0], self._counts[-1]
        return (after - before) / (ended - began) if ended - began >= _LEAST_SECONDS and after > before else None

    def seconds_for(self, count: int) -> float | None:
        """How long so many more take at this speed; None as long as that is not known."""
        speed = self.per_second
        return None if speed is None else count / speed
