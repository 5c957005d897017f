"""The window's end of a worker process: started, spoken to, watched and restarted, on QtCore alone."""

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from PySide6.QtCore import QObject, QProcess, QProcessEnvironment, QTimer, Signal

from nvp_studio.training.events import RunImages, RunProgress, StepMetrics
from nvp_studio.worker.framing import FrameError, FrameReader, encode
from nvp_studio.worker.messages import (
    PROTOCOL,
    Answer,
    Cancel,
    Cancelled,
    Hello,
    Ping,
    Pong,
    Refused,
    Request,
    ScoreRows,
    Surveying,
    Welcome,
)

DRAIN_MILLISECONDS = 33
HEARTBEAT_MILLISECONDS = 500
SILENCE_SECONDS = 5.0
"""No `Pong` for this long while the process lives: it hangs."""
CRASHES_BEFORE_GIVING_UP = 4
STABLE_SECONDS = 30.0
"""A worker that lived this long is forgiven its earlier crashes."""
RESTART_DELAYS_MILLISECONDS = (100, 500, 1500)
STDERR_LINES = 60
_KILL_MILLISECONDS = 2000

Explain = Callable[[int | None, bool, Sequence[str]], str]
"""(exit code, whether what it sent was damaged, last lines of stderr) -> why it ended, in one line."""

_BATCHED = (StepMetrics, RunProgress, RunImages, ScoreRows)
"""What comes in streams and can wait for the next drain; everything else is delivered at once."""
_NOT_THE_LAST = (ScoreRows, Surveying)
"""Answers that others to the same question follow."""


@dataclass(frozen=True)
class CrashReport:
    """What is known of a worker that ended without being asked to."""

    role: str
    reason: str
    """One line for a person."""
    exit_code: int | None
    """None when a signal ended it."""
    stderr_tail: tuple[str, ...]
    when: datetime

    def text(self) -> str:
        """The report as plain text, ready to be pasted somewhere."""
        head = f"NVP Studio {self.role} engine, {self.when:%Y-%m-%d %H:%M:%S}\n{self.reason}"
        return "\n".join((head, *self.stderr_tail))


@dataclass
class _View:
    """One asking view: the stamp being worked on, the newest question waiting behind it, the stamp answered last."""

    in_flight: int | None = None
    answered: int | None = None
    waiting: tuple[int, Callable[[str, int], Request]] | None = None
    cancelled: bool = False


@dataclass
class _Mailbox:
    """Messages between two drains; of a kind that shows a present state only the newest is kept."""

    messages: list[Answer] = field(default_factory=list)
    places: dict[object, int] = field(default_factory=dict)

    def put(self, message: Answer) -> None:
        key = _replaceable(message)
        if key is not None and key in self.places:
            self.messages[self.places[key]] = message
            return
        if key is not None:
            self.places[key] = len(self.messages)
        self.messages.append(message)

    def take(self) -> list[Answer]:
        messages, self.messages, self.places = self.messages, [], {}
        return messages


def _replaceable(message: Answer) -> object | None:
    match message:
        case RunProgress():
            return RunProgress
        case RunImages():
            return RunImages, message.kind
    return None


class WorkerClient(QObject):
    """One worker process.

    States: ``stopped``, ``starting``, ``ready``, ``restarting`` (it crashed and comes back), ``failed`` (given up).
    What is asked before the first ``ready`` waits for it. A crash forgets everything asked, and nothing is taken while
    ``restarting`` or ``failed``: whoever wants something still asks again once the state is ``ready``.
    """

    message = Signal(object)
    """Every answer but `Pong`, in order: what comes in streams (steps, progress, rows) at 30 Hz, the rest at once."""
    drained = Signal()
    """After each batch of `message` emits: the moment to redraw once for all of them."""
    state_changed = Signal(str)
    crashed = Signal(object)
    """A `CrashReport`, before the state changes."""
    responsive_changed = Signal(bool)
    """False: the process lives and gives no sign of life; True: it does again."""
    log_line = Signal(str)

    def __init__(self, role: str, program: Sequence[str] | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.role = role
        self.state = "stopped"
        self.welcome: Welcome | None = None
        self.responsive = True
        self.busy_with = ""
        self.busy_seconds = 0.0
        self.device = "auto"
        self.threads: int | None = None
        self._program = list(program) if program is not None else worker_program()
        self._explain: Explain | None = None
        self._process: QProcess | None = None
        self._reader = FrameReader[Answer](Answer)
        self._stopping = False
        self._unsent: list[Request] = []
        self._views: dict[str, _View] = {}
        self._stamp = 0
        self._mailbox = _Mailbox()
        self._stderr: deque[str] = deque(maxlen=STDERR_LINES)
        self._stderr_rest = b""
        self._crashes = 0
        self._ready_since = 0.0
        self._last_sign = 0.0
        self._last_beat = 0.0
        self._pings = 0
        self._damage = ""
        self._refused = False
        self._drain = _timer(self, DRAIN_MILLISECONDS, self._on_drain)
        self._heartbeat = _timer(self, HEARTBEAT_MILLISECONDS, self._on_heartbeat)
        self._restart = _timer(self, 0, self._launch, single_shot=True)
        self._kill = _timer(self, 0, self.force_stop, single_shot=True)

    def set_program(self, program: Sequence[str], explain: "Explain | None" = None) -> None:
        """Start `program` from now on; a process of another is killed.

        `explain` says why one ended, for one that is somewhere else; without a word from it there is no second try.
        """
        if self._process is not None:
            self.force_stop()
            self.wait_stopped(_KILL_MILLISECONDS)
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

    @property
    def stderr_tail(self) -> tuple[str, ...]:
        """The last lines the worker wrote to stderr."""
        return tuple(self._stderr)

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
            self._set_state("stopped")
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
        """Kill the process, if there is one, and start another; for a worker that hangs or was given up."""
        self._crashes = 0
        if self._process is None:
            self._restart.stop()
            self._launch()
            return
        self._damage = "restarted by hand"
        self._process.kill()

    def wait_stopped(self, milliseconds: int) -> bool:
        """Block until the process has ended, at most so long; only for the moment of quitting."""
        return self._process is None or self._process.waitForFinished(milliseconds)

    def send(self, message: Request) -> None:
        """Send a message that asks for no stamped answer; kept until the worker is ready."""
        if self.state == "ready":
            self._write(message)
        elif self.state in ("stopped", "starting"):
            self._unsent.append(message)

    def ask(self, view: str, make: Callable[[str, int], Request]) -> int:
        """Ask a question for `view`, built by `make(view, stamp)`, and return its stamp.

        One question per view is in flight; of those asked meanwhile only the newest is sent when it is answered.
        """
        self._stamp += 1
        if self.state in ("restarting", "failed"):
            return self._stamp
        state = self._views.setdefault(view, _View())
        if state.in_flight is None:
            state.in_flight = self._stamp
            self.send(make(view, self._stamp))
        else:
            state.waiting = (self._stamp, make)
        return self._stamp

    def cancel(self, view: str) -> None:
        """Give up what `view` asked; its question in flight ends with `Cancelled`, one that waits is dropped."""
        state = self._views.get(view)
        if state is None or state.in_flight is None:
            return
        state.waiting = None
        state.cancelled = True
        self.send(Cancel(view))

    def asking(self, view: str) -> bool:
        """Whether a question of `view` is unanswered."""
        state = self._views.get(view)
        return state is not None and state.in_flight is not None

    def _launch(self) -> None:
        self._stopping = False
        self._damage, self._refused = "", False
        self._reader = FrameReader[Answer](Answer)
        self._stderr.clear()
        self._stderr_rest = b""
        self.welcome = None
        process = QProcess(self)
        process.setProgram(self._program[0])
        process.setArguments(self._program[1:])
        process.setProcessEnvironment(_environment())
        process.started.connect(self._on_started)
        process.readyReadStandardOutput.connect(self._on_output)
        process.readyReadStandardError.connect(self._on_stderr)
        process.finished.connect(self._on_finished)
        process.errorOccurred.connect(self._on_error)
        self._process = process
        if self.state != "restarting":
            self._set_state("starting")
        process.start()

    def _on_started(self) -> None:
        self._last_sign = self._last_beat = time.monotonic()
        self._write(Hello(protocol=PROTOCOL, device=self.device, threads=self.threads))
        self._heartbeat.start()
        self._drain.start()

    def _on_error(self, error: QProcess.ProcessError) -> None:
        if error != QProcess.ProcessError.FailedToStart or self._process is None:
            return  # every other error is followed by finished
        reason = f"cannot start {self._program[0]}: {self._process.errorString()}"
        self._forget_process()
        self._give_up(reason)

    def _on_output(self) -> None:
        if self._process is None:
            return
        chunk = self._process.readAllStandardOutput().data()
        try:
            for message in self._reader.feed(chunk):
                self._receive(message)
        except FrameError as error:
            self._damage = f"the engine sent a damaged message ({error})"
            self._process.kill()

    def _receive(self, message: Answer) -> None:
        self._last_sign = time.monotonic()
        self._set_responsive(True)
        if isinstance(message, Pong):
            self.busy_with, self.busy_seconds = message.busy_with, message.busy_seconds
            return
        if isinstance(message, Refused):
            self._damage, self._refused = message.reason, True
            return
        if self._is_stale(message):
            return
        self._mailbox.put(message)
        if not isinstance(message, _BATCHED):
            self._on_drain()

    def _is_stale(self, message: Answer) -> bool:
        """Whether nobody waits for this answer any more; sends the view's waiting question when this one ends."""
        view, stamp = getattr(message, "view", None), getattr(message, "stamp", None)
        if view is None:
            return False
        state = self._views.get(view)
        if state is not None and stamp == state.answered:
            return isinstance(message, Cancelled)  # the second part of the answer; nothing is left to be cancelled
        if state is None or state.in_flight != stamp:
            return True
        superseded = state.cancelled and state.waiting is not None
        if not isinstance(message, _NOT_THE_LAST):
            self._answered(view, state)
        return superseded

    def _answered(self, view: str, state: _View) -> None:
        state.answered, state.in_flight, state.cancelled = state.in_flight, None, False
        if state.waiting is None:
            return
        (state.in_flight, make), state.waiting = state.waiting, None
        self.send(make(view, state.in_flight))

    def _on_drain(self) -> None:
        messages = self._mailbox.take()
        for message in messages:
            if isinstance(message, Welcome):
                self._on_welcome(message)
            self.message.emit(message)
        if messages:
            self.drained.emit()

    def _on_welcome(self, welcome: Welcome) -> None:
        self.welcome = welcome
        self._ready_since = time.monotonic()
        unsent, self._unsent = self._unsent, []
        for request in unsent:
            self._write(request)
        self._set_state("ready")

    def _on_stderr(self) -> None:
        if self._process is None:
            return
        *lines, self._stderr_rest = (self._stderr_rest + self._process.readAllStandardError().data()).split(b"\n")
        for line in lines:
            self._log(line)

    def _log(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").rstrip()
        if text:
            self._stderr.append(text)
            self.log_line.emit(text)

    def _on_finished(self, exit_code: int, status: QProcess.ExitStatus) -> None:
        self._on_output()
        self._on_stderr()
        if self._stderr_rest:
            self._log(self._stderr_rest)
        self._on_drain()
        by_signal = status == QProcess.ExitStatus.CrashExit
        code = None if by_signal else exit_code
        damage, refused = self._damage, self.welcome is None and bool(self._damage)
        if self._explain is not None and not self._refused:
            damage = self._explain(code, bool(damage), self.stderr_tail)
            refused = self.welcome is None
        self._forget_process()
        if self._stopping:
            self._set_state("stopped")
            return
        reason = damage or _reason(exit_code, by_signal)
        self._report_crash(reason, code)
        if self.welcome is not None and time.monotonic() - self._ready_since > STABLE_SECONDS:
            self._crashes = 0
        self._crashes += 1
        if refused or self._crashes >= CRASHES_BEFORE_GIVING_UP:
            self._set_state("failed")
            return
        self._set_state("restarting")
        delays = RESTART_DELAYS_MILLISECONDS
        self._restart.start(delays[min(self._crashes - 1, len(delays) - 1)])

    def _give_up(self, reason: str) -> None:
        self._report_crash(reason, None)
        self._set_state("failed")

    def _report_crash(self, reason: str, exit_code: int | None) -> None:
        self.crashed.emit(CrashReport(self.role, reason, exit_code, self.stderr_tail, datetime.now()))

    def _forget_process(self) -> None:
        for timer in (self._heartbeat, self._drain, self._kill):
            timer.stop()
        if self._process is not None:
            self._process.deleteLater()
            self._process = None
        self._unsent.clear()
        self._views.clear()
        self._mailbox.take()
        self.busy_with, self.busy_seconds = "", 0.0
        self._set_responsive(True)

    def _on_heartbeat(self) -> None:
        now = time.monotonic()
        if now - self._last_beat > 4 * HEARTBEAT_MILLISECONDS / 1000:
            self._last_sign = now  # the window itself slept; the worker is not to blame
        self._last_beat = now
        self._pings += 1
        self._write(Ping(self._pings))
        self._set_responsive(now - self._last_sign < SILENCE_SECONDS)

    def _write(self, message: Request) -> None:
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


def _reason(exit_code: int, by_signal: bool) -> str:
    if by_signal:
        return "the process was killed or crashed (out of memory is the usual cause)"
    return f"the process ended by itself with code {exit_code}"


def _timer(parent: QObject, milliseconds: int, slot: Callable[[], None], single_shot: bool = False) -> QTimer:
    timer = QTimer(parent)
    timer.setInterval(milliseconds)
    timer.setSingleShot(single_shot)
    timer.timeout.connect(slot)
    return timer
