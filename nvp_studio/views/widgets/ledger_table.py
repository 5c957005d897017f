"""The table of what each layer adds to a score; its current row is the layer that is looked at."""

from PySide6.QtCore import QCoreApplication
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHeaderView

from nvp_studio.state.inspect import LedgerModel
from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.table import PlainDelegate, Table

_ROW_HEIGHT = 24
_WIDTHS = {"nats": 11, "bits": 9, "sum": 9}
_ALL = 56 * SPACE
"""The width that shows all columns; a narrower table leaves the nats out."""


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

    def resizeEvent(self, event: QResizeEvent) -> None:
        self.setColumnHidden(LedgerModel.COLUMNS.index("nats"), self.width() < _ALL)
        super().resizeEvent(event)

    def choose(self, row: int) -> None:
        """Make a row the current one and bring it into view."""
        if self.currentIndex().row() != row:
            self.setCurrentIndex(self.model().index(row, 0))
