"""The files of a run that grow: metrics and log. A full disk delays lines and does not end the run."""

import os
import time
from pathlib import Path

import msgspec

from nvp_studio.files import flush_folder
from nvp_studio.training.events import StepMetrics
from nvp_studio.training.runs import LOG, METRICS

_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)


class Journal:
    """Appends to ``metrics.jsonl`` and ``log.txt``; lines that cannot be written are kept and tried again."""

    def __init__(self, folder: Path) -> None:
        self._metrics = _Appender(folder / METRICS)
        self._log = _Appender(folder / LOG)
        self._encoder = msgspec.json.Encoder()

    def metrics(self, metrics: StepMetrics) -> None:
        """Append one step."""
        self._metrics.append(self._encoder.encode(metrics) + b"\n")

    def log(self, text: str) -> None:
        """Append one line with date and time."""
        self._log.append(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n".encode())

    @property
    def trouble(self) -> str:
        """Why lines are waiting to be written; empty when none are."""
        return self._metrics.trouble or self._log.trouble

    def flush(self) -> None:
        """Flush what was written to the disk."""
        self._metrics.flush()
        self._log.flush()

    def close(self) -> None:
        """Write what still can be written and close the files."""
        self._metrics.close()
        self._log.close()


class _Appender:
    """Lines appended to a file one by one, each complete before the next, across errors."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._named = path.exists()
        """Whether the file's name is on the disk, besides its content."""
        self._waiting = b""
        self._unflushed = False
        self.trouble = ""

    def append(self, line: bytes) -> None:
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
        if self._waiting:
            self.append(b"")
        if self._descriptor is not None and self._unflushed:
            try:
                os.fsync(self._descriptor)
                if not self._named:
                    flush_folder(self._path.parent)
                    self._named = True
                self._unflushed = False
            except OSError as error:
                self.trouble = f"{self._path.name}: {error.strerror}"

    def close(self) -> None:
        self.flush()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
