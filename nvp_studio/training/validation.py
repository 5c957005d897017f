"""Validation of a run: scores of the averaged weights, how well they invert, and sheets of images."""

import math
import time
from collections.abc import Callable

import msgspec

from nvp_studio.data.dataset import DataSet
from nvp_studio.ranks import Ranks
from nvp_studio.training.best import BestModel
from nvp_studio.training.checkpointer import Checkpointer
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.evaluation import (
    HALF_A_LEVEL,
    bits_by_scale,
    inverse_error,
    noise_inverse_error,
    reconstructions,
    samples,
    scores,
)
from nvp_studio.training.publisher import Publisher
from nvp_studio.training.schedule import Budget
from nvp_studio.training.train_state import TrainState

_SAMPLES = 64
_TEMPERATURE = 0.8
_RECONSTRUCTIONS = 16
_SCALE_IMAGES = 64
"""Validation images whose bits are computed by scale."""
_VALIDATION_PART, _SHEETS_PART = 12, 30
"""Under a budget in minutes, a validation and the sheets come again after this many times as long as they last took."""


class ValidationResult(msgspec.Struct, frozen=True):
    """What a validation adds to the metrics of the step before it; see `StepMetrics`."""

    validation: float | None
    inverse_error: float | None
    noise_inverse_error: float | None
    scale_bits: tuple[float, ...]


class Validator:
    """Validates the averaged weights of `state` when that is due, and publishes samples and reconstructions."""

    def __init__(
        self,
        config: TrainConfig,
        data: DataSet,
        state: TrainState,
        best: BestModel,
        checkpointer: Checkpointer,
        publisher: Publisher,
        budget: Budget,
        ranks: Ranks,
    ) -> None:
        self._config = config
        self._images = data.validation.images
        self._state = state
        self._best = best
        self._checkpointer = checkpointer
        self._publisher = publisher
        self._budget = budget
        self._ranks = ranks
        self._validated_at = self._shown_at = time.monotonic()
        self._validation_seconds = self._sheets_seconds = 0.0
        """What each of them took the last time."""

    @property
    def possible(self) -> bool:
        """Whether there are validation images."""
        return len(self._images) > 0

    def due(self, step: int) -> bool:
        """Whether to validate after `step`; a collective under a budget in minutes."""
        interval = self._budget.validation_steps(self._config)
        if interval is not None:
            return step % interval == 0
        wait = max(self._budget.validation_seconds(), _VALIDATION_PART * self._validation_seconds)
        return bool(self._ranks.broadcast(time.monotonic() - self._validated_at >= wait)[0])

    def sheets_due(self) -> bool:
        """Whether to publish sheets between the validations of a budget in minutes, which cost more and are rarer."""
        if self._budget.validation_steps(self._config) is not None:
            return False
        wait = max(self._budget.validation_seconds(), _SHEETS_PART * self._sheets_seconds)
        return time.monotonic() - self._shown_at >= wait

    def validate(self, step: int, keep_going: Callable[[], bool], *, last: bool) -> ValidationResult | None:
        """Score the averaged weights, offer them as the best and publish sheets; None when `keep_going` ended it.

        After the `last` step of a run all validation images are scored; the figure is still over the same first ones
        as before, so that it can be compared.
        """
        started = time.monotonic()
        averaged, count = self._state.averaged, self._config.validation_images
        chosen = self._images if last else self._images[:count]
        counter = self._publisher.counter("validating", len(chosen)) if last else None
        bits = scores(averaged, chosen, keep_going, ranks=self._ranks, count=counter)
        if bits is None:
            return None
        value, error = bits[:count].mean().item(), math.nan
        if math.isfinite(value):
            error = inverse_error(averaged, self._images[:_RECONSTRUCTIONS], self._config.seed)
            if self._ranks.first and self._invertible(step, error):
                info = self._checkpointer.info(value, min(count, len(bits)))
                self._best.offer(info, averaged.flow.state_dict(), bits)
            self.publish_sheets(step)
        else:
            self._publisher.notice("warning", f"step {step}: the averaged model has no finite validation score")
        self._validated_at = time.monotonic()
        self._validation_seconds = self._validated_at - started
        noise_error = noise_inverse_error(averaged, _RECONSTRUCTIONS, self._config.seed)
        return ValidationResult(
            validation=_finite(value),
            inverse_error=_finite(error),
            noise_inverse_error=_finite(noise_error),
            scale_bits=bits_by_scale(averaged, self._images[:_SCALE_IMAGES]),
        )

    def _invertible(self, step: int, error: float) -> bool:
        """Whether images are decoded to within half a level; if not, report it, as such a model cannot be the best."""
        if error < HALF_A_LEVEL:
            return True
        self._publisher.notice(
            "warning",
            f"step {step}: encoding and decoding lose up to {256 * error:.2g} grey levels, so this state is "
            "not taken for the best; a lower learning rate keeps a flow invertible",
        )
        return False

    def publish_sheets(self, step: int) -> None:
        """Publish samples from fixed noise and reconstructions of fixed validation images."""
        if not self._ranks.first:
            return
        started = time.monotonic()
        averaged = self._state.averaged
        self._publisher.sheet("samples", step, samples(averaged, _SAMPLES, _TEMPERATURE, self._config.seed))
        originals = self._images[:_RECONSTRUCTIONS]
        if len(originals):
            self._publisher.sheet("reconstructions", step, reconstructions(averaged, originals))
        self._shown_at = time.monotonic()
        self._sheets_seconds = self._shown_at - started


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
