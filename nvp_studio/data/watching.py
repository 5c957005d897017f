"""Watching folders for image files that arrive, or change."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from nvp_studio.data.images import find_images

PATIENCE = 5
"""A file that cannot be read is tried again until it has stayed the same for so many looks; it may be half-written."""

_FIRST_READ = 2
"""At this look at a file that stays the same it is read."""


class _Seen(NamedTuple):
    size: int
    changed: int
    """Nanoseconds, as the file system says."""
    looks: int = 1
    """For how many looks it has been so."""
    done: bool = False


class FolderWatch:
    """Says which files in folders are to be read: one look after the other, each followed by `settle` for its files.

    A file is ready once its size and time of change have stayed the same from one look to the next, and again after
    they changed. A folder that is missing is waited for.
    """

    def __init__(
        self, places: Iterable[Path], is_done: Callable[[Path], bool], tell: Callable[[str], object] = lambda text: None
    ) -> None:
        """Files that `is_done` at the first look are left alone; `tell` hears of folders that vanish and come back."""
        self.places = list(places)
        self.missing: set[Path] = set()
        """Those of `places` that were not there at the last look."""
        self.unreadable = 0
        """How many files could not be read so far and are tried again: they may be half-written."""
        self._is_done, self._tell = is_done, tell
        self._seen: dict[str, _Seen] = {}

    def look(self) -> list[Path]:
        """The files that are ready now."""
        ready = []
        found = set()
        for path in self._files():
            name = os.fspath(path)
            now = _look(path)
            if now is None:
                continue
            found.add(name)
            before = self._seen.get(name)
            if before is None and self._is_done(path):
                now = now._replace(done=True)
            elif before is not None and before[:2] == now[:2]:
                now = before._replace(looks=before.looks + 1)
            self._seen[name] = now
            if not now.done and now.looks >= _FIRST_READ:
                ready.append(path)
        self.unreadable = sum(not one.done and one.looks > _FIRST_READ for one in self._seen.values())
        if not self.missing:
            for name in self._seen.keys() - found:
                del self._seen[name]
        return ready

    def settle(self, path: Path, *, readable: bool) -> bool:
        """Note that a ready file was read; returns whether that counts.

        It does not where the file could not be read and may be half-written: then it is ready at the next look too.
        """
        name = os.fspath(path)
        seen = self._seen.get(name)
        if seen is None or not (readable or seen.looks > PATIENCE):
            return False
        self._seen[name] = seen._replace(done=True)
        return True

    def _files(self) -> Iterator[Path]:
        """The image files below folders that are there; those that are not are told once."""
        for place in self.places:
            if place.is_dir():
                if place in self.missing:
                    self._tell(f"{place} is there again")
                self.missing.discard(place)
                yield from find_images([place])
            elif place not in self.missing:
                self.missing.add(place)
                self._tell(f"{place} is missing; waiting for it")


def _look(path: Path) -> _Seen | None:
    """A file's size and time of change; None for what is no regular file, or is gone."""
    with suppress(OSError):
        if path.is_file():
            status = path.stat()
            return _Seen(status.st_size, status.st_mtime_ns)
    return None
