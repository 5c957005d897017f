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
    measure_speed,
    noise_inverse_error,
    reconstructions,
    samples,
    scores,
)
from nvp_studio.training.events import RunState, StepMetrics
from nvp_studio.training.scoring_budget import PICTURES, ValidationPlan

_TEMPERATURE = 0.8
_VALIDATION_PART, _SHEETS_PART = 20, 100
"""Under a budget in minutes, a validation and the sheets come again after this many times as long as they last took."""


class Validator:
    """Validates the averaged weights when that is due, and publishes samples and reconstructions."""

    def __init__(self, context: LoopContext, best: BestModel, checkpointer: Checkpointer) -> None:
        self._context = context
        if context.scoring.plan is None and best.value is not None:  # of an earlier version
            context.scoring.plan = ValidationPlan(context.config.validation_images)
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

    def due(self, step: int, seconds: float) -> bool:
        """Whether to validate after `step` steps in `seconds` seconds; a collective.

        When the first validation is due, scoring may turn out too slow for any but the one after the last step.
        """
        plan = self._context.scoring.plan
        every = 1 if plan is None else plan.every
        return every > 0 and self._in_turn(step, every) and (plan or self._plan(step, seconds)).every > 0

    def _in_turn(self, step: int, every: int) -> bool:
        context = self._context
        interval = context.budget.validation_steps(context.config)
        if interval is not None:
            return step % interval == 0 and (step // interval - 1) % every == 0
        wait = max(every * context.budget.validation_seconds(), _VALIDATION_PART * self._validation_seconds)
        return bool(context.ranks.broadcast(time.monotonic() - self._validated_at >= wait)[0])

    def _plan(self, step: int, seconds: float) -> ValidationPlan:
        """Decide what each validation scores, by the speed of scoring; a collective."""
        ranks, scoring = self._context.ranks, self._context.scoring
        if self._context.config.scoring_share < 1:
            measure_speed(self._context.state.averaged, self._images, scoring, ranks)
        plan = scoring.decide(step, seconds)
        scoring.plan = plan = ValidationPlan(*map(int, ranks.broadcast(plan.images, plan.pictures, plan.every)))
        self._report_plan(plan)
        return plan

    def _report_plan(self, plan: ValidationPlan) -> None:
        log, count = self._context.publisher.log, len(self._images)
        log(f"validations score {plan.images:,} of {count:,} images and show {plan.pictures} samples")
        if plan.every != 1:
            which = f"one in {plan.every}" if plan.every else "only the last"
            log(f"{which} of the validations takes place, as scoring may take a part of the time (scoring share)")

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
        started, step, seconds = time.monotonic(), metrics.step, metrics.seconds
        context, averaged, scoring = self._context, self._context.state.averaged, self._context.scoring
        ranks, seed, plan = context.ranks, context.config.seed, scoring.plan or self._plan(step, seconds)
        chosen = chosen_images(self._images, plan.images)

        def left(images: int) -> float | None:
            if not last:
                return None
            rest = (images - len(chosen)) / scoring.speeds(step, seconds).scored
            return max(0.0, scoring.seconds_after_training(step, seconds) + rest)

        counter = context.publisher.counter("validating", len(chosen), at_once=last, left=left)
        has_news = context.requests.has_news
        bits = scores(averaged, chosen, keep_going, ranks=ranks, count=counter, budget=scoring, has_news=has_news)
        if bits is None:
            return None
        if not last:
            context.publisher.report(RunState("training"))
        value, error = bits.mean().item(), math.nan
        if math.isfinite(value):
            with scoring.timed():
                error = inverse_error(averaged, self._images[: plan.reconstructions], seed)
            if ranks.first and self._invertible(step, error):
                info = self._checkpointer.info(value, len(bits))
                self._best.offer(info, averaged.flow.state_dict(), bits)
            self.publish_sheets(step, averaged)
        else:
            context.publisher.notice("warning", f"step {step}: the averaged model has no finite validation score")
        self._validated_at = time.monotonic()
        self._validation_seconds = self._validated_at - started
        with scoring.timed():
            noise_error = noise_inverse_error(averaged, plan.reconstructions, seed)
            scale_bits = bits_by_scale(averaged, self._images[: plan.pictures])
        return msgspec.structs.replace(
            metrics,
            validation=finite(value),
            validation_images=len(bits),
            inverse_error=finite(error),
            invertible=error < HALF_A_LEVEL,
            noise_inverse_error=finite(noise_error),
            scale_bits=scale_bits,
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
        scoring = self._context.scoring
        pictures = 64 if scoring.plan is None else scoring.plan.pictures
        with scoring.timed(decoded=pictures):
            sampled = samples(averaged, pictures, _TEMPERATURE, seed)
        publisher.sheet("samples", step, sampled)
        originals = self._images[: PICTURES[pictures]]
        if len(originals):
            with scoring.timed():
                again = reconstructions(averaged, originals)
            publisher.sheet("reconstructions", step, again)
        self._shown_at = time.monotonic()
        self._sheets_seconds = self._shown_at - started
