"""The bell of the menu bar: it counts the warnings and errors that nobody has read, and opens the list of messages."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QToolButton

from nvp_studio.views.actions import plain_text
from nvp_studio.views.notification_history import NotificationHistory
from nvp_studio.views.theme import ICON_SIZE, set_icon, set_mark


class MessageButton(QToolButton):
    """Grey while everything is read; else red, with a number."""

    def __init__(self, action: QAction, history: NotificationHistory) -> None:
        super().__init__()
        self._action, self._history = action, history
        self.setProperty("flat", True)
        self.setIconSize(ICON_SIZE)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        tip = action.toolTip()
        self.setToolTip(tip)
        self.clicked.connect(action.trigger)
        history.changed.connect(self._show)
        self._show()

    def _show(self) -> None:
        unread = self._history.unread
        some_error = any(message.sent.level == "error" for message in unread)
        set_icon(self, "bell", "error" if some_error else "warning" if unread else "dim")
        set_mark(self, "unread", bool(unread))
        self.setText(f" {len(unread)}" if unread else "")
        name = plain_text(self._action)
        self.setAccessibleName(self.tr("{0}: {1} unread").format(name, len(unread)) if unread else name)
