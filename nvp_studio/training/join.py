"""Joining a run: what the ranks that are not the first do. They compute, and neither write files nor report."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from nvp_studio.checkpoints import Checkpoint
from nvp_studio.ranks import Ranks
from nvp_studio.training.announcement import await_run, receive_state
from nvp_studio.training.control import Control
from nvp_studio.training.determinism import deterministic
from nvp_studio.training.errors import RunError, StoppedError
from nvp_studio.training.evaluation import Images
from nvp_studio.training.events import RunPhase, RunState, StepMetrics
from nvp_studio.training.loop import Loop
from nvp_studio.training.preparation import prepare
from nvp_studio.training.publisher import Publisher
from nvp_studio.training.runs import RunRecord
from nvp_studio.training.session import ignore, run_to_end


def join_run(ranks: Ranks, control: Control | None = None) -> None:
    """Train along in the run that the first rank starts or resumes, until it ends; raises as `start_run` does.

    When this rank is asked to stop before training began, the first one ends the run as stopped.
    """
    control = control or Control()

    def check_stop() -> None:
        if control.stop_reason is not None:
            raise StoppedError(control.stop_reason)

    try:
        announcement = await_run(ranks, check_stop)
        if announcement is None:
            return
        record = announcement.record
        data, flow = prepare(record.config, control, ignore, ranks)
    except StoppedError:
        ranks.cancel_start(control.stop_reason or "")
        return
    if data.digest != record.data.digest:
        raise RunError(f"the data of {record.config.data} are others on this machine than on the first one")
    if ranks.start_together(lambda: control.stop_reason) is not None:
        return
    checkpoint = receive_state(ranks, announcement)
    publisher = SilentPublisher(record)
    with deterministic(record.config.deterministic):
        run_to_end(Loop(record.config, data, flow, publisher, control, checkpoint, ranks), publisher)


class SilentPublisher(Publisher):
    """A publisher that does nothing: the first rank reports and writes for all."""

    def __init__(self, record: RunRecord) -> None:
        self.folder = Path(os.devnull)  # holds no files
        self.record = record
        self.report = ignore

    def close(self) -> None:
        """Nothing is open."""

    def enter(self, phase: RunPhase, reason: str = "") -> None:
        """Report nothing."""

    def end(self, state: RunState) -> RunState:
        """Write nothing."""
        return state

    def notice(self, level: Literal["info", "warning", "error"], text: str) -> None:
        """Report nothing."""

    def metrics(self, metrics: StepMetrics) -> None:
        """Report nothing."""

    def update_record(self, **changes: object) -> bool:
        """Write nothing, which always succeeds."""
        return True

    def checkpoint(
        self, name: str, kind: Literal["last", "best", "milestone"], step: int, make: Callable[[], Checkpoint]
    ) -> bool:
        """Write nothing, which always succeeds."""
        return True

    def sheet(self, kind: Literal["samples", "reconstructions"], step: int, images: Images) -> None:
        """Publish nothing."""
