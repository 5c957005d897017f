"""Every action of the window in one registry, from which menus, shortcut sheet and command palette are made."""

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QWidget

from nvp_studio.views.action_needs import need_of
from nvp_studio.views.theme import set_icon


@dataclass(frozen=True)
class Entry:
    """One action with where it belongs."""

    key: str
    """Such as ``explore.new-sample``."""
    menu: str
    """Key of the menu it is in (`ActionRegistry.menus`); empty: in no menu, yet in the palette."""
    action: QAction
    place: int = 50
    """Order within the menu: smaller is higher, equal in the order of registering."""
    separator: bool = False
    """Whether a line is above it in its menu."""


class ActionRegistry(QObject):
    """Actions by key, in the order they were added."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self.menus: dict[str, str] = {}
        """Title of each menu by its key, in the order of the menu bar."""
        self._entries: dict[str, Entry] = {}

    def add(
        self,
        key: str,
        text: str,
        slot: Callable[[], object],
        shortcut: str = "",
        icon: str = "",
        *,
        menu: str | None = None,
        tip: str = "",
        checkable: bool = False,
        page: QWidget | None = None,
        separator: bool = False,
        place: int = 50,
    ) -> QAction:
        """Register an action, in the menu that its key begins with unless `menu` names another.

        `page` limits the shortcut to when the focus is on that page; `separator` puts a line above the action in its
        menu, `place` orders it there. The slot gets no argument: ask a checkable action whether it is checked.
        """
        if key in self._entries:
            raise ValueError(f"there is already an action {key}")
        action = QAction(text, self._window)
        action.setObjectName(key)
        action.setCheckable(checkable)
        if shortcut:
            action.setShortcut(QKeySequence(shortcut))
        if icon:
            set_icon(action, icon)
        action.setStatusTip(tip)
        action.setToolTip(_tip(action, tip))
        action.triggered.connect(lambda _checked=False: slot())
        if page is not None:
            action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        (page or self._window).addAction(action)
        self._entries[key] = Entry(key, key.split(".")[0] if menu is None else menu, action, place, separator)
        return action

    def adopt(self, key: str, action: QAction, icon: str, *, separator: bool = False) -> None:
        """Register an action made elsewhere, such as an undo stack's, in the menu that its key begins with."""
        action.setObjectName(key)
        set_icon(action, icon)
        self._window.addAction(action)
        self._entries[key] = Entry(key, key.split(".")[0], action, separator=separator)

    def __getitem__(self, key: str) -> QAction:
        return self._entries[key].action

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def entries(self, menu: str | None = None) -> list[Entry]:
        """All entries, or those of one menu, in its order."""
        if menu is None:
            return list(self._entries.values())
        return sorted((entry for entry in self._entries.values() if entry.menu == menu), key=lambda entry: entry.place)


def plain_text(action: QAction) -> str:
    """The text of an action without mnemonic and ellipsis."""
    return action.text().replace("&", "").removesuffix("…")


def keys_text(action: QAction, most: int | None = None) -> str:
    """The shortcuts of an action, or the first of them, as its system writes them."""
    return " / ".join(key.toString(QKeySequence.SequenceFormat.NativeText) for key in action.shortcuts()[:most])


def set_hindrance(action: QAction, text: str) -> None:
    """Say why an action is not possible now, where that is more than what it needs in general; empty takes it back."""
    if (action.property("hindrance") or "") != text:
        action.setProperty("hindrance", text)
        action.changed.emit()


def why_not(action: QAction) -> str:
    """Why an action cannot be done now, as a phrase; empty for one that can."""
    if action.isEnabled() and action.isVisible():
        return ""
    return str(action.property("hindrance") or "") or need_of(action.objectName())


def _tip(action: QAction, tip: str) -> str:
    """What to show under the mouse: the explanation (or the name) with the shortcut."""
    text = tip or plain_text(action)
    keys = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
    return f"{text}  ({keys})" if keys else text
