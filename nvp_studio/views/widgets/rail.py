"""The rail at the left: one button for each page."""

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QFrame, QToolButton, QWidget

from nvp_studio.views.theme import SPACE, scaled_font, set_icon
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
        self._buttons: dict[str, QToolButton] = {}
        for key, title, icon in pages:
            button = _rail_button(title, icon)
            button.clicked.connect(lambda _=False, key=key: self.page_chosen.emit(key))
            self._group.addButton(button)
            self._buttons[key] = button
            column.addWidget(button)
        column.addStretch(1)

    def mark(self, key: str) -> None:
        """Show `key` as the current page."""
        self._buttons[key].setChecked(True)


def _rail_button(title: str, icon: str) -> QToolButton:
    button = QToolButton()
    button.setText(title)
    button.setAccessibleName(title)
    button.setCheckable(True)
    button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
    button.setIconSize(QSize(20, 20))
    button.setFixedSize(9 * SPACE, 7 * SPACE)
    button.setFont(scaled_font(12))
    button.toggled.connect(lambda checked: set_icon(button, icon, "accent" if checked else "dim"))
    set_icon(button, icon, "dim")
    return button
