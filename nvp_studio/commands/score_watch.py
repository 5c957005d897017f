"""Watching folders: files are handed on to be scored as they arrive, and again when they change."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from nvp_studio.commands.console import say
from nvp_studio.score_row import ScoreRow

PATIENCE = 5
"""A file that cannot be read is tried again until it has stayed the same for so many looks; it may be half-written."""
_STEP_SECONDS = 0.05
BATCH = 64


class _Seen(NamedTuple):
    size: int
    changed: int
    """Nanoseconds, as the file system says."""
    looks: int = 1
    """For how many looks it has been so."""
    done: bool = False


def watched(
    folders: Iterable[Path],
    every: float,
    is_done: Callable[[Path], bool],
    score: Callable[[list[Path]], list[ScoreRow]],
    stopped: Callable[[], bool],
) -> Iterator[ScoreRow]:
    """Yield the rows of files in `folders` as they arrive, looking `every` so many seconds, until `stopped()`.

    A file is scored once its size and time of change have stayed the same from one look to the next, and again after
    they changed. One that cannot be read gets its row only after `PATIENCE` looks. Those that `is_done` at the first
    look are left alone. A folder that is missing is waited for.
    """
    places = list(folders)
    seen: dict[str, _Seen] = {}
    missing: set[Path] = set()
    while not stopped():
        began = time.monotonic()
        ready = []
        found = set()
        for path in _files(places, missing):
            name = os.fspath(path)
            now = _look(path)
            if now is None:
                continue
            found.add(name)
            before = seen.get(name)
            if before is None and is_done(path):
                now = now._replace(done=True)
            elif before is not None and before[:2] == now[:2]:
                now = before._replace(looks=before.looks + 1)
            seen[name] = now
            if not now.done and now.looks > 1:
                ready.append(path)
        if not missing:
            for name in seen.keys() - found:
                del seen[name]
        for start in range(0, len(ready), BATCH):
            part = ready[start : start + BATCH]
            if stopped():
                return
            for path, row in zip(part, score(part), strict=False):
                name = os.fspath(path)
                if row.bits_per_dim is not None or seen[name].looks > PATIENCE:
                    seen[name] = seen[name]._replace(done=True)
                    yield row
        while time.monotonic() < began + every and not stopped():
            time.sleep(min(_STEP_SECONDS, every))


def _files(places: list[Path], missing: set[Path]) -> Iterator[Path]:
    """The image files below folders that are there; those that are not are named once."""
    from nvp_studio.data.images import find_images

    for place in places:
        if place.is_dir():
            if place in missing:
                say(f"{place} is there again")
            missing.discard(place)
            yield from find_images([place])
        elif place not in missing:
            missing.add(place)
            say(f"{place} is missing; waiting for it")


def _look(path: Path) -> _Seen | None:
    """A file's size and time of change; None for what is no regular file, or is gone."""
    with suppress(OSError):
        if path.is_file():
            status = path.stat()
            return _Seen(status.st_size, status.st_mtime_ns)
    return None
