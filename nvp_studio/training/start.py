"""Starting a run: from a configuration to a new run folder and the training in it."""

import os
import platform
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

import nvp_studio
from nvp_studio.data.dataset import DataSet
from nvp_studio.data.describe import describe
from nvp_studio.data.report import DataReport
from nvp_studio.flow.flow import Flow
from nvp_studio.parent import Parent
from nvp_studio.ranks import ALONE, Ranks
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.control import Control
from nvp_studio.training.elastic import launch_key
from nvp_studio.training.fine_tuning import read_parent
from nvp_studio.training.lock import run_lock
from nvp_studio.training.preparation import FlowChange, prepare, settled
from nvp_studio.training.publisher import Report
from nvp_studio.training.runs import RECORD, RunRecord, create_run_folder, write_record
from nvp_studio.training.session import failure_reported, ignore, run_data, train_session


class PreparedRun(NamedTuple):
    """What a run starts with; `about` is what it learns from."""

    config: TrainConfig
    data: DataSet
    flow: Flow
    parent: Parent | None
    about: DataReport


def ignore_report(report: DataReport) -> None:
    """Approve of any data."""


def prepare_run(
    config: TrainConfig, control: Control, report: Report, ranks: Ranks, change_flow: FlowChange
) -> PreparedRun:
    """Do all that a run needs before it has a folder; raises as `start_run`."""
    begins = read_parent(config.begin_from) if config.begin_from is not None else None
    if begins is not None:
        config, change_flow = begins.settled(config), begins.unchanged(change_flow)
    config, data, flow = prepare(settled(config), control, report, ranks, change_flow)
    if begins is not None:
        begins.give_weights(flow)
    return PreparedRun(config, data, flow, None if begins is None else begins.about, describe(data))


def start_run(
    config: TrainConfig,
    runs_folder: str | os.PathLike[str],
    name: str = "",
    *,
    control: Control | None = None,
    report: Report = ignore,
    ranks: Ranks = ALONE,
    change_flow: FlowChange = lambda flow: flow,
    approve: Callable[[DataReport], object] = ignore_report,
) -> Path:
    """Make a run folder under `runs_folder`, train in it until the budget is spent or `control` says stop; return it.

    `change_flow` makes of the configured flow, or of the preset's for the shape of the images, the one to train.
    `approve` is called with what would be trained on before a folder is made; what it raises ends the run. With
    several `ranks` the first calls this and the others `join_run`. Every event goes to `report`, in the calling
    thread. When the run fails, a `RunState` says so and the error goes on to the caller: a `RunError`, or another
    `ValueError`, `RuntimeError` or `OSError`, with a line for a person.
    """
    control = control or Control()
    with failure_reported(report):
        config, data, flow, parent, about = prepare_run(config, control, report, ranks, change_flow)
        approve(about)
        folder = create_run_folder(Path(runs_folder), name, config.data)
        record = RunRecord(
            name=folder.name,
            created=datetime.now().astimezone().isoformat(timespec="seconds"),
            config=config,
            data=run_data(data),
            versions={
                "nvp-studio": nvp_studio.__version__,
                "python": platform.python_version(),
                "torch": str(torch.__version__),
                "numpy": np.__version__,
            },
            device=str(flow.device),
            parameters=sum(parameter.numel() for parameter in flow.parameters()),
            parent=parent,
            launch=launch_key(),
        )
        with _removed_unless_begun(folder), run_lock(folder):
            write_record(folder, record)
            end = train_session(folder, record, data, flow, control, report, ranks)
        report(end)  # after the lock is released, so that the folder can be used when this is received
    return folder


@contextmanager
def _removed_unless_begun(folder: Path) -> Iterator[None]:
    """Remove the new `folder` again when an error comes before the run has its record."""
    try:
        yield
    except Exception:
        if not (folder / RECORD).exists():
            shutil.rmtree(folder, ignore_errors=True)
        raise
