"""The budget of a run and the schedule of its learning rate."""

import math

from nvp_studio.training.clock import Clock
from nvp_studio.training.config import TrainConfig

FLOOR = 0.02
"""Fraction of the highest learning rate at which the cosine ends."""
WARMUP_FRACTION = 0.1
"""Fraction of the budget that the warm-up takes at most, so that a short run has a main part."""


class Budget:
    """The end of a run, in steps or in seconds of training."""

    def __init__(self, config: TrainConfig, train_images: int) -> None:
        self.steps_per_epoch = math.ceil(train_images / config.batch_size)
        self.total_steps = config.steps
        if config.epochs is not None:
            self.total_steps = max(1, math.ceil(config.epochs * train_images / config.batch_size))
        self._total_seconds = math.inf if config.minutes is None else config.minutes * 60
        self._batch_size = config.batch_size
        self._epochs_per_step = config.batch_size / train_images

    def epoch(self, step: int) -> float:
        """Passes over the training images after `step` steps."""
        return step * self._epochs_per_step

    def fraction(self, step: int, seconds: float) -> float:
        """How much of the budget is used up after `step` steps and `seconds` seconds, 0 to 1."""
        if self.total_steps is not None:
            return min(1.0, step / self.total_steps)
        return min(1.0, seconds / self._total_seconds)

    def seconds_left(self, step: int, seconds: float, clock: Clock) -> float | None:
        """Seconds to the end after `step` steps and `seconds` seconds, by the speed so far for a budget in steps."""
        if self.total_steps is None:
            return max(0.0, self._total_seconds - seconds)
        return clock.seconds_for((self.total_steps - step) * self._batch_size)

    def validation_steps(self, config: TrainConfig) -> int | None:
        """Steps between validations: about twenty in a run, at least one an epoch, not closer than 100 steps.

        None for a budget in minutes, whose validations follow the clock.
        """
        if config.validation_every is not None:
            return max(1, config.validation_every)
        if self.total_steps is None:
            return None
        return max(1, min(self.steps_per_epoch, max(self.total_steps // 20, 100)))

    def validations(self, config: TrainConfig, steps: float) -> float:
        """About how many validations a whole run of `steps` steps has."""
        interval = self.validation_steps(config)
        return max(1.0, self._total_seconds / self.validation_seconds() if interval is None else steps / interval)

    def validation_seconds(self) -> float:
        """Seconds between validations under a budget in minutes: about twenty in a run, 15 to 120 seconds apart."""
        return min(120.0, max(15.0, self._total_seconds / 20))


def learning_rate(
    config: TrainConfig, step: int, fraction: float, rollbacks: int = 0, highest: float | None = None
) -> float:
    """The learning rate of step `step` (from 0) with `fraction` of the budget used up: warm-up, then the schedule.

    `highest` is what it rises to when a person changed that. Every return to an earlier state halves it.
    """
    rate = (config.learning_rate if highest is None else highest) * 0.5**rollbacks
    if step < config.warmup_steps:
        rate *= min(1.0, max((step + 1) / config.warmup_steps, fraction / WARMUP_FRACTION))
    if config.schedule == "cosine":
        rate *= FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * fraction))
    return rate
