"""The training loop: from a configuration or a run folder to a trained flow, reporting on the way.

A step: dequantize a batch, take its log-density, step the optimizer, average the weights. Everything random in it is
keyed by (seed, step), so that a run that was stopped and resumed is the run that was not, to the bit, on one machine
with one number of threads. Steps are counted as they are taken, whatever came of them: a return to an earlier state
brings back the weights, and the count goes on.
"""

import itertools
import math
import time
from collections.abc import Iterable, Iterator

import msgspec
import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from nvp_studio.checkpoints import Checkpoint, CheckpointInfo
from nvp_studio.data.dataset import DataSet
from nvp_studio.flow.flow import Flow
from nvp_studio.memory import is_out_of_memory
from nvp_studio.ranks import ALONE, Ranks
from nvp_studio.training.agreement import Agreement
from nvp_studio.training.augmentation import Augmentation
from nvp_studio.training.batches import Batches
from nvp_studio.training.best import BestModel, explorer_tensors
from nvp_studio.training.changes import Course
from nvp_studio.training.clock import Clock
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.control import Control
from nvp_studio.training.distributed import add_up_gradients, divided, parts_of, share_statistics, spread
from nvp_studio.training.errors import RunError
from nvp_studio.training.evaluation import (
    HALF_A_LEVEL,
    bits_by_scale,
    inverse_error,
    noise_inverse_error,
    reconstructions,
    samples,
    scores,
)
from nvp_studio.training.events import RunProgress, StepMetrics
from nvp_studio.training.guard import MOST_ROLLBACKS, Guard
from nvp_studio.training.keeping import Keeper, Resume
from nvp_studio.training.learner import Learner, Snapshot
from nvp_studio.training.objective import objective
from nvp_studio.training.publisher import Publisher, insist
from nvp_studio.training.schedule import Budget, learning_rate
from nvp_studio.training.steering import Steering
from nvp_studio.training.stopping import StopWatch, out_of_time

_SAMPLES = 64
_TEMPERATURE = 0.8
_RECONSTRUCTIONS = 16
_SCALE_IMAGES = 64
"""Validation images whose bits are told apart by scale."""
_GOOD_EVERY = 100
"""Steps between copies of the state to return to."""
_VALIDATION_PART, _SHOW_PART = 12, 30
"""Under a budget in minutes: how many times as long as it took the last time each of them waits for its next time."""
_PROGRESS_SECONDS = 0.1


class _BrokenOffError(Exception):
    """A stop was asked for in the middle of a step, which is left untaken."""


class Loop:
    """One stretch of a run: from its start, or a checkpoint, to its end or a stop."""

    def __init__(
        self,
        config: TrainConfig,
        data: DataSet,
        flow: Flow,
        publisher: Publisher,
        control: Control,
        checkpoint: Checkpoint | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        self.ranks = ranks
        self.asked = Agreement(control, ranks)
        self.config = config
        self.data = data
        self.publisher = publisher
        self.control = control
        images = data.train.images
        self.budget = Budget(config, len(images))
        self.batches = Batches(
            images, config.batch_size, config.seed, augmentation=Augmentation.of(config), device=flow.device
        )
        if checkpoint is None:
            flow.initialize(self.batches.take(0), images)  # the whole batch on every rank, whatever its share will be
            ranks.overwrite(itertools.chain(flow.parameters(), flow.buffers()))
        self.learner = Learner(flow, config)
        share_statistics(flow, ranks)
        self.parts = parts_of(*ranks.share(0, config.batch_size), config.accumulate)
        """The places in each batch that this rank computes, one part after the other."""
        self.step = 0
        self.guard = Guard()
        self.seconds = 0.0
        """The first rank's clock after the last step, which is what all ranks go by."""
        self.best = BestModel(self.learner.averaged, data, publisher)
        self.unfinished: StepMetrics | None = None
        self.course = Course(publisher.folder, config.learning_rate, config.stop)
        self.watch = StopWatch()
        self.highest_rate = config.learning_rate
        """The highest learning rate of the schedule, as changed on the way."""
        self.ended_by = ""
        """The stop condition that ended the run, for a person; empty while none did."""
        if checkpoint is not None:
            self._go_on_from(checkpoint)
        (self.seconds,) = ranks.of_first(self.seconds)
        self.clock = Clock(self.seconds)  # after a meeting, for waiting for the other ranks is no training
        self.over = self._agreed(self._fraction() >= 1 or bool(self.ended_by))
        """Whether the budget is spent; looked at once after each step, as a budget in minutes is spent at any time."""
        self.good: Snapshot = self.learner.capture()
        self.keeper = Keeper(config, data, self.learner, self.best, publisher, self.budget, self._standing, ranks)
        now = time.monotonic()
        self._validated_at = self._shown_at = now
        self._validation_cost = self._show_cost = 0.0
        self._progress_at = 0.0
        self.steering = Steering(self.course, publisher, control, ranks)
        self.steering.tell(self.step)

    def _go_on_from(self, checkpoint: Checkpoint) -> None:
        resume = msgspec.json.decode(checkpoint.resume, type=Resume)
        self.learner.restore(Snapshot(checkpoint.tensors, resume.updates))
        self.step, self.guard, self.unfinished = resume.step, resume.guard, resume.unfinished
        self.watch = resume.watch
        self.ended_by = "" if self.course.renewed(resume.step) else resume.ended_by
        self.seconds = resume.seconds
        self.best = BestModel(self.learner.averaged, self.data, self.publisher, resume.best, resume.best_step)

    def run(self) -> bool:
        """Train until the budget is spent (True) or the control says stop (False)."""
        if self.unfinished is not None:
            self._finish_step(self.unfinished)
        while not self.over and self._heed():
            before = self._fraction()
            metrics = self._take_step()
            if metrics is not None:
                self._finish_step(metrics)
            self._keep(before)
            self._progress()
        self._progress(at_once=True)
        return self.over and self.unfinished is None

    def _take_step(self) -> StepMetrics | None:
        """Take one step; None when its gradients were of no use, or a stop broke it off."""
        started = self.clock.seconds()
        config, guard = self.config, self.guard
        (self.highest_rate,) = self.ranks.of_first(self.course.learning_rate(self.step + 1))
        rate = learning_rate(config, self.step, self._fraction(), guard.rollbacks, self.highest_rate)
        try:
            loss, norm = self._gradients_within_memory()
        except _BrokenOffError:
            return None
        self.step += 1
        verdict = guard.judge(loss, norm)
        if verdict == "good":
            self.learner.update(rate)
        elif verdict == "skip":
            self.publisher.notice("warning", f"step {self.step} is skipped: its loss or gradient is not finite")
        else:
            self._roll_back()
        self.clock.stepped(self.clock.seconds() - started, config.batch_size)
        if slept := self.clock.take_slept():
            self.publisher.notice("info", f"the machine slept for {slept / 60:.0f} minutes, which are not counted")
        if verdict != "good":
            return None
        return StepMetrics(
            step=self.step,
            epoch=self.budget.epoch(self.step),
            seconds=self.seconds,
            images=self.step * config.batch_size,
            train=loss,
            learning_rate=rate,
            gradient_norm=norm,
            skipped=guard.skipped,
            rollbacks=guard.rollbacks,
        )

    def _gradients_within_memory(self) -> tuple[float, float]:
        """As `_gradients_of_all`; whenever memory runs out, in parts of half the size, if they can be divided."""
        while True:
            try:
                return self._gradients_of_all()
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                parts = divided(self.parts, self.learner.flow)
                if parts is None:
                    self.keeper.save_last()  # the step was not taken, so this state is whole
                    raise
            self.parts = parts  # and the handler is left, with all that the error's traceback held
            self.publisher.notice(
                "warning",
                f"step {self.step + 1}: out of memory, so from here on each batch is computed in {len(parts)} parts",
            )

    def _gradients_of_all(self) -> tuple[float, float]:
        """The loss and the norm of the gradients, which all ranks then hold, and with them the time and the end.

        When it fails before all ranks have met, nothing has changed: the step can be taken again.
        """
        flow, ranks = self.learner.flow, self.ranks
        held = [buffer.clone() for buffer in flow.buffers()]
        try:
            loss, norm = self.gradients(self._parts())
            seconds = self.clock.seconds()
            ended_by = out_of_time(self.course.rules(self.step + 1), seconds)
            over = self.budget.fraction(self.step + 1, seconds) >= 1 or bool(ended_by)
            loss, norm, self.seconds, over = ranks.of_first(loss, norm, seconds, over)
        except Exception:
            for buffer, value in zip(flow.buffers(), held, strict=True):
                buffer.copy_(value)  # batch normalization averages while it computes
            raise
        self.ended_by, self.over = ended_by, bool(over)
        return loss, norm

    def gradients(self, parts: Iterable[tuple[Tensor, Tensor]]) -> tuple[float, float]:
        """Leave the clipped gradients of the batch's mean bits/dim in the flow; return it and their norm before.

        The batch is given in parts, images and images of noise, and what other ranks have of it is added.
        """
        flow = self.learner.flow
        self.learner.flow.zero_grad(set_to_none=True)
        total = torch.zeros((), device=flow.device, dtype=flow.dtype)
        for x, noise in parts:
            self._break_off()
            aim, loss = objective(flow, x, noise, self.batches, self.config.noise_share)
            self._break_off()
            aim.backward()  # type: ignore[no-untyped-call] # torch leaves it without types
            total += loss.detach()
        mean = add_up_gradients(flow.parameters(), total, self.ranks)
        return mean, clip_grad_norm_(flow.parameters(), self.config.gradient_clip).item()

    def _break_off(self) -> None:
        """Leave the step when a stop is asked for; several ranks, which must do so together, end it first."""
        if self.ranks.world == 1 and self.control.stop_reason is not None:
            raise _BrokenOffError

    def _parts(self) -> Iterator[tuple[Tensor, Tensor]]:
        """This rank's share of the step's batch, part by part: images and images of noise."""
        order = self.guard.rollbacks
        noise = self.ranks.share(0, self.batches.noise_count if self.config.noise_share else 0)
        for number, part in enumerate(self.parts):
            places = spread(*noise, len(self.parts))[number]
            yield self.batches.take(self.step, order, part), self.batches.noise(self.step, order, places)

    def _roll_back(self) -> None:
        """Go back to the last good state, with half the rate and fresh data order; `RunError` the fourth time."""
        self.learner.restore(self.good)
        if self.guard.rollbacks >= MOST_ROLLBACKS:
            self.guard.rolled_back()
            self.keeper.save_last()
            raise RunError(
                f"the loss went astray {MOST_ROLLBACKS + 1} times, at last in step {self.step}; "
                f"start again with a learning rate below {self.highest_rate:g}"
            )
        self.guard.rolled_back()
        self.publisher.notice(
            "warning",
            f"step {self.step}: the loss went astray, so training returns to its last good state with half the "
            f"learning rate and fresh data order (time {self.guard.rollbacks} of at most {MOST_ROLLBACKS})",
        )

    def _finish_step(self, metrics: StepMetrics) -> None:
        """Validate when it is time to, and publish the step; a stop during validation leaves the step unfinished."""
        if self.step % _GOOD_EVERY == 0 and self.guard.calm:
            self.good = self.learner.capture()
        again = self.unfinished is not None
        self.unfinished = metrics  # before ranks agree whether to validate, where one may be lost
        if (again or self._validation_due()) and len(self.data.validation.images):
            if self.over:
                self.keeper.save_last()
                self._progress(at_once=True)  # from here on only a stop is heeded
            found = self._validate()
            if found is None:
                return
            noise_error = noise_inverse_error(self.learner.averaged, _RECONSTRUCTIONS, self.config.seed)
            metrics = msgspec.structs.replace(
                metrics,
                validation=found[0],
                inverse_error=found[1],
                noise_inverse_error=noise_error if math.isfinite(noise_error) else None,
                scale_bits=bits_by_scale(self.learner.averaged, self.data.validation.images[:_SCALE_IMAGES]),
            )
            if found[0] is not None:
                self._consider_stopping(found[0])
        self.unfinished = None
        self.publisher.metrics(metrics)

    def _consider_stopping(self, validation: float) -> None:
        """End the run when its rules say so after this validation."""
        watch = msgspec.structs.replace(self.watch)
        watch.validated(validation)
        reason = watch.verdict(self.course.rules(self.step), validation)
        over = self._agreed(self.over or bool(reason))
        self.watch = watch  # not before all have met: a step that is made up for is validated again
        if reason and not self.over:
            self.ended_by = reason
        self.over = over

    def _agreed(self, said: bool) -> bool:
        """What the first rank says, which alone knows how the run's course was changed."""
        return bool(self.ranks.of_first(said)[0])

    def _validation_due(self) -> bool:
        if self.over:
            return True
        steps = self.budget.validation_steps(self.config)
        if steps is not None:
            return self.step % steps == 0
        elapsed = time.monotonic() - self._validated_at
        due = elapsed >= max(self.budget.validation_seconds(), _VALIDATION_PART * self._validation_cost)
        return bool(self.ranks.of_first(due)[0])

    def _validate(self) -> tuple[float | None, float | None] | None:
        """Validation bits/dim of the averaged weights and the inverse error; None when a stop came first.

        After the last step all validation images are scored; the figure is still over the same first ones as before,
        so that it can be compared.
        """
        started = time.monotonic()
        images = self.data.validation.images
        count = self.config.validation_images
        chosen = images if self.over else images[:count]
        tell = self.publisher.counter("validating", len(chosen)) if self.over else None
        found = scores(self.learner.averaged, chosen, self._heed, ranks=self.ranks, count=tell)
        if found is None:
            return None
        value = found[:count].mean().item()
        if not math.isfinite(value):
            self.publisher.notice("warning", f"step {self.step}: the averaged model has no finite validation score")
            return None, None
        error = inverse_error(self.learner.averaged, images[:_RECONSTRUCTIONS], self.config.seed)
        if not self.ranks.first:
            pass  # the first rank keeps the best for all
        elif error < HALF_A_LEVEL:
            self.best.offer(self.keeper.info(value, min(count, len(found))), self.learner.averaged.state_dict(), found)
        else:
            self.publisher.notice(
                "warning",
                f"step {self.step}: encoding and decoding lose up to {256 * error:.2g} grey levels, so this state is "
                "not taken for the best; a lower learning rate keeps a flow invertible",
            )
        self._show()
        self._validated_at = time.monotonic()
        self._validation_cost = self._validated_at - started
        return value, error if math.isfinite(error) else None

    def _show(self) -> None:
        """Publish samples and reconstructions."""
        if not self.ranks.first:
            return
        started = time.monotonic()
        averaged, publisher = self.learner.averaged, self.publisher
        publisher.sheet("samples", self.step, samples(averaged, _SAMPLES, _TEMPERATURE, self.config.seed))
        originals = self.data.validation.images[:_RECONSTRUCTIONS]
        if len(originals):
            publisher.sheet("reconstructions", self.step, reconstructions(averaged, originals))
        self._shown_at = time.monotonic()
        self._show_cost = self._shown_at - started

    def _show_due(self, now: float) -> bool:
        """Whether a budget in minutes wants pictures between its validations, which cost more and are rarer."""
        if self.over or self.budget.validation_steps(self.config) is not None:
            return False
        return now - self._shown_at >= max(self.budget.validation_seconds(), _SHOW_PART * self._show_cost)

    def _keep(self, before: float) -> None:
        """Write what is due; `before` is the fraction of the budget before the step."""
        if not self.ranks.first:
            return
        if not self.over:
            self.keeper.save_best_when_due(self._proceed_alone)
        if self._show_due(time.monotonic()):
            self._show()
        tenth = int(10 * before) < int(10 * self._fraction()) < 10
        self.keeper.save_checkpoints_when_due(milestone=tenth)

    def stop(self) -> bool:
        """Keep the work: the checkpoint first, then what exploring wants, unless it is to hurry."""
        saved = insist(self.keeper.save_last)
        if self.best.pending:
            self.best.save(lambda: not self._hurry())
            self.keeper.save_last()  # which says what the best on disk is
        elif self.best.saved_step is None and not self._hurry():
            self._save_explorable_last()
        return saved

    def finish(self) -> CheckpointInfo | None:
        """After the last step: score the best model in full and write it; None when a stop ended that early.

        Raises `RunError` when the disk refused the files that hold the work.
        """
        self.clock.pause()  # the seconds of a run are those it trained
        info = self.best.finish(self._heed, self._proceed_alone, self.ranks)
        self.asked.renew()
        if not self.ranks.first:
            return None
        if self.best.value is None and len(self.data.validation.images):
            self.publisher.notice("warning", "no state could be validated and inverted, so the run has no best model")
        if self.asked.stop_reason is not None:
            self.keeper.save_last()
            return info
        written = info is None or self.best.written or insist(self.best.write)
        saved = insist(self.keeper.save_last if info is not None else self._save_explorable_last)
        if not (saved and written):
            raise RunError("the trained model could not be written; make room for it and resume the run")
        return info

    def _save_explorable_last(self) -> bool:
        """Without a best model the last one is what Explore opens."""
        if not self.ranks.first:
            return True
        averaged = self.learner.averaged
        none = Tensor().double()
        extra = explorer_tensors(averaged, self.data, none, lambda: not self._hurry(), 2000, 5.0)
        return self.keeper.save_last(extra)

    def _heed(self) -> bool:
        """Do what the control asks for, wait while it says pause; False when it says stop. All ranks meet here."""
        asked = self.asked
        self._serve()
        asked.renew()
        if asked.paused and asked.stop_reason is None:
            running = self.clock.running
            self.clock.pause()
            self.publisher.enter("paused")
            while asked.paused and asked.stop_reason is None:
                self.control.wait(0.1)
                self._serve()
                asked.renew()
            if running:
                self.clock.proceed()
            if asked.stop_reason is None:
                self.publisher.enter("training")
        return asked.stop_reason is None

    def _proceed_alone(self) -> bool:
        """As `_heed`, in what this rank does while the others wait for it."""
        return self._heed() if self.ranks.world == 1 else self.control.stop_reason is None

    def _hurry(self) -> bool:
        return self.control.hurry or self.asked.hurry

    def _serve(self) -> None:
        if self.control.take_save():
            self.keeper.save_last()
        if self.control.take_sample():
            self._show()
        self.steering.grant_wishes(self.step)

    def _progress(self, *, at_once: bool = False) -> None:
        now = time.monotonic()
        if not at_once and now - self._progress_at < _PROGRESS_SECONDS:
            return
        self._progress_at = now
        seconds = self.clock.seconds()
        left: float | None
        if self.budget.total_seconds is not None:
            left = max(0.0, self.budget.total_seconds - seconds)
        else:
            assert self.budget.total_steps is not None
            left = self.clock.seconds_for((self.budget.total_steps - self.step) * self.config.batch_size)
        self.publisher.report(
            RunProgress(
                step=self.step,
                fraction=self._fraction(),
                epoch=self.budget.epoch(self.step),
                seconds=seconds,
                images_per_second=self.clock.images_per_second,
                seconds_left=left,
                best=self.best.value,
                best_step=self.best.step,
            )
        )

    def _fraction(self) -> float:
        return self.budget.fraction(self.step, self.seconds)

    def _standing(self) -> Resume:
        return Resume(
            step=self.step,
            seconds=self.clock.seconds(),
            updates=self.learner.updates,
            guard=self.guard,
            best=self.best.saved_value,
            best_step=self.best.saved_step,
            unfinished=self.unfinished,
            watch=self.watch,
            ended_by=self.ended_by,
        )
