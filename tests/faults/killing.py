"""Processes that train the small run until they are killed; forked from one that has torch loaded already."""

import os
import random
import signal
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec
import pytest

from nvp_studio.training.config import TrainConfig
from nvp_studio.training.events import RunEvent, RunStarted
from nvp_studio.training.resume import resume_run
from nvp_studio.training.start import start_run
from tests.faults.runs import make_patient
from tests.forked import context


def train_until_killed(config: TrainConfig, folder: Path, chance: random.Random, seconds: float) -> bool:
    """Train in `folder`, from the beginning or on, and kill -9 within `seconds` of its start; whether it was alive."""
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_train, args=(msgspec.json.encode(config), str(folder), there))
    process.start()
    there.close()
    try:
        here.recv()  # it has its folder
        time.sleep(chance.uniform(0, seconds))
    except EOFError:
        pass
    assert process.pid is not None
    with suppress(ProcessLookupError):  # it has ended by itself
        os.kill(process.pid, signal.SIGKILL)
    process.join()
    here.close()
    assert process.exitcode in (-signal.SIGKILL, 0), f"it ended by itself with {process.exitcode}"
    return process.exitcode != 0


def _train(config: bytes, folder: str, parent: Connection) -> None:
    path = Path(folder)

    def report(event: RunEvent) -> None:
        if isinstance(event, RunStarted):
            parent.send(event.step)

    with pytest.MonkeyPatch.context() as patch:
        make_patient(patch)
        if (path / "checkpoints" / "last.safetensors").exists():
            resume_run(path, report=report)
        else:
            start_run(msgspec.json.decode(config, type=TrainConfig), path.parent, path.name, report=report)
