"""A session of a run on the first rank: from a start or a checkpoint to its end, with what is recorded of it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from nvp_studio.data.dataset import DataSet
from nvp_studio.flow.flow import Flow
from nvp_studio.memory import is_out_of_memory
from nvp_studio.ranks import ALONE, RankLostError, Ranks
from nvp_studio.training.changes import Restart, StopChange, now, record_changes
from nvp_studio.training.checkpointer import ResumeState, SavedState
from nvp_studio.training.control import Control
from nvp_studio.training.determinism import deterministic
from nvp_studio.training.errors import DataChangedError, RunError, failure_line
from nvp_studio.training.events import RunEvent, RunStarted, RunState
from nvp_studio.training.loop import Loop
from nvp_studio.training.publisher import Publisher, Report
from nvp_studio.training.runs import RunData, RunRecord, cut_metrics
from nvp_studio.training.schedule import Budget
from nvp_studio.training.stopping import StopRules

_ANNOUNCEMENT = "the run begins"
_TRAINED = ("weights.", "average.", "optimizer.")
"""Prefixes of the tensors that training goes on from."""


class ResumePoint(NamedTuple):
    """What a resumed session starts from."""

    saved: SavedState
    last_is_whole: bool
    """Whether it is the last checkpoint, read and verified, and not the one before."""
    lift_stop_rules: bool
    """Whether to remove the stop conditions, because they ended the run."""
    warnings: Sequence[str] = ()


def ignore(event: RunEvent) -> None:
    """Report to nobody."""


def train_session(
    folder: Path,
    record: RunRecord,
    data: DataSet,
    flow: Flow,
    control: Control,
    report: Report,
    ranks: Ranks,
    point: ResumePoint | None = None,
) -> RunState:
    """Train to the end or a stop. The final state is written to the run's record; the caller reports it."""
    publisher = Publisher(folder, record, report, last_is_whole=point is not None and point.last_is_whole)
    loop: Loop | None = None
    try:
        ranks.announce(_ANNOUNCEMENT, msgspec.json.encode(record))
        called_off = ranks.start_together(lambda: control.stop_reason)
        if called_off is not None:
            control.stop(called_off, at_once=True)
            ranks = ALONE  # the others do not come; what is left is to save the state
        saved = share_state(ranks, None if point is None else point.saved)
        if point is not None:
            _record_restart(folder, publisher, point)
        report(_started(folder, record, data, 0 if saved is None else saved.resume.step))
        if point is None and data.notes:
            publisher.notice("info", "; ".join(data.notes))
        for text in () if point is None else point.warnings:
            publisher.notice("warning", text)
        with deterministic(record.config.deterministic):
            loop = Loop(record.config, data, flow, publisher, control, saved, ranks)
            if saved is None:
                loop.checkpointer.save_last()
            publisher.enter("training")
            return publisher.end(run_to_end(loop, publisher))
    except Exception as error:
        if isinstance(error, RankLostError) and loop is not None:
            loop.checkpointer.save_last()  # ranks meet before a step changes the weights: these are of whole steps
        publisher.end(RunState("failed", failure_line(error)))
        raise
    finally:
        publisher.close()


def run_to_end(loop: Loop, publisher: Publisher) -> RunState:
    """Run the loop, then finish the run or save a stopped one; return the final state."""
    if loop.run():
        cause = loop.ended_by or "the budget is spent"
        publisher.notice("info", f"{cause}; scoring the best model on all validation and test images")
        info = loop.finish()
        if loop.requests.stop_reason is None:
            publisher.update_record(validation=info and info.validation, test=info and info.test)
            return RunState("finished", loop.ended_by)
    reason = loop.requests.stop_reason or ""
    publisher.enter("stopping", reason)
    saved = loop.stop()
    return RunState("stopped", reason if saved else f"{reason}; the last checkpoint could not be written")


def await_run(ranks: Ranks, poll: Callable[[], None]) -> RunRecord | None:
    """Wait for the run that the first rank announces; None when there is none. `poll` is called and may raise."""
    content = ranks.await_announcement(_ANNOUNCEMENT, poll)
    return msgspec.json.decode(content, type=RunRecord) if content else None


def announce_no_run(ranks: Ranks) -> None:
    """Tell the other ranks that there is nothing to do."""
    ranks.announce(_ANNOUNCEMENT)


def share_state(ranks: Ranks, saved: SavedState | None = None) -> SavedState | None:
    """Give all ranks the first one's state to go on from, None at the start of a run; a collective."""
    content = ranks.broadcast_bytes(msgspec.json.encode(saved and saved.resume))
    resume = msgspec.json.decode(content, type=ResumeState | None)
    if resume is None:
        return None
    tensors = {} if saved is None else {n: t for n, t in saved.tensors.items() if n.startswith(_TRAINED)}
    return SavedState(resume, ranks.broadcast_tensors(tensors))


def run_data(data: DataSet) -> RunData:
    """The data as described in a run's record."""
    return RunData(
        title=data.title,
        digest=data.digest,
        train_images=len(data.train.images),
        validation_images=len(data.validation.images),
    )


@contextmanager
def failure_reported(report: Report) -> Iterator[None]:
    """Report an error as the run's state and raise it again; lack of memory as a `RunError`."""
    try:
        yield
    except Exception as error:
        if isinstance(error, DataChangedError):
            report(RunState("failed", error.change, data_changed=True))
            raise
        report(RunState("failed", failure_line(error)))
        if is_out_of_memory(error):
            raise RunError(failure_line(error)) from error
        raise


def _record_restart(folder: Path, publisher: Publisher, point: ResumePoint) -> None:
    """Drop the metrics of steps that are taken again, and record the restart."""
    resume = point.saved.resume
    cut_metrics(folder, resume.step if resume.unfinished is None else resume.step - 1)
    if point.lift_stop_rules:
        record_changes(folder, StopChange(resume.step, StopRules()))
    try:
        record_changes(folder, Restart(resume.step, now()))
    except OSError as error:
        publisher.notice("warning", f"that the run goes on here could not be noted: {failure_line(error)}")


def _started(folder: Path, record: RunRecord, data: DataSet, step: int) -> RunStarted:
    budget = Budget(record.config, len(data.train.images))
    return RunStarted(
        folder=str(folder),
        name=record.name,
        config=record.config,
        device=record.device,
        parameters=record.parameters,
        train_images=len(data.train.images),
        validation_images=len(data.validation.images),
        steps_per_epoch=budget.steps_per_epoch,
        step=step,
        total_steps=budget.total_steps,
        data_title=data.title,
        notes=data.notes,
    )
