"""Why a key does nothing: it is that of an action which is not possible now."""

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QAction, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QWidget

from nvp_studio.views import notify
from nvp_studio.views.actions import ActionRegistry, plain_text, why_not


def tell_reason(registry: ActionRegistry, event: QKeyEvent) -> bool:
    """Say in one line what the action of a key that nothing took needs; returns whether there was something to say.

    Escape, which ends whatever is under way, says nothing where nothing is.
    """
    if event.isAutoRepeat() or event.key() == Qt.Key.Key_Escape:
        return False
    keys = QKeySequence(event.keyCombination())
    for entry in registry.entries():
        action = entry.action
        if not action.isEnabled() and keys in action.shortcuts() and _in_place(action) and (reason := why_not(action)):
            text = QCoreApplication.translate("KeyReasons", "{0}: {1}.")
            notify.info(text.format(plain_text(action), reason), topic="key")
            return True
    return False


def _in_place(action: QAction) -> bool:
    """Whether the page that the action is for is shown; always for one of the whole window."""
    return action.isVisible() and any(
        isinstance(owner, QWidget) and owner.isVisible() for owner in action.associatedObjects()
    )
