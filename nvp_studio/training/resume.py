"""Resuming a run from its last checkpoint."""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import msgspec

from nvp_studio.checkpoints import Checkpoint, CheckpointError, read_checkpoint
from nvp_studio.data.catalogue import CATALOGUE
from nvp_studio.data.dataset import DataError, DataSet
from nvp_studio.data.describe import describe
from nvp_studio.data.hugging_face import is_hugging_face
from nvp_studio.data.reading import Reading
from nvp_studio.files import remove_leftovers
from nvp_studio.ranks import ALONE, Ranks
from nvp_studio.text import command_line, error_line
from nvp_studio.training.changes import REQUEST_FILE, Restart, StopChange, now, record_changes
from nvp_studio.training.checkpoint_folder import BEST, read_latest
from nvp_studio.training.checkpointer import ResumeState, SavedState
from nvp_studio.training.config import StopRules, TrainConfig, check_trainable
from nvp_studio.training.control import Control
from nvp_studio.training.elastic import launch_key, started_again
from nvp_studio.training.errors import (
    DataChangedError,
    DataMissingError,
    RunError,
    StoppedError,
    UnfitDataError,
    failure_line,
)
from nvp_studio.training.events import RunNotice, RunState
from nvp_studio.training.lock import run_lock
from nvp_studio.training.moved_data import differences, with_data
from nvp_studio.training.preparation import prepare, settled
from nvp_studio.training.publisher import Report
from nvp_studio.training.runs import RunRecord, can_resume, cut_metrics, read_metrics, read_record, read_report
from nvp_studio.training.schedule import Budget
from nvp_studio.training.session import (
    announce_no_run,
    failure_reported,
    ignore,
    run_data,
    train_session,
)

_OF_OTHERS = (REQUEST_FILE, "labels.json")
"""Files of a run folder that other processes write while it is resumed."""


def resume_run(
    folder: str | os.PathLike[str],
    *,
    control: Control | None = None,
    report: Report = ignore,
    data: str = "",
    steps: int | None = None,
    epochs: float | None = None,
    minutes: float | None = None,
    scoring_share: float | None = None,
    device: str | None = None,
    threads: int | None = None,
    memory: Literal["fast", "constant"] | None = None,
    precision: Literal["auto", "float32", "bfloat16"] | None = None,
    force: bool = False,
    patience: float = 0.0,
    ranks: Ranks = ALONE,
) -> Path:
    """Go on with the run in `folder` from its last checkpoint; return the folder.

    When the last checkpoint is damaged or missing, a warning is reported and the one before used. `data` is where the
    run's data are now (`moved_data.with_data`), empty where they have not moved; it is recorded. One of `steps`,
    `epochs` and `minutes` is a new budget, counted from the run's beginning; `scoring_share`, `device`, `threads`,
    `memory` and `precision` replace the configured ones. A larger `scoring_share` has a finished run scored again, and
    any where scoring was skipped. Data whose digest is not that of the run's start are refused (`DataChangedError`),
    unless `force` says to go on with them, and so are those that cannot be found or used (`DataMissingError`). With
    `patience`, for a run whose process was lost, another process that trains in the folder is waited for so many
    seconds. When the run had finished before it was lost, or before the launcher started this command again, only that
    is reported.
    Reports and raises as `start_run`.
    """
    control = control or Control()
    budget = {"steps": steps, "epochs": epochs, "minutes": minutes}
    new_budget = any(value is not None for value in budget.values())
    others = {
        "scoring_share": scoring_share,
        "device": device,
        "threads": threads,
        "memory": memory,
        "precision": precision,
    }
    until = time.monotonic() + patience

    def keep_waiting(reason: str) -> bool:
        if control.stop_reason is not None:
            raise StoppedError(control.stop_reason)
        if time.monotonic() >= until:
            return False
        report(RunState("preparing", f"{reason}; waiting for it to end"))
        return True

    with failure_reported(report):
        path = Path(folder).absolute()
        read_record(path)  # before a lock is made in what may be no run folder
        with run_lock(path, keep_waiting):
            record = read_record(path)
            config = _changed(record.config, budget if new_budget else {}, others)
            config = settled(with_data(config, data)) if data else config
            check_trainable(config)
            scores_again = scoring_share is not None and record.status.scoring_skipped
            if reason := "" if scores_again else _nothing_left(record, config, new_budget=new_budget):
                if not (patience or started_again(record.launch)):
                    raise RunError(reason)
                _end_again(path, record, report, ranks)
                return path
            for part in (path, path / "checkpoints", path / "samples"):
                remove_leftovers(part, _OF_OTHERS)
            if not can_resume(path):
                again = command_line("nvp-studio", "train", "--like", path)
                raise RunError(f"{record.name} has no checkpoint to resume from; its settings train again: {again}")
            checkpoint, damage = read_latest(path)
            if not checkpoint.resume:
                raise RunError(f"the last checkpoint of {record.name} holds nothing to resume from")
            try:
                config, loaded, flow = prepare(_with_reading(config), control, report, ranks)
            except (DataError, UnfitDataError) as error:
                raise DataMissingError(_missing(record, config, error)) from error
            changed = _changed_data(path, record, config, loaded)
            if changed and not force:
                raise DataChangedError(changed)
            if checkpoint.config != flow.config:
                raise RunError(f"the last checkpoint of {record.name} belongs to a flow of another architecture")
            resume = _resume_of(checkpoint, path)
            resume, lost = _without_lost_best(path, resume, bool(changed))
            if changed:
                changed += "; going on with the new ones, as was asked"
            ended = record.status.phase == "finished" or bool(resume.ended_by)
            scored_again = record.status.phase == "finished" and not new_budget  # takes no step
            unrecorded = "" if scored_again else _record_restart(path, resume, lift_stop_rules=new_budget and ended)
            record = msgspec.structs.replace(
                record, config=config, device=str(flow.device), data=run_data(loaded), launch=launch_key()
            )
            saved = SavedState(resume, checkpoint.tensors)
            warnings = [text for text in (damage, changed, lost, unrecorded) if text]
            end = train_session(
                path, record, loaded, flow, control, report, ranks, saved, last_is_whole=not damage, warnings=warnings
            )
        report(end)
    return path


def _changed(config: TrainConfig, budget: dict[str, Any], others: dict[str, Any]) -> TrainConfig:
    """The configuration with the changes that the caller asks for."""
    if config.precision == "auto":  # a record says which, unless it is from before there was a choice
        config = msgspec.structs.replace(config, precision="float32")
    return msgspec.structs.replace(
        config, **budget, **{name: value for name, value in others.items() if value is not None}
    )


def _with_reading(config: TrainConfig) -> TrainConfig:
    """The configuration with the reading that an earlier version's was, if that made it: its records have none.

    It took the whole range of the type, images along the first axis, the first page of a file, and all files of a
    folder. A set of the catalogue leaves nothing to decide: no record has a reading of it.
    """
    if config.reading.values or config.data in CATALOGUE:
        return config
    return msgspec.structs.replace(config, reading=Reading(values="type", axes="N", pages="first", earlier_layout=True))


def _nothing_left(record: RunRecord, config: TrainConfig, *, new_budget: bool) -> str:
    """Why there is nothing to train, in one line: the run is finished and its budget is spent; empty when there is."""
    if record.status.phase != "finished":
        return ""
    if config.scoring_share > record.config.scoring_share:
        return ""
    if not new_budget:
        return f"{record.name} is finished; give it a larger budget to go on (steps, epochs or minutes)"
    again = started_again(record.launch) and config == record.config  # this very command finished it
    if again or Budget(config, record.data.train_images).fraction(record.status.step, record.status.seconds) >= 1:
        return f"{record.name} has spent that budget already: it is at step {record.status.step}"
    return ""


def _end_again(folder: Path, record: RunRecord, report: Report, ranks: Ranks) -> None:
    """Report again how the finished run ended, and tell the other ranks that there is nothing to do."""
    announce_no_run(ranks)
    for last in read_metrics(folder)[-1:]:
        report(last)
    report(RunNotice("info", f"{record.name} had finished before its processes were started again"))
    report(RunState("finished", record.status.reason))


def _missing(record: RunRecord, config: TrainConfig, error: Exception) -> str:
    """Why the data of a run cannot be used, in one line."""
    named = config.data not in CATALOGUE and not is_hugging_face(config.data)
    if named and not os.path.exists(config.data):
        moved = config.data == record.config.data
        return f"the data of {record.name} are not at {config.data}" if moved else f"there is nothing at {config.data}"
    return f"the data of {record.name} cannot be used: {error_line(error, 5000)}"


def _changed_data(folder: Path, record: RunRecord, config: TrainConfig, data: DataSet) -> str:
    """How the data differ from those that the run was started with, in one line; empty when they do not."""
    if data.digest == record.data.digest:
        return ""
    otherwise = "" if record.config.reading.values else _read_by_earlier_version(data)
    recorded = read_report(folder)
    facts = () if recorded is None else differences(recorded, describe(data))
    how = ", ".join(facts) or "there are as many images of this size, with other pixels or labels"
    digests = f"their digest was {record.data.digest}, it is {data.digest}"
    if recorded is not None:
        digests = f"{how}; {digests}"
    if (config.data, config.data_root) != (record.config.data, record.config.data_root):
        place = config.data if config.data != record.config.data else config.data_root
        return f"the data in {place} are not those that {record.name} was started with: {digests}{otherwise}"
    return f"the data of {config.data} have changed since {record.name} was started: {digests}{otherwise}"


def _read_by_earlier_version(data: DataSet) -> str:
    """What an earlier version may have read otherwise in these data, empty where that is nothing."""
    if "16-bit" in data.reading.values and data.image_shape[0] == 3:
        return ", or it was with an earlier version, which took the high bytes of 16-bit colour alone"
    return ", or an earlier version has read them otherwise: " + data.suspicions[0].words if data.suspicions else ""


def _resume_of(checkpoint: Checkpoint, folder: Path) -> ResumeState:
    """Decode the state of the run in a checkpoint of the run folder; raises `RunError`."""
    try:
        return msgspec.json.decode(checkpoint.resume, type=ResumeState)
    except (msgspec.MsgspecError, RecursionError) as error:
        place = f"the state of the run in the checkpoint in {folder / 'checkpoints'}"
        raise RunError(f"{place} is damaged: {failure_line(error)}") from error


def _record_restart(folder: Path, resume: ResumeState, *, lift_stop_rules: bool) -> str:
    """Drop the metrics of steps that are taken again, and record the restart; why that failed, in one line, else empty.

    With `lift_stop_rules`, no stop condition holds any more, as one ended the run.
    """
    cut_metrics(folder, resume.step if resume.unfinished is None else resume.step - 1)
    if lift_stop_rules:
        record_changes(folder, StopChange(resume.step, StopRules()))
    try:
        record_changes(folder, Restart(resume.step, now()))
    except OSError as error:
        return f"that the run goes on here could not be noted: {failure_line(error)}"
    return ""


def _without_lost_best(folder: Path, resume: ResumeState, changed: bool) -> tuple[ResumeState, str]:
    """The state without its best model, if that can no longer be used, and why in one line, else empty.

    Its file may be damaged; and scores on data that have `changed` do not compare, so it is renamed then.
    """
    if resume.best_step is None:
        return resume, ""
    path = folder / "checkpoints" / BEST
    damage = ""
    try:
        read_checkpoint(path)
    except CheckpointError as error:
        damage = str(error)
    if not damage and not changed:
        return resume, ""
    if changed:
        with suppress(OSError):
            path.replace(path.with_name(f"best-before-step-{resume.step:08d}.safetensors"))
    lost = damage and f"{damage}; the next validation makes a new best"
    return msgspec.structs.replace(resume, best=None, best_step=None), lost
