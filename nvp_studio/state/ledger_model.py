"""The ledger of Inspect as a table: a row for each layer, of one picture or of two."""

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from nvp_studio.explore.inspected import Inspection
from nvp_studio.explore.ledger_rows import cumulative

DIGITS = 4
"""Decimals of bits/dim: those of `nvp-studio score`."""
_Index = QModelIndex | QPersistentModelIndex


class LedgerModel(QAbstractTableModel):
    """The rows of the ledger, the pixels first; what is shown of a row is the difference of two rounded sums."""

    COLUMNS = ("layer", "nats", "bits", "sum", "second", "difference")

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: list[tuple[str, ...]] = []
        self._shown: tuple[Inspection | None, Inspection | None] = (None, None)

    def show_inspections(self, first: Inspection | None, second: Inspection | None = None) -> None:
        """Show the rows of other pictures."""
        if first is self._shown[0] and second is self._shown[1]:
            return
        self._shown = first, second
        self.beginResetModel()
        self._rows = []
        if first is not None:
            self._rows.append((first.stages[0].layer, *[""] * (len(self.COLUMNS) - 1)))
            others = [] if second is None else cumulative(second.ledger.rows, DIGITS)
            shown = cumulative(first.ledger.rows, DIGITS)
            for number, (row, (value, total)) in enumerate(zip(first.ledger.rows, shown, strict=True)):
                texts = (row.layer, f"{row.nats:.2f}", _bits(value), _bits(total))
                other = others[number][0] if number < len(others) else None
                compared = ("", "") if other is None else (_bits(other), f"{other - value:+.{DIGITS}f}")
                self._rows.append((*texts, *compared))
        self.endResetModel()

    def rowCount(self, parent: _Index = QModelIndex()) -> int:
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:
        return 0 if parent.isValid() else len(self.COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return (
                self.tr("Layer"),
                self.tr("Nats"),
                self.tr("Bits/dim"),
                self.tr("Sum"),
                self.tr("Second"),
                self.tr("Change"),
            )[section]
        if role == Qt.ItemDataRole.ToolTipRole:
            return (
                self.tr("Click a row to see the values after the layer"),
                self.tr("Log-determinant of the layer; of a prior the log-density of the latents that leave there"),
                self.tr("What the layer adds to the score; negative where it makes the image likelier"),
                self.tr("Sum of the rows so far; the last is the score"),
                self.tr("Bits/dim of the second picture"),
                self.tr("Bits/dim of the second picture, less those of the first"),
            )[section]
        return None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if role == Qt.ItemDataRole.DisplayRole:
            return self._rows[index.row()][index.column()]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignRight if index.column() else Qt.AlignmentFlag.AlignLeft
            return int(side | Qt.AlignmentFlag.AlignVCenter)
        return None


def _bits(value: float) -> str:
    return f"{value:.{DIGITS}f}"
