"""Watching folders: files are handed on to be scored as they arrive, and again when they change."""

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from nvp_studio.commands.console import say
from nvp_studio.score_row import ScoreRow

_STEP_SECONDS = 0.05
BATCH = 64


def watched(
    folders: Iterable[Path],
    every: float,
    is_done: Callable[[Path], bool],
    score: Callable[[list[Path]], list[ScoreRow]],
    stopped: Callable[[], bool],
) -> Iterator[ScoreRow]:
    """Yield the rows of files in `folders` as they arrive, looking `every` so many seconds, until `stopped()`.

    Which files are scored, and when, is up to a `FolderWatch`; those that `is_done` at the first look are left alone.
    """
    from nvp_studio.data.watching import FolderWatch  # which imports numpy

    watch = FolderWatch(folders, is_done, say)
    while not stopped():
        began = time.monotonic()
        ready = watch.look()
        for start in range(0, len(ready), BATCH):
            part = ready[start : start + BATCH]
            if stopped():
                return
            for path, row in zip(part, score(part), strict=False):
                if watch.settle(path, readable=row.bits_per_dim is not None):
                    yield row
        while time.monotonic() < began + every and not stopped():
            time.sleep(min(_STEP_SECONDS, every))
