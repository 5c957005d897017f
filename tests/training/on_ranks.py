"""What tests let the ranks of a launch do: each function runs on every rank."""

import hashlib
import math
from pathlib import Path
from typing import Any

import msgspec
import torch

from nvp_studio.ranks import Ranks
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.control import Control
from nvp_studio.training.events import RunEvent, StepMetrics
from nvp_studio.training.loop import Loop
from nvp_studio.training.start import join_run, start_run


def train(ranks: Ranks, runs: str, steps: str, *cases: str) -> None:
    """Train so many steps of a run for each ``name=configuration``."""
    for case in cases:
        name, _, config = case.partition("=")
        _train(ranks, Path(runs), name, config, Control(), int(steps))


def _train(ranks: Ranks, runs: Path, name: str, text: str, control: Control, steps: int | None = None) -> None:
    """Train a run, at most `steps` steps; write the digest of every rank's state beside its folder."""
    loops = _remember_loops()
    if ranks.first:
        config = msgspec.json.decode(text, type=TrainConfig)

        def report(event: RunEvent) -> None:
            if isinstance(event, StepMetrics) and event.step == steps:
                control.stop("the first rank was asked to")

        start_run(config, runs, name, control=control, report=report, ranks=ranks)
    else:
        join_run(ranks, control)
    digests = [digest.decode() for digest in ranks.gather(_digest(loops[-1]).encode())]
    if ranks.first:
        (runs / f"{name}.digests").write_text("\n".join(digests))


def _remember_loops() -> list[Loop]:
    loops: list[Loop] = []
    run = Loop.run

    def remembering(self: Loop) -> bool:
        loops.append(self)
        return run(self)

    Loop.run = remembering  # type: ignore[method-assign]
    return loops


def _digest(loop: Loop) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(loop.learner.capture().tensors.items()):
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def stop_one(ranks: Ranks, runs: str, config: str) -> None:
    """Train until the last rank alone was asked to pause, to proceed, and to stop."""
    control = Control()
    take_step = Loop._take_step

    def watched(self: Loop) -> StepMetrics | None:
        metrics = take_step(self)
        if ranks.rank == ranks.world - 1 and self.step == 3:
            control.pause()
        if ranks.rank == ranks.world - 1 and self.step == 6:
            control.stop("the last rank was asked to")
        return metrics

    Loop._take_step = watched  # type: ignore[method-assign]
    wait = Control.wait

    def proceeding(self: Control, seconds: float) -> None:
        wait(self, seconds)
        self.proceed()

    Control.wait = proceeding  # type: ignore[method-assign]
    _train(ranks, Path(runs), "stopped", config, control)


def spoil_one(ranks: Ranks, runs: str, config: str) -> None:
    """Train while the second rank's share of steps 4, and 8 to 10, has no finite loss."""
    gradients = Loop.gradients

    def spoilt(self: Loop, parts: Any) -> tuple[float, float]:
        bad = ranks.rank == 1 and self.step + 1 in (4, 8, 9, 10)
        return gradients(self, (x * math.nan if bad else x for x in parts))

    Loop.gradients = spoilt  # type: ignore[method-assign]
    _train(ranks, Path(runs), "spoilt", config, Control())


def fail_one(ranks: Ranks, runs: str, config: str) -> None:
    """Train until the second rank runs out of memory in step 4."""
    gradients = Loop.gradients

    def failing(self: Loop, parts: Any) -> tuple[float, float]:
        if ranks.rank == 1 and self.step == 3:
            raise torch.OutOfMemoryError("no room for 3 GiB")
        return gradients(self, parts)

    Loop.gradients = failing  # type: ignore[method-assign]
    _train(ranks, Path(runs), "failed", config, Control())
