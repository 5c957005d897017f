"""Channels: requests of the window to a worker, of which the newest counts, with their answers told to who asked."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QObject

from nvp_studio.worker.messages import NOT_LAST, Answer, Ask, Cancel, Cancelled, Reply, Request


class WorkerLost:
    """What an asker is told when the worker's process ended before the last answer."""


OnAnswer = Callable[[Answer | WorkerLost], None]
Send = Callable[[Ask | Cancel], bool]
"""Send a message, at the latest when the worker is ready; False if no request can be taken now."""


@dataclass(eq=False)
class Question:
    """A request and whom to tell its answers; None once they are no longer wanted."""

    ask: Ask
    on_answer: OnAnswer | None

    def tell(self, answer: Answer | WorkerLost) -> None:
        """Call `on_answer`. As in a slot of Qt, an exception in it does not keep others from their answers."""
        if self.on_answer is None:
            return
        try:
            self.on_answer(answer)
        except Exception:
            sys.excepthook(*sys.exc_info())


class Channel(QObject):
    """Requests that replace one another: one is in flight, and of those asked meanwhile the newest alone is sent.

    As a child of the object that asks it ends with it: nothing is told to an object that was deleted. Channels do not
    wait for each other.
    """

    def __init__(self, name: str, send: Send, parent: QObject) -> None:
        super().__init__(parent)
        self.name = name
        self._send_message = send
        self._asked = 0
        self._in_flight: Question | None = None
        self._waiting: Question | None = None
        self._answered: Question | None = None

    @property
    def asking(self) -> bool:
        """Whether a request is in flight."""
        return self._in_flight is not None

    def ask(self, request: Request, on_answer: OnAnswer) -> bool:
        """Ask for something, and call `on_answer` with each of its answers, in order; returns False if it is not taken.

        The last answer is the request's own, or `Failed`, or `Cancelled` where the worker ended it, or `WorkerLost`.
        Nothing is told of a request that a newer one replaced before it was sent. A worker that restarts, or is not
        restarted any more, takes no request: whoever still wants something asks again once it is ready.
        """
        self._asked += 1
        question = Question(Ask(self.name, self._asked, request), on_answer)
        if self._in_flight is None:
            return self._send(question)
        self._waiting = question
        return True

    def cancel(self) -> None:
        """Cancel what was asked; none of its answers is told any more."""
        self._waiting = None
        if self._answered is not None:
            self._answered.on_answer = None
        if self._in_flight is not None and self._in_flight.on_answer is not None:
            self._in_flight.on_answer = None
            self._send_message(Cancel(self.name))

    def receive(self, reply: Reply) -> None:
        """Tell the answer in `reply`, unless it is to a past request; the waiting one is sent after a last answer."""
        answered, question = self._answered, self._in_flight
        if answered is not None and reply.request_id == answered.ask.request_id:  # its second answer
            if not isinstance(reply.answer, Cancelled):
                answered.tell(reply.answer)
        elif question is not None and reply.request_id == question.ask.request_id:
            if not isinstance(reply.answer, NOT_LAST):
                self._answered, self._in_flight = question, None
                if self._waiting is not None:
                    self._send(self._waiting)
            question.tell(reply.answer)

    def lose(self) -> list[Question]:
        """Forget everything, for the worker's process has ended; returns the questions that were not answered."""
        lost = [question for question in (self._in_flight, self._waiting) if question is not None]
        self._in_flight = self._waiting = self._answered = None
        return lost

    def _send(self, question: Question) -> bool:
        if not self._send_message(question.ask):
            return False
        self._in_flight, self._waiting = question, None
        return True
