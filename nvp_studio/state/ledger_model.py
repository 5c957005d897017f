"""The ledger of Inspect as a table: a row for each layer, of one picture or of two."""

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from nvp_studio.explore.inspected import Inspection
from nvp_studio.explore.ledger_rows import Baseline, cumulative
from nvp_studio.text import figure

DIGITS = 4
"""Decimals of bits/dim: those of `nvp-studio score`."""
_LEAST_SPREAD = 0.5 * 10**-DIGITS
"""A layer adds the same to all images where the spread is less, and no picture deviates there."""
_Index = QModelIndex | QPersistentModelIndex


class LedgerModel(QAbstractTableModel):
    """The rows of the ledger, the pixels first; what is shown of a row is the difference of two rounded sums."""

    COLUMNS = ("layer", "nats", "bits", "sum", "second", "difference", "usual", "spread", "deviation")

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: list[tuple[str, ...]] = []
        self._shown: tuple[Inspection | None, Inspection | None, Baseline | None] = (None, None, None)

    def show_inspections(
        self, first: Inspection | None, second: Inspection | None = None, baseline: Baseline | None = None
    ) -> None:
        """Show the rows of other pictures, beside what is usual."""
        shown = first, second, baseline
        if all(a is b for a, b in zip(shown, self._shown, strict=True)):
            return
        self._shown = shown
        self.beginResetModel()
        self._rows = [] if first is None else _texts(first, second, baseline)
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
                self.tr("Usual"),
                self.tr("Spread"),
                self.tr("Off by"),
            )[section]
        if role == Qt.ItemDataRole.ToolTipRole:
            return (
                self.tr("Click a row to see the values after the layer"),
                self.tr("Log-determinant of the layer; of a prior the log-density of the latents that leave there"),
                self.tr("What the layer adds to the score; negative where it makes the image likelier"),
                self.tr("Sum of the rows so far; the last is the score"),
                self.tr("Bits/dim of the second picture"),
                self.tr("Bits/dim of the second picture, less those of the first"),
                self.tr("Mean bits/dim of the layer over the reference images"),
                self.tr("Standard deviation of that over the reference images"),
                self.tr("How many such deviations the picture's bits/dim are above the mean, or below it"),
            )[section]
        return None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if role == Qt.ItemDataRole.DisplayRole:
            return self._rows[index.row()][index.column()]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignRight if index.column() else Qt.AlignmentFlag.AlignLeft
            return int(side | Qt.AlignmentFlag.AlignVCenter)
        return None


def _texts(first: Inspection, second: Inspection | None, baseline: Baseline | None) -> list[tuple[str, ...]]:
    """The cells of the table; nothing where there is no second picture or no baseline."""
    rows = [(first.stages[0].layer, *[""] * (len(LedgerModel.COLUMNS) - 1))]
    others = [] if second is None else cumulative(second.ledger.rows, DIGITS)
    usual = {} if baseline is None else {row.layer: row for row in baseline.rows}
    shown = cumulative(first.ledger.rows, DIGITS)
    for number, (row, (value, total)) in enumerate(zip(first.ledger.rows, shown, strict=True)):
        compared = known = ("", "")
        deviation = ""
        if number < len(others):
            compared = _bits(others[number][0]), figure(others[number][0] - value, f"+z.{DIGITS}f")
        if row.layer in usual:
            mean, spread = usual[row.layer].bits_per_dim, usual[row.layer].spread
            known = _bits(mean), _bits(spread)
            if spread >= _LEAST_SPREAD:
                deviation = figure((row.bits_per_dim - mean) / spread, "+z.1f")
        rows.append((row.layer, figure(row.nats, "z.2f"), _bits(value), _bits(total), *compared, *known, deviation))
    return rows


def _bits(value: float) -> str:
    return figure(value, f"z.{DIGITS}f")
