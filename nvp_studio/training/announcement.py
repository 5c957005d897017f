"""What the first rank of a launch tells the others before training: which run it is, and the state to go on from."""

from collections.abc import Callable

import msgspec

from nvp_studio.checkpoints import Checkpoint, CheckpointInfo
from nvp_studio.flow.config import FlowConfig
from nvp_studio.ranks import Ranks
from nvp_studio.training.runs import RunRecord

_KEY = "the run begins"


class RunAnnouncement(msgspec.Struct, frozen=True):
    """The run, and all of the checkpoint that it goes on from but the tensors."""

    record: RunRecord
    config: FlowConfig | None = None
    """This and the following fields are those of the checkpoint; empty at a start."""
    info: CheckpointInfo | None = None
    resume: str = ""


_TRAINED = ("weights.", "average.", "optimizer.")
"""Prefixes of the tensors that training goes on from."""


def announce_run(ranks: Ranks, record: RunRecord, checkpoint: Checkpoint | None) -> None:
    """Tell the other ranks which run this is and, when it goes on, where from."""
    announcement = RunAnnouncement(record)
    if checkpoint is not None:
        announcement = RunAnnouncement(record, checkpoint.config, checkpoint.info, checkpoint.resume)
    ranks.announce(_KEY, msgspec.json.encode(announcement))


def dismiss(ranks: Ranks) -> None:
    """Tell the other ranks, in place of `announce_run`, that there is nothing to do."""
    ranks.announce(_KEY)


def await_run(ranks: Ranks, poll: Callable[[], None]) -> RunAnnouncement | None:
    """Wait for what the first rank tells; None when that is nothing. `poll` is called meanwhile and may raise."""
    content = ranks.await_announcement(_KEY, poll)
    return msgspec.json.decode(content, type=RunAnnouncement) if content else None


def send_state(ranks: Ranks, checkpoint: Checkpoint | None) -> None:
    """Give the other ranks the state that the run goes on from, for which they `receive_state`."""
    if checkpoint is not None and ranks.world > 1:
        ranks.broadcast_tensors({name: t for name, t in checkpoint.tensors.items() if name.startswith(_TRAINED)})


def receive_state(ranks: Ranks, announcement: RunAnnouncement) -> Checkpoint | None:
    """The checkpoint that the run goes on from, with the tensors that training needs; None at its start."""
    if announcement.config is None or announcement.info is None:
        return None
    return Checkpoint(announcement.config, announcement.info, ranks.broadcast_tensors({}), announcement.resume)
