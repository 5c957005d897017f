"""The training loop: one step after another, and between steps validation, files and requests.

Everything random in a step is keyed by (seed, step, number of returns to an earlier state), and everything else that
it depends on is in a checkpoint: so a run that was stopped and resumed is the run that was not, to the bit, on one
machine with one number of threads. Steps are counted as they are taken, whatever came of them: a return to an earlier
state brings back the weights, and the count goes on.
"""

import itertools
import time
from collections.abc import Iterator

import msgspec
import torch

from nvp_studio.checkpoints import CheckpointInfo
from nvp_studio.data.dataset import DataSet
from nvp_studio.flow.engine.acceleration import accelerate
from nvp_studio.flow.flow import Flow
from nvp_studio.memory import is_out_of_memory
from nvp_studio.ranks import ALONE, Ranks
from nvp_studio.training.augmentation import Augmentation
from nvp_studio.training.batches import Batches, MicroBatch
from nvp_studio.training.best import BestModel
from nvp_studio.training.changes import ChangeHistory, ChangeRequest
from nvp_studio.training.checkpointer import Checkpointer, ResumeState, SavedState
from nvp_studio.training.clock import Clock
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.context import LoopContext
from nvp_studio.training.control import Control
from nvp_studio.training.distributed import halved, micro_batch_ranges, share_batch_statistics
from nvp_studio.training.divergence import MAX_ROLLBACKS, DivergenceDetector, Verdict
from nvp_studio.training.errors import RunError
from nvp_studio.training.events import RunChanged, StepMetrics
from nvp_studio.training.progress import progress_of
from nvp_studio.training.publisher import Publisher, retry
from nvp_studio.training.rank_part import RankPart
from nvp_studio.training.requests import Requests
from nvp_studio.training.schedule import Budget, learning_rate
from nvp_studio.training.scoring_budget import ScoringBudget
from nvp_studio.training.step import StepResult, train_step
from nvp_studio.training.stopping import StopProgress, out_of_time
from nvp_studio.training.train_state import Snapshot, TrainState
from nvp_studio.training.validation import Validator

_GOOD_EVERY = 100
"""Steps between copies of the state to return to."""
_REPORT_SECONDS = 0.1
"""Shortest time between two reports of the progress."""


class _StepAbandonedError(Exception):
    """A stop was asked for in the middle of a step, which is not taken."""


class Loop:
    """One session of a run: from its start, or a checkpoint, to its end or a stop. All ranks go through it together."""

    def __init__(
        self,
        config: TrainConfig,
        data: DataSet,
        flow: Flow,
        publisher: Publisher,
        control: Control,
        saved: SavedState | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        self.config = config
        self.publisher = publisher
        self.control = control
        self.requests = Requests(control, publisher.folder, ranks)
        self.ranks = ranks
        images = data.train.images
        self.budget = Budget(config, len(images))
        self.batches = Batches(
            images, config.batch_size, config.seed, augmentation=Augmentation.of(config), device=flow.device
        )
        if saved is None:
            if config.begin_from is None:
                accelerate(flow)  # plain splines have a sum without a deterministic algorithm on CUDA
                flow.initialize(self.batches.take(0), images)  # the whole batch on every rank
            ranks.broadcast_in_place(itertools.chain(flow.parameters(), flow.buffers()))
        self.state = TrainState(flow, config)
        share_batch_statistics(flow, ranks)
        self.rank_part = RankPart(self.batches, config, ranks)
        self.ranges = micro_batch_ranges(*ranks.own_range(0, config.batch_size), config.accumulate)
        """This rank's micro-batches, as ranges of places in the batch."""
        self.step = 0
        """Steps taken."""
        self.seconds = 0.0
        """The first rank's clock after the last step, which all ranks use."""
        self.over = False
        """Whether the run ends after the last step; a budget in minutes is looked at after each step alone."""
        self.ended_by = ""
        """The stop condition that ended the run, for a person; empty while none did."""
        self.unfinished: StepMetrics | None = None
        """The last step, while the validation after it is not complete."""
        self.detector = DivergenceDetector()
        self.stop_progress = StopProgress()
        self.changes = ChangeHistory(publisher.folder, config.learning_rate, config.stop)
        counts = len(data.validation.images), 0 if data.test is None else len(data.test.images)
        self.scoring = ScoringBudget(config, self.budget, *counts, None if saved is None else saved.resume.scoring)
        self.context = context = LoopContext(
            config, data, self.state, publisher, self.budget, self.scoring, ranks, self.requests
        )
        self.best = BestModel(context)
        if saved is not None:
            self._restore(saved)
            self.best = BestModel(context, saved.resume.best, saved.resume.best_step)
        (self.seconds,) = ranks.broadcast(self.seconds)
        self.clock = Clock(self.seconds)  # after the collective: waiting for other ranks is no training
        self.over = self._agreed(self._fraction() >= 1 or bool(self.ended_by))
        self.last_good: Snapshot = self.state.capture()
        """The state to return to."""
        self.checkpointer = Checkpointer(context, self.best, self._resume_state)
        self.validator = Validator(context, self.best, self.checkpointer)
        self._reported_at = 0.0
        self._report_changes()

    def _restore(self, saved: SavedState) -> None:
        resume = saved.resume
        self.state.restore(Snapshot(saved.tensors, resume.updates, torch.tensor(resume.sample_gap)))
        self.step, self.detector, self.unfinished = resume.step, resume.detector, resume.unfinished
        self.stop_progress = resume.stop_progress
        self.ended_by = "" if self.changes.stop_rules_changed_since(resume.step) else resume.ended_by
        self.seconds = resume.seconds

    def run(self) -> bool:
        """Train until the budget is spent or a condition ends the run (True), or the control says stop (False)."""
        if self.unfinished is not None:
            self._finish_step(self.unfinished)
        while not self.over and self._poll_control():
            before = self._fraction()
            metrics = self._take_step()
            if metrics is not None:
                self._finish_step(metrics)
            self._write_files(milestone=int(10 * before) < int(10 * self._fraction()) < 10)
            self._report_progress()
        self._report_progress(at_once=True)
        return self.over and self.unfinished is None

    # A step, and what surrounds it

    def _take_step(self) -> StepMetrics | None:
        """Take a step; None when it left the weights as they were, returned to an earlier state, or was abandoned."""
        started = self.clock.seconds()
        (highest,) = self.ranks.broadcast(self.changes.learning_rate(self.step + 1))
        rate = learning_rate(self.config, self.step, self._fraction(), self.detector.rollbacks, highest)
        try:
            result = self._step_within_memory(rate)
        except _StepAbandonedError:
            return None
        if result.verdict == "skip":
            self.publisher.notice("warning", f"step {self.step} is skipped: its loss or gradient is not finite")
        elif result.verdict == "roll back":
            self._roll_back(highest)
        self.clock.stepped(self.clock.seconds() - started, self.config.batch_size)
        if slept := self.clock.take_slept():
            self.publisher.notice("info", f"the machine slept for {slept / 60:.0f} minutes, which are not counted")
        if result.verdict != "good":
            return None
        return StepMetrics(
            step=self.step,
            epoch=self.budget.epoch(self.step),
            seconds=self.seconds,
            images=self.step * self.config.batch_size,
            train=result.loss,
            learning_rate=rate,
            gradient_norm=result.gradient_norm,
            skipped=self.detector.skipped,
            rollbacks=self.detector.rollbacks,
        )

    def _step_within_memory(self, rate: float) -> StepResult:
        """Take the step; as long as memory runs out before the weights change, again in micro-batches of half the size.

        An error before the weights change leaves the flow as it was: batch normalization averages while it computes,
        and its running statistics are put back.
        """
        flow, number = self.state.flow, self.step
        while True:
            own = self.rank_part.own_samples(number, self.detector.rollbacks, len(self.ranges), self._fraction())
            statistics = [buffer.clone() for buffer in flow.buffers()]
            try:
                return train_step(
                    self.state,
                    self._next_batch(),
                    self.config,
                    rate,
                    own_samples=own,
                    ranks=self.ranks,
                    check=self._check_stop,
                    judge=self._judge,
                )
            except Exception as error:
                if self.step != number:
                    raise
                for buffer, value in zip(flow.buffers(), statistics, strict=True):
                    buffer.copy_(value)
                if not is_out_of_memory(error):
                    raise
                smaller = halved(self.ranges, flow)
                if smaller is None:
                    self.checkpointer.save_last()
                    raise
            self.ranges = smaller  # outside the handler, whose traceback holds the tensors of the failed step
            self.publisher.notice(
                "warning",
                f"step {self.step + 1}: out of memory, so from here on each batch is computed in "
                f"{len(smaller)} micro-batches",
            )

    def _next_batch(self) -> Iterator[MicroBatch]:
        return self.rank_part.micro_batches(self.step, self.detector.rollbacks, self.ranges)

    def _check_stop(self) -> None:
        """Abandon the step when a stop is asked for; several ranks, which must do so together, end it first."""
        if self.ranks.world == 1 and self.control.stop_reason is not None:
            raise _StepAbandonedError

    def _judge(self, loss: float, norm: float) -> Verdict:
        """Count the step, and say what becomes of it; the first rank's numbers, clock and end are those of all."""
        seconds = self.clock.seconds()
        ended_by = out_of_time(self.changes.rules(self.step + 1), seconds)
        over: float = self.budget.fraction(self.step + 1, seconds) >= 1 or bool(ended_by)
        loss, norm, self.seconds, over = self.ranks.broadcast(loss, norm, seconds, over)
        self.step += 1
        self.ended_by, self.over = ended_by, bool(over)
        return self.detector.judge(loss, norm)

    def _roll_back(self, highest_rate: float) -> None:
        """Go back to the last good state, with half the rate and fresh data order; `RunError` the fourth time."""
        self.state.restore(self.last_good)
        if self.detector.rollbacks >= MAX_ROLLBACKS:
            self.detector.rolled_back()
            self.checkpointer.save_last()
            raise RunError(
                f"the loss diverged {MAX_ROLLBACKS + 1} times, at last in step {self.step}; "
                f"start again with a learning rate below {highest_rate:g}"
            )
        self.detector.rolled_back()
        self.publisher.notice(
            "warning",
            f"step {self.step}: the loss diverged, so training returns to its last good state with half the "
            f"learning rate and fresh data order (time {self.detector.rollbacks} of at most {MAX_ROLLBACKS})",
        )

    # Between steps

    def _finish_step(self, metrics: StepMetrics) -> None:
        """Validate when it is time to, and publish the step; a stop during validation leaves the step unfinished."""
        if self.step % _GOOD_EVERY == 0 and self.detector.stable:
            self.last_good = self.state.capture()
        again = self.unfinished is not None
        self.unfinished = metrics  # before ranks agree whether to validate, where one may be lost
        if self.validator.possible and (again or self.over or self.validator.due(self.step, self.seconds)):
            if self.over:
                self.checkpointer.save_last()
                self._report_progress(at_once=True)
            validated = self.validator.validate(metrics, self._poll_control, last=self.over)
            if validated is None:
                return
            metrics = validated
            if metrics.validation is not None:
                self._consider_stopping(metrics.validation)
        self.unfinished = None
        self.publisher.metrics(metrics)

    def _consider_stopping(self, validation: float) -> None:
        """End the run when its rules say so after this validation."""
        progress = msgspec.structs.replace(self.stop_progress)
        reason = progress.validated(validation, self.changes.rules(self.step))
        over = self._agreed(self.over or bool(reason))
        self.stop_progress = progress  # after the collective: when that fails, this validation is done again
        if reason and not self.over:
            self.ended_by = reason
        self.over = over

    def _agreed(self, value: bool) -> bool:
        """The first rank's value, as it alone reads the run's changes."""
        return bool(self.ranks.broadcast(value)[0])

    def _write_files(self, *, milestone: bool) -> None:
        """Write what is due, also a checkpoint that is kept if this is a `milestone`."""
        if not self.ranks.first:
            return
        if not self.over:
            self.checkpointer.save_best_when_due(self._poll_control_alone)
            if self.validator.sheets_due():
                self.validator.publish_sheets(self.step)
        self.checkpointer.save_checkpoints_when_due(milestone=milestone)

    def _poll_control(self) -> bool:
        """Handle requests to the run and wait during a pause; False when it is to stop. A collective."""
        self._handle_requests()
        if self.requests.paused:
            with self.clock.paused():
                self.publisher.enter("paused")
                while self.requests.paused:
                    self.control.wait(0.1)
                    self._handle_requests()
            if self.requests.stop_reason is None:
                self.publisher.enter("training")
        return self.requests.stop_reason is None

    def _poll_control_alone(self) -> bool:
        """As `_poll_control`, while the other ranks wait for this one, so that it can be no collective."""
        return self._poll_control() if self.ranks.world == 1 else self.control.stop_reason is None

    def _handle_requests(self) -> None:
        for request in self.requests.take():
            if request == "save":
                self.checkpointer.save_last()
            elif request == "sample":
                self.validator.publish_sheets(self.step)
            else:
                self._change(request)
        self.requests.synchronize()

    def _change(self, request: ChangeRequest) -> None:
        """Make a change from the next step on, but not one that cannot be recorded: no resume would repeat it."""
        try:
            self.changes.make(request, self.step)
        except OSError as error:
            self.publisher.notice("error", f"the change could not be recorded, so it is not made: {error.strerror}")
            return
        self._report_changes()

    def _report_changes(self) -> None:
        """Report the learning rate and the stop conditions that hold from the next step on."""
        rate, stop = self.changes.learning_rate(self.step + 1), self.changes.rules(self.step + 1)
        self.publisher.report(RunChanged(step=self.step, learning_rate=rate, stop=stop))

    # The end

    def stop(self) -> bool:
        """Write the last checkpoint (False if that failed), and what exploring needs unless the run ends at once."""
        saved = retry(self.checkpointer.save_last)
        if self.best.pending:
            self.best.save(self.requests.has_time)
            self.checkpointer.save_last()  # which says what the best on disk is
        elif self.best.saved_step is None and self.requests.has_time():
            self.checkpointer.save_explorable_last(self.requests.has_time)
        return saved

    def finish(self) -> CheckpointInfo | None:
        """After the last step, score the best model and write it; None when a stop ended that early.

        Raises `RunError` when the files could not be written.
        """
        self.clock.pause()  # the seconds of a run are those it trained
        info = self.best.finish(self._poll_control, self._poll_control_alone, step=self.step, seconds=self.seconds)
        self.requests.synchronize()
        if not self.ranks.first:
            return None
        if self.best.value is None and self.validator.possible:
            self.publisher.notice("warning", "no state could be validated and inverted, so the run has no best model")
        if self.requests.stop_reason is not None:
            self.checkpointer.save_last()
            return info
        written = info is None or self.best.written or retry(self.best.write)
        if info is not None:
            saved = retry(self.checkpointer.save_last)
        else:
            saved = retry(lambda: self.checkpointer.save_explorable_last(self.requests.has_time))
        if not (saved and written):
            raise self.publisher.unwritten()
        return info

    # What is reported

    def _report_progress(self, *, at_once: bool = False) -> None:
        """Report how far the run is, unless that was done a moment ago or `at_once` asks for it."""
        now = time.monotonic()
        if not at_once and now - self._reported_at < _REPORT_SECONDS:
            return
        self._reported_at = now
        fraction = 1.0 if self.over else self._fraction()
        self.publisher.report(progress_of(self.step, fraction, self.context, self.clock, self.best))

    def _fraction(self) -> float:
        """How much of the budget is used up, 0 to 1."""
        return self.budget.fraction(self.step, self.seconds)

    def _resume_state(self) -> ResumeState:
        return ResumeState(
            step=self.step,
            seconds=self.clock.seconds(),
            updates=self.state.updates,
            sample_gap=self.state.sample_gap.item(),
            detector=self.detector,
            best=self.best.saved_value,
            best_step=self.best.saved_step,
            unfinished=self.unfinished,
            stop_progress=self.stop_progress,
            ended_by=self.ended_by,
            scoring=self.scoring.stored,
        )
