"""The worker process: a thread that reads requests, a thread that writes answers, and the main thread that computes.

stdin and stdout are moved to private descriptors first, so that a stray ``print`` ends up on stderr. The reading thread
starts before torch is imported and answers `Ping` whatever the main thread does. The process ends when stdin does, on
SIGTERM, and when nobody reads its answers any more; a run under way saves a last checkpoint first.
"""

import faulthandler
import gc
import os
import signal
import socket
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from nvp_studio.priority import yield_to_others
from nvp_studio.text import error_line
from nvp_studio.training.control import Control
from nvp_studio.training.errors import RunError
from nvp_studio.training.events import RunNotice, RunState
from nvp_studio.worker.framing import FrameError, read_messages
from nvp_studio.worker.messages import (
    PROTOCOL,
    Answer,
    Ask,
    Cancel,
    Cancelled,
    ChangeRun,
    Failed,
    Hello,
    Ping,
    Pong,
    Refused,
    Reply,
    RunCommand,
    StartRun,
    WindowMessage,
)
from nvp_studio.worker.outbox import Outbox
from nvp_studio.worker.task_queue import RunRequest, Task, TaskQueue

if TYPE_CHECKING:
    from nvp_studio.worker.service import Service

GRACE_SECONDS = 2.0
"""Seconds that the step under way may take when the process is to end."""
RUN_GRACE_SECONDS = 300.0
"""The same for a run that saves its last checkpoint."""
WRITING_SECONDS = 1.0
"""Seconds that the window may take to read the last answers."""
LOADING_SECONDS = 15.0
"""The same while torch is imported: loading its libraries keeps all threads waiting for seconds on a busy machine."""

REFUSED_EXIT = 2


class _Run(Control):
    """The control of a run that was asked for, and the phase that the run has reported."""

    phase = ""

    @property
    def ended(self) -> bool:
        """Whether it has reported its end; a request that arrives after that may be served."""
        return self.phase in ("finished", "stopped", "failed")


class Server:
    """Serves one window on two file descriptors; `serve` returns the exit status."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        self._incoming = incoming
        self._outbox = Outbox(outgoing, on_closed=lambda: self.end("the window was closed"))
        self._queue = TaskQueue()
        self._hello: Hello | None = None
        self._greeted = threading.Event()
        self._run: _Run | None = None
        self._serving = False
        self._finished = threading.Event()
        self._exit_status = 0

    def serve(self) -> int:
        """Answer requests until there will be none; called on the main thread."""
        threading.Thread(target=self._read, name="requests", daemon=True).start()
        gc.disable()  # importing torch takes a sixth less
        try:
            from nvp_studio.worker.service import Service  # takes seconds, because it imports torch

            self._greeted.wait()
            assert self._hello is not None
            service = Service(self._hello.device, self._hello.threads, self._outbox.send)
        except (ImportError, OSError, ValueError) as error:
            traceback.print_exc()
            self._outbox.send(Refused(error_line(error)))
            self._exit_status = REFUSED_EXIT
            return self._finish()
        self._outbox.send(service.welcome())
        gc.freeze()  # modules stay until the process ends
        gc.enable()
        self._serving = True
        while (work := self._queue.take()) is not None:
            if isinstance(work, Task):
                self._advance(service, work)
            else:
                self._train(work)
        for task in self._queue.tasks():
            self._queue.finish(task)
        return self._finish()

    def end(self, reason: str, exit_status: int = 0) -> None:
        """End the process from a thread that does not compute; returns once the main thread has finished.

        What is under way gets some time: a run to save its last checkpoint, anything else to end its step.
        """
        self._exit_status = self._exit_status or exit_status
        self._queue.close()
        run = self._run
        if run is not None:
            run.stop(reason, at_once=True)
        elif not self._serving:
            self._outbox.close(LOADING_SECONDS)
            exit_now(self._exit_status)  # importing torch cannot be interrupted, and there is nothing to lose
        saving = run is not None and run.phase not in ("", "preparing")
        if not self._finished.wait(RUN_GRACE_SECONDS if saving else GRACE_SECONDS):
            print(f"the engine did not end in time ({reason}); exiting", file=sys.stderr)
            exit_now(self._exit_status or int(saving))

    def _reply(self, ask: Ask, answer: Answer) -> None:
        self._outbox.send(Reply(ask.channel, ask.request_id, answer))

    def _finish(self) -> int:
        self._outbox.close(WRITING_SECONDS)
        self._finished.set()
        return self._exit_status

    # The reading thread

    def _read(self) -> None:
        try:
            for message in read_messages(self._incoming, WindowMessage):
                if not self._receive(message):
                    return
        except FrameError as error:
            self._refuse(f"what arrives is not a message of this version of NVP Studio ({error})")
            return
        except Exception:  # a worker that can receive nothing must end
            traceback.print_exc()
            self.end("the engine could not read on", 1)
            return
        self.end("the window was closed")

    def _receive(self, message: Any) -> bool:
        """Handle one message; returns whether to read the next."""
        if isinstance(message, Ping):
            self._outbox.send(Pong(message.number))
        elif isinstance(message, Hello):
            return self._greet(message)
        elif self._hello is None:
            self._refuse("the first message was not a greeting; is this another program?")
            return False
        elif isinstance(message, Cancel):
            waiting = self._queue.cancel(message.channel)
            if waiting is not None:
                self._reply(waiting, Cancelled())
        elif isinstance(message, RunCommand):
            self._command(message)
        elif isinstance(message, ChangeRun):
            if self._run is not None:
                self._run.request(message.change)
        elif isinstance(message, RunRequest):
            self._queue_run(message)
        elif self._run is not None and not self._run.ended:
            self._reply(message, Failed("this engine is busy with a run"))
        else:
            self._queue.put(message)
        return True

    def _greet(self, hello: Hello) -> bool:
        if hello.protocol != PROTOCOL:
            self._refuse(
                f"the window speaks protocol {hello.protocol}, this engine {PROTOCOL}; "
                "install the same version of NVP Studio on both sides"
            )
            return False
        self._hello = self._hello or hello
        self._greeted.set()
        return True

    def _refuse(self, reason: str) -> None:
        self._outbox.send(Refused(reason))
        self.end(reason, REFUSED_EXIT)

    def _command(self, command: RunCommand) -> None:
        if self._run is None:
            return  # it ended a moment ago
        match command.command:
            case "pause":
                self._run.pause()
            case "unpause":
                self._run.unpause()
            case "stop":
                self._run.stop()
            case "skip-scoring":
                self._run.skip_scoring()
            case "save" | "sample":
                self._run.request(command.command)

    def _queue_run(self, request: RunRequest) -> None:
        if self._run is not None and not self._run.ended:
            self._outbox.send(RunNotice("error", "a run is under way in this engine already; stop it first"))
            return
        self._run = _Run()
        self._queue.put(request)

    # The main thread

    def _advance(self, service: "Service", task: Task) -> None:
        """Take one step of a long task, or all steps of a short one."""
        try:
            if task.steps is None:
                task.steps = service.steps(task)
            for answer in task.steps:
                if task.long and task.cancelled.is_set():
                    self._reply(task.ask, Cancelled())
                    break
                if answer is not None:
                    self._reply(task.ask, answer)
                if task.long:
                    return
        except Exception as error:  # whatever goes wrong with one request, the next one is served
            self._reply(task.ask, Failed(error_line(error), traceback.format_exc()))
        self._queue.finish(task)

    def _train(self, request: RunRequest) -> None:
        """Train, and send the events of the run as they come."""
        from nvp_studio.training.resume import resume_run
        from nvp_studio.training.runs import default_runs_folder
        from nvp_studio.training.start import start_run  # not needed by an explorer

        yield_to_others()  # the explorer and the window, which answer a person
        run = self._run
        assert run is not None
        for task in self._queue.tasks():
            self._queue.finish(task)
            self._reply(task.ask, Cancelled())

        def report(event: Any) -> None:
            if isinstance(event, RunState):
                run.phase = event.phase
            self._outbox.send(event)

        try:
            if isinstance(request, StartRun):
                runs_folder = request.runs_folder or default_runs_folder()
                start_run(request.config, runs_folder, request.name, control=run, report=report)
            else:
                resume_run(**msgspec.structs.asdict(request), control=run, report=report)
        except Exception as error:  # a broken run leaves the worker ready for the next
            if not isinstance(error, RunError | OSError):  # whose message says what a person needs
                traceback.print_exc()
            if run.phase != "failed":
                report(RunState("failed", error_line(error)))
        if self._run is run:
            self._run = None


def exit_now(exit_status: int) -> NoReturn:
    """End the process without waiting for threads, which may be blocked in system calls; all files are written."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_status)


def main() -> NoReturn:
    """Serve the window at the other end of stdin and stdout."""
    incoming, outgoing = _take_standard_streams()
    faulthandler.enable()
    server = Server(incoming, outgoing)
    _end_on_signals(server)
    exit_now(server.serve())


def _take_standard_streams() -> tuple[int, int]:
    """Move stdin and stdout to private descriptors; what is printed goes to stderr, reading stdin finds its end."""
    incoming, outgoing = os.dup(0), os.dup(1)
    if sys.platform == "win32":
        import msvcrt

        msvcrt.setmode(incoming, os.O_BINARY)
        msvcrt.setmode(outgoing, os.O_BINARY)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return incoming, outgoing


def _end_on_signals(server: Server) -> None:
    """End the process on SIGTERM, SIGINT, SIGHUP or SIGBREAK as on the end of stdin, also while torch computes.

    Python calls handlers on the main thread, once the call into torch under way returns; the number of the signal is
    written to the wakeup descriptor at once. That is a socket, for Windows has no pipes that do not block.
    """
    receiving, sending = socket.socketpair()
    sending.setblocking(False)
    for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK"):  # SIGHUP exists on Unix alone, SIGBREAK on Windows
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda number, frame: None)
    signal.set_wakeup_fd(sending.detach(), warn_on_full_buffer=False)

    def watch() -> None:
        with receiving:
            number = receiving.recv(1)[0]
        server.end(signal.Signals(number).name)

    threading.Thread(target=watch, name="signals", daemon=True).start()
