"""Notifications below the page, in a strip that is there only with them: they cover nothing."""

from dataclasses import replace

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFrame, QPushButton, QWidget

from nvp_studio.views.notify import Level, Notification, act, channel
from nvp_studio.views.theme import SPACE, colors, pixmap, theme
from nvp_studio.views.widgets.action_button import flat_button
from nvp_studio.views.widgets.labels import TextLabel
from nvp_studio.views.widgets.layout import hbox, paragraph, vbox

_LIFETIME_MILLISECONDS = {"info": 5000, "success": 5000, "warning": 12_000}
_REFUSAL_MILLISECONDS = 12_000
_MILLISECONDS_A_CHARACTER = 60
"""Long texts stay as long as it takes to read them."""
_SUCCESS_WITH_ACTION_MILLISECONDS = 30_000
"""With a button a success stays longer; the action is in a menu as well."""
LEVEL_ICONS: dict[Level, tuple[str, str]] = {
    "info": ("info", "accent"),
    "success": ("circle-check", "success"),
    "warning": ("triangle-alert", "warning"),
    "error": ("circle-alert", "error"),
}
"""(icon, colour) of each level."""
_MAX_BARS = 3
_WEIGHTS: dict[Level, int] = {"info": 0, "success": 0, "warning": 1, "error": 2}
"""Where there is no room for all, those of the least weight go first; they stay in the list of messages."""


class NotificationStack(QWidget):
    """The newest notifications, one above the other."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bars: list[_Bar] = []
        self._column = vbox(self, spacing=SPACE // 2, margins=(2 * SPACE, 0, 2 * SPACE, SPACE))
        channel.sent.connect(self._add)
        channel.withdrawn.connect(self._withdraw)
        channel.settled.connect(self._settle)
        channel.reworded.connect(self._reword)
        channel.used.connect(self._on_used)
        self.hide()

    @property
    def shown(self) -> list[Notification]:
        """The notifications on screen, oldest first."""
        return [bar.notification for bar in self._bars]

    def _add(self, notification: Notification) -> None:
        self._withdraw(notification.subject)
        self._make_room(notification)
        bar = _Bar(notification)
        bar.closed.connect(lambda: self._remove(bar))
        self._bars.append(bar)
        self._column.addWidget(bar)
        self.show()

    def _make_room(self, notification: Notification) -> None:
        """Take away the oldest of the lightest bars, but none that weighs more than the new message."""
        while len(self._bars) >= _MAX_BARS:
            lightest = min(self._bars, key=lambda bar: _WEIGHTS[bar.sent.level])
            if _WEIGHTS[lightest.sent.level] > _WEIGHTS[notification.level]:
                return
            self._remove(lightest)

    def _withdraw(self, topic: str) -> None:
        for bar in self._of_topic(topic):
            self._remove(bar)

    def _settle(self, topic: str) -> None:
        for bar in self._of_topic(topic):
            if bar.sent.passing:
                self._remove(bar)

    def _reword(self, topic: str, text: str) -> None:
        """Change the text in place, so that a button which is pressed at that moment stays pressed."""
        for bar in self._of_topic(topic):
            bar.reword(text)

    def _of_topic(self, topic: str) -> list["_Bar"]:
        return [bar for bar in self._bars if bar.sent.subject == topic]

    def _on_used(self, notification: Notification) -> None:
        for bar in [bar for bar in self._bars if bar.sent is notification]:
            self._remove(bar)

    def _remove(self, bar: "_Bar") -> None:
        if bar in self._bars:
            self._bars.remove(bar)
            bar.hide()
            bar.deleteLater()
            self.setVisible(bool(self._bars))


class _Bar(QFrame):
    """One notification."""

    closed = Signal()

    def __init__(self, notification: Notification) -> None:
        super().__init__()
        self.sent = notification
        self.notification = notification
        """As it was reworded last."""
        self.setObjectName("notification")
        row = hbox(self, margins=(2 * SPACE, SPACE // 2, SPACE, SPACE // 2))
        self._image = TextLabel()
        row.addWidget(self._image)
        self._text = paragraph(notification.text)
        row.addWidget(self._text, 1)
        if notification.report:
            copy = QPushButton(self.tr("Copy report"))
            copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(notification.report))
            row.addWidget(copy)
        for action in notification.actions:
            button = QPushButton(action[0])
            button.setProperty("primary", not notification.harmful)
            button.clicked.connect(lambda _=False, action=action: act(notification, action))
            row.addWidget(button)
        close = flat_button("x", self.tr("Close this notification"), role="dim")
        close.clicked.connect(lambda: channel.read.emit(notification))
        close.clicked.connect(self.closed)
        row.addWidget(close)
        self._colour()
        theme().changed.connect(self._colour)
        lifetime = _LIFETIME_MILLISECONDS.get(notification.level)
        if notification.passing:
            lifetime = _REFUSAL_MILLISECONDS
        if notification.actions:
            lifetime = _SUCCESS_WITH_ACTION_MILLISECONDS if notification.level == "success" else None
        if lifetime is not None:
            timer = QTimer(self)  # which ends with this bar
            timer.setSingleShot(True)
            timer.timeout.connect(self.closed)
            timer.start(max(lifetime, _MILLISECONDS_A_CHARACTER * len(notification.text)))

    def reword(self, text: str) -> None:
        """Say this instead."""
        self.notification = replace(self.notification, text=text)
        self._text.setText(text)

    def _colour(self) -> None:
        """Take the colours of the theme in force."""
        c = colors()
        name, role = LEVEL_ICONS[self.notification.level]
        colour = getattr(c, role)
        self._image.setPixmap(pixmap(name, colour, 20, self.devicePixelRatioF()))
        self.setStyleSheet(
            f"#notification {{ background: {c.surface}; border: 1px solid {colour}; border-radius: 8px; }}"
        )
