"""Command palette, shortcut sheet and about box, all made from the action registry."""

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

import nvp_studio
from nvp_studio.views.actions import ActionRegistry, Entry
from nvp_studio.views.theme import SPACE


class CommandPalette(QDialog):
    """Type a few letters of an action's name, press Enter."""

    def __init__(self, registry: ActionRegistry, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Commands"))
        self.setWindowFlag(Qt.WindowType.FramelessWindowHint)
        self.resize(64 * SPACE, 48 * SPACE)
        self._menus = registry.menus
        self._entries = [entry for entry in registry.entries() if entry.action.isVisible()]
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE, SPACE, SPACE, SPACE)
        self.field = QLineEdit()
        self.field.setPlaceholderText(self.tr("What do you want to do?"))
        self.field.setAccessibleName(self.tr("Search for a command"))
        self.field.textChanged.connect(self._fill)
        self.field.installEventFilter(self)
        self.list = QListWidget()
        self.list.setAccessibleName(self.tr("Commands"))
        self.list.itemActivated.connect(lambda _: self._run())
        self.list.itemClicked.connect(lambda _: self._run())
        column.addWidget(self.field)
        column.addWidget(self.list)
        self._fill("")

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self.field and isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            step = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1, Qt.Key.Key_PageDown: 8, Qt.Key.Key_PageUp: -8}.get(
                Qt.Key(event.key())
            )
            if step is not None and self.list.count():
                self.list.setCurrentRow(max(0, min(self.list.count() - 1, self.list.currentRow() + step)))
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self._run()
                return True
        return False

    def _fill(self, text: str) -> None:
        self.list.clear()
        found = [(rank, entry) for entry in self._entries if (rank := _rank(text, self._title(entry))) is not None]
        for _, entry in sorted(found, key=lambda pair: pair[0]):
            item = QListWidgetItem(entry.action.icon(), self._with_keys(entry))
            item.setData(Qt.ItemDataRole.UserRole, entry.key)
            if not entry.action.isEnabled():
                item.setFlags(Qt.ItemFlag.NoItemFlags)
            self.list.addItem(item)
        for row in range(self.list.count()):
            if self.list.item(row).flags() & Qt.ItemFlag.ItemIsEnabled:
                self.list.setCurrentRow(row)
                break

    def _run(self) -> None:
        item = self.list.currentItem()
        if item is None or not item.flags() & Qt.ItemFlag.ItemIsEnabled:
            return
        key = item.data(Qt.ItemDataRole.UserRole)
        self.accept()
        next(entry.action for entry in self._entries if entry.key == key).trigger()

    def _title(self, entry: Entry) -> str:
        """Menu and name of an action, such as "View: Log"."""
        name = entry.action.text().replace("&", "")
        menu = self._menus.get(entry.menu, "").replace("&", "")
        return f"{menu}: {name}" if menu else name

    def _with_keys(self, entry: Entry) -> str:
        keys = entry.action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
        return f"{self._title(entry)}    {keys}" if keys else self._title(entry)


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


class ShortcutSheet(QDialog):
    """All shortcuts, menu by menu."""

    def __init__(self, registry: ActionRegistry, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Keyboard shortcuts"))
        self.resize(88 * SPACE, 68 * SPACE)
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
            (self.tr("Double click on a slider"), self.tr("Back to where the image had it")),
            (self.tr("Esc"), self.tr("Close a dialog")),
        ]
        halves[rows.index(min(rows))].addLayout(_table(self.tr("Sliders and dialogs"), extra))
        for half in halves:
            half.addStretch(1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setWidget(content)
        column.addWidget(area)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        column.addWidget(buttons)


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
    head = QLabel(title)
    head.setProperty("role", "section")
    grid.addWidget(head, 0, 0, 1, 2)
    for row, (keys, text) in enumerate(rows, 1):
        grid.addWidget(QLabel(text), row, 0)
        label = QLabel(keys)
        label.setProperty("role", "dim")
        grid.addWidget(label, row, 1, Qt.AlignmentFlag.AlignRight)
    grid.setColumnStretch(0, 1)
    return grid


class AboutDialog(QDialog):
    """Version, what the program is, and whose work it stands on."""

    def __init__(self, engine_words: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("About NVP Studio"))
        self.setFixedWidth(64 * SPACE)
        column = QVBoxLayout(self)
        column.setSpacing(SPACE)
        column.setContentsMargins(3 * SPACE, 3 * SPACE, 3 * SPACE, 2 * SPACE)
        title = QLabel(f"NVP Studio {nvp_studio.__version__}")
        title.setProperty("role", "heading")
        column.addWidget(title)
        for text, role in (
            (self.tr("Trains RealNVP normalizing flows on images and explores what they learnt."), ""),
            (engine_words, "dim"),
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
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        column.addWidget(buttons)
