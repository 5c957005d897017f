"""Applies changes that the window or another process requests while a run trains: records, makes and reports them."""

import time
from collections.abc import Iterator

from nvp_studio.ranks import Ranks
from nvp_studio.training.changes import ChangeHistory, ChangeRequest, RateChange, RunChange, StopChange, take_request
from nvp_studio.training.control import Control
from nvp_studio.training.events import RunChanged
from nvp_studio.training.publisher import Publisher

_POLL_SECONDS = 1.0
"""Time between two looks for a request of another process."""


class ChangeApplier:
    """Applies requested changes; only the first rank gets requests, and reports what holds."""

    def __init__(self, history: ChangeHistory, publisher: Publisher, control: Control, ranks: Ranks) -> None:
        self._history = history
        self._publisher = publisher
        self._control = control
        self._ranks = ranks
        self._looked_at = -_POLL_SECONDS

    def apply_requests(self, step: int) -> None:
        """Make the changes that were requested by now, from the step after `step` on."""
        for request in self._requests():
            self._apply(request, step)

    def report(self, step: int) -> None:
        """Report what holds from the step after `step` on."""
        if not self._ranks.first:
            return
        self._publisher.report(
            RunChanged(
                step=step, learning_rate=self._history.learning_rate(step + 1), stop=self._history.rules(step + 1)
            )
        )

    def _requests(self) -> Iterator[ChangeRequest]:
        while (request := self._control.take_change()) is not None:
            yield request
        if self._ranks.first and time.monotonic() - self._looked_at >= _POLL_SECONDS:
            self._looked_at = time.monotonic()
            if (request := take_request(self._publisher.folder)) is not None:
                yield request

    def _apply(self, request: ChangeRequest, step: int) -> None:
        """Record the change and report it; one that cannot be recorded is not made, as no resume would repeat it."""
        changes: list[RunChange] = []
        if request.learning_rate is not None:
            changes.append(RateChange(step, request.learning_rate))
        if request.stop is not None:
            changes.append(StopChange(step, request.stop))
        try:
            self._history.record(*changes)
        except OSError as error:
            self._publisher.notice("error", f"the change could not be recorded, so it is not made: {error.strerror}")
            return
        self.report(step)
