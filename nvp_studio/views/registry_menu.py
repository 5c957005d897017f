"""The menus of the menu bar, filled from the registry of actions when they open."""

from collections.abc import Sequence

from PySide6.QtWidgets import QMenu, QWidget

from nvp_studio.views.actions import ActionRegistry, Entry
from nvp_studio.views.menu_groups import MenuGroup, menu_groups
from nvp_studio.views.menus import MnemonicMenu
from nvp_studio.views.theme import set_icon


class RegistryMenu(MnemonicMenu):
    """A menu of the menu bar: the actions of the registry that are in it when it opens, long ones with submenus."""

    def __init__(self, registry: ActionRegistry, key: str, title: str, parent: QWidget) -> None:
        super().__init__(title, parent)
        self._registry, self._key = registry, key
        self._submenus: dict[str, MnemonicMenu] = {}
        self.aboutToShow.connect(self._fill)

    def _fill(self) -> None:
        self.empty()
        entries = self._registry.entries(self._key)
        groups = [(group, [entry for entry in entries if group.holds(entry.key)]) for group in menu_groups(self._key)]
        in_groups = {entry.key for _, held in groups for entry in held}
        _add_entries(self, [entry for entry in entries if entry.key not in in_groups])
        self.addSeparator()
        for group, held in groups:
            if held:
                submenu = self._submenu(group)
                submenu.empty()
                _add_entries(submenu, held)
                self.addMenu(submenu)

    def _submenu(self, group: MenuGroup) -> MnemonicMenu:
        if group.title not in self._submenus:
            submenu = self._submenus[group.title] = MnemonicMenu(group.title, self)
            set_icon(submenu.menuAction(), group.icon)
        return self._submenus[group.title]


def _add_entries(menu: QMenu, entries: Sequence[Entry]) -> None:
    for entry in entries:
        if entry.separator:
            menu.addSeparator()
        menu.addAction(entry.action)
