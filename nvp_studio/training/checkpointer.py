"""The checkpoints of a run: when each file is due, and what it holds."""

import math
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec
from torch import Tensor

from nvp_studio.checkpoints import Checkpoint, CheckpointInfo, DataInfo, slim
from nvp_studio.training.best import BestModel, KeepGoing, explorer_tensors
from nvp_studio.training.context import LoopContext
from nvp_studio.training.divergence import DivergenceDetector
from nvp_studio.training.events import StepMetrics
from nvp_studio.training.reference import contrasts
from nvp_studio.training.scoring_budget import StoredScoring, direction_seconds
from nvp_studio.training.stopping import StopProgress

_BEST_SECONDS = 60.0
"""Shortest time between two writings of the best model, which include a principal component analysis."""
_BEST_COST_FACTOR = 30
"""Nor sooner than this many times what the last writing took."""
_RETRY_SECONDS = 15.0
"""Time after which a checkpoint that could not be written is tried again."""


_MAX_COUNT = 2**40
_MAX_SECONDS = 1e10
"""Three centuries."""
_MAX_SCORE = 3.5e38
"""Bits/dim are computed in float32."""


class ResumeState(msgspec.Struct, frozen=True, kw_only=True):
    """What a checkpoint holds besides its tensors for a run that is resumed from it, as JSON.

    Keys in the file keep their first names: `guard` and `watch`. Raises `ValueError` for what no run can have come to.
    """

    step: int
    seconds: float
    updates: int
    sample_gap: float = 0.0
    """How much worse own samples scored than images, in bits/dim, as `TrainState` has it."""
    detector: DivergenceDetector = msgspec.field(name="guard")
    best: float | None
    """Validation of the best model that is on disk, in bits/dim."""
    best_step: int | None
    unfinished: StepMetrics | None
    """The last step, when the run was stopped before the validation after it was complete."""
    stop_progress: StopProgress = msgspec.field(default_factory=StopProgress, name="watch")
    ended_by: str = ""
    """The stop condition that ended the run, when one did."""
    scoring: StoredScoring = StoredScoring()

    def __post_init__(self) -> None:
        detector, progress = self.detector, self.stop_progress
        counts = {
            "step": self.step,
            "updates": self.updates,
            "skipped": detector.skipped,
            "rollbacks": detector.rollbacks,
            "skips_in_row": detector.skips_in_row,
            "far_in_row": detector.far_in_row,
            "without_gain": progress.without_gain,
            "best_step": self.best_step or 0,
        }
        for name, count in counts.items():
            most = _MAX_COUNT if name == "step" else self.step
            if not 0 <= count <= most:
                raise ValueError(f"{name} is {count}, must lie in 0..{most}")
        if not 0 <= self.seconds <= _MAX_SECONDS:
            raise ValueError(f"seconds is {self.seconds:g}, must lie in 0..{_MAX_SECONDS:g}")
        for score in (self.best, self.sample_gap, detector.smooth, detector.best, progress.lowest):
            if score is not None and not abs(score) <= _MAX_SCORE:
                raise ValueError(f"{score:g} is no score in bits/dim")
        if self.unfinished is not None and self.unfinished.step != self.step:
            raise ValueError(f"the unfinished step is {self.unfinished.step}, must be {self.step}")


class SavedState(NamedTuple):
    """What a resumed session goes on from."""

    resume: ResumeState
    tensors: Mapping[str, Tensor]


class Checkpointer:
    """Writes the last checkpoint, milestones and the best model of one session of a run.

    `resume_state` gives what a checkpoint of this moment says. Only the first rank writes; on the others `save_last`
    does nothing.
    """

    def __init__(self, context: LoopContext, best: BestModel, resume_state: Callable[[], ResumeState]) -> None:
        self._context = context
        self._best = best
        self._resume_state = resume_state
        self._contrasts = tuple(contrasts(context.data))
        self._saved_at = self._best_at = time.monotonic()
        self._best_cost = 0.0
        self._failed_at: float | None = None
        """When the last checkpoint could not be written; None once one was."""
        self._milestone_due = False
        self._milestone_at = -math.inf

    def save_best_when_due(self, keep_going: KeepGoing) -> None:
        """Write the best model if there is a new one and the last writing was long ago."""
        now = time.monotonic()
        wait = 0.0 if self._best.saved_step is None else max(_BEST_SECONDS, _BEST_COST_FACTOR * self._best_cost)
        if self._best.pending and now - self._best_at >= wait:
            seconds = direction_seconds(self._context.config, self._resume_state().seconds, most=5.0)
            self._best.save(keep_going, seconds=seconds)
            self._best_at = time.monotonic()
            self._best_cost = self._best_at - now

    def save_checkpoints_when_due(self, *, milestone: bool) -> None:
        """Write the last checkpoint if it is time to, and one that stays if this step is a `milestone`."""
        now, step = time.monotonic(), self._resume_state().step
        if self._save_due(now, step):
            self.save_last()
        self._milestone_due |= milestone
        if self._milestone_due and now - self._milestone_at >= _RETRY_SECONDS:
            saved = self._context.publisher.checkpoint(
                "milestone", step, lambda: slim(self._checkpoint(self._resume_state()))
            )
            self._milestone_due, self._milestone_at = not saved, -math.inf if saved else now

    def _save_due(self, now: float, step: int) -> bool:
        """Whether it is time for a checkpoint: by minutes, by steps, or because the last one could not be written."""
        config = self._context.config
        interval = 60 * config.checkpoint_minutes
        if self._failed_at is not None:
            return now - self._failed_at >= min(interval, _RETRY_SECONDS)
        steps = config.checkpoint_steps
        return now - self._saved_at >= interval or (steps is not None and step % steps == 0)

    def save_last(self, extra: dict[str, Tensor] | None = None) -> bool:
        """Write the checkpoint to resume from, with the tensors `extra`; False when it could not be written."""
        context = self._context
        if not context.ranks.first:
            return True
        now = self._resume_state()
        saved = context.publisher.checkpoint("last", now.step, lambda: self._checkpoint(now, extra))
        self._saved_at = time.monotonic()
        self._failed_at = None if saved else self._saved_at
        context.publisher.update_record(
            step=now.step,
            total_steps=context.budget.total_steps,
            epoch=context.budget.epoch(now.step),
            seconds=now.seconds,
            images=now.step * context.config.batch_size,
            best=self._best.value,
            best_step=self._best.step,
            skipped=now.detector.skipped,
            rollbacks=now.detector.rollbacks,
        )
        return saved

    def save_explorable_last(self, keep_going: KeepGoing) -> bool:
        """`save_last` with what exploring needs; Explore opens it when there is no best model."""
        if not self._context.ranks.first:
            return True
        none = Tensor().double()
        return self.save_last(
            explorer_tensors(self._context.state.averaged, self._context.data, none, keep_going, 2000, 5.0)
        )

    def _checkpoint(self, resume_state: ResumeState, extra: dict[str, Tensor] | None = None) -> Checkpoint:
        state = self._context.state
        tensors = dict(state.capture().tensors) | (extra or {})
        return Checkpoint(state.flow.config, self.info(), tensors, msgspec.json.encode(resume_state).decode())

    def info(self, validation: float | None = None, count: int = 0) -> CheckpointInfo:
        """The information in a file written now; `validation` in bits/dim is the mean over `count` images."""
        config, data, now = self._context.config, self._context.data, self._resume_state()
        return CheckpointInfo(
            name=self._context.publisher.record.name,
            preset=config.preset,
            data=DataInfo(
                name=data.name,
                title=data.title,
                digest=data.digest,
                label_names=data.label_names,
                contrasts=self._contrasts,
                licence=data.licence,
            ),
            step=now.step,
            epoch=self._context.budget.epoch(now.step),
            seconds=now.seconds,
            images=now.step * config.batch_size,
            seed=config.seed,
            validation=validation,
            validation_images=count,
            train_config=msgspec.json.encode(config).decode(),
            parent=self._context.publisher.record.parent,
            created=datetime.now().astimezone().isoformat(timespec="seconds"),
        )
