"""Table of runs: one line each, chosen with mouse or arrow keys."""

from PySide6.QtCore import QAbstractItemModel, QCoreApplication, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QHeaderView, QStyle, QStyleOptionViewItem

from nvp_studio.state.run_states import summary_text
from nvp_studio.state.runs import RUN_ROLE, RunsModel
from nvp_studio.views.theme import SPACE, colors
from nvp_studio.views.widgets.table import PlainDelegate, Table

ROW_HEIGHT = 26
_WIDTHS = (20, 16, 15, 8, 10, 15, 12, 14, 14)
"""Of the columns, in units of `SPACE`; the first takes the room that is left."""
_MIN_NAME, _GOOD_NAME = 14 * SPACE, 24 * SPACE
"""Least width of the name beside the most important two columns, and beside more: that of a date and a data set."""
_BY_WORTH = tuple(map(RunsModel.COLUMNS.index, ("best", "state", "steps", "data", "tags", "started", "time", "preset")))
"""The columns beside the name; where there is no room for all, the last of these are hidden."""
_TAGS = RunsModel.COLUMNS.index("tags")
_LEVELS = {
    "preparing": "accent",
    "training": "accent",
    "pausing": "warning",
    "paused": "warning",
    "stopping": "warning",
    "restarting": "warning",
    "finished": "success",
    "failed": "error",
    "interrupted": "error",
}


def state_colour(state: str) -> str:
    """The colour (a field of `Colors`) that the state of a run is written in."""
    return _LEVELS.get(state, "dim")


class RunTable(Table):
    """Shows a `RunsModel`, or one that sorts and filters it."""

    chosen = Signal(str)
    """Folder of the run that was selected; empty when none is."""

    def __init__(self, model: QAbstractItemModel, *, sortable: bool = False) -> None:
        """`sortable`: a click on a heading sorts, and there is room for the tags."""
        super().__init__(model, QCoreApplication.translate("RunTable", "Runs"), ROW_HEIGHT, least_width=6)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        self.setItemDelegate(_StateDelegate(self))
        header = self.horizontalHeader()
        self._widths = [width * SPACE for width in _WIDTHS]
        for column, width in enumerate(self._widths):
            self.setColumnWidth(column, width)
        if sortable:
            header.setSortIndicator(7, Qt.SortOrder.DescendingOrder)
            self.setSortingEnabled(True)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self._columns = [column for column in _BY_WORTH if sortable or column != _TAGS]
        self.setColumnHidden(_TAGS, not sortable)
        self.row_chosen.connect(lambda index: self.chosen.emit(self._folder(index)))

    @property
    def folder(self) -> str:
        """Folder of the selected run; empty when none is."""
        return self._folder(self.currentIndex())

    def choose(self, row: int) -> None:
        """Select a row."""
        if row >= 0 and row != self.currentIndex().row():
            self.selectRow(row)

    def clear_choice(self) -> None:
        """Select no row."""
        self.clearSelection()
        self.setCurrentIndex(QModelIndex())

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._hide_columns()
        super().resizeEvent(event)

    def _hide_columns(self) -> None:
        """Show as many columns as there is room for, the most important first."""
        room = self.viewport().width()
        for column in range(1, self.model().columnCount()):
            if not self.isColumnHidden(column):
                self._widths[column] = self.columnWidth(column)
        for number, column in enumerate(self._columns):
            room -= self._widths[column]
            hidden = room < (_MIN_NAME if number < 2 else _GOOD_NAME)
            if self.isColumnHidden(column) != hidden:
                self.setColumnHidden(column, hidden)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self.model().rowCount():
            return
        painter = QPainter(self.viewport())
        painter.setPen(QColor(colors().dim))
        text = self.tr("No runs yet. Every run is listed here, to be resumed, explored or compared.")
        painter.drawText(self.viewport().rect(), Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, text)

    def _folder(self, index: QModelIndex) -> str:
        return index.data(RUN_ROLE).folder if index.isValid() else ""


class _StateDelegate(PlainDelegate):
    """Paints the state in its colour, without its reason where there is no room for it."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> None:
        super().initStyleOption(option, index)
        if index.column() == 0:
            option.textElideMode = Qt.TextElideMode.ElideMiddle  # names often differ at their end
        if index.column() != 1:
            return
        run = index.data(RUN_ROLE).summary
        if option.rect.isValid() and not self._fits(option):
            option.text = summary_text(run)
        self.write_in(state_colour(run.state), option)

    def _fits(self, option: QStyleOptionViewItem) -> bool:
        """Whether the whole text can be seen; a cell that is asked for its size has no room yet to judge by."""
        style = option.widget.style()
        margin = style.pixelMetric(QStyle.PixelMetric.PM_FocusFrameHMargin, option, option.widget) + 1
        room = style.subElementRect(QStyle.SubElement.SE_ItemViewItemText, option, option.widget)
        return option.fontMetrics.horizontalAdvance(option.text) <= room.width() - 2 * margin
