"""The window's side of a worker: starts the process, exchanges messages with it, watches and restarts it."""

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from PySide6.QtCore import QObject, QProcess, QProcessEnvironment, QTimer, Signal

from nvp_studio.worker.channel import Channel, WorkerLost
from nvp_studio.worker.compiling_messages import Compiled
from nvp_studio.worker.framing import FrameError, FrameReader, encode
from nvp_studio.worker.messages import (
    PROTOCOL,
    Hello,
    Ping,
    Pong,
    Refused,
    Reply,
    Welcome,
    WindowMessage,
    WorkerMessage,
)

HEARTBEAT_MILLISECONDS = 500
SILENCE_SECONDS = 5.0
"""A process that sends nothing for this long hangs."""
CRASHES_BEFORE_GIVING_UP = 4
STABLE_SECONDS = 30.0
"""After running for this long a worker's earlier crashes no longer count."""
RESTART_DELAYS_MILLISECONDS = (100, 500, 1500)
_KILL_MILLISECONDS = 2000
_STDERR_LINES = 60

Explain = Callable[[int | None, bool, Sequence[str]], str]
"""(exit code, whether what it sent was damaged, last lines of stderr) -> why it ended, in one line."""


@dataclass(frozen=True)
class CrashReport:
    """What is known of a worker that ended without being asked to."""

    role: str
    reason: str
    """One line for a person."""
    stderr_tail: tuple[str, ...]
    when: datetime

    def text(self) -> str:
        """The report as plain text, ready to be pasted somewhere."""
        head = f"NVP Studio {self.role} engine, {self.when:%Y-%m-%d %H:%M:%S}\n{self.reason}"
        return "\n".join((head, *self.stderr_tail))


class WorkerClient(QObject):
    """One worker process.

    States: ``stopped``, ``starting``, ``ready``, ``restarting`` (after a crash), ``failed`` (not restarted any more).
    Requests go through channels (`channel`), which tell the answers to who asked. What is asked before the first
    ``ready`` waits for it; when the process ends, all that is unanswered ends with `WorkerLost`.
    """

    run_event = Signal(object)
    """What the worker reports of its run, in order."""
    drained = Signal()
    """After the messages that arrived together: the moment to redraw once for all of them."""
    compiled = Signal(str)
    """Digest of a model that is compiled from now on."""
    state_changed = Signal(str)
    crashed = Signal(object)
    """A `CrashReport`, before the state changes."""
    responsive_changed = Signal(bool)
    """False: the process exists but does not answer; True: it answers again."""
    log_line = Signal(str)
    """A line that the worker wrote to stderr, without what ends it; empty lines are left out."""

    def __init__(self, role: str, program: Sequence[str] | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.role = role
        self.state = "stopped"
        self.welcome: Welcome | None = None
        self.responsive = True
        self.stderr_tail: deque[str] = deque(maxlen=_STDERR_LINES)
        """The last lines the worker wrote to stderr."""
        self.device = "auto"
        self._program = list(program) if program is not None else worker_program()
        self._explain: Explain | None = None
        self._process: QProcess | None = None
        self._reader = FrameReader[WorkerMessage](WorkerMessage)
        self._stopping = False
        self._unsent: list[WindowMessage] = []
        self._channels: dict[str, Channel] = {}
        self._channels_made = 0
        self._crashes = 0
        self._ready_since = 0.0
        self._last_message = 0.0
        self._last_beat = 0.0
        self._pings = 0
        self._damage = ""
        self._refused = False
        self._heartbeat = QTimer(self, interval=HEARTBEAT_MILLISECONDS)
        self._heartbeat.timeout.connect(self._on_heartbeat)
        self._restart = QTimer(self, singleShot=True)
        self._restart.timeout.connect(self._launch)
        self._kill = QTimer(self, singleShot=True)
        self._kill.timeout.connect(self.force_stop)

    def set_program(self, program: Sequence[str], explain: "Explain | None" = None) -> None:
        """Start `program` from now on; a process of another program is killed.

        `explain` gives the reason why a process ended, for a worker on another machine. Such a worker that never
        greeted is not started again.
        """
        if self._process is not None:
            self.force_stop()
            self._process.waitForFinished(_KILL_MILLISECONDS)
        self._program, self._explain = list(program), explain

    @property
    def pid(self) -> int:
        """Process id, 0 when there is none."""
        return self._process.processId() if self._process is not None else 0

    @property
    def alive(self) -> bool:
        """Whether a process exists."""
        return self._process is not None

    @property
    def ending(self) -> bool:
        """Whether the process was told to end, or killed, and still exists."""
        return self._process is not None and self._stopping

    def start(self) -> None:
        """Start the process, unless there is one already; earlier crashes are forgotten."""
        self._crashes = 0
        if self._process is None:
            self._restart.stop()
            self._launch()

    def stop(self, grace_milliseconds: int = 5000) -> None:
        """Close the worker's stdin, which ends it after a last checkpoint; kill it after the grace time."""
        self._restart.stop()
        self._unsent.clear()
        if self._process is None:
            self._leave_for("stopped")
            return
        self._stopping = True
        self._process.closeWriteChannel()
        self._kill.start(grace_milliseconds)

    def force_stop(self) -> None:
        """Kill the process now and leave it stopped."""
        self._restart.stop()
        self._stopping = True
        if self._process is not None:
            self._process.kill()

    def restart(self) -> None:
        """Kill the process, if there is one, and start another; for a worker that hangs or has failed."""
        if self._process is None:
            self.start()
            return
        self._crashes = 0
        self._damage = "restarted by hand"
        self._process.kill()

    def channel(self, name: str, parent: QObject) -> Channel:
        """A channel for the requests of `parent`, which it ends with; `name` says what they are about."""
        self._channels_made += 1
        key = f"{name} {self._channels_made}"
        channel = self._channels[key] = Channel(key, self.send, parent)
        channel.destroyed.connect(lambda *_: self._channels.pop(key, None))
        return channel

    def send(self, message: WindowMessage) -> bool:
        """Send a message, once the worker is ready; False when it restarts, or is not restarted any more."""
        if self.state == "ready":
            self._write(message)
        elif self.state in ("stopped", "starting"):
            self._unsent.append(message)
        else:
            return False
        return True

    def _launch(self) -> None:
        self._stopping = False
        self._damage, self._refused = "", False
        self._reader = FrameReader[WorkerMessage](WorkerMessage)
        self.stderr_tail.clear()
        self.welcome = None
        process = self._process = QProcess(self)
        process.setProgram(self._program[0])
        process.setArguments(self._program[1:])
        process.setProcessEnvironment(_environment())
        process.started.connect(self._on_started)
        process.readyReadStandardOutput.connect(self._read_messages)
        process.readyReadStandardError.connect(self._read_lines)
        process.finished.connect(self._on_finished)
        process.errorOccurred.connect(self._on_error)
        if self.state != "restarting":
            self._set_state("starting")
        process.start()

    def _on_started(self) -> None:
        self._last_message = self._last_beat = time.monotonic()
        self._write(Hello(PROTOCOL, self.device))
        self._heartbeat.start()

    def _on_error(self, error: QProcess.ProcessError) -> None:
        process = self._process
        if process is None or error != QProcess.ProcessError.FailedToStart:
            return  # every other error is followed by `finished`
        self._forget_process()
        self._report_crash(f"cannot start {process.program()}: {process.errorString()}")
        self._leave_for("failed")

    def _read_messages(self) -> None:
        process = self._process
        if process is None:
            return
        try:
            messages = self._reader.feed(process.readAllStandardOutput().data())
        except FrameError as error:
            self._damage = f"the engine sent a damaged message ({error})"
            process.kill()
            return
        for message in messages:
            if self._process is process:  # it may be ended on a message
                self._receive(message)
        self.drained.emit()

    def _receive(self, message: WorkerMessage) -> None:
        self._last_message = time.monotonic()
        self._set_responsive(True)
        match message:
            case Pong():
                pass
            case Welcome():
                self.welcome = message
                self._ready_since = time.monotonic()
                unsent, self._unsent = self._unsent, []
                for request in unsent:
                    self._write(request)
                self._set_state("ready")
            case Refused(reason=reason):
                self._damage, self._refused = reason, True
            case Compiled(digest=digest):
                self.compiled.emit(digest)
            case Reply(channel=name):
                if name in self._channels:
                    self._channels[name].receive(message)
            case _:
                self.run_event.emit(message)

    def _read_lines(self) -> None:
        process = self._process
        if process is None:
            return
        process.setReadChannel(QProcess.ProcessChannel.StandardError)
        ended = process.state() == QProcess.ProcessState.NotRunning
        while process.canReadLine() or (ended and process.bytesAvailable()):
            if text := bytes(process.readLine().data()).decode("utf-8", "replace").rstrip():
                self.stderr_tail.append(text)
                self.log_line.emit(text)

    def _on_finished(self, exit_code: int, status: QProcess.ExitStatus) -> None:
        self._read_messages()
        self._read_lines()
        code = None if status == QProcess.ExitStatus.CrashExit else exit_code
        reason, refused = self._damage, self.welcome is None and bool(self._damage)
        if self._explain is not None and not self._refused:
            reason = self._explain(code, bool(reason), tuple(self.stderr_tail))
            refused = self.welcome is None
        self._forget_process()
        if self._stopping:
            self._leave_for("stopped")
            return
        self._report_crash(reason or _reason(code))
        if self.welcome is not None and time.monotonic() - self._ready_since > STABLE_SECONDS:
            self._crashes = 0
        self._crashes += 1
        if refused or self._crashes >= CRASHES_BEFORE_GIVING_UP:
            self._leave_for("failed")
            return
        delays = RESTART_DELAYS_MILLISECONDS
        self._restart.start(delays[min(self._crashes - 1, len(delays) - 1)])
        self._leave_for("restarting")

    def _report_crash(self, reason: str) -> None:
        self.crashed.emit(CrashReport(self.role, reason, tuple(self.stderr_tail), datetime.now()))

    def _leave_for(self, state: str) -> None:
        """Enter a state without a process, and tell of its loss whoever waits for an answer."""
        channels = list(self._channels.values())  # a copy, as garbage collection may end channels meanwhile
        lost = [question for channel in channels for question in channel.lose()]
        self._set_state(state)
        for question in lost:
            if question.ask.channel in self._channels:
                question.tell(WorkerLost())

    def _forget_process(self) -> None:
        self._heartbeat.stop()
        self._kill.stop()
        if self._process is not None:
            self._process.deleteLater()
            self._process = None
        self._unsent.clear()
        self._set_responsive(True)

    def _on_heartbeat(self) -> None:
        now = time.monotonic()
        if now - self._last_beat > 4 * HEARTBEAT_MILLISECONDS / 1000:
            self._last_message = now  # the window itself was suspended
        self._last_beat = now
        self._pings += 1
        self._write(Ping(self._pings))
        self._set_responsive(now - self._last_message < SILENCE_SECONDS)

    def _write(self, message: WindowMessage) -> None:
        if self._process is not None and not self._stopping:
            self._process.write(encode(message))

    def _set_state(self, state: str) -> None:
        if state != self.state:
            self.state = state
            self.state_changed.emit(state)

    def _set_responsive(self, responsive: bool) -> None:
        if responsive != self.responsive:
            self.responsive = responsive
            self.responsive_changed.emit(responsive)


def _reason(code: int | None) -> str:
    if code is None:
        return "the process was killed or crashed (out of memory is the usual cause)"
    return f"the process ended by itself with code {code}"


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
