"""What tests let the ranks of a launch do: each public function runs on every rank."""

import hashlib
import math
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import psutil
import torch

from nvp_studio.commands.console import on_stop
from nvp_studio.data.catalogue import load_data
from nvp_studio.data.dataset import DataSet
from nvp_studio.ranks import Ranks
from nvp_studio.training import preparation
from nvp_studio.training.batches import MicroBatch
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.control import Control
from nvp_studio.training.divergence import Verdict
from nvp_studio.training.events import RunEvent, StepMetrics
from nvp_studio.training.join import join_run
from nvp_studio.training.loop import Loop
from nvp_studio.training.resume import resume_run
from nvp_studio.training.start import start_run
from nvp_studio.training.validation import Validator

_run, _take_step, _next_batch, _judge = Loop.run, Loop._take_step, Loop._next_batch, Loop._judge


def train(ranks: Ranks, runs: str, steps: str, *cases: str) -> None:
    """Train so many steps of a run for each ``name=configuration``."""
    for case in cases:
        name, _, config = case.partition("=")
        with first_gradient(Path(runs) / f"{name}.pt"):
            _train(ranks, Path(runs), name, config, Control(), int(steps))


@contextmanager
def first_gradient(path: Path) -> Iterator[None]:
    """Save the clipped gradient of the first step of a run, as a vector, on the first rank."""

    def saving(self: Loop, loss: float, norm: float) -> Verdict:
        if self.step == 0 and self.ranks.first:
            grads = [parameter.grad for parameter in self.state.flow.parameters() if parameter.grad is not None]
            torch.save(torch.cat([grad.flatten() for grad in grads]), path)
        return _judge(self, loss, norm)

    with patch.object(Loop, "_judge", saving):
        yield


def pause_and_stop_one(ranks: Ranks, runs: str, config: str) -> None:
    """Train until the last rank, and no other, was asked to pause, to continue and to stop."""
    control = Control()

    def watched(self: Loop) -> StepMetrics | None:
        metrics = _take_step(self)
        if ranks.rank == ranks.world - 1 and self.step == 3:
            control.pause()
        if ranks.rank == ranks.world - 1 and self.step == 6:
            control.stop("the last rank was asked to", at_once=True)
        return metrics

    def impatient(self: Control, seconds: float) -> None:
        self.unpause()

    with patch.object(Loop, "_take_step", watched), patch.object(Control, "wait", impatient):
        _train(ranks, Path(runs), "stopped", config, control)


def spoil_one(ranks: Ranks, runs: str, config: str) -> None:
    """Train while the second rank's share of steps 4, and 8 to 10, has no finite loss."""

    def spoilt(self: Loop) -> Iterator[MicroBatch]:
        bad = ranks.rank == 1 and self.step + 1 in (4, 8, 9, 10)
        for images, noise in _next_batch(self):
            yield MicroBatch(images * math.nan if bad else images, noise)

    with patch.object(Loop, "_next_batch", spoilt):
        _train(ranks, Path(runs), "spoilt", config, Control())


def fail_one(ranks: Ranks, runs: str, config: str) -> None:
    """Train until the second rank runs out of memory in step 4."""

    def failing(self: Loop) -> Iterator[MicroBatch]:
        if ranks.rank == 1 and self.step == 3:
            raise torch.OutOfMemoryError("no room for 3 GiB")
        return _next_batch(self)

    with patch.object(Loop, "_next_batch", failing):
        _train(ranks, Path(runs), "failed", config, Control())


def kill_one(ranks: Ranks, runs: str, config: str) -> None:
    """Train until the second rank is killed in step 6."""

    def dying(self: Loop) -> Iterator[MicroBatch]:
        if ranks.rank == 1 and self.step == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return _next_batch(self)

    with patch.object(Loop, "_next_batch", dying):
        _train(ranks, Path(runs), "killed", config, Control())


def kill_one_late(ranks: Ranks, runs: str, config: str) -> None:
    """Train until the second rank is killed in step 6, after both have computed it."""

    def dying(self: Loop, loss: float, norm: float) -> Verdict:
        if ranks.rank == 1 and self.step == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return _judge(self, loss, norm)

    with patch.object(Loop, "_judge", dying):
        _train(ranks, Path(runs), "killed", config, Control())


def kill_one_before_validation(ranks: Ranks, runs: str, config: str) -> None:
    """Train until the second rank is killed after step 6, when all are about to agree whether to validate."""
    due = Validator.due
    second = int(ranks.all_gather(str(os.getpid()).encode())[1])

    def dying(self: Validator, step: int, seconds: float) -> bool:
        if step == 6:
            if ranks.rank == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            while psutil.pid_exists(second):
                time.sleep(0.05)
        return due(self, step, seconds)

    with patch.object(Validator, "due", dying):
        _train(ranks, Path(runs), "killed", config, Control())


def stop_while_reading(ranks: Ranks, runs: str, config: str, signalled: str) -> None:
    """Train; the `signalled` ranks get SIGTERM while the second, or with ``early`` the first, reads its data."""
    control = Control()
    slow = 0 if signalled == "early" else 1

    def reading(*words: Any, progress: Callable[[int, int, str], None], **others: Any) -> DataSet:
        if ranks.rank == slow:
            time.sleep(1)  # the other waits by then
            for rank in {"early": (1,), "second": (1,), "all": (0, 1)}[signalled]:
                os.kill(processes[rank], signal.SIGTERM)
            time.sleep(1)
            progress(1, 2, "reading")
        return load_data(*words, progress=progress, **others)

    with patch.object(preparation, "load_data", reading), on_stop(lambda reason: control.stop(reason, at_once=True)):
        processes = [int(process) for process in ranks.all_gather(str(os.getpid()).encode())]  # all hear signals by now
        if ranks.first:
            arguments = msgspec.json.decode(config, type=TrainConfig), Path(runs), "stopped"
            start_run(*arguments, control=control, ranks=ranks)
        else:
            join_run(ranks, control)


def end_and_resume(ranks: Ranks, runs: str, config: str, steps: str) -> None:
    """Train until a stop condition ends the run, then resume it with a budget of so many steps."""
    _train(ranks, Path(runs), "ended", config, Control())
    if ranks.first:
        resume_run(Path(runs) / "ended", steps=int(steps), ranks=ranks)
    else:
        join_run(ranks)


def _train(ranks: Ranks, runs: Path, name: str, text: str, control: Control, steps: int | None = None) -> None:
    """Train a run, at most `steps` steps; write the digest of every rank's state beside its folder."""
    loops: list[Loop] = []

    def remembering(self: Loop) -> bool:
        loops.append(self)
        return _run(self)

    def report(event: RunEvent) -> None:
        if isinstance(event, StepMetrics) and event.step == steps:
            control.stop("the first rank was asked to")

    with patch.object(Loop, "run", remembering):
        if ranks.first:
            config = msgspec.json.decode(text, type=TrainConfig)
            start_run(config, runs, name, control=control, report=report, ranks=ranks)
        else:
            join_run(ranks, control)
    digests = [digest.decode() for digest in ranks.all_gather(_digest(loops[0]).encode())]
    if ranks.first:
        (runs / f"{name}.digests").write_text("\n".join(digests))


def _digest(loop: Loop) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(loop.state.capture().tensors.items()):
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()
