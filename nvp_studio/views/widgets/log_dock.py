"""The log: what the engines write to stderr, kept to its last few thousand lines."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QDockWidget, QPlainTextEdit, QPushButton, QWidget

from nvp_studio.views.theme import SPACE, monospace_font
from nvp_studio.views.widgets.layout import hbox, vbox

_MAX_LINES = 3000


class LogDock(QDockWidget):
    """A dock at the bottom; hidden until asked for."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("log_dock")
        self.setWindowTitle(self.tr("Log"))
        self.setAllowedAreas(Qt.DockWidgetArea.BottomDockWidgetArea | Qt.DockWidgetArea.RightDockWidgetArea)
        body = QWidget()
        column = vbox(body, margins=(SPACE, 0, SPACE, SPACE))
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        self.text.setMaximumBlockCount(_MAX_LINES)
        self.text.setFont(monospace_font())
        self.text.setAccessibleName(self.tr("Log of the engines"))
        self.text.setPlaceholderText(self.tr("The engines have written no log yet."))
        column.addWidget(self.text)
        buttons = hbox()
        buttons.addStretch(1)
        copy = QPushButton(self.tr("Copy all"))
        copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self.text.toPlainText()))
        clear = QPushButton(self.tr("Clear"))
        clear.clicked.connect(self.text.clear)
        buttons.addWidget(copy)
        buttons.addWidget(clear)
        column.addLayout(buttons)
        self.setWidget(body)

    def add_explorer_line(self, line: str) -> None:
        """Append one line of the explorer."""
        self.text.appendPlainText(f"explorer  {line}")

    def add_trainer_line(self, line: str) -> None:
        """Append one line of the trainer."""
        self.text.appendPlainText(f"trainer   {line}")
