"""Image files decoded in processes of their own, so that no file takes more than some time and memory.

A decoder in C cannot be interrupted, a process can. One process is kept ready, because starting one takes a quarter of
a second, and more are started for many files. A process that a file brings down is replaced, and the other files that
it was given are read again.
"""

import atexit
import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import TypeVar

import numpy as np

from nvp_studio.data.dataset import DataError
from nvp_studio.data.decode_child import AHEAD, Process, Source, Task
from nvp_studio.data.decode_limits import SECONDS
from nvp_studio.data.decode_process import Facts, Header, ImageShape, Pixels, Problem, Result, Want
from nvp_studio.data.images import ImageError, ReadImage
from nvp_studio.data.reading import UNDECIDED, Reading, ValueFacts

MAX_PROCESSES = 4
_WAIT_SECONDS = 0.02
"""While a file is decoded, the caller gets control back this often."""
_MORE_SECONDS = 0.3
"""A further process is started once the others have worked this long, about as long as a start takes."""
_MAX_HELD_BYTES = 64 * 2**20
"""Content of files that is taken ahead, and pixels that may wait for those of an earlier file."""
_TURN_SECONDS = 0.002
"""While results are waiting for the caller, the processes are given more files this often."""
_MANY_FILES = 4000
"""With so many, all processes are started at once."""
_IDLE_SECONDS = 60.0
"""Processes that nobody wants kept ready are ended about so long after their last work."""
_PATIENT_FILES = 5
"""After so many files in a row that took too long, others get `_SHORT_SECONDS`."""
_SHORT_SECONDS = 2.0


Made = TypeVar("Made")


def _never() -> bool:
    return False


class Decoders:
    """Processes for decoding, which wait for more files for some time; may be used by several threads."""

    def __init__(self, most: int) -> None:
        """At most `most` processes read one list of files."""
        self.most = most
        self.arrived = threading.Condition()
        self._idle: list[Process] = []
        self._kept = 0
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        atexit.register(self.close)

    def keep_ready(self) -> None:
        """Start a process, if none is ready, without waiting for it, and keep one ready from now on."""
        with self._lock:
            self._kept = 1
            if not self._idle:
                self._idle.append(Process(self.arrived))

    def read(
        self,
        sources: Iterable[Source | ImageError],
        image_shape: ImageShape,
        reading: Reading = UNDECIDED,
        cancelled: Callable[[], bool] = _never,
    ) -> Generator[ReadImage | ImageError | None, None, None]:
        """Yield what `read_image` makes of each source, or the reason why there is nothing.

        In the order of the sources, which are taken some ahead; one that is a reason already is handed on. While the
        next image is decoded, None is yielded some fifty times a second. Ends early once `cancelled()` is true. Raises
        `DataError` where no process starts.
        """

        def image(result: Result) -> ReadImage | ImageError:
            return _image(result, image_shape) if isinstance(result, Pixels) else _problem(result)

        return self._work(sources, Want("pixels", image_shape, reading), image, cancelled)

    def read_one(
        self, source: Source, image_shape: ImageShape, reading: Reading = UNDECIDED
    ) -> Generator[None, None, ReadImage]:
        """Yield None until the image is decoded, and return it; raises `ImageError`."""
        for image in self.read([source], image_shape, reading):
            if isinstance(image, ImageError):
                raise image
            if image is not None:
                return image
            yield None
        raise ImageError("it was not read")

    def start(self, files: int) -> None:
        """Start as many processes as so many files are worth, without waiting for them."""
        with self._lock:
            wanted = self.most if files >= _MANY_FILES else 1
            self._idle += [Process(self.arrived) for _ in range(wanted - len(self._idle))]

    def headers(
        self, sources: Iterable[Source | ImageError], cancelled: Callable[[], bool] = _never
    ) -> Generator[tuple[ImageShape, str, int] | ImageError | None, None, None]:
        """As `read`, for what `read_header` says of each image."""

        def header(result: Result) -> tuple[ImageShape, str, int] | ImageError:
            if isinstance(result, Header):
                return result.image_shape, result.kind, result.pages
            return _problem(result)

        return self._work(sources, Want("header"), header, cancelled)

    def facts(
        self, sources: Iterable[Source | ImageError], cancelled: Callable[[], bool] = _never
    ) -> Generator[ValueFacts | ImageError | None, None, None]:
        """As `read`, for the facts of each image's numbers; the reason is told of those whose numbers are no levels."""

        def facts(result: Result) -> ValueFacts | ImageError:
            if isinstance(result, Facts):
                return result.facts or ImageError("its numbers are no levels")
            return _problem(result)

        return self._work(sources, Want("facts"), facts, cancelled)

    def close(self) -> None:
        """End the processes that have no work."""
        with self._lock:
            processes, self._idle = self._idle, []
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        for process in processes:
            process.end()

    def take(self, *, start: bool) -> Process | None:
        """A process that has no work, or a new one where one may be started."""
        with self._lock:
            while self._idle:
                process = self._idle.pop()
                process.take_results()
                if not process.ended:
                    process.begin()
                    return process
                process.end()
        return Process(self.arrived) if start else None

    def give_back(self, processes: Iterable[Process]) -> None:
        """Keep those processes that have no work left for a while, and end the others."""
        for process in processes:
            if process.tasks or process.ended:
                process.end()
            else:
                with self._lock:
                    self._idle.append(process)
        if self._kept:
            self.keep_ready()
        with self._lock:
            if len(self._idle) > self._kept and self._timer is None:
                self._timer = threading.Timer(_IDLE_SECONDS, self._end_idle)
                self._timer.daemon = True
                self._timer.start()

    def _end_idle(self) -> None:
        """End the processes that are not kept ready."""
        with self._lock:
            self._timer = None
            self._idle, old = self._idle[: self._kept], self._idle[self._kept :]
        for process in old:
            process.end()

    def _work(
        self,
        sources: Iterable[Source | ImageError],
        want: Want,
        make: Callable[[Result], Made],
        cancelled: Callable[[], bool],
    ) -> Generator[Made | None, None, None]:
        work = _Work(self, map(_task, sources), want)
        try:
            while not cancelled():
                task = work.next()
                if task is None and work.done:
                    return
                yield None if task is None or task.result is None else make(task.result)
        finally:
            self.give_back(work.processes)


@dataclass(eq=False)
class _Work:
    """One list of files, and the processes that read it."""

    decoders: Decoders
    tasks: Iterator[Task]
    want: Want
    processes: list[Process] = field(default_factory=list)
    done: bool = False
    """Whether all tasks were returned."""
    _waiting: deque[Task] = field(default_factory=deque)
    """Tasks that were not returned yet, in their order."""
    _unsent: deque[Task] = field(default_factory=deque)
    _more: bool = True
    _held_bytes: int = 0
    """Content among the tasks that are waiting."""
    _began: float = field(default_factory=time.monotonic)
    _turned: float = -math.inf
    _slow_in_a_row: int = 0

    def next(self) -> Task | None:
        """The next task, with its result; None if that has not come within `_WAIT_SECONDS`, or when `done`."""
        now = time.monotonic()
        until = now + _WAIT_SECONDS
        while True:
            found = bool(self._waiting) and self._waiting[0].result is not None
            if not found or now > self._turned + _TURN_SECONDS:
                self._turn(until)
                self._turned = now
            if not self._waiting:
                self.done = not self._more
                return None
            if self._waiting[0].result is not None:
                task = self._waiting.popleft()
                self._held_bytes -= len(task.content)
                if not isinstance(task.result, Problem):
                    self._slow_in_a_row = 0
                return task
            if not self._wait(until - now):
                return None
            now = time.monotonic()

    def _wait(self, seconds: float) -> bool:
        """Wait at most so long for news of the processes; whether there is time left."""
        with self.decoders.arrived:
            if seconds > 0 and not any(process.results or process.ended for process in self.processes):
                self.decoders.arrived.wait(seconds)
        return seconds > 0

    def _turn(self, until: float) -> None:
        """Take the results that are there, and give the processes as much as they take, as far as there is time."""
        for process in list(self.processes):
            process.take_results()
            process.check_time()
            if process.ended and not process.results:
                self._replace(process)
        seconds = SECONDS if self._slow_in_a_row < _PATIENT_FILES else _SHORT_SECONDS
        while self._fill(until):
            by_work = sorted(self.processes, key=lambda one: len(one.tasks))
            given = any(process.give(self._unsent, self.want, seconds) for process in by_work)
            if (not given and not self._add_process()) or time.monotonic() > until:
                return

    def _fill(self, until: float) -> bool:
        """Take tasks ahead of those that are returned, at least one; whether any is to be sent."""
        most = 2 * AHEAD * self.decoders.most
        if self.want.what == "pixels":
            most = max(2 * self.decoders.most, min(most, _MAX_HELD_BYTES // math.prod(self.want.image_shape)))
        while self._more and len(self._waiting) < most and self._held_bytes < _MAX_HELD_BYTES:
            task = next(self.tasks, None)  # which may have looked at many names for it
            self._more = task is not None
            if task is not None:
                self._waiting.append(task)
                self._held_bytes += len(task.content)
                if task.result is None:
                    self._unsent.append(task)
            if time.monotonic() > until:
                break
        return bool(self._unsent)

    def _add_process(self) -> bool:
        """Take another process that is there, or start one where the caller has waited for the others for long."""
        if len(self.processes) >= self.decoders.most:
            return False
        all_work_since = max([self._began, *(process.ready_since for process in self.processes)])
        late = self._waiting[0].result is None and time.monotonic() - all_work_since > _MORE_SECONDS
        process = self.decoders.take(start=late or not self.processes)
        if process is not None:
            self.processes.append(process)
        return process is not None

    def _replace(self, process: Process) -> None:
        """Blame the end of a process on the file that it was at, and give the others to another."""
        process.take_results()
        self.processes.remove(process)
        if not process.ready:
            raise DataError(f"the process that decodes images does not start (exit status {process.exit_status()})")
        tasks = list(process.tasks)
        if tasks:
            tasks[0].result = Problem(process.reason())
            self._slow_in_a_row = self._slow_in_a_row + 1 if process.took_too_long() else 0
        process.tasks.clear()
        process.end()
        self._unsent.extendleft(reversed(tasks[1:]))


def _task(source: Source | ImageError) -> Task:
    if isinstance(source, ImageError):
        return Task(b"", Problem(str(source)))
    return Task(source, Problem("the file is empty") if source == b"" else None)


def _problem(result: Result) -> ImageError:
    return ImageError(result.reason if isinstance(result, Problem) else "the decoder gave another answer")


def _image(result: Pixels, image_shape: ImageShape) -> ReadImage:
    channels, height, width = image_shape
    pixels = np.frombuffer(result.pixels, np.uint8).reshape(height, width, channels).copy()
    return ReadImage(pixels, result.notes, result.size, result.text)


@cache
def decoders() -> Decoders:
    """The processes for decoding of this process, none of which runs before the first use."""
    return Decoders(min(MAX_PROCESSES, os.cpu_count() or 1))
