"""The list beside the curves: which run has which colour and value, and which runs are drawn."""

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontMetrics, QIcon, QPixmap
from PySide6.QtWidgets import QListWidget, QListWidgetItem

from nvp_studio.text import escaped
from nvp_studio.views.theme import SPACE, theme
from nvp_studio.views.widgets.labels import plain_tip, shortened
from nvp_studio.views.widgets.series import series_colour

WIDTHS = 18 * SPACE, 26 * SPACE
"""Least and most pixels of the list."""
_MARGIN = 60
"""Pixels of box and swatch beside a name."""


@dataclass(frozen=True)
class ListedCurve:
    """A curve or layer of the plot; one with a `key` can be ticked off."""

    name: str
    colour: int
    key: str = ""
    bold: bool = False


class CurveList(QListWidget):
    """An entry per run, which can be ticked off, or per scale of one run, with its value."""

    hidden_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.hidden: set[str] = set()
        """Keys of the entries that were ticked off; remembered for as long as the list lives."""
        self._entries: Sequence[ListedCurve] = ()
        self.setAccessibleName(self.tr("Curves shown"))
        self.setFixedWidth(WIDTHS[1])
        self.setSpacing(SPACE // 4)
        self.setStyleSheet(f"QListView {{ padding: {SPACE // 2}px 0; }}")
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.itemChanged.connect(self._on_item_changed)
        theme().changed.connect(self._paint_swatches)

    def show_entries(self, entries: Sequence[ListedCurve], values: Sequence[str]) -> None:
        """List these with their values; where the entries are those listed already, only the values change."""
        with QSignalBlocker(self):
            if entries != self._entries:
                self._entries = entries
                self._fill()
            for row, (entry, value) in enumerate(zip(entries, values, strict=True)):
                fitting = shortened(value, self._metrics(entry.bold), self.width() - _MARGIN)
                self.item(row).setText(f"{self.short(entry.name, bold=entry.bold)}\n{fitting}")

    def _fill(self) -> None:
        self.clear()
        for entry in self._entries:
            item = QListWidgetItem()
            if entry.key:
                item.setToolTip(plain_tip(entry.name))
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
                item.setCheckState(Qt.CheckState.Unchecked if entry.key in self.hidden else Qt.CheckState.Checked)
            else:
                item.setFlags(Qt.ItemFlag.ItemIsEnabled)
            if entry.bold:
                item.setFont(self._bold())
            self.addItem(item)
        self._paint_swatches()

    def _paint_swatches(self) -> None:
        with QSignalBlocker(self):
            for row, entry in enumerate(self._entries):
                pixmap = QPixmap(12, 12)
                pixmap.fill(QColor(series_colour(entry.colour)))
                self.item(row).setIcon(QIcon(pixmap))

    def _bold(self) -> QFont:
        font = QFont(self.font())
        font.setWeight(QFont.Weight.DemiBold)
        return font

    def _metrics(self, bold: bool) -> QFontMetrics:
        return QFontMetrics(self._bold()) if bold else self.fontMetrics()

    def short(self, name: str, *, bold: bool = False) -> str:
        """A name cut to the width of the list."""
        metrics = self._metrics(bold)
        return metrics.elidedText(escaped(name), Qt.TextElideMode.ElideMiddle, self.width() - _MARGIN)

    def _on_item_changed(self, item: QListWidgetItem) -> None:
        key = self._entries[self.row(item)].key
        if item.checkState() == Qt.CheckState.Checked:
            self.hidden.discard(key)
        else:
            self.hidden.add(key)
        self.hidden_changed.emit()
