"""Members of compressed tar files as they were unpacked, kept beside the prepared images from one start to the next.

Such a file can be read only from its start to its end, which takes long. Two files are kept for each: the members one
after the other, and an index. They are removed when the archive has changed or is gone, and the ones used longest ago
when all of them together are too large.
"""

import hashlib
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

import msgspec

from nvp_studio.data.places import cache_folder
from nvp_studio.data.report import LeftOut
from nvp_studio.files import write_whole

MOST_BYTES = 8 * 2**30
"""Of all that is kept."""
_FORMAT = 1
_ENDS = 4096
"""Bytes at both ends of an archive that tell it from another one; a gzip file ends with a checksum of its content."""
_ABANDONED_SECONDS = 24 * 3600.0
"""A file that was not completed, and not written for so long, is of a process that was killed."""
_INDEX, _MEMBERS, _PART = ".index", ".members", ".part"


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """What the headers of an archive told."""

    format: int = _FORMAT
    archive: str
    """Its whole path."""
    places: list[tuple[str, int, int]]
    """Name, offset and size of each member that was taken."""
    tops: list[str]
    unread: tuple[LeftOut, ...]
    others: list[str]
    count: int


def unpacked_folder() -> Path:
    """Where they are kept."""
    return cache_folder() / "unpacked"


class Unpacked:
    """The unpacked members of one archive."""

    def __init__(self, path: Path, packed: IO[bytes]) -> None:
        """`packed` is the archive at `path`, open; its place is its start again afterwards."""
        self._archive = os.path.abspath(path)
        self._key = _key(self._archive, packed)
        self._part: Path | None = None

    def find(self) -> tuple[Index, IO[bytes]] | None:
        """The index and the members that are kept, None without."""
        place = self._place(_MEMBERS)
        try:
            index = msgspec.json.decode(self._place(_INDEX).read_bytes(), type=Index)
            file = place.open("rb")
        except (OSError, msgspec.MsgspecError, RecursionError):
            return None
        size = os.fstat(file.fileno()).st_size
        if index.format != _FORMAT or any(offset + length > size for _, offset, length in index.places):
            file.close()
            return None
        with suppress(OSError):
            os.utime(place)
        return index, file

    def begin(self) -> IO[bytes]:
        """A new file for the members; raises `OSError`."""
        unpacked_folder().mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(suffix=_PART, dir=unpacked_folder())
        self._part = Path(name)
        return os.fdopen(descriptor, "w+b")

    def keep(self, file: IO[bytes], index: Index) -> IO[bytes]:
        """Keep the complete `file`, unless that takes too much room; returns it, or in its place another one."""
        size = file.tell()
        if self._part is None or size > MOST_BYTES:
            return file
        file.close()
        place = self._place(_MEMBERS)
        try:
            self._part.replace(place)
        except OSError:  # on Windows, as long as another process reads the same
            return self._part.open("rb")
        self._part = None
        with suppress(OSError):
            write_whole(self._place(_INDEX), msgspec.json.encode(index))
            _clean(place.stem)
        return place.open("rb")

    def close(self) -> None:
        """Remove what is not kept; its file is closed."""
        if self._part is not None:
            with suppress(OSError):
                self._part.unlink()

    def index(self, **facts: object) -> Index:
        """The index with these facts."""
        return msgspec.convert({"archive": self._archive} | facts, Index)

    def _place(self, suffix: str) -> Path:
        return unpacked_folder() / (self._key + suffix)


def _key(path: str, packed: IO[bytes]) -> str:
    """What stands for the archive at `path` as it is now."""
    status = os.fstat(packed.fileno())
    digest = hashlib.sha256(os.fsencode(path) + f"\0{status.st_size} {status.st_mtime_ns}".encode())
    for place in (0, max(0, status.st_size - _ENDS)):
        packed.seek(place)
        digest.update(packed.read(_ENDS))
    packed.seek(0)
    return digest.hexdigest()[:32]


def _clean(new: str) -> None:
    """Remove what is of no use, and what was used longest ago where all is too large; not what is `new`."""
    folder = unpacked_folder()
    for path in folder.glob("*" + _PART):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
                path.unlink()
    kept = []
    for path in folder.glob("*" + _MEMBERS):
        with suppress(OSError):
            status = path.stat()
            if path.stem == new or _is_current(path):
                kept.append((path.stem != new, -status.st_mtime, status.st_size, path))
            else:
                _remove(path)
    total = 0
    for _, _, size, path in sorted(kept):
        total += size
        if total > MOST_BYTES:
            _remove(path)


def _is_current(members: Path) -> bool:
    """Whether the archive is still there as it was."""
    try:
        index = msgspec.json.decode(members.with_suffix(_INDEX).read_bytes(), type=Index)
        with Path(index.archive).open("rb") as packed:
            return _key(index.archive, packed) == members.stem
    except (OSError, msgspec.MsgspecError, RecursionError):
        return False


def _remove(members: Path) -> None:
    for path in (members.with_suffix(_INDEX), members):
        with suppress(OSError):
            path.unlink()
