"""What dialogs have in common; and command palette, shortcut sheet and about box, made from the action registry."""

from PySide6.QtCore import QEvent, QObject, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QKeyEvent, QKeySequence, QPixmap
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

import nvp_studio
from nvp_studio.views.actions import ActionRegistry, Entry
from nvp_studio.views.theme import SPACE, colors
from nvp_studio.views.widgets.layout import text_label, vbox


class Dialog(QDialog):
    """A dialog that is deleted when it closes."""

    def __init__(self, parent: QWidget | None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)

    def make_buttons(self, accept: str) -> QDialogButtonBox:
        """A row with *Cancel* and a button with the text `accept`, which is `self.ok`."""
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.ok = QPushButton(accept)
        self.ok.setProperty("primary", True)
        self.ok.setDefault(True)
        buttons.addButton(self.ok, QDialogButtonBox.ButtonRole.AcceptRole)
        without_icons(buttons)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        return buttons


def without_icons(buttons: QDialogButtonBox) -> None:
    """Remove the style's own icons, which do not match the others of the window."""
    for button in buttons.buttons():
        button.setIcon(QIcon())


class CommandPalette(Dialog):
    """Type a few letters of an action's name, press Enter."""

    def __init__(self, registry: ActionRegistry, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Commands"))
        self.setObjectName("command_palette")
        self.setWindowFlag(Qt.WindowType.FramelessWindowHint)
        self.resize(64 * SPACE, 48 * SPACE)
        self._menus = registry.menus
        self._blank = _blank_icon(16)
        self._entries = [entry for entry in registry.entries() if entry.action.isVisible()]
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE, SPACE, SPACE, SPACE)
        self.field = QLineEdit()
        self.field.setPlaceholderText(self.tr("What do you want to do?"))
        self.field.setAccessibleName(self.tr("Search for a command"))
        self.field.textChanged.connect(self._fill)
        self.field.installEventFilter(self)
        self.list = QTreeWidget()
        self.list.setColumnCount(2)
        self.list.setHeaderHidden(True)
        self.list.setRootIsDecorated(False)
        self.list.setIconSize(QSize(16, 16))
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.header().setStretchLastSection(False)
        self.list.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.list.header().setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self.list.setAccessibleName(self.tr("Commands"))
        self.list.itemActivated.connect(lambda _: self._run())
        self.list.itemClicked.connect(lambda _: self._run())
        column.addWidget(self.field)
        column.addWidget(self.list)
        for entry in self._entries:
            entry.action.changed.connect(self._follow)
        self._fill("")

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self.field and isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            step = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1, Qt.Key.Key_PageDown: 8, Qt.Key.Key_PageUp: -8}.get(
                Qt.Key(event.key())
            )
            if step is not None:
                self._step(step)
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self._run()
                return True
        return False

    def _fill(self, text: str) -> None:
        self.list.clear()
        matches = [(rank, entry) for entry in self._entries if (rank := _rank(text, self._title(entry))) is not None]
        self._items = [self._item(entry) for _, entry in sorted(matches, key=lambda pair: pair[0])]
        self.list.addTopLevelItems(self._items)
        self._step(1)

    def _follow(self) -> None:
        """What could not be done when the palette opened may be possible by now, and the other way round."""
        able = {entry.key: entry.action.isEnabled() for entry in self._entries}
        for item in self._items:
            item.setDisabled(not able[item.data(0, Qt.ItemDataRole.UserRole)])
        if self.list.currentItem() is None:
            self._step(1)

    def _step(self, step: int) -> None:
        """Move the mark so many rows among those that can be run; from none to the first."""
        able = [item for item in self._items if not item.isDisabled()]
        if not able:
            return
        current = self.list.currentItem()
        row = able.index(current) + step if current in able else 0
        self.list.setCurrentItem(able[max(0, min(len(able) - 1, row))])

    def _item(self, entry: Entry) -> QTreeWidgetItem:
        keys = entry.action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
        item = QTreeWidgetItem([self._title(entry), keys])
        icon = entry.action.icon()
        item.setIcon(0, self._blank if icon.isNull() else icon)
        item.setData(0, Qt.ItemDataRole.UserRole, entry.key)
        item.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        item.setForeground(1, QColor(colors().dim))
        item.setSizeHint(0, QSize(0, 28))
        item.setDisabled(not entry.action.isEnabled())
        return item

    def _run(self) -> None:
        item = self.list.currentItem()
        if item is None or item.isDisabled():
            return
        key = item.data(0, Qt.ItemDataRole.UserRole)
        self.accept()
        next(entry.action for entry in self._entries if entry.key == key).trigger()

    def _title(self, entry: Entry) -> str:
        """Menu and name of an action, such as "View: Log"."""
        name = entry.action.text().replace("&", "")
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
    if not wanted:
        return 0, 0
    if wanted in text:
        return 0, text.index(wanted)
    place = 0
    for letter in wanted:
        place = text.find(letter, place) + 1
        if place == 0:
            return None
    return 1, place


class ShortcutSheet(Dialog):
    """All shortcuts, menu by menu."""

    def __init__(self, registry: ActionRegistry, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Keyboard shortcuts"))
        self.resize(110 * SPACE, 72 * SPACE)
        column = QVBoxLayout(self)
        content = QWidget()
        content.setObjectName("scroll_content")
        columns = QHBoxLayout(content)
        columns.setSpacing(6 * SPACE)
        halves = [QVBoxLayout(), QVBoxLayout()]
        for half in halves:
            half.setSpacing(2 * SPACE)
            columns.addLayout(half, 1)
        rows = [0, 0]
        for menu, title in registry.menus.items():
            entries = [entry for entry in registry.entries(menu) if not entry.action.shortcut().isEmpty()]
            if not entries:
                continue
            shorter = rows.index(min(rows))
            rows[shorter] += len(entries) + 2
            halves[shorter].addLayout(_shortcut_table(title, entries))
        extra = [
            (self.tr("Arrow keys"), self.tr("Move the slider that has the focus")),
            (self.tr("Double click"), self.tr("Reset a slider to the value of the image")),
            (self.tr("Esc"), self.tr("Close a dialog")),
        ]
        halves[rows.index(min(rows))].addLayout(_table(self.tr("Sliders and dialogs"), extra))
        for half in halves:
            half.addStretch(1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setWidget(content)
        column.addWidget(area)
        column.addLayout(_close_row(self))


def _shortcut_table(title: str, entries: list[Entry]) -> QGridLayout:
    rows = []
    for entry in entries:
        keys = " / ".join(key.toString(QKeySequence.SequenceFormat.NativeText) for key in entry.action.shortcuts()[:2])
        rows.append((keys, entry.action.text().replace("&", "").rstrip("…")))
    return _table(title.replace("&", ""), rows)


def _table(title: str, rows: list[tuple[str, str]]) -> QGridLayout:
    grid = QGridLayout()
    grid.setHorizontalSpacing(2 * SPACE)
    grid.setVerticalSpacing(SPACE // 2)
    head = text_label(title, "section")
    grid.addWidget(head, 0, 0, 1, 2)
    for row, (keys, text) in enumerate(rows, 1):
        grid.addWidget(QLabel(text), row, 0)
        label = text_label(keys)
        grid.addWidget(label, row, 1, Qt.AlignmentFlag.AlignRight)
    grid.setColumnStretch(0, 1)
    return grid


def _close_row(dialog: QDialog) -> QHBoxLayout:
    row = QHBoxLayout()
    row.addStretch(1)
    button = QPushButton(dialog.tr("Close"))
    button.clicked.connect(dialog.reject)
    row.addWidget(button)
    return row


class AboutDialog(Dialog):
    """Version, purpose, licences and credits."""

    def __init__(self, engine_text: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("About NVP Studio"))
        self.setFixedWidth(64 * SPACE)
        column = vbox(self, margins=(3 * SPACE, 3 * SPACE, 3 * SPACE, 2 * SPACE))
        title = text_label(f"NVP Studio {nvp_studio.__version__}", "heading")
        column.addWidget(title)
        for text, role in (
            (self.tr("Trains RealNVP normalizing flows on images and explores what they learnt."), ""),
            (engine_text, "dim"),
            (
                self.tr(
                    "Method: Dinh, Sohl-Dickstein and Bengio, “Density estimation using Real NVP”, 2017. "
                    "Images: Fashion-MNIST, Zalando Research, MIT licence. Icons: Lucide, ISC licence. "
                    "Built with PyTorch, Qt for Python and pyqtgraph. MIT licence."
                ),
                "dim",
            ),
        ):
            label = QLabel(text)
            label.setWordWrap(True)
            label.setProperty("role", role)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            column.addWidget(label)
        column.addLayout(_close_row(self))
