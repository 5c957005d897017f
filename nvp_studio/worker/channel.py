"""Channels: requests of the window to a worker, of which the newest counts, with their answers told to who asked."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from PySide6.QtCore import QObject

from nvp_studio.worker.messages import NOT_LAST, Answer, Ask, Cancel, Cancelled, Reply, Request


class WorkerLost:
    """What an asker is told when the worker's process ended before the last answer."""


OnAnswer = Callable[[Answer | WorkerLost], None]


class Sender(Protocol):
    """What a channel needs of a worker's client."""

    @property
    def accepts_requests(self) -> bool:
        """Whether a request can be taken now."""

    def send(self, message: Ask | Cancel) -> None:
        """Send a message, at the latest when the worker is ready."""

    def next_request_id(self) -> int:
        """A number greater than all before."""


@dataclass(eq=False)
class Question:
    """A request and whom to tell its answers; None once they are no longer wanted."""

    ask: Ask
    on_answer: OnAnswer | None


class Channel(QObject):
    """Requests that replace one another: one is in flight, and of those asked meanwhile the newest alone is sent.

    As a child of the object that asks it ends with it: nothing is told to an object that was deleted. Channels do not
    wait for each other.
    """

    def __init__(self, name: str, sender: Sender, parent: QObject) -> None:
        super().__init__(parent)
        self.name = name
        self._sender = sender
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
        if not self._sender.accepts_requests:
            return False
        question = Question(Ask(self.name, self._sender.next_request_id(), request), on_answer)
        if self._in_flight is None:
            self._send(question)
        else:
            self._waiting = question
        return True

    def cancel(self) -> None:
        """Cancel what was asked; none of its answers is told any more."""
        self._waiting = None
        if self._answered is not None:
            self._answered.on_answer = None
        if self._in_flight is not None and self._in_flight.on_answer is not None:
            self._in_flight.on_answer = None
            self._sender.send(Cancel(self.name))

    def accept(self, reply: Reply) -> Question | None:
        """The question that `reply` answers, None for one of the past; the waiting one is sent after a last answer."""
        answered, question = self._answered, self._in_flight
        if answered is not None and reply.request_id == answered.ask.request_id:  # its second answer
            return None if isinstance(reply.answer, Cancelled) else answered
        if question is None or reply.request_id != question.ask.request_id:
            return None
        if not isinstance(reply.answer, NOT_LAST):
            self._answered, self._in_flight = question, None
            if self._waiting is not None:
                self._send(self._waiting)
        return question

    def lose(self) -> list[Question]:
        """Forget everything, for the worker's process has ended; returns the questions that were not answered."""
        lost = [question for question in (self._in_flight, self._waiting) if question is not None]
        self._in_flight = self._waiting = self._answered = None
        return lost

    def _send(self, question: Question) -> None:
        self._in_flight, self._waiting = question, None
        self._sender.send(question.ask)
