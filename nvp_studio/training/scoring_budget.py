"""How many images a run scores, so that validations and final scores together take a stated share of its time.

The speed of scoring is that of the run itself: of a few images before the first validation, then of all that it scores.
What a validation scores is decided by it once in a run, so that all its validations can be compared, and recorded, so
that a resumed run goes on alike.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import msgspec

from nvp_studio.training.config import TrainConfig
from nvp_studio.training.schedule import Budget

SCORED_PER_TRAINED = 3.0
"""Images scored in the time in which one is trained on; taken as long as no image was scored in a run."""
MIN_IMAGES = 40
"""Fewest images that a score is the mean over: a share of a run's time that allows fewer is exceeded."""
VALIDATION_PART, FINAL_PART, DIRECTION_PART = 0.4, 0.4, 0.2
"""Of the share: validations during the run, the final scores, and the directions of the best model."""
PICTURES = {64: 16, 32: 8, 16: 2}
"""Images that a validation may sample, and score by scale, and how many it reconstructs then."""
MIN_DIRECTION_IMAGES = 32
"""Training images whose latents the directions of the best model are found in, when time is short."""
MAX_DIRECTION_IMAGES = 4000
_WISHES = ((250, 32, 4), (100, 32, 2), (80, 16, 2), (MIN_IMAGES, 16, 1))
"""Least images, pictures and number of validations of a run; the next where the time does not suffice for the first."""
_MIN_SECONDS = 1.0
"""Validations together, and final scores, may take this long in the shortest run."""
_MAX_DIRECTION_SECONDS = 30.0
MIN_DIRECTION_SECONDS = 0.5
_MAX_COUNT = 2**40
_MAX_SECONDS = 1e10


class Speeds(NamedTuple):
    """Images that are scored, and that are decoded, in a second."""

    scored: float
    decoded: float

    def pictures(self, count: int) -> float:
        """Seconds of sheets and checks of a validation with this many pictures, beside its scores."""
        again = PICTURES[count]
        encoded, decoded = count + 4 * again, count + 5 * again
        return encoded / self.scored + decoded / self.decoded

    def validation(self, plan: "ValidationPlan") -> float:
        """Seconds of a validation."""
        return plan.images / self.scored + self.pictures(plan.pictures)


class ValidationPlan(msgspec.Struct, frozen=True):
    """What each validation of a run scores and shows."""

    images: int
    pictures: int = 64
    every: int = 1
    """After the first, every which of the due validations takes place; 0: the one after the last step alone."""

    def number(self, due: float) -> float:
        """Number of validations that take place in a run in which so many are due."""
        return 1.0 + math.ceil((due - 1) / self.every) if self.every else 1.0

    def __post_init__(self) -> None:
        for name in ("images", "every"):
            if not 0 <= (value := getattr(self, name)) <= _MAX_COUNT:
                raise ValueError(f"{name} is {value}, must lie in 0..{_MAX_COUNT}")
        if self.pictures not in PICTURES:
            raise ValueError(f"pictures is {self.pictures}, must lie in {', '.join(map(str, PICTURES))}")

    @property
    def reconstructions(self) -> int:
        """Images that are reconstructed, and that inversion is checked on."""
        return PICTURES[self.pictures]


class StoredScoring(msgspec.Struct, frozen=True):
    """What a checkpoint holds about scoring, for a run that is resumed from it."""

    plan: ValidationPlan | None = None
    """None before the first validation."""
    seconds: float = 0.0
    """Spent on scoring so far."""

    def __post_init__(self) -> None:
        if not 0 <= self.seconds <= _MAX_SECONDS:
            raise ValueError(f"seconds is {self.seconds:g}, must lie in 0..{_MAX_SECONDS:g}")


class ScoringBudget:
    """What one session of a run may score, by the speed that its own scoring is measured to have."""

    def __init__(
        self,
        config: TrainConfig,
        budget: Budget,
        validation: int,
        test: int,
        stored: StoredScoring | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`validation` and `test` are the numbers of images that there are; `now` is a clock in seconds."""
        self._config = config
        self._budget = budget
        self._available = validation, test
        self._now = now
        self.plan = None if stored is None else stored.plan
        self._spent = 0.0 if stored is None else stored.seconds
        self._scored, self._decoded = [0.0, 0.0], [0.0, 0.0]
        """Number and seconds."""

    @property
    def stored(self) -> StoredScoring:
        """What a checkpoint of this moment says."""
        return StoredScoring(self.plan, self._spent)

    @property
    def measured(self) -> bool:
        """Whether images were scored, so that the speed of that is known."""
        return self._scored[0] > 0

    @contextmanager
    def timed(self, *, scored: int = 0, decoded: int = 0) -> Iterator[None]:
        """Count the time of the block, in which this many images are scored or decoded (neither: of both kinds)."""
        started = self._now()
        yield
        seconds = self._now() - started
        self._spent += seconds
        for measured, count in ((self._scored, scored), (self._decoded, decoded)):
            if count:
                measured[0] += count
                measured[1] += seconds

    def speeds(self, step: int, seconds: float) -> Speeds:
        """As measured; before that, by the speed of training: `step` steps took `seconds` seconds."""
        trained = max(1, step) * self._config.batch_size / max(seconds, 1e-9)
        scored = _speed(self._scored) or SCORED_PER_TRAINED * trained
        return Speeds(scored, _speed(self._decoded) or scored)

    def decide(self, step: int, seconds: float) -> ValidationPlan:
        """What the validations should score, as far as can be told after `step` steps in `seconds` seconds."""
        speeds, part = self.speeds(step, seconds), self._done(step, seconds)
        return validation_plan(self._config, self._budget, step / part, seconds / part, self._available[0], speeds)

    def final_counts(self, step: int, seconds: float) -> tuple[int, int]:
        """Validation and test images that the best model is scored on after the last step."""
        return final_counts(self._config, seconds, self._spent, *self._available, self.speeds(step, seconds))

    def seconds_after_training(self, step: int, seconds: float) -> float:
        """Seconds from the last step to the end of the run, as far as they can be told after `step` steps."""
        plan, speeds = self.plan or self.decide(step, seconds), self.speeds(step, seconds)
        whole = seconds / self._done(step, seconds)
        spent = max(self._spent + speeds.validation(plan), VALIDATION_PART * self._config.scoring_share * whole)
        return seconds_after_training(self._config, plan, whole, spent, *self._available, speeds)

    def _done(self, step: int, seconds: float) -> float:
        """How much of the training is done, above 0 to 1."""
        done, most = self._budget.fraction(step, seconds), self._config.stop.minutes
        return max(done if most is None else min(1.0, max(done, seconds / (60 * most))), 1e-9)


def validation_plan(
    config: TrainConfig, budget: Budget, steps: float, seconds: float, available: int, speeds: Speeds
) -> ValidationPlan:
    """The validations of a run of about `steps` steps in `seconds` seconds, with `available` validation images.

    Where the time does not suffice, each is of fewer images and pictures, or they are fewer. They keep their number
    where the configuration says after how many steps they come, or ends the run by their scores.
    """
    most = min(config.validation_images, available)
    if config.scoring_share >= 1:
        return ValidationPlan(most)
    allowed = max(_MIN_SECONDS, VALIDATION_PART * config.scoring_share * seconds)
    due = max(1, round(budget.validations(config, steps)))
    needed = (config.validation_every, config.stop.target, config.stop.patience) != (None, None, None)
    rates = [1] if needed else [*(2**k for k in range(due.bit_length())), 0]
    for least, fewest_pictures, fewest in _WISHES:
        for every in rates:
            number = ValidationPlan(0, every=every).number(due)
            for pictures in PICTURES:
                rest = allowed / number - speeds.pictures(pictures)
                images = _round_count(rest * speeds.scored, most)
                if number >= min(fewest, due) and pictures >= fewest_pictures and images >= min(least, most):
                    return ValidationPlan(images, pictures, every)
    return ValidationPlan(min(MIN_IMAGES, most), 16, rates[-1])


def final_counts(
    config: TrainConfig, seconds: float, spent: float, validation: int, test: int, speeds: Speeds
) -> tuple[int, int]:
    """Validation and test images that the best model is scored on, of as many as there are.

    The run trained for `seconds` seconds and has spent `spent` on validations. Half of what that leaves for each; what
    one of them does not need is the other's.
    """
    if config.scoring_share >= 1:
        return validation, test
    left = (VALIDATION_PART + FINAL_PART) * config.scoring_share * seconds - spent
    allowed = max(2 * MIN_IMAGES, round(max(_MIN_SECONDS, left) * speeds.scored))
    scored = min(test, max(allowed // 2, allowed - validation))
    return min(validation, allowed - scored), scored


def direction_seconds(config: TrainConfig, seconds: float, most: float = _MAX_DIRECTION_SECONDS) -> float:
    """Seconds that finding the directions of a model may take after `seconds` seconds of training."""
    if config.scoring_share >= 1:
        return most
    return min(most, max(MIN_DIRECTION_SECONDS, config.scoring_share * DIRECTION_PART * seconds))


def seconds_after_training(
    config: TrainConfig,
    plan: ValidationPlan,
    seconds: float,
    spent: float,
    validation: int,
    test: int,
    speeds: Speeds,
) -> float:
    """Seconds of the last validation, the final scores and the directions; `spent` as in `final_counts`."""
    scored = sum(final_counts(config, seconds, spent, validation, test, speeds)) - min(plan.images, validation)
    directions = min(
        max(direction_seconds(config, seconds), MIN_DIRECTION_IMAGES / speeds.scored),
        MAX_DIRECTION_IMAGES / speeds.scored,
    )
    return speeds.validation(plan) + max(0, scored) / speeds.scored + directions


def _round_count(count: float, most: int) -> int:
    """At most `count` and `most`, in steps of a factor of about 1.4, so that two runs alike mostly score as many."""
    if count >= most or count < MIN_IMAGES:
        return most if count >= most else 0
    halvings = math.floor(2 * math.log2(count / MIN_IMAGES) + 1e-9)
    return min(most, round(MIN_IMAGES * 2 ** (halvings / 2)))


def _speed(measured: list[float]) -> float:
    """Images in a second; 0 when none was measured."""
    count, seconds = measured
    return count / max(seconds, 1e-9)
