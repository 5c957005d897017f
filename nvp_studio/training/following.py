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

    def checkpoint(
        self, name: str, kind: Literal["last", "best", "milestone"], step: int, make: Callable[[], Checkpoint]
    ) -> bool:
        """Write nothing, which always succeeds."""
        return True

    def sheet(self, kind: Literal["samples", "reconstructions"], step: int, images: Images) -> None:
        """Show nothing."""


class Beginning(msgspec.Struct, frozen=True):
    """What the first rank tells the others of a run, besides tensors."""

    record: RunRecord
    config: FlowConfig | None = None
    """Of the checkpoint that the run goes on from, as all that follows."""
    info: CheckpointInfo | None = None
    resume: str = ""


_LEARNT = ("weights.", "average.", "optimizer.")


def announce_run(ranks: Ranks, record: RunRecord, checkpoint: Checkpoint | None) -> None:
    """Tell the other ranks which run this is and, when it goes on, where from."""
    beginning = Beginning(record)
    if checkpoint is not None:
        beginning = Beginning(record, checkpoint.config, checkpoint.info, checkpoint.resume)
    ranks.announce(_WORD, msgspec.json.encode(beginning))


def dismiss(ranks: Ranks) -> None:
    """Tell the other ranks, in place of `announce_run`, that there is nothing to do."""
    ranks.announce(_WORD)


def await_run(ranks: Ranks, proceed: Callable[[], None]) -> Beginning | None:
    """Wait for what the first rank tells; None when that is nothing. `proceed` is called meanwhile and may raise."""
    content = ranks.await_word(_WORD, proceed)
    return msgspec.json.decode(content, type=Beginning) if content else None


def send_state(ranks: Ranks, checkpoint: Checkpoint | None) -> None:
    """Give the other ranks the state that the run goes on from, for which they `receive_state`."""
    if checkpoint is not None and ranks.world > 1:
        ranks.send_tensors({name: t for name, t in checkpoint.tensors.items() if name.startswith(_LEARNT)})


def receive_state(ranks: Ranks, beginning: Beginning) -> Checkpoint | None:
    """The checkpoint that the run goes on from, with the tensors that training needs; None at its start."""
    if beginning.config is None or beginning.info is None:
        return None
    return Checkpoint(beginning.config, beginning.info, ranks.send_tensors({}), beginning.resume)
