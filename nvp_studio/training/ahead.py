"""What the host must do for a batch, done in a thread while the device is still busy with the batch before."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, Literal, NamedTuple, TypeVar

Value = TypeVar("Value")


class Draw(NamedTuple):
    """Places `start` to `stop` of the images of a step, or of its images of noise, in an order."""

    kind: Literal["images", "noise"]
    step: int
    order: int
    start: int
    stop: int


class Ahead(Generic[Value]):
    """`draw`, of which the same places in the next step are drawn ahead.

    Every draw is a function of its key alone, so whether it was made ahead changes nothing but when. One that was not
    foreseen, because training returned to an earlier state or divided its batch anew, is made when it is asked for.
    """

    def __init__(self, draw: Callable[[Draw], Value]) -> None:
        self._draw = draw
        self._thread = ThreadPoolExecutor(1, "next batch")
        self._coming: dict[Draw, Future[Value]] = {}

    def __call__(self, wanted: Draw) -> Value:
        """What `draw` gives; an error of the thread is raised here."""
        self._forget_others(wanted)
        coming = self._coming.pop(wanted, None)
        following = wanted._replace(step=wanted.step + 1)
        if following not in self._coming:
            self._coming[following] = self._thread.submit(self._draw, following)
        return self._draw(wanted) if coming is None else coming.result()

    def _forget_others(self, wanted: Draw) -> None:
        """Let go of what belongs neither to this step nor to the next."""
        for draw in list(self._coming):
            if draw.order != wanted.order or not wanted.step <= draw.step <= wanted.step + 1:
                self._coming.pop(draw).cancel()
