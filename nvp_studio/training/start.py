"""Starting and resuming a run: from a configuration or a run folder to the loop, and its end in words."""

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import torch

import nvp_studio
from nvp_studio.checkpoints import Checkpoint, read_checkpoint
from nvp_studio.data.catalogue import CATALOGUE, load_data
from nvp_studio.data.dataset import DataSet
from nvp_studio.device import choose_device, choose_threads
from nvp_studio.flow.config import preset_config
from nvp_studio.flow.flow import Flow
from nvp_studio.training.changes import Restart, StopChange, now, record_change
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.control import Control
from nvp_studio.training.errors import RunError
from nvp_studio.training.events import RunEvent, RunStarted, RunState
from nvp_studio.training.lock import RunLock
from nvp_studio.training.loop import Loop, Resume
from nvp_studio.training.publisher import Publisher, Report
from nvp_studio.training.runs import RunData, RunRecord, create_run_folder, cut_metrics, read_record, write_record
from nvp_studio.training.schedule import Budget
from nvp_studio.training.stopping import StopRules

_TELL_SECONDS = 0.3
"""Shortest time between two words on how far the data are read."""


def _ignore(event: RunEvent) -> None:
    """Report to nobody."""


def start_run(
    config: TrainConfig,
    runs_folder: str | os.PathLike[str],
    name: str = "",
    *,
    control: Control | None = None,
    report: Report = _ignore,
) -> Path:
    """Make a run folder under `runs_folder`, train in it until the budget is spent or `control` says stop; return it.

    Every event goes to `report`, in the calling thread. When the run fails, a `RunState` says so and the error goes on
    to the caller: a `RunError`, or another `ValueError`, `RuntimeError` or `OSError`, with a line for a person.
    """
    control = control or Control()
    with _failure_reported(report):
        config = _with_absolute_path(config)
        data, flow = _prepare(config, control, report)
        config = msgspec.structs.replace(config, flow=flow.config)
        folder = create_run_folder(Path(runs_folder), name, config.data)
        record = RunRecord(
            name=folder.name,
            created=datetime.now().astimezone().isoformat(timespec="seconds"),
            config=config,
            data=RunData(
                title=data.title,
                digest=data.digest,
                train_images=len(data.train.images),
                validation_images=len(data.validation.images),
            ),
            versions={
                "nvp-studio": nvp_studio.__version__,
                "python": platform.python_version(),
                "torch": str(torch.__version__),
                "numpy": np.__version__,
            },
            device=str(flow.device),
            parameters=sum(parameter.numel() for parameter in flow.parameters()),
        )
        with RunLock(folder):
            write_record(folder, record)
            end = _train(folder, record, data, flow, None, control, report)
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
) -> Path:
    """Go on with the run in `folder` from its last checkpoint; return the folder.

    One of `steps`, `epochs` and `minutes` is a new budget, counted from the run's beginning; `device`, `threads` and
    `memory` replace the configured ones. Reports and raises as `start_run`.
    """
    control = control or Control()
    with _failure_reported(report):
        path = Path(folder).absolute()
        read_record(path)
        with RunLock(path):
            record = read_record(path)
            budget = {"steps": steps, "epochs": epochs, "minutes": minutes}
            config = _changed(record, budget, {"device": device, "threads": threads, "memory": memory})
            checkpoint = read_checkpoint(path / "checkpoints" / "last.safetensors")
            if not checkpoint.resume:
                raise RunError(f"the last checkpoint of {record.name} holds nothing to resume from")
            data, flow = _prepare(config, control, report)
            if data.digest != record.data.digest:
                raise RunError(f"the data of {config.data} have changed since {record.name} was started")
            if checkpoint.config != flow.config:
                raise RunError(f"the last checkpoint of {record.name} belongs to a flow of another architecture")
            record = msgspec.structs.replace(record, config=config, device=str(flow.device))
            end = _train(path, record, data, flow, checkpoint, control, report)
        report(end)
    return path


def _with_absolute_path(config: TrainConfig) -> TrainConfig:
    """The configuration with data that are found again from wherever the run is resumed."""
    if config.data in CATALOGUE:
        return config
    return msgspec.structs.replace(config, data=os.path.abspath(os.path.expanduser(config.data)))


def _prepare(config: TrainConfig, control: Control, report: Report) -> tuple[DataSet, Flow]:
    """Load the data and make the flow, freshly initialized from the seed, on the device."""
    report(RunState("preparing", "reading the data"))
    told = time.monotonic()

    def progress(done: int, total: int, word: str) -> None:
        nonlocal told
        if control.stop_reason is not None:
            raise RunError(f"{control.stop_reason}, before training began")
        if time.monotonic() - told >= _TELL_SECONDS:
            told = time.monotonic()
            report(RunState("preparing", f"{word}: {done} of {total}" if total else f"{word}: {done}"))

    device = choose_device(config.device)
    torch.set_num_threads(choose_threads(config.threads))
    data = load_data(config.data, image_size=config.image_size, channels=config.channels, progress=progress)
    if not len(data.train.images):
        raise RunError(f"{config.data} has no training images")
    flow_config = config.flow or preset_config(config.preset, data.image_shape)
    if flow_config.image_shape != data.image_shape:
        wanted, found = ("x".join(map(str, shape)) for shape in (flow_config.image_shape, data.image_shape))
        raise RunError(f"the flow is for images of {wanted} (channels, height, width), the data have {found}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return data, Flow(flow_config).to(device)


def _train(
    folder: Path,
    record: RunRecord,
    data: DataSet,
    flow: Flow,
    checkpoint: Checkpoint | None,
    control: Control,
    report: Report,
) -> RunState:
    """Train to the end, which is in the run's record but not reported yet."""
    publisher = Publisher(folder, record, report)
    try:
        step = _cut_history(folder, checkpoint)
        report(_started(folder, record, data, step))
        if checkpoint is not None:
            _record_restart(folder, record, step)
        loop = Loop(record.config, data, flow, publisher, control, checkpoint)
        if checkpoint is None:
            loop.save_last()
        publisher.enter("training")
        return publisher.end(_go(loop, publisher, control))
    except Exception as error:
        publisher.end(RunState("failed", one_line(error)))
        raise
    finally:
        publisher.close()


def _go(loop: Loop, publisher: Publisher, control: Control) -> RunState:
    if loop.run():
        cause = loop.ended_by or "the budget is spent"
        publisher.notice("info", f"{cause}; scoring the best model on all validation and test images")
        info = loop.finish()
        if control.stop_reason is None:
            publisher.update_record(validation=info and info.validation, test=info and info.test)
            return RunState("finished", loop.ended_by)
    reason = control.stop_reason or ""
    publisher.enter("stopping", reason)
    saved = loop.stop()
    return RunState("stopped", reason if saved else f"{reason}; the last checkpoint could not be written")


def _cut_history(folder: Path, checkpoint: Checkpoint | None) -> int:
    """Drop the metrics of steps that are about to be taken again; the step that the run goes on from."""
    if checkpoint is None:
        return 0
    resume = msgspec.json.decode(checkpoint.resume, type=Resume)
    cut_metrics(folder, resume.step if resume.unfinished is None else resume.step - 1)
    return resume.step


def _record_restart(folder: Path, record: RunRecord, step: int) -> None:
    """Note where the run goes on; what ended a finished one is lifted, or it would end again at once."""
    record_change(folder, Restart(step, now()))
    if record.status.phase == "finished":
        record_change(folder, StopChange(step, StopRules()))


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
    """The run's configuration with what a resume changes; `RunError` when that leaves nothing to do."""
    config = record.config
    if any(value is not None for value in budget.values()):
        config = msgspec.structs.replace(config, **budget)
    elif record.status.phase == "finished":
        raise RunError(f"{record.name} is finished; give it a larger budget to go on (steps, epochs or minutes)")
    config = msgspec.structs.replace(config, **{name: value for name, value in others.items() if value is not None})
    if Budget(config, record.data.train_images).fraction(record.status.step, record.status.seconds) >= 1 and (
        record.status.phase == "finished"
    ):
        raise RunError(f"{record.name} has spent that budget already: it stands at step {record.status.step}")
    return config


@contextmanager
def _failure_reported(report: Report) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        report(RunState("failed", one_line(error)))
        raise


def one_line(error: BaseException) -> str:
    """The error in one line for a person."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return "out of memory; take a smaller batch, a smaller flow, or constant memory"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    lines = [line for line in str(error).splitlines() if line.strip()]
    text = lines[0].strip() if lines else type(error).__name__
    return text if isinstance(error, RuntimeError | ValueError) else f"{type(error).__name__}: {text}"
