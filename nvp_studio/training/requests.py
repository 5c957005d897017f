"""What a run is asked for, by the controls of all its ranks and by other processes."""

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

from nvp_studio.ranks import Ranks
from nvp_studio.training.changes import take_request
from nvp_studio.training.control import Control, Request

_LOOK_SECONDS = 1.0
"""Time between two looks for a request of another process."""


class Requests:
    """The requests to a run. Pause and stop are the same on all ranks, as of the last `synchronize`: a signal reaches
    each at another moment, and all must act alike.
    """

    def __init__(self, control: Control, folder: Path, ranks: Ranks) -> None:
        self._control = control
        self._folder = folder
        self._ranks = ranks
        self._looked_at = 0.0
        self.stop_reason: str | None = None
        """Why the run is to stop, or None; the reason of the first rank that has one."""
        self.paused = False
        """Whether to wait; a stop ends that."""
        self.skips_scoring = False
        """Whether to score no further images after the last step."""
        self._at_once = False

    def synchronize(self) -> None:
        """Collect the requests of every rank, a collective; what one rank was asked for holds for all."""
        control, ranks = self._control, self._ranks
        reason = control.stop_reason
        from_end = 0 if reason is None else ranks.world - ranks.rank
        asked, at_once, paused, skips = ranks.all_reduce_max(
            from_end, control.at_once, control.paused, control.skips_scoring
        )
        if asked and self.stop_reason is None:
            self.stop_reason = ranks.broadcast_bytes((reason or "").encode(), ranks.world - int(asked)).decode()
        self.skips_scoring = bool(skips)
        self._at_once, self.paused = bool(at_once), bool(paused) and self.stop_reason is None

    def has_news(self) -> bool:
        """Whether this rank was asked for something that `synchronize` and `take` have not seen yet."""
        control = self._control
        stops = control.stop_reason is not None and self.stop_reason is None
        skips = control.skips_scoring and not self.skips_scoring
        return stops or skips or control.paused or control.has_requests

    def has_time(self) -> bool:
        """Whether the end need not come at once."""
        return not (self._control.at_once or self._at_once)

    def take(self) -> Iterator[Request]:
        """Yield what this rank was asked for since the last call, each once if it was asked for several times."""
        yield from (request for request, _ in itertools.groupby(self._control.take_requests()))
        if self._ranks.first and time.monotonic() - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = time.monotonic()
            if (change := take_request(self._folder)) is not None:
                yield change
