"""Menus that are filled when they open, and whose mnemonics take precedence over shortcuts of the page."""

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QMenu


class MnemonicMenu(QMenu):
    """A menu that receives every key without a modifier while it is open.

    Qt looks for shortcuts first: without this, D in an open menu would be the page's shortcut D, not the mnemonic.
    """

    def empty(self) -> None:
        """Remove every item, and delete those that the menu made itself.

        `clear` would also delete the Python wrappers of actions that Qt made elsewhere, such as those of an undo stack.
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
