"""Answers to requests of the page Inspect: pictures at every layer, and the health of the layers."""

from collections.abc import Iterator
from contextlib import closing
from functools import partial

from nvp_studio.explore.health import examine
from nvp_studio.explore.inspection import inspect_picture
from nvp_studio.explore.model import OpenedModel
from nvp_studio.explore.rendering import draw
from nvp_studio.worker.inspect_messages import Examine, Examined, Inspect, Inspected, InspectRequest, Working
from nvp_studio.worker.messages import Answer
from nvp_studio.worker.stepped import stepped

Steps = Iterator[Answer | None]


class Inspector:
    """Answers requests of the page Inspect."""

    def steps(self, request: InspectRequest, model: OpenedModel) -> Steps:
        """The answers to a request about `model`."""
        match request:
            case Inspect():
                return self._inspect(request, model)
            case Examine():
                return self._examine(model)

    def _inspect(self, request: Inspect, model: OpenedModel) -> Steps:
        yield Inspected(inspect_picture(model, draw(model, [request.recipe]).images[0]))

    def _examine(self, model: OpenedModel) -> Steps:
        with closing(stepped(partial(examine, model, None))) as steps:
            while True:
                try:
                    yield Working(*next(steps))
                except StopIteration as end:
                    yield Examined(end.value)
                    return
