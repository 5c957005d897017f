"""How far a run has come, how fast it goes and when it ends, reported at most ten times a second."""

import time

from nvp_studio.training.best import BestModel
from nvp_studio.training.clock import Clock
from nvp_studio.training.events import RunProgress
from nvp_studio.training.publisher import Publisher
from nvp_studio.training.schedule import Budget

_INTERVAL_SECONDS = 0.1


class ProgressReporter:
    """Reports `RunProgress` events of one session of a run."""

    def __init__(self, budget: Budget, clock: Clock, batch_size: int, publisher: Publisher) -> None:
        self._budget = budget
        self._clock = clock
        self._batch_size = batch_size
        self._publisher = publisher
        self._reported_at = 0.0

    def report(self, step: int, fraction: float, best: BestModel, *, at_once: bool = False) -> None:
        """Report after `step` steps and `fraction` (0 to 1) of the budget, unless that was done a moment ago."""
        now = time.monotonic()
        if not at_once and now - self._reported_at < _INTERVAL_SECONDS:
            return
        self._reported_at = now
        seconds = self._clock.seconds()
        left: float | None
        if self._budget.total_seconds is not None:
            left = max(0.0, self._budget.total_seconds - seconds)
        else:
            assert self._budget.total_steps is not None
            left = self._clock.seconds_for((self._budget.total_steps - step) * self._batch_size)
        self._publisher.report(
            RunProgress(
                step=step,
                fraction=fraction,
                epoch=self._budget.epoch(step),
                seconds=seconds,
                images_per_second=self._clock.images_per_second,
                seconds_left=left,
                best=best.value,
                best_step=best.step,
            )
        )
