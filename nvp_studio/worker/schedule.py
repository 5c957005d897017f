"""Which request is worked on next: in the order they came, of each view the newest only, short ones before long."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from nvp_studio.worker.messages import (
    Answer,
    OpenModel,
    Probe,
    ReadPicture,
    Render,
    RenderSheet,
    ResumeRun,
    SavePicture,
    Score,
    StartRun,
    Survey,
)

ViewRequest = OpenModel | Render | RenderSheet | ReadPicture | SavePicture | Score | Probe | Survey
RunRequest = StartRun | ResumeRun


@dataclass(eq=False)
class Task:
    """A request that is worked on, step by step."""

    request: ViewRequest
    steps: Iterator[Answer | None] | None = None
    """What is left to do, yielding answers; None before the first step."""
    _given_up: threading.Event = field(default_factory=threading.Event)

    @property
    def cancelled(self) -> bool:
        """Whether nobody wants the rest any more; looked at between steps."""
        return self._given_up.is_set()

    def give_up(self) -> None:
        """Mark as cancelled, from any thread."""
        self._given_up.set()

    def given_up_within(self, seconds: float) -> bool:
        """Wait at most so long for it to be cancelled; whether it is."""
        return self._given_up.wait(seconds)

    @property
    def long(self) -> bool:
        """Whether short requests may be served between its steps."""
        return isinstance(self.request, RenderSheet | Score | Probe | Survey)


class Schedule:
    """Requests between the thread that reads them (`put`, `cancel`, `close`) and the one that serves them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queue: list[ViewRequest | RunRequest] = []
        self._tasks: list[Task] = []
        self._closed = False

    def put(self, request: ViewRequest | RunRequest) -> None:
        """Add a request; older ones of its view are forgotten, and given up where they are under way."""
        with self._changed:
            if not isinstance(request, RunRequest):
                self._queue = [other for other in self._queue if _view(other) != request.view]
                self._give_up(request.view)
            self._queue.append(request)
            self._changed.notify_all()

    def cancel(self, view: str) -> ViewRequest | None:
        """Give up what `view` asked; returns the request if it had only waited. One under way ends at its next step."""
        with self._changed:
            waiting = [other for other in self._queue if not isinstance(other, RunRequest) and other.view == view]
            self._queue = [other for other in self._queue if _view(other) != view]
            self._give_up(view)
            return waiting[-1] if waiting else None

    def close(self) -> None:
        """Let `take` return None from now on."""
        with self._changed:
            self._closed = True
            for task in self._tasks:
                task.give_up()
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

    def _begin(self, request: ViewRequest | RunRequest) -> Task | RunRequest:
        if isinstance(request, RunRequest):
            return request
        self._tasks.append(Task(request))
        return self._tasks[-1]

    def _next_task(self) -> Task:
        """Scores yield to everything else; within a kind the turn goes round."""
        task = min(self._tasks, key=lambda task: isinstance(task.request, Score))
        self._tasks.remove(task)
        self._tasks.append(task)
        return task

    def _give_up(self, view: str) -> None:
        for task in self._tasks:
            if task.request.view == view:
                task.give_up()


def _view(request: ViewRequest | RunRequest) -> str | None:
    return None if isinstance(request, RunRequest) else request.view
