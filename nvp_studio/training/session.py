"""A session of a run on the first rank: from a start or a checkpoint to its end, with what is recorded of it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from nvp_studio.data.dataset import DataSet
from nvp_studio.data.describe import describe
from nvp_studio.data.report import DataReport, suspicion_text
from nvp_studio.files import flush_folder
from nvp_studio.flow.flow import Flow
from nvp_studio.memory import is_out_of_memory
from nvp_studio.ranks import ALONE, RankLostError, Ranks
from nvp_studio.text import error_line
from nvp_studio.training.checkpointer import ResumeState, SavedState
from nvp_studio.training.control import Control
from nvp_studio.training.determinism import deterministic
from nvp_studio.training.errors import DataChangedError, ResumeDataError, RunError, failure_line
from nvp_studio.training.events import RunEvent, RunStarted, RunState
from nvp_studio.training.loop import Loop
from nvp_studio.training.moved_data import differences
from nvp_studio.training.publisher import Publisher, Report
from nvp_studio.training.runs import RunData, RunRecord, read_report
from nvp_studio.training.schedule import Budget

_ANNOUNCEMENT = "the run begins"
_TRAINED = ("weights.", "average.", "optimizer.")
"""Prefixes of the tensors that training goes on from."""
_FINAL_SCORES = ("validation", "validation_images", "test", "test_images")
"""Fields that a run's status takes from its best model."""


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
    saved: SavedState | None = None,
    *,
    last_is_whole: bool = False,
    warnings: Sequence[str] = (),
) -> RunState:
    """Train to the end or a stop, from `saved` on when that is given.

    `last_is_whole` says that it is of the last checkpoint, read and verified, and not of the one before. The final
    state is written to the run's record; the caller reports it.
    """
    publisher = Publisher(folder, record, report, last_is_whole=last_is_whole)
    loop: Loop | None = None
    try:
        ranks.announce(_ANNOUNCEMENT, msgspec.json.encode(record))
        called_off = ranks.start_together(lambda: control.stop_reason)
        if called_off is not None:
            control.stop(called_off, at_once=True)
            ranks = ALONE  # the others do not come; what is left is to save the state
        saved = share_state(ranks, saved)
        about, recorded = describe(data), read_report(folder)
        if recorded is None or differences(recorded, about):
            publisher.data(about)
        report(_started(folder, record, about, data, 0 if saved is None else saved.resume.step))
        if reason := _why_not_flushed(folder):
            publisher.notice(
                "warning",
                f"the folder {folder} cannot be flushed to the disk ({reason}); the newest files may be missing after "
                "a power cut",
            )
        if saved is None and record.parent is not None:
            publisher.notice("info", f"it begins from the weights of {record.parent.text}")
        if saved is None and data.notes:
            publisher.notice("info", "; ".join(data.notes))
        if saved is None:
            for suspicion in about.suspicions:
                publisher.notice("warning", suspicion_text(suspicion))
        elif recorded is not None:
            for text in differences(recorded, about):
                if not any(text in warning for warning in warnings):
                    publisher.notice("info", f"the data differ: {text}")
        for text in warnings:
            publisher.notice("warning", text)
        with deterministic(record.config.deterministic):
            loop = Loop(record.config, data, flow, publisher, control, saved, ranks)
            if saved is None:
                loop.checkpointer.save_last()
            publisher.enter("training")
            return publisher.end(run_to_end(loop))
    except Exception as error:
        if isinstance(error, RankLostError) and loop is not None:
            loop.checkpointer.save_last()  # ranks meet before a step changes the weights: these are of whole steps
        publisher.end(RunState("failed", failure_line(error)))
        raise
    finally:
        publisher.close()


def _why_not_flushed(folder: Path) -> str:
    """Why the entries of `folder` cannot be flushed to the disk, empty when they can."""
    try:
        return flush_folder(folder)
    except OSError as error:
        return error_line(error)


def run_to_end(loop: Loop) -> RunState:
    """Run the loop, then finish the run or save a stopped one; return the final state."""
    publisher = loop.publisher
    if loop.run():
        cause = loop.ended_by or "the budget is spent"
        publisher.begin_scoring()
        publisher.notice("info", f"{cause}; scoring the best model on validation and test images")
        info = loop.finish()
        if loop.requests.stop_reason is None:
            if info is not None:
                scored = {name: getattr(info, name) for name in _FINAL_SCORES}
                publisher.update_record(**scored, scoring_skipped=loop.requests.skips_scoring)
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
        if isinstance(error, ResumeDataError):
            changed = isinstance(error, DataChangedError)
            report(RunState("failed", error.reason, data_changed=changed, data_missing=not changed))
            raise
        report(RunState("failed", failure_line(error)))
        if is_out_of_memory(error):
            raise RunError(failure_line(error)) from error
        raise


def _started(folder: Path, record: RunRecord, about: DataReport, data: DataSet, step: int) -> RunStarted:
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
        data=msgspec.structs.replace(about, samples=None, sample_names=()),
    )
