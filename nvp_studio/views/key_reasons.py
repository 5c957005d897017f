"""What becomes of a key that nothing took: it is that of an action of the page, or of one which is not possible now."""

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QAction, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QWidget

from nvp_studio.views import notify
from nvp_studio.views.actions import ActionRegistry, plain_text, why_not


def heed(registry: ActionRegistry, event: QKeyEvent) -> bool:
    """Do what a key that nothing took means on the page that is shown, or say in one line what its action needs.

    Keys of a page work while the keyboard is on it; beside it, as on the buttons that choose a page, they come here.
    Escape, which ends whatever is under way, says nothing where nothing is. Returns whether the key had a meaning.
    """
    if event.isAutoRepeat() or event.key() == Qt.Key.Key_Escape:
        return False
    keys = QKeySequence(event.keyCombination())
    for entry in registry.entries():
        action = entry.action
        if keys not in action.shortcuts() or not _in_place(action):
            continue
        if action.isEnabled():
            action.trigger()
            return True
        if reason := why_not(action):
            text = QCoreApplication.translate("KeyReasons", "{0}: {1}.")
            notify.info(text.format(plain_text(action), reason), topic="key")
            return True
    return False


def _in_place(action: QAction) -> bool:
    """Whether the page that the action is for is shown; always for one of the whole window."""
    return action.isVisible() and any(
        isinstance(owner, QWidget) and owner.isVisible() for owner in action.associatedObjects()
    )
