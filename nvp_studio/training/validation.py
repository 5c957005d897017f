"""Validation of a run: scores of the averaged weights, how well they invert, and sheets of images."""

import math
import time
from collections.abc import Callable

import msgspec

from nvp_studio.flow.engine.inference import Inference
from nvp_studio.training.best import BestModel
from nvp_studio.training.checkpointer import Checkpointer
from nvp_studio.training.context import LoopContext
from nvp_studio.training.evaluation import (
    HALF_A_LEVEL,
    bits_by_scale,
    chosen_images,
    finite,
    inverse_error,
    noise_inverse_error,
    reconstructions,
    samples,
    scores,
)
from nvp_studio.training.events import RunState, StepMetrics
from nvp_studio.training.scoring_budget import RECONSTRUCTIONS, SAMPLES, SCALE_IMAGES, validation_count

_TEMPERATURE = 0.8
_VALIDATION_PART, _SHEETS_PART = 20, 30
"""Under a budget in minutes, a validation and the sheets come again after this many times as long as they last took."""


class Validator:
    """Validates the averaged weights when that is due, and publishes samples and reconstructions."""

    def __init__(
        self, context: LoopContext, best: BestModel, checkpointer: Checkpointer, count: int | None = None
    ) -> None:
        self._context = context
        self.count = count or (None if best.value is None else context.config.validation_images)
        """Images of each validation; None before the first, which decides it for the whole run."""
        self._images = context.data.validation.images
        self._best = best
        self._checkpointer = checkpointer
        self._validated_at = self._shown_at = time.monotonic()
        self._validation_seconds = self._sheets_seconds = 0.0
        """What each of them took the last time."""

    @property
    def possible(self) -> bool:
        """Whether there are validation images."""
        return len(self._images) > 0

    def due(self, step: int) -> bool:
        """Whether to validate after `step`; a collective under a budget in minutes."""
        context = self._context
        interval = context.budget.validation_steps(context.config)
        if interval is not None:
            return step % interval == 0
        wait = max(context.budget.validation_seconds(), _VALIDATION_PART * self._validation_seconds)
        return bool(context.ranks.broadcast(time.monotonic() - self._validated_at >= wait)[0])

    def sheets_due(self) -> bool:
        """Whether to publish sheets between the validations of a budget in minutes, which cost more and are rarer."""
        budget = self._context.budget
        if budget.validation_steps(self._context.config) is not None:
            return False
        wait = max(budget.validation_seconds(), _SHEETS_PART * self._sheets_seconds)
        return time.monotonic() - self._shown_at >= wait

    def validate(self, metrics: StepMetrics, keep_going: Callable[[], bool], *, last: bool) -> StepMetrics | None:
        """Score the averaged weights, offer them as the best and publish sheets; None when `keep_going` ended it.

        Returns the metrics of the step before it with those of the validation.
        All validations of a run are of the same images, so that they can be compared. Images are counted for the
        person, those of the `last` validation from the first on.
        """
        started, step = time.monotonic(), metrics.step
        context, averaged = self._context, self._context.state.averaged
        ranks, seed = context.ranks, context.config.seed
        if self.count is None:
            planned = step / max(context.budget.fraction(step, metrics.seconds), 1e-9)
            self.count = validation_count(context.config, context.budget, planned)
        chosen = chosen_images(self._images, self.count)
        counter = context.publisher.counter("validating", len(chosen), at_once=last)
        bits = scores(averaged, chosen, keep_going, ranks=ranks, count=counter)
        if bits is None:
            return None
        if not last:
            context.publisher.report(RunState("training"))
        value, error = bits.mean().item(), math.nan
        if math.isfinite(value):
            error = inverse_error(averaged, self._images[:RECONSTRUCTIONS], seed)
            if ranks.first and self._invertible(step, error):
                info = self._checkpointer.info(value, len(bits))
                self._best.offer(info, averaged.flow.state_dict(), bits)
            self.publish_sheets(step, averaged)
        else:
            context.publisher.notice("warning", f"step {step}: the averaged model has no finite validation score")
        self._validated_at = time.monotonic()
        self._validation_seconds = self._validated_at - started
        noise_error = noise_inverse_error(averaged, RECONSTRUCTIONS, seed)
        return msgspec.structs.replace(
            metrics,
            validation=finite(value),
            inverse_error=finite(error),
            invertible=error < HALF_A_LEVEL,
            noise_inverse_error=finite(noise_error),
            scale_bits=bits_by_scale(averaged, self._images[:SCALE_IMAGES]),
        )

    def _invertible(self, step: int, error: float) -> bool:
        """Whether images are decoded to within half a level; if not, report it, as such a model cannot be the best."""
        if error < HALF_A_LEVEL:
            return True
        self._context.publisher.notice(
            "warning",
            f"step {step}: encoding and decoding lose up to {256 * error:.2g} grey levels, so this state is "
            "not taken for the best; a lower learning rate keeps a flow invertible",
        )
        return False

    def publish_sheets(self, step: int, averaged: Inference | None = None) -> None:
        """Publish samples from fixed noise and reconstructions of fixed validation images, by the `averaged` model."""
        if not self._context.ranks.first:
            return
        started = time.monotonic()
        publisher, seed = self._context.publisher, self._context.config.seed
        averaged = averaged or self._context.state.averaged
        publisher.sheet("samples", step, samples(averaged, SAMPLES, _TEMPERATURE, seed))
        originals = self._images[:RECONSTRUCTIONS]
        if len(originals):
            publisher.sheet("reconstructions", step, reconstructions(averaged, originals))
        self._shown_at = time.monotonic()
        self._sheets_seconds = self._shown_at - started
