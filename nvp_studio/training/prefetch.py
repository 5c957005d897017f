"""Prepares the next batch on the host in a thread, while the device computes the current one."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, Literal, NamedTuple, TypeVar

Value = TypeVar("Value")


class Draw(NamedTuple):
    """Which images to draw: those at places `start` to `stop` of a step's batch, or of its images of noise."""

    kind: Literal["images", "noise"]
    step: int
    order: int
    start: int
    stop: int


class Prefetcher(Generic[Value]):
    """Calls `draw`, and in its thread calls it for the same places of the next step as well.

    What is drawn depends on the key alone, so prefetching changes only when it is computed. A draw that was not
    prefetched, because training returned to an earlier state or divided its batch differently, is made when asked for.
    """

    def __init__(self, draw: Callable[[Draw], Value]) -> None:
        self._draw = draw
        self._thread = ThreadPoolExecutor(1, "next batch")
        self._coming: dict[Draw, Future[Value]] = {}

    def __call__(self, wanted: Draw) -> Value:
        """The result of `draw`; an error in the thread is raised here."""
        self._forget_others(wanted)
        coming = self._coming.pop(wanted, None)
        following = wanted._replace(step=wanted.step + 1)
        if following not in self._coming:
            self._coming[following] = self._thread.submit(self._draw, following)
        return self._draw(wanted) if coming is None else coming.result()

    def _forget_others(self, wanted: Draw) -> None:
        """Drop what belongs neither to this step nor to the next."""
        for draw in list(self._coming):
            if draw.order != wanted.order or not wanted.step <= draw.step <= wanted.step + 1:
                self._coming.pop(draw).cancel()
