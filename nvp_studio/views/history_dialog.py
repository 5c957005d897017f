"""The list of all messages, with what they offered."""

from datetime import datetime
from functools import partial

from PySide6.QtCore import QSignalBlocker, QSize, Qt, QTimer
from PySide6.QtGui import QColor, QGuiApplication, QIcon
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from nvp_studio.views.dialogs import Dialog
from nvp_studio.views.notification_history import NotificationHistory, PastMessage
from nvp_studio.views.notify import Action, act
from nvp_studio.views.theme import SPACE, colors, pixmap, theme
from nvp_studio.views.widgets.layout import hbox, text_label
from nvp_studio.views.widgets.notification_stack import LEVEL_ICONS
from nvp_studio.views.widgets.table import PlainDelegate


class HistoryDialog(Dialog):
    """Time, level and words of each message, newest first; below, what can be done with the chosen one."""

    def __init__(self, history: NotificationHistory, parent: QWidget) -> None:
        super().__init__(parent)
        self._history = history
        self.setWindowTitle(self.tr("Messages"))
        self.resize(92 * SPACE, 56 * SPACE)
        self.list = QTableWidget(0, 3)
        self.list.setAccessibleName(self.windowTitle())
        self.list.setHorizontalHeaderLabels([self.tr("Time"), self.tr("Level"), self.tr("Message")])
        self.list.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
        self.list.horizontalHeader().setHighlightSections(False)
        self.list.verticalHeader().hide()
        self.list.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.list.setShowGrid(False)
        self.list.setStyleSheet("QTableView::item { padding: 3px 5px; }")
        self.list.setTabKeyNavigation(False)
        self.list.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.list.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.list.setItemDelegate(PlainDelegate(self.list))
        self.list.setIconSize(QSize(16, 16))
        self.list.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.list.horizontalHeader().setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
        self.list.currentItemChanged.connect(self._show_buttons)
        self.list.itemActivated.connect(self._do_first)
        self.empty = text_label(self.tr("There are no messages."), wrap=True)
        self.column.addWidget(self.empty)
        self.column.addWidget(self.list, 1)
        self.column.addLayout(self._make_buttons())
        history.changed.connect(self._fill)
        theme().changed.connect(self._fill)
        self._fill()

    def _make_buttons(self) -> QHBoxLayout:
        row = hbox()
        self.actions_row = hbox()
        row.addLayout(self.actions_row)
        row.addStretch(1)
        self.copy = QPushButton(self.tr("Copy"))
        self.copy.clicked.connect(self._copy_one)
        self.copy_all = QPushButton(self.tr("Copy all"))
        self.copy_all.clicked.connect(self._copy_all)
        self.clear = QPushButton(self.tr("Clear"))
        self.clear.clicked.connect(self._history.clear)
        close = QPushButton(self.tr("Close"))
        close.clicked.connect(self.reject)
        for button in (self.copy, self.copy_all, self.clear, close):
            button.setAutoDefault(False)
            row.addWidget(button)
        return row

    @property
    def chosen(self) -> PastMessage | None:
        """The message of the current row."""
        item = self.list.item(self.list.currentRow(), 0)
        message = None if item is None else item.data(Qt.ItemDataRole.UserRole)
        return message if isinstance(message, PastMessage) else None

    def _fill(self) -> None:
        chosen = self.chosen
        levels = {
            "info": self.tr("Note"),
            "success": self.tr("Done"),
            "warning": self.tr("Warning"),
            "error": self.tr("Error"),
        }
        messages = self._history.messages[::-1]
        with QSignalBlocker(self.list):
            self.list.setRowCount(len(messages))
            for row, message in enumerate(messages):
                level = message.sent.level
                time, kind = QTableWidgetItem(_moment(message.when)), QTableWidgetItem(levels[level])
                time.setForeground(QColor(colors().dim))
                time.setData(Qt.ItemDataRole.UserRole, message)
                icon, colour = LEVEL_ICONS[level]
                kind.setIcon(QIcon(pixmap(icon, getattr(colors(), colour), 16, self.devicePixelRatioF())))
                for column, item in enumerate((time, kind, QTableWidgetItem(self._words(message)))):
                    item.setTextAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
                    self.list.setItem(row, column, item)
            row = messages.index(chosen) if chosen in messages else 0
            self.list.setCurrentCell(row, 0)
        some = bool(self._history.messages)
        self.empty.setVisible(not some)
        self.list.setEnabled(some)
        for button in (self.copy, self.copy_all, self.clear):
            button.setEnabled(some)
        self._show_buttons()
        QTimer.singleShot(0, self, self._history.mark_read)

    def _words(self, message: PastMessage) -> str:
        return message.text if message.times == 1 else self.tr("{0} ({1} times)").format(message.text, message.times)

    def _show_buttons(self) -> None:
        """Show the buttons of the chosen message, those that still make sense."""
        while (item := self.actions_row.takeAt(0)) is not None:
            old = item.widget()
            if old is not None:
                old.hide()
                old.deleteLater()
        message = self.chosen
        if message is None:
            return
        for action in () if message.settled else message.sent.actions:
            button = QPushButton(action[0])
            button.setAutoDefault(False)
            button.setProperty("primary", not message.sent.harmful)
            button.clicked.connect(partial(self._do, message, action))
            self.actions_row.addWidget(button)

    def _do(self, message: PastMessage, action: Action, _checked: bool = False) -> None:
        self.reject()
        act(message.sent, action)

    def _do_first(self) -> None:
        message = self.chosen
        if message is not None and message.sent.actions and not message.settled and not message.sent.harmful:
            self._do(message, message.sent.actions[0])

    def _copied(self, message: PastMessage) -> str:
        """Time, level, words and report of a message."""
        line = f"{message.when:%Y-%m-%d %H:%M:%S}  {message.sent.level}  {self._words(message)}"
        return f"{line}\n{message.sent.report}" if message.sent.report else line

    def _copy_one(self) -> None:
        if self.chosen is not None:
            QGuiApplication.clipboard().setText(self._copied(self.chosen))

    def _copy_all(self) -> None:
        QGuiApplication.clipboard().setText("\n".join(map(self._copied, self._history.messages)))


def _moment(when: datetime) -> str:
    """The time of day, with the date where that is not today."""
    return f"{when:%H:%M:%S}" if when.date() == datetime.now().date() else f"{when:%d %b %Y, %H:%M}"
