"""Menus that are filled when they open, and whose letters come before those of the page behind them."""

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QMenu


class LetterMenu(QMenu):
    """A menu that takes every plain key while it is open.

    Qt asks the shortcuts first: without this, D in an open menu would be the page's D, not the item with that letter.
    """

    def empty(self) -> None:
        """Take out every item, and delete those that the menu made itself.

        Not `clear`: that leaves Python without the actions that Qt made elsewhere, such as an undo stack's.
        """
        for action in self.actions():
            self.removeAction(action)
            if action.parent() is self:
                action.deleteLater()

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            plain = Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.KeypadModifier
            if not event.modifiers() & ~plain:
                event.accept()
                return True
        return super().event(event)
