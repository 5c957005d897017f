"""All messages, kept after they have left the screen, and the last ones from one start to the next."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from nvp_studio.state.stored_messages import MAX_STORED, MAX_TEXT, StoredMessage, read_messages, write_messages
from nvp_studio.views.notify import Notification, channel

MAX_MESSAGES = 500
"""The oldest are forgotten beyond it."""
_SAVE_MILLISECONDS = 1000


@dataclass(eq=False)
class PastMessage:
    """A message with what became of it."""

    sent: Notification
    text: str
    """As it was reworded last."""
    when: datetime
    read: bool
    """Whether a person has closed it or used its button, or seen the list; never asked of what needs no attention."""
    settled: bool = False
    """Whether what it offers makes no sense any more: used, withdrawn, or replaced by a newer one of its topic."""

    times: int = 1
    """How often it came in succession; `when` is the last time."""


class NotificationHistory(QObject):
    """Listens to all messages and keeps them, oldest first."""

    changed = Signal()

    def __init__(self, parent: QObject, path: Path | None = None) -> None:
        """`path` is the file of the last messages, those of earlier starts; None keeps none."""
        super().__init__(parent)
        self._path = path
        self.messages = [_past(one) for one in read_messages(path)] if path is not None else []
        self._save_due = QTimer(self, singleShot=True, interval=_SAVE_MILLISECONDS)
        self._save_due.timeout.connect(self.save)
        self.changed.connect(self._save_due.start)
        channel.sent.connect(self._add)
        channel.withdrawn.connect(self._withdraw)
        channel.reworded.connect(self._reword)
        channel.read.connect(self._on_read)
        channel.used.connect(self._on_used)

    @property
    def unread(self) -> list[PastMessage]:
        """The warnings and errors that nobody has closed, answered or seen in the list."""
        return [message for message in self.messages if not message.read]

    def mark_read(self) -> None:
        """All of them were seen."""
        if self.unread:
            for message in self.messages:
                message.read = True
            self.changed.emit()

    def save(self) -> None:
        """Write the last messages now; where the disk refuses, they are kept for this start alone."""
        self._save_due.stop()
        if self._path is not None:
            stored = [
                StoredMessage(one.sent.level, one.text[:MAX_TEXT], one.when, one.times)
                for one in self.messages[-MAX_STORED:]
            ]
            with suppress(OSError):
                write_messages(self._path, stored)

    def clear(self) -> None:
        """Forget all messages."""
        self.messages.clear()
        self.changed.emit()

    def _add(self, notification: Notification) -> None:
        needs_none = notification.passing or notification.level in ("info", "success")
        new = PastMessage(notification, notification.text, datetime.now(), needs_none)
        for message in self._of_subject(notification.subject):
            message.settled = True
            if (message.sent.level, message.text) == (notification.level, notification.text):
                new.times += message.times
                self.messages.remove(message)
        self.messages.append(new)
        del self.messages[:-MAX_MESSAGES]
        self.changed.emit()

    def _withdraw(self, subject: str) -> None:
        for message in self._of_subject(subject):
            message.settled = message.read = True
        self.changed.emit()

    def _reword(self, topic: str, text: str) -> None:
        for message in self._of_subject(topic):
            if not message.settled:
                message.text = text
        self.changed.emit()

    def _on_read(self, notification: Notification) -> None:
        for message in self._of_subject(notification.subject):
            if message.sent is notification:
                message.read = True
        self.changed.emit()

    def _on_used(self, notification: Notification) -> None:
        for message in self._of_subject(notification.subject):
            if message.sent is notification:
                message.read = message.settled = True
        self.changed.emit()

    def _of_subject(self, subject: str) -> list[PastMessage]:
        return [message for message in self.messages if message.sent.subject == subject]


def _past(stored: StoredMessage) -> PastMessage:
    """A message of an earlier start: it was read, and offers nothing any more."""
    sent = Notification(stored.level, stored.text)
    return PastMessage(sent, stored.text, stored.when, read=True, settled=True, times=stored.times)
