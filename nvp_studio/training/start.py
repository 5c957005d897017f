"""Starting and resuming a run: from a configuration or a run folder to the loop, and its end in words."""

import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import torch

import nvp_studio
from nvp_studio.checkpoints import Checkpoint
from nvp_studio.data.catalogue import CATALOGUE, load_data
from nvp_studio.data.dataset import DataSet
from nvp_studio.data.hugging_face import PREFIX
from nvp_studio.files import remove_leftovers
from nvp_studio.flow.config import FlowConfig, preset_config
from nvp_studio.flow.flow import Flow
from nvp_studio.memory import is_out_of_memory
from nvp_studio.ranks import ALONE, RankLostError, Ranks
from nvp_studio.text import error_line
from nvp_studio.training.changes import WISH, Restart, StopChange, now, record_changes
from nvp_studio.training.checkpoint_folder import BEST, damage_of, read_latest
from nvp_studio.training.config import TrainConfig, check_trainable
from nvp_studio.training.control import Control
from nvp_studio.training.determinism import claim_workspace, deterministic
from nvp_studio.training.distributed import check_divisible, rank_device, rank_threads
from nvp_studio.training.elastic import launch_key, started_again
from nvp_studio.training.errors import DataChangedError, RunError, StoppedError
from nvp_studio.training.events import RunEvent, RunNotice, RunStarted, RunState
from nvp_studio.training.following import (
    SilentPublisher,
    announce_run,
    await_run,
    dismiss,
    receive_state,
    send_state,
)
from nvp_studio.training.keeping import Resume
from nvp_studio.training.lock import RunLock, RunLockedError
from nvp_studio.training.loop import Loop
from nvp_studio.training.precision import settled_precision
from nvp_studio.training.publisher import Publisher, Report
from nvp_studio.training.runs import (
    RunData,
    RunRecord,
    create_run_folder,
    cut_metrics,
    read_metrics,
    read_record,
    write_record,
)
from nvp_studio.training.schedule import Budget
from nvp_studio.training.stopping import StopRules

_TELL_SECONDS = 0.3
"""Shortest time between two words on how far the data are read."""
_OF_OTHERS = (WISH, "labels.json")
"""Files of a run folder that other processes write while it is resumed."""


FlowChange = Callable[[FlowConfig], FlowConfig]


def _ignore(event: RunEvent) -> None:
    """Report to nobody."""


def _as_it_is(flow: FlowConfig) -> FlowConfig:
    """Change nothing."""
    return flow


def start_run(
    config: TrainConfig,
    runs_folder: str | os.PathLike[str],
    name: str = "",
    *,
    control: Control | None = None,
    report: Report = _ignore,
    ranks: Ranks = ALONE,
    change_flow: FlowChange = _as_it_is,
) -> Path:
    """Make a run folder under `runs_folder`, train in it until the budget is spent or `control` says stop; return it.

    `change_flow` makes of the configured flow, or of the preset's for the shape of the images, the one to train. With
    several `ranks` the first calls this and the others `join_run`. Every event goes to `report`, in the calling
    thread. When the run fails, a `RunState` says so and the error goes on to the caller: a `RunError`, or another
    `ValueError`, `RuntimeError` or `OSError`, with a line for a person.
    """
    control = control or Control()
    with _failure_reported(report):
        config = settled(config)
        data, flow = _prepare(config, control, report, ranks, change_flow)
        precision = settled_precision(config.precision, flow.device)
        config = msgspec.structs.replace(config, flow=flow.config, precision=precision)
        folder = create_run_folder(Path(runs_folder), name, config.data)
        record = RunRecord(
            name=folder.name,
            created=datetime.now().astimezone().isoformat(timespec="seconds"),
            config=config,
            data=_run_data(data),
            versions={
                "nvp-studio": nvp_studio.__version__,
                "python": platform.python_version(),
                "torch": str(torch.__version__),
                "numpy": np.__version__,
            },
            device=str(flow.device),
            parameters=sum(parameter.numel() for parameter in flow.parameters()),
            launch=launch_key(),
        )
        with RunLock(folder):
            write_record(folder, record)
            end = _train(folder, record, data, flow, None, control, report, ranks)
        report(end)  # only now, so that whoever hears of it finds the folder free
    return folder


def resume_run(
    folder: str | os.PathLike[str],
    *,
    control: Control | None = None,
    report: Report = _ignore,
    steps: int | None = None,
    epochs: float | None = None,
    minutes: float | None = None,
    device: str | None = None,
    threads: int | None = None,
    memory: Literal["fast", "constant"] | None = None,
    precision: Literal["auto", "float32", "bfloat16"] | None = None,
    force: bool = False,
    patience: float = 0.0,
    ranks: Ranks = ALONE,
) -> Path:
    """Go on with the run in `folder` from its last checkpoint; return the folder.

    A last checkpoint that is damaged or missing is told as a warning, and the one before taken. One of `steps`,
    `epochs` and `minutes` is a new budget, counted from the run's beginning; `device`, `threads`, `memory` and
    `precision` replace the configured ones. Data whose digest is not that of the run's start are refused, unless
    `force` says to go on with them. `patience` is for who takes up a run whose process was lost: another process that
    trains in the folder is waited for so many seconds. When the run had finished before it was lost, or before the
    launcher started this command again, there is nothing left to do, which is told. Reports and raises as `start_run`.
    """
    control = control or Control()
    with _failure_reported(report):
        path = Path(folder).absolute()
        read_record(path)
        with _held(path, patience, control, report):
            record = read_record(path)
            budget = {"steps": steps, "epochs": epochs, "minutes": minutes}
            new_budget = any(value is not None for value in budget.values())
            others = {"device": device, "threads": threads, "memory": memory, "precision": precision}
            config = _changed(record, budget, others)
            check_trainable(config)
            if reason := _nothing_left(record, config, new_budget=new_budget):
                if not (patience or started_again(record.launch)):
                    raise RunError(reason)
                _end_again(path, record, report, ranks)
                return path
            for part in (path, path / "checkpoints", path / "samples"):
                remove_leftovers(part, _OF_OTHERS)
            checkpoint, damage = read_latest(path)
            if not checkpoint.resume:
                raise RunError(f"the last checkpoint of {record.name} holds nothing to resume from")
            data, flow = _prepare(config, control, report, ranks)
            changed = _changed_data(record, data)
            if changed and not force:
                raise DataChangedError(changed)
            if checkpoint.config != flow.config:
                raise RunError(f"the last checkpoint of {record.name} belongs to a flow of another architecture")
            config = msgspec.structs.replace(config, precision=settled_precision(config.precision, flow.device))
            record = msgspec.structs.replace(
                record, config=config, device=str(flow.device), data=_run_data(data), launch=launch_key()
            )
            checkpoint, lost = _with_its_best(path, checkpoint, bool(changed))
            if changed:
                changed += "; going on with the new ones, as was asked"
            warnings = [text for text in (damage, changed, lost) if text]
            end = _train(
                path,
                record,
                data,
                flow,
                checkpoint,
                control,
                report,
                ranks,
                warnings,
                last_is_whole=not damage,
                new_budget=new_budget,
            )
        report(end)
    return path


@contextmanager
def _held(folder: Path, patience: float, control: Control, report: Report) -> Iterator[None]:
    """Hold the run's lock; who has it is told and waited for, up to `patience` seconds."""
    until = time.monotonic() + patience
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(RunLock(folder))
                break
            except RunLockedError as error:
                if control.stop_reason is not None:
                    raise StoppedError(control.stop_reason) from error
                if time.monotonic() >= until:
                    raise
                report(RunState("preparing", f"{error}; waiting for it to end"))
        yield


def join_run(ranks: Ranks, control: Control | None = None) -> None:
    """Train along in the run that the first rank starts or resumes, until it ends; raises as `start_run` does.

    When this rank is asked to stop before training began, the first one ends the run as stopped.
    """
    control = control or Control()

    def proceed() -> None:
        if control.stop_reason is not None:
            raise StoppedError(control.stop_reason)

    try:
        beginning = await_run(ranks, proceed)
        if beginning is None:
            return
        record = beginning.record
        data, flow = _prepare(record.config, control, _ignore, ranks)
    except StoppedError:
        ranks.call_off(control.stop_reason or "")
        return
    if data.digest != record.data.digest:
        raise RunError(f"the data of {record.config.data} are others on this machine than on the first one")
    if ranks.begin(lambda: control.stop_reason) is not None:
        return
    checkpoint = receive_state(ranks, beginning)
    publisher = SilentPublisher(record)
    with deterministic(record.config.deterministic):
        _go(Loop(record.config, data, flow, publisher, control, checkpoint, ranks), publisher)


def settled(config: TrainConfig) -> TrainConfig:
    """The configuration with data that are found again from wherever the run is resumed, and mirroring decided."""
    entry = CATALOGUE.get(config.data)
    if config.horizontal_flip is None:
        config = msgspec.structs.replace(config, horizontal_flip=entry is not None and entry.mirror)
    if config.data_root is not None:
        config = msgspec.structs.replace(config, data_root=os.path.abspath(os.path.expanduser(config.data_root)))
    if entry is not None or config.data.startswith(PREFIX):
        return config
    return msgspec.structs.replace(config, data=os.path.abspath(os.path.expanduser(config.data)))


def _run_data(data: DataSet) -> RunData:
    return RunData(
        title=data.title,
        digest=data.digest,
        train_images=len(data.train.images),
        validation_images=len(data.validation.images),
    )


def _changed_data(record: RunRecord, data: DataSet) -> str:
    """In one line, that the data are not those the run was started with; nothing when they are."""
    if data.digest == record.data.digest:
        return ""
    return (
        f"the data of {record.config.data} have changed since {record.name} was started: "
        f"their digest was {record.data.digest}, it is {data.digest}"
    )


def _with_its_best(folder: Path, checkpoint: Checkpoint, changed: bool) -> tuple[Checkpoint, str]:
    """The checkpoint, and in one line why it knows of no best any more, if so.

    The file may be damaged; and scores on data that have `changed` do not compare, so it gets another name then.
    """
    resume = msgspec.json.decode(checkpoint.resume, type=Resume)
    if resume.best_step is None:
        return checkpoint, ""
    path = folder / "checkpoints" / BEST
    damage = damage_of(path)
    if not damage and not changed:
        return checkpoint, ""
    if changed:
        with suppress(OSError):
            path.replace(path.with_name(f"best-before-step-{resume.step:08d}.safetensors"))
    resume = msgspec.structs.replace(resume, best=None, best_step=None)
    lost = damage and f"{damage}; the next validation makes a new best"
    return replace(checkpoint, resume=msgspec.json.encode(resume).decode()), lost


def _prepare(
    config: TrainConfig, control: Control, report: Report, ranks: Ranks, change_flow: FlowChange = _as_it_is
) -> tuple[DataSet, Flow]:
    """Load the data and make the flow, freshly initialized from the seed, on the device."""
    check_trainable(config)
    report(RunState("preparing", "reading the data"))
    told = time.monotonic()

    def progress(done: int, total: int, word: str) -> None:
        nonlocal told
        if control.stop_reason is not None:
            raise StoppedError(control.stop_reason)
        if time.monotonic() - told >= _TELL_SECONDS:
            told = time.monotonic()
            reason = f"{word}: {done:,} of {total:,}" if total else word
            report(RunState("preparing", reason, done / total if total else None))

    if config.deterministic:
        claim_workspace()
    device = rank_device(config.device, ranks)
    torch.set_num_threads(rank_threads(config.threads, ranks))
    data = load_data(
        config.data,
        image_size=config.image_size,
        channels=config.channels,
        data_root=config.data_root,
        progress=progress,
    )
    if not len(data.train.images):
        raise RunError(f"{config.data} has no training images")
    flow_config = change_flow(config.flow or preset_config(config.preset, data.image_shape))
    if flow_config.image_shape != data.image_shape:
        wanted, found = ("x".join(map(str, shape)) for shape in (flow_config.image_shape, data.image_shape))
        raise RunError(f"the flow is for images of {wanted} (channels, height, width), the data have {found}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        flow = Flow(flow_config).to(device)
    check_divisible(config, flow, ranks)
    return data, flow


def _train(
    folder: Path,
    record: RunRecord,
    data: DataSet,
    flow: Flow,
    checkpoint: Checkpoint | None,
    control: Control,
    report: Report,
    ranks: Ranks,
    warnings: Sequence[str] = (),
    *,
    last_is_whole: bool = False,
    new_budget: bool = False,
) -> RunState:
    """Train to the end, which is in the run's record but not reported yet."""
    publisher = Publisher(folder, record, report, last_is_whole=last_is_whole)
    loop: Loop | None = None
    try:
        announce_run(ranks, record, checkpoint)
        called_off = ranks.begin(lambda: control.stop_reason)
        if called_off is not None:
            control.stop(called_off, hurry=True)
            ranks = ALONE  # the others do not come; what is left is to save the state
        send_state(ranks, checkpoint)
        resume = _resume_of(checkpoint)
        if resume is not None:
            cut_metrics(folder, resume.step if resume.unfinished is None else resume.step - 1)
            lift = new_budget and (record.status.phase == "finished" or bool(resume.ended_by))
            _record_restart(folder, publisher, resume, lift=lift)
        report(_started(folder, record, data, resume.step if resume is not None else 0))
        if checkpoint is None and data.notes:
            publisher.notice("info", "; ".join(data.notes))
        for text in warnings:
            publisher.notice("warning", text)
        with deterministic(record.config.deterministic):
            loop = Loop(record.config, data, flow, publisher, control, checkpoint, ranks)
            if checkpoint is None:
                loop.keeper.save_last()
            publisher.enter("training")
            return publisher.end(_go(loop, publisher))
    except Exception as error:
        if isinstance(error, RankLostError) and loop is not None:
            loop.keeper.save_last()  # ranks meet before a step changes the weights: these are of whole steps
        publisher.end(RunState("failed", one_line(error)))
        raise
    finally:
        publisher.close()


def _go(loop: Loop, publisher: Publisher) -> RunState:
    if loop.run():
        cause = loop.ended_by or "the budget is spent"
        publisher.notice("info", f"{cause}; scoring the best model on all validation and test images")
        info = loop.finish()
        if loop.asked.stop_reason is None:
            publisher.update_record(validation=info and info.validation, test=info and info.test)
            return RunState("finished", loop.ended_by)
    reason = loop.asked.stop_reason or ""
    publisher.enter("stopping", reason)
    saved = loop.stop()
    return RunState("stopped", reason if saved else f"{reason}; the last checkpoint could not be written")


def _resume_of(checkpoint: Checkpoint | None) -> Resume | None:
    """What the checkpoint that the run goes on from says of the run."""
    if checkpoint is None:
        return None
    try:
        return msgspec.json.decode(checkpoint.resume, type=Resume)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise RunError(f"what the checkpoint says of the run is not understood: {one_line(error)}") from error


def _record_restart(folder: Path, publisher: Publisher, resume: Resume, *, lift: bool) -> None:
    """Note where the run goes on, and first that the stop conditions which ended it are lifted."""
    if lift:
        record_changes(folder, StopChange(resume.step, StopRules()))
    try:
        record_changes(folder, Restart(resume.step, now()))
    except OSError as error:
        publisher.notice("warning", f"that the run goes on here could not be noted: {one_line(error)}")


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


def _changed(
    record: RunRecord, budget: dict[str, int | float | None], others: dict[str, str | int | None]
) -> TrainConfig:
    """The run's configuration with what a resume changes."""
    config = record.config
    if config.precision == "auto":  # a record says which, unless it is from before there was a choice
        config = msgspec.structs.replace(config, precision="float32")
    if any(value is not None for value in budget.values()):
        config = msgspec.structs.replace(config, **budget)
    return msgspec.structs.replace(config, **{name: value for name, value in others.items() if value is not None})


def _nothing_left(record: RunRecord, config: TrainConfig, *, new_budget: bool) -> str:
    """In one line, that the run is finished and this configuration leaves it nothing to do; nothing when it does."""
    if record.status.phase != "finished":
        return ""
    if not new_budget:
        return f"{record.name} is finished; give it a larger budget to go on (steps, epochs or minutes)"
    again = started_again(record.launch) and config == record.config  # this very command finished it
    if again or Budget(config, record.data.train_images).fraction(record.status.step, record.status.seconds) >= 1:
        return f"{record.name} has spent that budget already: it stands at step {record.status.step}"
    return ""


def _end_again(folder: Path, record: RunRecord, report: Report, ranks: Ranks) -> None:
    """Tell once more how the finished run ended, and let the other ranks go."""
    dismiss(ranks)
    for last in read_metrics(folder)[-1:]:
        report(last)
    report(RunNotice("info", f"{record.name} had finished before its processes were started again"))
    report(RunState("finished", record.status.reason))


@contextmanager
def _failure_reported(report: Report) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if isinstance(error, DataChangedError):
            report(RunState("failed", error.change, data_changed=True))
            raise
        report(RunState("failed", one_line(error)))
        if is_out_of_memory(error):
            raise RunError(one_line(error)) from error
        raise


def one_line(error: BaseException) -> str:
    """The error in one line for a person."""
    if is_out_of_memory(error):
        return "out of memory; take a smaller batch, a smaller flow, or constant memory"
    return error_line(error)
