"""The files of a run that grow, metrics and log: a full disk delays their lines and does not end the run."""

import os
from pathlib import Path

from nvp_studio.files import flush_file, flush_folder

_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)


class Journal:
    """Lines appended to a file one by one, each complete before the next; what cannot be written is tried again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._named = path.exists()
        """Whether the file's name is on the disk, besides its content."""
        self._waiting = b""
        self._unflushed = False
        self.trouble = ""
        """Why lines are waiting to be written; empty when none are."""

    def append(self, line: bytes) -> None:
        """Append a line, or keep it for the next call."""
        self._waiting += line
        try:
            if self._descriptor is None:
                self._descriptor = os.open(self._path, _APPEND, 0o644)
            while self._waiting:
                self._unflushed = True
                # A nearly full disk takes a part of a line; the rest follows when there is room.
                self._waiting = self._waiting[os.write(self._descriptor, self._waiting) :]
            self.trouble = ""
        except OSError as error:
            self.trouble = f"{self._path.name}: {error.strerror}"

    def flush(self) -> None:
        """Flush what was written to the disk."""
        if self._waiting:
            self.append(b"")
        if self._descriptor is not None and self._unflushed:
            try:
                flush_file(self._descriptor)
                if not self._named:
                    flush_folder(self._path.parent)
                    self._named = True
                self._unflushed = False
            except OSError as error:
                self.trouble = f"{self._path.name}: {error.strerror}"

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
