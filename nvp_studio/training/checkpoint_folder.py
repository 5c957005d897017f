"""The checkpoint files of a run: the last two to resume from, the best, and milestones, fewer of older steps."""

import math
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Literal

from nvp_studio.checkpoints import Checkpoint, CheckpointError, read_checkpoint, write_checkpoint
from nvp_studio.training.runs import MODEL_FILES

CheckpointKind = Literal["last", "best", "milestone"]

BEST, LAST, PREVIOUS = MODEL_FILES
MAX_MILESTONES = 16
_MILESTONE = re.compile(r"step-(\d{8,})\.safetensors")


class CheckpointFolder:
    """The folder ``checkpoints`` of a run that is being trained."""

    def __init__(self, run_folder: Path, *, last_is_whole: bool) -> None:
        """`last_is_whole`: whether this process has read and verified ``last``; a damaged one is not worth keeping."""
        self._folder = run_folder / "checkpoints"
        self._last_is_whole = last_is_whole

    def path(self, kind: CheckpointKind, step: int) -> Path:
        """The file of the checkpoint of this kind that is written after `step`."""
        return self._folder / (f"step-{step:08d}.safetensors" if kind == "milestone" else f"{kind}.safetensors")

    def write(self, kind: CheckpointKind, step: int, checkpoint: Checkpoint) -> None:
        """Write a checkpoint; raises as `write_checkpoint`, and then every earlier file is unchanged.

        The last one before becomes ``previous``. After a milestone the others are thinned.
        """
        keep = self._folder / PREVIOUS if kind == "last" and self._last_is_whole else None
        write_checkpoint(self.path(kind, step), checkpoint, keep=keep)
        if kind == "last":
            self._last_is_whole = True
        elif kind == "milestone":
            self._thin()

    def _thin(self) -> None:
        names = {int(match[1]): match[0] for match in map(_MILESTONE.fullmatch, os.listdir(self._folder)) if match}
        for step in superfluous(names):
            with suppress(OSError):  # it stays until the next milestone
                os.unlink(self._folder / names[step])


def read_latest(run_folder: Path) -> tuple[Checkpoint, str]:
    """Read the last checkpoint, or where that is damaged or missing the one before and why it is that one, in one line.

    Raises `CheckpointError`.
    """
    folder = run_folder / "checkpoints"
    try:
        return read_checkpoint(folder / LAST), ""
    except CheckpointError as error:
        if not (folder / PREVIOUS).exists():
            raise
        damage = error
    try:
        checkpoint = read_checkpoint(folder / PREVIOUS)
    except CheckpointError as error:
        raise CheckpointError(f"{damage}; nor can the one before be used: {error}") from error
    return checkpoint, f"{damage}; going on from the one before, of step {checkpoint.info.step}"


def superfluous(steps: Iterable[int], most: int = MAX_MILESTONES) -> list[int]:
    """The milestones to drop so that `most` remain: the first and the newest stay, those between end up at about even
    distances on a logarithmic scale of steps, so that a long run keeps its beginning and all of its length.
    """
    kept, dropped = sorted(steps), []
    while len(kept) > max(2, most):
        gaps = [math.log(kept[i + 1] / max(1, kept[i - 1])) for i in range(1, len(kept) - 1)]
        dropped.append(kept.pop(1 + gaps.index(min(gaps))))
    return dropped
