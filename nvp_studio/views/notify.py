"""Messages to the person at the window. Any module may send one, from any thread; the open window shows it.

The levels `info`, `success`, `warning` and `error` differ in icon, in colour and in how long a message stays. An error
stays until closed, and so does a message with a button, except a success. A refusal (`refuse`) is an error by which
nothing was lost: it goes after a time, or when the next action of the same topic succeeds (`settle`). All of them are
kept in a list (`notification_history`), where those that are gone can be read.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from PySide6.QtCore import QObject, Signal

Level = Literal["info", "success", "warning", "error"]
Action = tuple[str, Callable[[], object]]
"""The text of a button and what a click on it calls."""


@dataclass(frozen=True)
class Notification:
    """One message."""

    level: Level
    text: str
    topic: str = ""
    """A newer message of the same topic replaces the older one."""
    actions: tuple[Action, ...] = ()
    report: str = ""
    """Text for the button *Copy report*; without it there is no such button."""
    harmful: bool = False
    """Whether its buttons can lose something: then none of them is the one that is recommended."""
    passing: bool = False
    """Whether it is a refusal: an error by which nothing was lost."""

    @property
    def subject(self) -> str:
        """What it is about: its topic, for one without its text."""
        return self.topic or self.text


class NotificationChannel(QObject):
    """Carries messages to whatever shows them."""

    sent = Signal(object)
    """`Notification`."""
    withdrawn = Signal(str)
    """The topic whose message is to disappear."""
    settled = Signal(str)
    """The topic whose message is to disappear if it is a refusal."""
    reworded = Signal(str, str)
    """(topic, text): new text for the message of a topic, if it is still shown."""
    read = Signal(object)
    """`Notification` that a person has closed."""
    used = Signal(object)
    """`Notification` whose button was pressed, here or in the list."""


channel = NotificationChannel()


def send(
    level: Level,
    text: str,
    *,
    topic: str = "",
    actions: Sequence[Action] = (),
    report: str = "",
    harmful: bool = False,
) -> None:
    """Show a message of a level that is known at run time only."""
    channel.sent.emit(Notification(level, text, topic, tuple(actions), report, harmful))


def act(notification: Notification, action: Action) -> None:
    """Do what a button of a message says; it cannot be pressed a second time."""
    channel.used.emit(notification)
    action[1]()


info = partial(send, "info")
"""Show something worth knowing."""
success = partial(send, "success")
"""Show that something asked for is done."""
warning = partial(send, "warning")
"""Show something that may need attention."""
error = partial(send, "error")
"""Show that something failed."""


def refuse(text: str, *, topic: str) -> None:
    """Show why something was not done, where nothing was lost by it."""
    channel.sent.emit(Notification("error", text, topic, passing=True))


def settle(topic: str) -> None:
    """Remove the refusal of a topic, of which something has succeeded since."""
    channel.settled.emit(topic)


def withdraw(topic: str) -> None:
    """Remove the message of a topic that is settled."""
    channel.withdrawn.emit(topic)


def reword(topic: str, text: str) -> None:
    """Change the text of the message of a topic, if it is still shown."""
    channel.reworded.emit(topic, text)
