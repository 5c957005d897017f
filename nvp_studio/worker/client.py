"""The window's side of a worker: starts the process, exchanges messages with it, watches and restarts it."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from PySide6.QtCore import QObject, QTimer, Signal

from nvp_studio.training.events import RunImages, RunProgress, StepMetrics
from nvp_studio.worker.channel import Channel, Question, WorkerLost
from nvp_studio.worker.framing import FrameError, FrameReader, encode
from nvp_studio.worker.mailbox import Mailbox
from nvp_studio.worker.messages import (
    PROTOCOL,
    Answer,
    Hello,
    Ping,
    Pong,
    Refused,
    Reply,
    RunEvent,
    ScoreRows,
    Welcome,
    WindowMessage,
    WorkerMessage,
)
from nvp_studio.worker.process import Process, worker_program

DRAIN_MILLISECONDS = 33
HEARTBEAT_MILLISECONDS = 500
SILENCE_SECONDS = 5.0
"""A process that sends nothing for this long hangs."""
CRASHES_BEFORE_GIVING_UP = 4
STABLE_SECONDS = 30.0
"""After running for this long a worker's earlier crashes no longer count."""
RESTART_DELAYS_MILLISECONDS = (100, 500, 1500)
_KILL_MILLISECONDS = 2000

Explain = Callable[[int | None, bool, Sequence[str]], str]
"""(exit code, whether what it sent was damaged, last lines of stderr) -> why it ended, in one line."""

_BATCHED = (StepMetrics, RunProgress, RunImages, ScoreRows)
"""What comes in streams and can wait for the next drain; everything else is delivered at once."""


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


class WorkerClient(QObject):
    """One worker process.

    States: ``stopped``, ``starting``, ``ready``, ``restarting`` (after a crash), ``failed`` (not restarted any more).
    Requests go through channels (`channel`), which tell the answers to who asked. What is asked before the first
    ``ready`` waits for it; when the process ends, all that is unanswered ends with `WorkerLost`.
    """

    run_event = Signal(object)
    """What the worker reports of its run, in order."""
    drained = Signal()
    """After each batch of run events and answers: the moment to redraw once for all of them. What comes in streams
    (steps, progress, rows) comes in batches at 30 Hz, the rest at once."""
    state_changed = Signal(str)
    crashed = Signal(object)
    """A `CrashReport`, before the state changes."""
    responsive_changed = Signal(bool)
    """False: the process exists but does not answer; True: it answers again."""
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
        self._process: Process | None = None
        self._reader = FrameReader[WorkerMessage](WorkerMessage)
        self._stopping = False
        self._unsent: list[WindowMessage] = []
        self._channels: dict[str, Channel] = {}
        self._channels_made = 0
        self._request_id = 0
        self._mailbox = Mailbox()
        self._stderr_tail: tuple[str, ...] = ()
        self._crashes = 0
        self._ready_since = 0.0
        self._last_message = 0.0
        self._last_beat = 0.0
        self._pings = 0
        self._damage = ""
        self._refused = False
        self._drain = _timer(self, DRAIN_MILLISECONDS, self._on_drain)
        self._heartbeat = _timer(self, HEARTBEAT_MILLISECONDS, self._on_heartbeat)
        self._restart = _timer(self, 0, self._launch, single_shot=True)
        self._kill = _timer(self, 0, self.force_stop, single_shot=True)

    def set_program(self, program: Sequence[str], explain: "Explain | None" = None) -> None:
        """Start `program` from now on; a process of another program is killed.

        `explain` gives the reason why a process ended, for a worker on another machine. Such a worker that never
        greeted is not started again.
        """
        if self._process is not None:
            self.force_stop()
            self.wait_stopped(_KILL_MILLISECONDS)
        self._program, self._explain = list(program), explain

    @property
    def pid(self) -> int:
        """Process id, 0 when there is none."""
        return self._process.pid if self._process is not None else 0

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
        return self._stderr_tail if self._process is None else tuple(self._process.stderr_tail)

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
            lost = self._lose_questions()
            self._set_state("stopped")
            self._tell_lost(lost)
            return
        self._stopping = True
        self._process.close_stdin()
        self._kill.start(grace_milliseconds)

    def force_stop(self) -> None:
        """Kill the process now and leave it stopped."""
        self._restart.stop()
        self._stopping = True
        if self._process is not None:
            self._process.kill()

    def restart(self) -> None:
        """Kill the process, if there is one, and start another; for a worker that hangs or has failed."""
        self._crashes = 0
        if self._process is None:
            self._restart.stop()
            self._launch()
            return
        self._damage = "restarted by hand"
        self._process.kill()

    def wait_stopped(self, milliseconds: int) -> bool:
        """Block until the process has ended, at most so long; only for the moment of quitting."""
        return self._process is None or self._process.wait(milliseconds)

    def channel(self, name: str, parent: QObject) -> Channel:
        """A channel for the requests of `parent`, which it ends with; `name` says what they are about."""
        self._channels_made += 1
        key = f"{name} {self._channels_made}"
        channel = self._channels[key] = Channel(key, self, parent)
        channel.destroyed.connect(lambda *_: self._channels.pop(key, None))
        return channel

    @property
    def asking(self) -> bool:
        """Whether a request of any channel is in flight."""
        return any(channel.asking for channel in list(self._channels.values()))

    @property
    def accepts_requests(self) -> bool:
        """Whether a request can be taken now; one taken before the worker is ready is sent then."""
        return self.state in ("stopped", "starting", "ready")

    def next_request_id(self) -> int:
        """A number greater than all before."""
        self._request_id += 1
        return self._request_id

    def send(self, message: WindowMessage) -> None:
        """Send a message that is not answered to who asked; kept until the worker is ready."""
        if self.state == "ready":
            self._write(message)
        elif self.accepts_requests:
            self._unsent.append(message)

    def _launch(self) -> None:
        self._stopping = False
        self._damage, self._refused = "", False
        self._reader = FrameReader[WorkerMessage](WorkerMessage)
        self._stderr_tail = ()
        self.welcome = None
        process = self._process = Process(self._program, self)
        process.started.connect(self._on_started)
        process.received.connect(self._on_received)
        process.stderr_line.connect(self.log_line)
        process.ended.connect(self._on_ended)
        process.failed_to_start.connect(self._on_failed_to_start)
        if self.state != "restarting":
            self._set_state("starting")
        process.start()

    def _on_started(self) -> None:
        self._last_message = self._last_beat = time.monotonic()
        self._write(Hello(protocol=PROTOCOL, device=self.device, threads=self.threads))
        self._heartbeat.start()
        self._drain.start()

    def _on_failed_to_start(self, reason: str) -> None:
        lost = self._forget_process()
        self._report_crash(reason, None)
        self._set_state("failed")
        self._tell_lost(lost)

    def _on_received(self, data: bytes) -> None:
        try:
            for message in self._reader.feed(data):
                self._receive(message)
        except FrameError as error:
            self._damage = f"the engine sent a damaged message ({error})"
            if self._process is not None:
                self._process.kill()

    def _receive(self, message: WorkerMessage) -> None:
        self._last_message = time.monotonic()
        self._set_responsive(True)
        match message:
            case Pong():
                self.busy_with, self.busy_seconds = message.busy_with, message.busy_seconds
            case Refused(reason=reason):
                self._damage, self._refused = reason, True
            case Reply(answer=answer):
                channel = self._channels.get(message.channel)
                question = channel.accept(message) if channel is not None else None
                if question is not None:
                    self._mailbox.put((question, answer))
                    self._drain_unless_batched(answer)
            case _:
                self._mailbox.put(message)
                self._drain_unless_batched(message)

    def _drain_unless_batched(self, message: Answer | Welcome | RunEvent) -> None:
        if not isinstance(message, _BATCHED):
            self._on_drain()

    def _on_drain(self) -> None:
        delivered = False
        while (message := self._mailbox.take()) is not None:
            delivered = True
            if isinstance(message, Welcome):
                self._on_welcome(message)
            elif isinstance(message, tuple):
                self._tell(*message)
            else:
                self.run_event.emit(message)
        if delivered:
            self.drained.emit()

    def _tell(self, question: Question, answer: Answer | WorkerLost) -> None:
        if question.on_answer is None or question.ask.channel not in self._channels:
            return
        try:
            question.on_answer(answer)
        except Exception:  # as in a slot of Qt: the others are told their answers all the same
            sys.excepthook(*sys.exc_info())

    def _lose_questions(self) -> list[Question]:
        channels = list(self._channels.values())  # a copy, as garbage collection may end channels meanwhile
        return [question for channel in channels for question in channel.lose()]

    def _tell_lost(self, questions: list[Question]) -> None:
        for question in questions:
            self._tell(question, WorkerLost())

    def _on_welcome(self, welcome: Welcome) -> None:
        self.welcome = welcome
        self._ready_since = time.monotonic()
        unsent, self._unsent = self._unsent, []
        for request in unsent:
            self._write(request)
        self._set_state("ready")

    def _on_ended(self, code: int | None) -> None:
        self._on_drain()
        reason, refused = self._damage, self.welcome is None and bool(self._damage)
        if self._explain is not None and not self._refused:
            reason = self._explain(code, bool(reason), self.stderr_tail)
            refused = self.welcome is None
        lost = self._forget_process()
        self._enter_state_after(code, reason or _reason(code), refused)
        self._tell_lost(lost)

    def _enter_state_after(self, code: int | None, reason: str, refused: bool) -> None:
        """Say that the process has ended and why, unless that was wanted, and start another one if that may help."""
        if self._stopping:
            self._set_state("stopped")
            return
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

    def _report_crash(self, reason: str, exit_code: int | None) -> None:
        self.crashed.emit(CrashReport(self.role, reason, exit_code, self.stderr_tail, datetime.now()))

    def _forget_process(self) -> list[Question]:
        """Let go of a process that has ended; returns the questions that it has not answered."""
        for timer in (self._heartbeat, self._drain, self._kill):
            timer.stop()
        if self._process is not None:
            self._stderr_tail = self.stderr_tail
            self._process.deleteLater()
            self._process = None
        self._unsent.clear()
        self._mailbox.clear()
        self.busy_with, self.busy_seconds = "", 0.0
        self._set_responsive(True)
        return self._lose_questions()

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


def _timer(parent: QObject, milliseconds: int, slot: Callable[[], None], single_shot: bool = False) -> QTimer:
    timer = QTimer(parent)
    timer.setInterval(milliseconds)
    timer.setSingleShot(single_shot)
    timer.timeout.connect(slot)
    return timer
