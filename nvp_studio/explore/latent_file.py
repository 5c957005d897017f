"""Latents of many images in half precision, in a file of the cache that grows batch by batch, or in memory."""

import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import numpy.typing as npt

from nvp_studio.data.places import cache_folder
from nvp_studio.locks import LockFile

Latents = npt.NDArray[np.float16]

MAX_CACHE_BYTES = 2 * 2**30
"""Of all such files together; the ones that were used least recently are removed first."""
_PREFIX = "latents-1-"
"""Names the files, with the version of their format."""
_LARGEST = 60_000.0
"""Half precision ends at 65504."""
_CHECKED_BYTES = 16 * 2**20


class LatentFile:
    """Rows of `width` values in the order in which they are added; those of an earlier process are there already.

    The file is called by `name`, which stands for the model and the data, and holds nothing but the rows. It is opened
    when it is first asked for something. Where it cannot be written, or another process adds to it, rows are kept in
    memory.
    """

    def __init__(self, name: str, width: int, total: int) -> None:
        """`total` is the number of rows in the end."""
        self.width, self.total = width, total
        self.path = cache_folder() / f"{_PREFIX}{name}.f16"
        self._count = 0
        self._opened = False
        self._file: BinaryIO | None = None
        self._lock: LockFile | None = None
        self._memory: Latents | None = None
        self._mapped: Latents | None = None

    @property
    def count(self) -> int:
        """Rows that are there."""
        self._open_once()
        return self._count

    @property
    def in_memory(self) -> bool:
        """Whether the rows are kept in memory alone."""
        self._open_once()
        return self._memory is not None

    def add(self, rows: npt.NDArray[np.floating]) -> None:
        """Add rows (n, width); values beyond half precision become the largest it has, those that are none 0."""
        rows = np.nan_to_num(rows, nan=0.0, posinf=_LARGEST, neginf=-_LARGEST)
        short = np.clip(rows, -_LARGEST, _LARGEST).astype(np.float16)[: self.total - self.count]
        if self._file is not None:
            try:
                self._file.write(short.tobytes())
                self._file.flush()
            except OSError:  # a full disk: go on in memory
                memory = np.empty((self.total, self.width), np.float16)
                memory[: self.count] = self.rows(0, self.count)
                self._let_go()
                self._memory = memory
        if self._memory is not None:
            self._memory[self.count : self.count + len(short)] = short
        self._count += len(short)

    def rows(self, start: int, stop: int) -> Latents:
        """Rows (stop - start, width) of those that are there."""
        self._open_once()
        if self._memory is not None:
            return self._memory[start:stop]
        if self._mapped is None or len(self._mapped) < stop:
            self._mapped = np.memmap(self.path, np.float16, "r", shape=(self._count, self.width))
        return self._mapped[start:stop]

    def close(self) -> None:
        """Let go of the file; it is opened again when it is asked for something."""
        if self._memory is None:
            self._let_go()
            self._opened = False

    def __del__(self) -> None:
        self._let_go()

    def _open_once(self) -> None:
        if self._opened:
            return
        self._opened = True
        try:
            self._open()
        except OSError:
            self._let_go()
            self._count = 0
            self._memory = np.empty((self.total, self.width), np.float16)

    def _let_go(self) -> None:
        self._mapped = None
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None
        if self._lock is not None:
            self._lock.__exit__(None, None, None)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> None:
        row = 2 * self.width
        if self.total * row > MAX_CACHE_BYTES:
            raise OSError("too large for the cache")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        size = self.path.stat().st_size if self.path.exists() else 0
        self._count = self._sound_rows(min(size // row, self.total))
        if self._count < self.total:
            self._make_room(self.total * row)
            lock = LockFile(self.path.with_suffix(".lock"))
            lock.__enter__()
            self._lock = lock
            if not lock.try_lock():
                raise OSError("another process adds to it")
            self._file = self.path.open("ab")
            self._file.truncate(self._count * row)
        os.utime(self.path)

    def _sound_rows(self, count: int) -> int:
        """How many of the first `count` rows were written: after a power failure a row may hold nothing but zeros."""
        if not count:
            return 0
        rows = np.memmap(self.path, np.float16, "r", shape=(count, self.width))
        step = max(1, _CHECKED_BYTES // (2 * self.width))
        for start in range(0, count, step):
            written = (rows[start : start + step] != 0).any(1)
            if not written.all():
                return start + int(np.argmin(written))
        return count

    def _make_room(self, wanted: int) -> None:
        """Remove the files of others that were used least recently, until `wanted` bytes are free."""
        found = []
        for path in cache_folder().glob(f"{_PREFIX}*.f16"):
            if path != self.path:
                with suppress(OSError):
                    status = path.stat()
                    found.append((status.st_mtime, status.st_size, path))
        used = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if used + wanted <= MAX_CACHE_BYTES:
                return
            used -= _remove(path, size)


def _remove(path: Path, size: int) -> int:
    try:
        path.unlink()
    except OSError:
        return 0
    with suppress(OSError):
        path.with_suffix(".lock").unlink()
    return size
