"""What dialogs have in common."""

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QVBoxLayout, QWidget

from nvp_studio.views.lost_focus import FocusKeeper
from nvp_studio.views.tab_order import move_focus
from nvp_studio.views.theme import SPACE

FRAME = QSize(16, 40)
"""About the width and height of the borders and the title bar of a window."""


class Dialog(QDialog):
    """A dialog with its contents in `column`, no larger than the screen, deleted when it closes."""

    def __init__(self, parent: QWidget | None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.column = QVBoxLayout(self)
        self.column.setSpacing(SPACE)
        self._keeper = FocusKeeper(self)

    def focusNextPrevChild(self, next: bool) -> bool:
        return self._keeper.keeps() or move_focus(self, next)

    def showEvent(self, event: QShowEvent) -> None:
        self.resize(self.size().boundedTo(self.screen().availableSize() - FRAME))
        super().showEvent(event)

    def make_buttons(self, accept: str) -> QDialogButtonBox:
        """A row with *Cancel* and a button with the text `accept`, which is `self.ok`."""
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.ok = buttons.addButton(accept, QDialogButtonBox.ButtonRole.AcceptRole)
        self.ok.setProperty("primary", True)
        self.ok.setDefault(True)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        return buttons
