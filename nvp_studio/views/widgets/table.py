"""What the tables of the window have in common: rows chosen and opened with mouse or keys, headings, no grid."""

from PySide6.QtCore import QAbstractItemModel, QEvent, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QColor, QHelpEvent, QKeyEvent, QPalette
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QToolTip,
)

from nvp_studio.text import escaped
from nvp_studio.views.theme import SPACE, colors, theme
from nvp_studio.views.widgets.labels import plain_tip


class Table(QTableView):
    """A table whose rows are chosen as a whole."""

    row_chosen = Signal(QModelIndex)
    """The row that was selected; invalid when none is."""
    opened = Signal(QModelIndex)
    """The row that was double-clicked, or chosen with Return."""

    def __init__(self, model: QAbstractItemModel, name: str, row_height: int, least_width: int) -> None:
        """`name` is the accessible name; `least_width` of a column is in units of `SPACE`."""
        super().__init__()
        self.setModel(model)
        self.setAccessibleName(name)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(row_height)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.setStyleSheet("QTableView::item { padding: 0 5px; }")
        self.horizontalHeader().setHighlightSections(False)
        self.horizontalHeader().setMinimumSectionSize(least_width * SPACE)
        self.selectionModel().currentRowChanged.connect(lambda current, _: self.row_chosen.emit(current))
        self.doubleClicked.connect(self.opened)
        theme().changed.connect(self.viewport().update)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.currentIndex().isValid():
            self.opened.emit(self.currentIndex())
            return
        super().keyPressEvent(event)


class PlainDelegate(QStyledItemDelegate):
    """Shows texts as they are, and no dotted frame around the cell with the focus: the row is marked as a whole."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> None:
        super().initStyleOption(option, index)
        option.state &= ~QStyle.StateFlag.State_HasFocus
        option.text = escaped(option.text)

    def helpEvent(
        self,
        event: QHelpEvent,
        view: QAbstractItemView,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> bool:
        tip = index.data(Qt.ItemDataRole.ToolTipRole)
        if event.type() == QEvent.Type.ToolTip and tip:
            QToolTip.showText(event.globalPos(), plain_tip(tip), view)
            return True
        return super().helpEvent(event, view, option, index)

    def write_in(self, colour: str, option: QStyleOptionViewItem) -> None:
        """Write the text in this colour (a field of `Colors`), in a selected row too."""
        for role in (QPalette.ColorRole.Text, QPalette.ColorRole.HighlightedText):
            option.palette.setColor(role, QColor(getattr(colors(), colour)))
