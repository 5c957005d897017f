"""Joining a run: what the ranks that are not the first do. They compute, and neither write files nor report."""

import os
from collections.abc import Callable
from pathlib import Path

from nvp_studio.ranks import Ranks
from nvp_studio.training.control import Control
from nvp_studio.training.determinism import deterministic
from nvp_studio.training.errors import RunError, StoppedError
from nvp_studio.training.journal import Journal
from nvp_studio.training.loop import Loop
from nvp_studio.training.preparation import prepare
from nvp_studio.training.publisher import Publisher
from nvp_studio.training.runs import RunRecord
from nvp_studio.training.session import await_run, ignore, run_to_end, share_state


def join_run(ranks: Ranks, control: Control | None = None) -> None:
    """Train along in the run that the first rank starts or resumes, until it ends; raises as `start_run` does.

    When this rank is asked to stop before training began, the first one ends the run as stopped.
    """
    control = control or Control()

    def check_stop() -> None:
        if control.stop_reason is not None:
            raise StoppedError(control.stop_reason)

    try:
        record = await_run(ranks, check_stop)
        if record is None:
            return
        _, data, flow = prepare(record.config, control, ignore, ranks)
    except StoppedError:
        ranks.cancel_start(control.stop_reason or "")
        return
    if data.digest != record.data.digest:
        raise RunError(f"the data of {record.config.data} are others on this machine than on the first one")
    if ranks.start_together(lambda: control.stop_reason) is not None:
        return
    saved = share_state(ranks)
    with deterministic(record.config.deterministic):
        run_to_end(Loop(record.config, data, flow, SilentPublisher(record), control, saved, ranks))


class SilentPublisher(Publisher):
    """A publisher that reports to nobody and writes nothing, which always succeeds: the first rank does it for all."""

    def __init__(self, record: RunRecord) -> None:
        super().__init__(Path(os.devnull), record, ignore)  # a path that holds no files

    def _append(self, journal: Journal, line: bytes) -> None:
        pass

    def _attempt(self, what: str, write: Callable[[], object]) -> bool:
        return True
