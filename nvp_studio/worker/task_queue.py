"""Which request is worked on next: in the order they came, of each channel the newest only, short before long ones."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from nvp_studio.worker.animation_messages import DrawFrames, ReadAnimation, SaveAnimation
from nvp_studio.worker.direction_messages import FindDirections, MakeDirection, Preview, ReadPictures
from nvp_studio.worker.inspect_messages import Examine
from nvp_studio.worker.lab_messages import LabRead, LabTrain
from nvp_studio.worker.map_messages import MakeMap, ReadKnown
from nvp_studio.worker.messages import (
    Answer,
    Ask,
    Probe,
    ReadPicture,
    RenderSheet,
    ResumeRun,
    SaveGrid,
    SavePicture,
    StartRun,
    Survey,
)
from nvp_studio.worker.neighbour_messages import FindNeighbours
from nvp_studio.worker.redraw_messages import Redraw
from nvp_studio.worker.score_messages import DrawMaps, MapBits, ReadImages, ReadTable, Score, UseReference

RunRequest = StartRun | ResumeRun
_LONG = (
    RenderSheet,
    ReadPicture,
    SavePicture,
    SaveGrid,
    Redraw,
    FindNeighbours,
    FindDirections,
    MakeDirection,
    Preview,
    ReadPictures,
    MakeMap,
    ReadKnown,
    DrawFrames,
    SaveAnimation,
    ReadAnimation,
    Score,
    ReadTable,
    UseReference,
    ReadImages,
    MapBits,
    DrawMaps,
    Examine,
    LabTrain,
    LabRead,
    Probe,
    Survey,
)


@dataclass(eq=False)
class Task:
    """A request that is worked on, step by step."""

    ask: Ask
    steps: Iterator[Answer | None] | None = None
    """What is left to do, yielding answers; None before the first step."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    """Set when the remaining answers are no longer wanted; read between steps."""

    @property
    def long(self) -> bool:
        """Whether short requests may be served between its steps."""
        return isinstance(self.ask.request, _LONG)


class TaskQueue:
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
                self.cancel(request.channel)
            self._queue.append(request)
            self._changed.notify_all()

    def cancel(self, channel: str) -> Ask | None:
        """Cancel the request of `channel`, and return it if it was still waiting. A task ends at its next step."""
        with self._changed:
            for task in self._tasks:
                if task.ask.channel == channel:
                    task.cancelled.set()
            for ask in self._queue:
                if isinstance(ask, Ask) and ask.channel == channel:
                    self._queue.remove(ask)
                    return ask
            return None

    def close(self) -> None:
        """Let `take` return None from now on."""
        with self._changed:
            self._closed = True
            for task in self._tasks:
                task.cancelled.set()
            self._changed.notify_all()

    def take(self) -> Task | RunRequest | None:
        """Wait for the next thing to do: a request not begun yet, else a task to take a step of; None: closed.

        Scores and previews come after all other tasks; tasks of one kind take turns.
        """
        with self._changed:
            while not (self._closed or self._queue or self._tasks):
                self._changed.wait()
            if self._closed:
                return None
            if self._queue:
                request = self._queue.pop(0)
                if isinstance(request, RunRequest):
                    return request
                task = Task(request)
            else:
                task = min(self._tasks, key=lambda task: isinstance(task.ask.request, Score | Preview))
                self._tasks.remove(task)
            self._tasks.append(task)
            return task

    def finish(self, task: Task) -> None:
        """Remove a task that has ended or is given up; what its steps have begun, such as a file, is cleared away."""
        with self._changed:
            self._tasks.remove(task)
        task.steps = None

    def tasks(self) -> list[Task]:
        """The tasks under way."""
        with self._changed:
            return list(self._tasks)
