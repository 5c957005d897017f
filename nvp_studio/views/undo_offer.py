"""What a page did last and a message offers to undo: the action *Undo* does so too, for as long as the offer holds."""

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QObject
from PySide6.QtGui import QUndoCommand, QUndoStack

from nvp_studio.views import notify


class UndoOffer(QUndoStack):
    """An undo stack with at most one entry, which is gone once its message was used, withdrawn or replaced."""

    def __init__(self, topic: str, parent: QObject) -> None:
        """`topic` is that of the messages."""
        super().__init__(parent)
        self.topic = topic
        self._undoing = False
        notify.channel.sent.connect(self._on_message)
        notify.channel.used.connect(self._on_message)
        notify.channel.withdrawn.connect(self._end)

    def offer(self, text: str, button: str, done: str, undo: Callable[[], object]) -> None:
        """Show the message `text` with a button that calls `undo`; `done` names in the menu what would be undone."""
        notify.info(text, topic=self.topic, actions=[(button, undo)])
        self.push(_Done(done, partial(self._take_back, undo)))

    def _take_back(self, undo: Callable[[], object]) -> None:
        self._undoing = True  # the stack is not to be cleared meanwhile: it removes the entry itself
        try:
            undo()
            notify.withdraw(self.topic)
        finally:
            self._undoing = False

    def _on_message(self, notification: notify.Notification) -> None:
        self._end(notification.subject)

    def _end(self, subject: str) -> None:
        if subject == self.topic and not self._undoing:
            self.clear()


class _Done(QUndoCommand):
    """Something that can be undone once, and not be done again."""

    def __init__(self, text: str, undo: Callable[[], object]) -> None:
        super().__init__(text)
        self._undo = undo

    def undo(self) -> None:
        self.setObsolete(True)  # the stack removes it after this call
        self._undo()
