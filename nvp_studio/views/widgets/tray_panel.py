"""The tray: pictures that were kept, side by side, each with its name."""

import re
from collections.abc import Sequence

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QContextMenuEvent, QFontMetrics, QIcon, QKeyEvent, QPixmap
from PySide6.QtWidgets import QListWidget, QListWidgetItem, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from nvp_studio.state.qimages import qimage
from nvp_studio.state.stored_tray import TrayPicture
from nvp_studio.views.menus import MnemonicMenu
from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.action_button import ActionButton
from nvp_studio.views.widgets.labels import plain_tip
from nvp_studio.views.widgets.layout import hbox, text_label, vbox

_SIDE = 6 * SPACE
_WIDTH = 16 * SPACE
_HEIGHT = 12 * SPACE


class TrayPanel(QWidget):
    """Emits what a person wants done with a picture, by its number from 0 on."""

    chosen = Signal(int)
    renamed = Signal(int, str)
    deleted = Signal(int)
    moved = Signal(int, int)
    """(number, number that it is to have)."""
    dragged = Signal(int)
    """Pulled out."""

    def __init__(self, keep: QAction) -> None:
        super().__init__()
        self.list = PictureList(self.tr("Pictures of the tray"), _SIDE, _HEIGHT)
        self.list.chosen.connect(self.chosen)
        self.list.deleted.connect(self.deleted)
        self.list.moved.connect(self.moved)
        self.list.dragged.connect(self.dragged)
        self.empty = text_label(
            self.tr("Pictures that you keep (K) appear here, also after the next start."), wrap=True
        )
        line = hbox(self)
        column = vbox()
        column.addWidget(self.list)
        column.addWidget(self.empty)
        line.addLayout(column, 1)
        line.addWidget(ActionButton(keep, flat=True))
        self.list.itemClicked.connect(lambda item: self.chosen.emit(self.list.row(item)))
        self.list.itemChanged.connect(self._on_item_changed)
        self.show_pictures(())

    def show_pictures(self, pictures: Sequence[TrayPicture]) -> None:
        """Show the pictures of the tray, in their order."""
        current = self.list.currentRow()
        keys = self.tr("A click shows it, F2 renames it, Del removes it; a right click offers all that can be done.")
        self.list.blockSignals(True)
        self.list.clear()
        for picture in pictures:
            pixmap = QPixmap.fromImage(qimage(picture.thumbnail.batch())).scaled(
                QSize(_SIDE, _SIDE), Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.FastTransformation
            )
            item = QListWidgetItem(QIcon(pixmap), picture.name)
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
            item.setSizeHint(QSize(_WIDTH, _SIDE + 3 * SPACE))
            item.setToolTip(plain_tip(f"{picture.name}\n{picture.model_name}\n{keys}"))
            self.list.addItem(item)
        self.list.setCurrentRow(min(current, len(pictures) - 1))
        self.list.blockSignals(False)
        self.list.setVisible(bool(pictures))
        self.empty.setVisible(not pictures)

    def _on_item_changed(self, item: QListWidgetItem) -> None:
        """Tell a new name once the field that it was typed into is closed: the items are made anew then."""
        row, name = self.list.row(item), item.text()
        QTimer.singleShot(0, self, lambda: self.renamed.emit(row, name))


_NUMBER = re.compile(r"\d+")


def caption(name: str, metrics: QFontMetrics, width: int) -> str:
    """A name shortened to `width` pixels where its numbers stay, which tell pictures apart, or at least the first."""
    mode = Qt.TextElideMode
    ways = [metrics.elidedText(name, way, width) for way in (mode.ElideMiddle, mode.ElideRight, mode.ElideLeft)]
    numbers = _NUMBER.findall(name)
    for wanted in (numbers, numbers[:1]):
        for shown in ways:
            if all(number in _NUMBER.findall(shown) for number in wanted):
                return shown
    return ways[0]


class _Captions(QStyledItemDelegate):
    """Writes names as `caption` shortens them."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> None:
        super().initStyleOption(option, index)
        option.text = caption(option.text, option.fontMetrics, option.rect.width() - SPACE)


class PictureList(QListWidget):
    """Arrow keys choose, Return shows, F2 renames, Del deletes, Alt with an arrow key moves; a menu has all of it."""

    chosen = Signal(int)
    deleted = Signal(int)
    moved = Signal(int, int)
    dragged = Signal(int)

    def __init__(self, name: str, side: int, height: int) -> None:
        """`side` is that of a picture, `height` that of the list, in pixels."""
        super().__init__()
        self.setViewMode(QListWidget.ViewMode.IconMode)
        self.setMovement(QListWidget.Movement.Static)
        self.setDragEnabled(True)
        self.setWrapping(False)
        self.setIconSize(QSize(side, side))
        self.setFixedHeight(height)
        self._captions = _Captions()
        self.setItemDelegate(self._captions)
        self.setEditTriggers(QListWidget.EditTrigger.EditKeyPressed)
        self.setHorizontalScrollMode(QListWidget.ScrollMode.ScrollPerPixel)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName(name)

    def startDrag(self, actions: Qt.DropAction) -> None:
        if self.currentRow() >= 0:
            self.dragged.emit(self.currentRow())

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        by_key = event.reason() == QContextMenuEvent.Reason.Keyboard
        item = self.currentItem() if by_key else self.itemAt(event.pos())
        if item is None:
            return
        place = self.viewport().mapToGlobal(self.visualItemRect(item).center()) if by_key else event.globalPos()
        self.setCurrentItem(item)
        row = self.row(item)
        menu = MnemonicMenu(self)
        menu.addAction(self.tr("&Show"), lambda: self.chosen.emit(row))
        if item.flags() & Qt.ItemFlag.ItemIsEditable:
            menu.addAction(self.tr("Re&name"), "F2", lambda: self.editItem(self.item(row)))
        menu.addAction(self.tr("Move &left"), "Alt+Left", lambda: self._move(row, -1)).setEnabled(row > 0)
        menu.addAction(self.tr("Move &right"), "Alt+Right", lambda: self._move(row, 1)).setEnabled(
            row + 1 < self.count()
        )
        menu.addSeparator()
        menu.addAction(self.tr("Re&move"), "Del", lambda: self.deleted.emit(row))
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(place)
        event.accept()

    def _move(self, row: int, step: int) -> None:
        if 0 <= row + step < self.count():
            self.moved.emit(row, row + step)
            self.setCurrentRow(row + step)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        row, key = self.currentRow(), event.key()
        editing = self.state() == QListWidget.State.EditingState
        step = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(key))
        if row < 0 or editing:
            super().keyPressEvent(event)
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.chosen.emit(row)
        elif key == Qt.Key.Key_Delete:
            self.deleted.emit(row)
        elif step is not None and event.modifiers() & Qt.KeyboardModifier.AltModifier:
            self._move(row, step)
        else:
            super().keyPressEvent(event)
