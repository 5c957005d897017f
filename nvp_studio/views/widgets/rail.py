"""The rail at the left: one button for each page."""

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QButtonGroup, QFrame, QToolButton, QWidget

from nvp_studio.views.theme import SPACE, colors, scaled_font, set_icon, theme
from nvp_studio.views.widgets.layout import vbox


class Rail(QFrame):
    """Exclusive page buttons, icon above text; `page_chosen` carries the key of the page."""

    page_chosen = Signal(str)

    def __init__(self, pages: list[tuple[str, str, str]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("rail")
        self.setFixedWidth(10 * SPACE)
        column = vbox(self, spacing=SPACE // 2, margins=(SPACE // 2, SPACE, SPACE // 2, SPACE))
        self._group = QButtonGroup(self)
        self._buttons: dict[str, _RailButton] = {}
        for key, title, icon in pages:
            button = _RailButton(title, icon)
            button.clicked.connect(lambda _=False, key=key: self.page_chosen.emit(key))
            self._group.addButton(button)
            self._buttons[key] = button
            column.addWidget(button)
        column.addStretch(1)

    def mark(self, key: str) -> None:
        """Show `key` as the current page."""
        self._buttons[key].setChecked(True)


class _RailButton(QToolButton):
    def __init__(self, title: str, icon: str) -> None:
        super().__init__()
        self.setText(title)
        self.setAccessibleName(title)
        self.setCheckable(True)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        self.setIconSize(QSize(20, 20))
        self.setFixedSize(9 * SPACE, 7 * SPACE)
        self.setFont(scaled_font(12))
        self._icon = icon
        self.toggled.connect(lambda _: self._tint())
        theme().changed.connect(self._tint)
        self._tint()

    def _tint(self) -> None:
        set_icon(self, self._icon, "accent" if self.isChecked() else "dim")

    def paintEvent(self, event: QPaintEvent) -> None:
        c = colors()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.isChecked() or self.underMouse() or self.isDown():
            painter.setBrush(QColor(c.raised))
            painter.setPen(Qt.PenStyle.NoPen)
            painter.drawRoundedRect(self.rect(), 8, 8)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QColor(c.accent))
            painter.drawRoundedRect(self.rect().adjusted(1, 1, -1, -1), 7, 7)
        side = self.iconSize().width()
        painter.drawPixmap(
            (self.width() - side) // 2, SPACE, self.icon().pixmap(self.iconSize(), self.devicePixelRatioF())
        )
        painter.setPen(QColor(c.text if self.isChecked() else c.dim))
        painter.setFont(self.font())
        painter.drawText(
            self.rect().adjusted(0, SPACE + side, 0, -SPACE // 2), Qt.AlignmentFlag.AlignCenter, self.text()
        )
