"""Changes that are asked for while a run trains, by the window or another process: each is recorded, made and told."""

import time
from collections.abc import Iterator

from nvp_studio.ranks import Ranks
from nvp_studio.training.changes import Course, RateChange, RunChange, StopChange, Wish, take_wish
from nvp_studio.training.control import Control
from nvp_studio.training.events import RunChanged
from nvp_studio.training.publisher import Publisher

_WISH_SECONDS = 1.0
"""Time between two looks for a change that another process asks for."""


class Steering:
    """Grants wishes by changing the `course`; only the first rank is asked for any, and tells what holds."""

    def __init__(self, course: Course, publisher: Publisher, control: Control, ranks: Ranks) -> None:
        self._course = course
        self._publisher = publisher
        self._control = control
        self._ranks = ranks
        self._looked_at = -_WISH_SECONDS

    def grant_wishes(self, step: int) -> None:
        """Make the changes that were asked for by now, from the step after `step` on."""
        for wish in self._wishes():
            self._grant(wish, step)

    def tell(self, step: int) -> None:
        """Report what holds from the step after `step` on."""
        if not self._ranks.first:
            return
        self._publisher.report(
            RunChanged(step=step, learning_rate=self._course.learning_rate(step + 1), stop=self._course.rules(step + 1))
        )

    def _wishes(self) -> Iterator[Wish]:
        while (wish := self._control.take_wish()) is not None:
            yield wish
        if self._ranks.first and time.monotonic() - self._looked_at >= _WISH_SECONDS:
            self._looked_at = time.monotonic()
            if (wish := take_wish(self._publisher.folder)) is not None:
                yield wish

    def _grant(self, wish: Wish, step: int) -> None:
        """Change the course; what cannot be recorded is not done: no resume would repeat it."""
        changes: list[RunChange] = []
        if wish.learning_rate is not None:
            changes.append(RateChange(step, wish.learning_rate))
        if wish.stop is not None:
            changes.append(StopChange(step, wish.stop))
        try:
            self._course.record(*changes)
        except OSError as error:
            self._publisher.notice("error", f"the change could not be recorded, so it is not made: {error.strerror}")
            return
        self.tell(step)
