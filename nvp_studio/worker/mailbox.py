"""Messages of a worker between their arrival and their delivery in the window."""

from collections import OrderedDict

from nvp_studio.training.events import RunImages, RunProgress
from nvp_studio.worker.channel import Question
from nvp_studio.worker.messages import Answer, RunEvent, Welcome

Delivery = Welcome | RunEvent | tuple[Question, Answer]
"""A message, or an answer with the question that it belongs to."""


class Mailbox:
    """Messages until they are delivered, in order; of run events that show the present, only the newest is kept."""

    def __init__(self) -> None:
        self._messages: OrderedDict[object, Delivery] = OrderedDict()

    def put(self, message: Delivery) -> None:
        """Add a message, or put it in the place of the one that it replaces."""
        self._messages[_replaceable(message) or object()] = message

    def take(self) -> Delivery | None:
        """The oldest message, removed; None when there is none."""
        return self._messages.popitem(last=False)[1] if self._messages else None

    def clear(self) -> None:
        """Drop everything."""
        self._messages.clear()


def _replaceable(message: Delivery) -> object | None:
    match message:
        case RunProgress():
            return RunProgress
        case RunImages():
            return RunImages, message.kind
    return None
