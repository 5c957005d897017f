"""The table of what each layer adds to a score; its current row is the layer that is looked at."""

from collections.abc import Iterable

from PySide6.QtCore import QCoreApplication
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHeaderView

from nvp_studio.state.ledger_model import LedgerModel
from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.table import PlainDelegate, Table

_ROW_HEIGHT = 24
_WIDTHS = {
    "nats": 12,
    "bits": 10,
    "sum": 9,
    "second": 9,
    "difference": 10,
    "usual": 9,
    "spread": 9,
    "deviation": 8,
}
_NAME = 23
"""The width of the names of layers, in the unit of the others."""
_LEFT_OUT = ("nats", "spread", "sum", "second", "usual", "deviation")
"""Columns that a table too narrow for all leaves out, in this order."""


class LedgerTable(Table):
    """Shows a `LedgerModel`."""

    def __init__(self, model: LedgerModel) -> None:
        super().__init__(model, QCoreApplication.translate("LedgerTable", "Layers"), _ROW_HEIGHT, least_width=5)
        self.setItemDelegate(PlainDelegate(self))
        header = self.horizontalHeader()
        for column, name in enumerate(LedgerModel.COLUMNS):
            if name in _WIDTHS:
                self.setColumnWidth(column, _WIDTHS[name] * SPACE)
            else:
                header.setSectionResizeMode(column, QHeaderView.ResizeMode.Stretch)
        self.setMinimumWidth(44 * SPACE)
        self._wanted = {"layer", "nats", "bits", "sum"}
        self._show_columns()

    def show_columns(self, names: Iterable[str], *, shown: bool) -> None:
        """Have columns, where there is room for them, or leave them out."""
        self._wanted = self._wanted | set(names) if shown else self._wanted - set(names)
        self._show_columns()

    def _show_columns(self) -> None:
        shown = [name for name in LedgerModel.COLUMNS if name in self._wanted]
        for name in _LEFT_OUT:
            if self.width() < (_NAME + sum(_WIDTHS.get(one, 0) for one in shown)) * SPACE:
                shown = [one for one in shown if one != name]
        for column, name in enumerate(LedgerModel.COLUMNS):
            self.setColumnHidden(column, name not in shown)

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._show_columns()
        super().resizeEvent(event)

    def choose(self, row: int) -> None:
        """Make a row the current one and bring it into view."""
        if self.currentIndex().row() != row:
            self.setCurrentIndex(self.model().index(row, 0))
