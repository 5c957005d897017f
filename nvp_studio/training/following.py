"""The ranks of a run that are not the first: they hear from it what to do, compute with it, and write nothing."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from nvp_studio.checkpoints import Checkpoint, CheckpointInfo
from nvp_studio.flow.config import FlowConfig
from nvp_studio.ranks import Ranks
from nvp_studio.training.evaluation import Images
from nvp_studio.training.events import RunPhase, RunState, StepMetrics
from nvp_studio.training.publisher import Publisher
from nvp_studio.training.runs import RunRecord

_WORD = "the run begins"


class SilentPublisher(Publisher):
    """A publisher of nothing: the first rank reports and writes for all."""

    def __init__(self, record: RunRecord) -> None:
        self.folder = Path(os.devnull)  # holds no files
        self.record = record
        self.report = lambda event: None

    def close(self) -> None:
        """Nothing is open."""

    def enter(self, phase: RunPhase, reason: str = "") -> None:
        """Say nothing."""

    def end(self, state: RunState) -> RunState:
        """Write nothing."""
        return state

    def notice(self, level: Literal["info", "warning", "error"], text: str) -> None:
        """Say nothing."""

    def metrics(self, metrics: StepMetrics) -> None:
        """Say nothing."""

    def update_record(self, **changes: object) -> bool:
        """Write nothing, which always succeeds."""
        return True

    def checkpoint(self, name: str, kind: Literal["last", "best", "milestone"], checkpoint: Checkpoint) -> bool:
        """Write nothing, which always succeeds."""
        return True

    def sheet(self, kind: Literal["samples", "reconstructions"], step: int, images: Images) -> None:
        """Show nothing."""


class _Beginning(msgspec.Struct, frozen=True):
    """What the first rank tells the others of a run, besides tensors."""

    record: RunRecord
    config: FlowConfig | None = None
    """Of the checkpoint that the run goes on from, as all that follows."""
    info: CheckpointInfo | None = None
    resume: str = ""


_LEARNT = ("weights.", "average.", "optimizer.")


def send_run(ranks: Ranks, record: RunRecord, checkpoint: Checkpoint | None) -> None:
    """Tell the other ranks which run this is and, when it goes on, the state that it goes on from."""
    if ranks.world == 1:
        return
    ranks.announce(_WORD)
    beginning = _Beginning(record)
    if checkpoint is not None:
        beginning = _Beginning(record, checkpoint.config, checkpoint.info, checkpoint.resume)
    ranks.send(msgspec.json.encode(beginning))
    if checkpoint is not None:
        ranks.send_tensors({name: t for name, t in checkpoint.tensors.items() if name.startswith(_LEARNT)})


def receive_run(ranks: Ranks, proceed: Callable[[], None]) -> tuple[RunRecord, Checkpoint | None]:
    """Wait for what `send_run` tells; `proceed` is called meanwhile and may raise."""
    ranks.await_word(_WORD, proceed)
    beginning = msgspec.json.decode(ranks.send(b""), type=_Beginning)
    if beginning.config is None or beginning.info is None:
        return beginning.record, None
    return beginning.record, Checkpoint(beginning.config, beginning.info, ranks.send_tensors({}), beginning.resume)
