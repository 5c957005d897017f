"""The process of a worker as the window sees it: its program, its pipes and its end."""

import os
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QObject, QProcess, QProcessEnvironment, Signal

STDERR_LINES = 60


class Process(QObject):
    """A process that is started once, by `start`."""

    started = Signal()
    received = Signal(object)
    """Bytes of its stdout."""
    stderr_line = Signal(str)
    """A line of its stderr, without what ends it; empty lines are left out."""
    ended = Signal(object)
    """Its exit code, None when a signal or a crash ended it; everything it wrote was received before."""
    failed_to_start = Signal(str)
    """Why there is no process, in one line; `ended` does not follow."""

    def __init__(self, program: Sequence[str], parent: QObject) -> None:
        super().__init__(parent)
        self.stderr_tail: deque[str] = deque(maxlen=STDERR_LINES)
        """The last lines it wrote to stderr."""
        self._stderr_rest = b""
        self._process = QProcess(self)
        self._process.setProgram(program[0])
        self._process.setArguments(list(program[1:]))
        self._process.setProcessEnvironment(_environment())
        self._process.started.connect(self.started)
        self._process.readyReadStandardOutput.connect(self._on_output)
        self._process.readyReadStandardError.connect(self._on_stderr)
        self._process.finished.connect(self._on_finished)
        self._process.errorOccurred.connect(self._on_error)

    @property
    def pid(self) -> int:
        """Process id, 0 when there is none."""
        return self._process.processId()

    def start(self) -> None:
        """Start it; `started` or `failed_to_start` follows."""
        self._process.start()

    def write(self, data: bytes) -> None:
        """Write to its stdin, without waiting for it to read."""
        self._process.write(data)

    def close_stdin(self) -> None:
        """Close its stdin once all is written."""
        self._process.closeWriteChannel()

    def kill(self) -> None:
        """End it at once: SIGKILL, or TerminateProcess on Windows."""
        self._process.kill()

    def wait(self, milliseconds: int) -> bool:
        """Block until it has ended, at most so long; returns whether it has."""
        return self._process.waitForFinished(milliseconds)

    def _on_output(self) -> None:
        if data := self._process.readAllStandardOutput().data():
            self.received.emit(data)

    def _on_stderr(self) -> None:
        *lines, self._stderr_rest = (self._stderr_rest + self._process.readAllStandardError().data()).split(b"\n")
        for line in lines:
            self._add_line(line)

    def _add_line(self, line: bytes) -> None:
        if text := line.decode("utf-8", "replace").rstrip():
            self.stderr_tail.append(text)
            self.stderr_line.emit(text)

    def _on_finished(self, exit_code: int, status: QProcess.ExitStatus) -> None:
        self._on_output()
        self._on_stderr()
        self._add_line(self._stderr_rest)
        self.ended.emit(None if status == QProcess.ExitStatus.CrashExit else exit_code)

    def _on_error(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:  # every other error is followed by finished
            self.failed_to_start.emit(f"cannot start {self._process.program()}: {self._process.errorString()}")


def worker_program() -> list[str]:
    """The command of a local worker: this interpreter, without the current folder among its modules (-P)."""
    return [sys.executable, "-P", "-m", "nvp_studio.worker"]


def _environment() -> QProcessEnvironment:
    """Ours, with the package's folder first in PYTHONPATH so that a checkout's worker is the checkout's."""
    environment = QProcessEnvironment.systemEnvironment()
    folder = str(Path(__file__).resolve().parents[2])
    others = environment.value("PYTHONPATH", "")
    environment.insert("PYTHONPATH", os.pathsep.join(filter(None, (folder, others))))
    environment.insert("PYTHONUTF8", "1")
    return environment
