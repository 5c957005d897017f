"""The command palette and the list of shortcuts, both made from the action registry."""

import re

from PySide6.QtCore import QEvent, QObject, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QKeyEvent, QPixmap
from PySide6.QtWidgets import QApplication, QHeaderView, QLineEdit, QPushButton, QTreeWidget, QTreeWidgetItem, QWidget

from nvp_studio.text import sentence
from nvp_studio.views.actions import ActionRegistry, Entry, keys_text, plain_text, why_not
from nvp_studio.views.dialogs import Dialog
from nvp_studio.views.theme import SPACE, colors, scaled_font
from nvp_studio.views.widgets.labels import plain_tip

_LIST_KEYS = (Qt.Key.Key_Down, Qt.Key.Key_Up, Qt.Key.Key_PageDown, Qt.Key.Key_PageUp)
"""Keys that move in the palette's list while the field has the focus."""


class CommandPalette(Dialog):
    """Type a few letters of an action's name, press Enter. An action that is not possible now says why.

    Those that are not in the menus at the moment, such as *Pause* without a run, are found by typing alone.
    """

    def __init__(self, registry: ActionRegistry, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Commands"))
        self.setObjectName("command_palette")
        self.setWindowFlag(Qt.WindowType.FramelessWindowHint)
        self.resize(84 * SPACE, 48 * SPACE)
        self._menus = registry.menus
        self._blank = _blank_icon(16)
        self._entries = {entry.key: entry for entry in registry.entries()}
        self.column.setContentsMargins(SPACE, SPACE, SPACE, SPACE)
        self.field = QLineEdit()
        self.field.setPlaceholderText(self.tr("What do you want to do?"))
        self.field.setAccessibleName(self.tr("Search for a command"))
        self.field.textChanged.connect(self._fill)
        self.field.returnPressed.connect(self._run)
        self.field.installEventFilter(self)
        self.list = _two_columns(self.tr("Commands"))
        self.list.itemClicked.connect(self._run)
        self.column.addWidget(self.field)
        self.column.addWidget(self.list)
        for entry in self._entries.values():
            entry.action.changed.connect(self._show_enabled)
        self._fill("")

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress and event.key() in _LIST_KEYS:
            return QApplication.sendEvent(self.list, event)
        return False

    def _fill(self, text: str) -> None:
        self.list.clear()
        ranks = {
            entry.key: _rank(text, self._title(entry))
            for entry in self._entries.values()
            if text.strip() or entry.action.isVisible()
        }
        matches = sorted((rank, place, key) for place, (key, rank) in enumerate(ranks.items()) if rank is not None)
        self._items = [self._item(self._entries[key]) for *_, key in matches]
        self.list.addTopLevelItems(self._items)
        self._show_enabled()

    def _show_enabled(self) -> None:
        """What could not be done when the palette opened may be possible by now, and the other way round."""
        for item in self._items:
            entry = self._entry(item)
            hindrance = why_not(entry.action)
            item.setDisabled(not (entry.action.isEnabled() and entry.action.isVisible()))
            item.setText(0, f"{self._title(entry)}  \u2013  {hindrance}" if hindrance else self._title(entry))
            item.setToolTip(0, plain_tip(sentence(hindrance)) if hindrance else "")
        if self.list.currentItem() is None:
            first = next((item for item in self._items if not item.isDisabled()), None)
            if first is not None:
                self.list.setCurrentItem(first)

    def _item(self, entry: Entry) -> QTreeWidgetItem:
        item = _row(self._title(entry), keys_text(entry.action, most=2))
        icon = entry.action.icon()
        item.setIcon(0, self._blank if icon.isNull() else icon)
        item.setData(0, Qt.ItemDataRole.UserRole, entry.key)
        return item

    def _run(self) -> None:
        item = self.list.currentItem()
        if item is not None and not item.isDisabled():
            action = self._entry(item).action
            self.accept()
            action.trigger()

    def _entry(self, item: QTreeWidgetItem) -> Entry:
        return self._entries[item.data(0, Qt.ItemDataRole.UserRole)]

    def _title(self, entry: Entry) -> str:
        """Menu and name of an action, such as "View: Log"."""
        name = plain_text(entry.action) + ("…" if entry.action.text().endswith("…") else "")
        menu = self._menus.get(entry.menu, "").replace("&", "")
        return f"{menu}: {name}" if menu else name


def _blank_icon(side: int) -> QIcon:
    """An icon that shows nothing, so that texts with and without an icon are aligned."""
    pixmap = QPixmap(side, side)
    pixmap.fill(Qt.GlobalColor.transparent)
    return QIcon(pixmap)


def _rank(typed: str, title: str) -> tuple[int, int] | None:
    """How well the letters typed fit: all in one piece first, then scattered in order; None when they do not."""
    wanted, text = typed.lower().strip(), title.lower()
    if wanted in text:
        return 0, text.index(wanted)
    match = re.search(".*?".join(map(re.escape, wanted)), text)
    return (1, match.end()) if match else None


class ShortcutSheet(Dialog):
    """All shortcuts, menu by menu."""

    def __init__(self, registry: ActionRegistry, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Keyboard shortcuts"))
        self.resize(64 * SPACE, 72 * SPACE)
        self.list = _two_columns(self.windowTitle())
        self.list.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # arrow keys scroll it
        for menu, title in registry.menus.items():
            entries = [entry for entry in registry.entries(menu) if not entry.action.shortcut().isEmpty()]
            rows = [(plain_text(entry.action), keys_text(entry.action)) for entry in entries]
            self._add_group(title.replace("&", ""), rows)
        others = [
            (self.tr("Move the slider that has the focus"), self.tr("Arrow keys")),
            (self.tr("Type the value of a slider"), self.tr("Enter or a digit")),
            (self.tr("Reset a slider to the value of the image"), self.tr("Del or double click")),
            (self.tr("Choose an image of a strip"), self.tr("Arrow keys")),
            (self.tr("Zoom the picture that has the focus"), "+ / \u2212 / 0"),
            (self.tr("Move the picture, once it is zoomed"), self.tr("Arrow keys")),
            (self.tr("Tell the values of a pixel of the picture"), self.tr("Shift + arrow keys")),
            (self.tr("Go to the next field, or to the one before"), self.tr("Tab / Shift+Tab")),
            (self.tr("Open the row of a table"), self.tr("Enter")),
            (self.tr("Close a dialog"), self.tr("Esc")),
        ]
        self._add_group(self.tr("Sliders, pictures and dialogs"), others)
        self.list.expandAll()
        close = QPushButton(self.tr("Close"))
        close.clicked.connect(self.reject)
        self.column.addWidget(self.list)
        self.column.addWidget(close, 0, Qt.AlignmentFlag.AlignRight)

    def _add_group(self, title: str, rows: list[tuple[str, str]]) -> None:
        if rows:
            group = _row(title, "")
            group.setFont(0, scaled_font(13, bold=True))
            group.addChildren([_row(*row) for row in rows])
            self.list.addTopLevelItem(group)


def _two_columns(name: str) -> QTreeWidget:
    """A list with texts at the left and keys at the right."""
    tree = QTreeWidget()
    tree.setAccessibleName(name)
    tree.setColumnCount(2)
    tree.setHeaderHidden(True)
    tree.setRootIsDecorated(False)
    tree.setIconSize(QSize(16, 16))
    tree.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    tree.header().setStretchLastSection(False)
    tree.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
    tree.header().setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
    return tree


def _row(text: str, keys: str) -> QTreeWidgetItem:
    item = QTreeWidgetItem([text, keys])
    item.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    item.setForeground(1, QColor(colors().dim))
    item.setSizeHint(0, QSize(0, 28))
    return item
