"""Which request is worked on next: in the order they came, of each channel the newest only, short before long ones."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from nvp_studio.worker.messages import (
    Answer,
    Ask,
    Probe,
    RenderSheet,
    Request,
    ResumeRun,
    Score,
    StartRun,
    Survey,
)

RunRequest = StartRun | ResumeRun


@dataclass(eq=False)
class Task:
    """A request that is worked on, step by step."""

    ask: Ask
    steps: Iterator[Answer | None] | None = None
    """What is left to do, yielding answers; None before the first step."""
    _cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def request(self) -> Request:
        """What was asked for."""
        return self.ask.request

    @property
    def cancelled(self) -> bool:
        """Whether the remaining answers are no longer wanted; read between steps."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Mark as cancelled, from any thread."""
        self._cancelled.set()

    def cancelled_within(self, seconds: float) -> bool:
        """Wait at most `seconds` for the task to be cancelled, and return whether it is."""
        return self._cancelled.wait(seconds)

    @property
    def long(self) -> bool:
        """Whether short requests may be served between its steps."""
        return isinstance(self.request, RenderSheet | Score | Probe | Survey)


class Schedule:
    """Requests between the thread that reads them (`put`, `cancel`, `close`) and the one that serves them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queue: list[Ask | RunRequest] = []
        self._tasks: list[Task] = []
        self._closed = False

    def put(self, request: Ask | RunRequest) -> None:
        """Add a request; older ones of its channel are dropped, and cancelled where they are under way."""
        with self._changed:
            if isinstance(request, Ask):
                self._drop(request.channel)
            self._queue.append(request)
            self._changed.notify_all()

    def cancel(self, channel: str) -> Ask | None:
        """Cancel the request of `channel`, and return it if it was still waiting. A task ends at its next step."""
        with self._changed:
            return self._drop(channel)

    def close(self) -> None:
        """Let `take` return None from now on."""
        with self._changed:
            self._closed = True
            for task in self._tasks:
                task.cancel()
            self._changed.notify_all()

    def take(self) -> Task | RunRequest | None:
        """Wait for the next thing to do: a task not begun yet, else one under way to take a step of; None: closed."""
        with self._changed:
            while not self._closed:
                if self._queue:
                    return self._begin(self._queue.pop(0))
                if self._tasks:
                    return self._next_task()
                self._changed.wait()
            return None

    def finish(self, task: Task) -> None:
        """Remove a task that has ended."""
        with self._changed:
            self._tasks.remove(task)

    def tasks(self) -> list[Task]:
        """The tasks under way."""
        with self._changed:
            return list(self._tasks)

    def _begin(self, request: Ask | RunRequest) -> Task | RunRequest:
        if isinstance(request, RunRequest):
            return request
        self._tasks.append(Task(request))
        return self._tasks[-1]

    def _next_task(self) -> Task:
        """Scores come after everything else; tasks of one kind take turns."""
        task = min(self._tasks, key=lambda task: isinstance(task.request, Score))
        self._tasks.remove(task)
        self._tasks.append(task)
        return task

    def _drop(self, channel: str) -> Ask | None:
        """Remove the waiting request of a channel and cancel its task under way; returns the waiting one."""
        for task in self._tasks:
            if task.ask.channel == channel:
                task.cancel()
        waiting = [other for other in self._queue if isinstance(other, Ask) and other.channel == channel]
        for ask in waiting:
            self._queue.remove(ask)
        return waiting[-1] if waiting else None
