"""The list beside the curves: which run has which colour and value, and which runs are drawn."""

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QColor, QFont, QIcon, QPixmap
from PySide6.QtWidgets import QListWidget, QListWidgetItem

from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.series import Series, series_colour

_MARGIN = 60
"""Pixels of box and swatch beside a name."""
_KEY_ROLE = Qt.ItemDataRole.UserRole


class CurveList(QListWidget):
    """An entry per run, which can be ticked off, or per scale of one run."""

    hidden_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.hidden: set[str] = set()
        """Keys of the series that were ticked off; remembered for as long as the list lives."""
        self.setAccessibleName(self.tr("Curves shown"))
        self.setFixedWidth(26 * SPACE)
        self.setSpacing(SPACE // 4)
        self.setStyleSheet(f"QListView {{ padding: {SPACE // 2}px 0; }}")
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.itemChanged.connect(self._on_item_changed)

    def show_series(self, series: Sequence[Series], current: str) -> None:
        """List these runs, without values; the current one is bold."""
        with QSignalBlocker(self):
            self.clear()
            bold = QFont(self.font())
            bold.setWeight(QFont.Weight.DemiBold)
            for one in series:
                item = QListWidgetItem(_swatch(one.colour), one.name)
                item.setData(_KEY_ROLE, one.key)
                item.setToolTip(one.name)
                if one.key == current and len(series) > 1:
                    item.setFont(bold)
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
                hidden = one.key in self.hidden
                item.setCheckState(Qt.CheckState.Unchecked if hidden else Qt.CheckState.Checked)
                self.addItem(item)

    def show_values(self, lines: Sequence[tuple[str, str]]) -> None:
        """Show (name, value) of each run listed."""
        with QSignalBlocker(self):
            for row, (name, value) in enumerate(lines):
                self.item(row).setText(f"{self.short(name)}\n{value}")

    def show_scales(self, values: Sequence[str]) -> None:
        """List the scales of one run with their values, finest first; the finest is at the bottom, as in the plot."""
        with QSignalBlocker(self):
            self.clear()
            for scale, value in reversed(list(enumerate(values))):
                name = self.tr("Scale {0}").format(scale + 1)
                item = QListWidgetItem(_swatch(scale), f"{name}\n{value}")
                item.setFlags(Qt.ItemFlag.ItemIsEnabled)
                self.addItem(item)

    def short(self, name: str) -> str:
        """A name cut to the width of the list."""
        return self.fontMetrics().elidedText(name, Qt.TextElideMode.ElideMiddle, self.width() - _MARGIN)

    def _on_item_changed(self, item: QListWidgetItem) -> None:
        key = item.data(_KEY_ROLE)
        if item.checkState() == Qt.CheckState.Checked:
            self.hidden.discard(key)
        else:
            self.hidden.add(key)
        self.hidden_changed.emit()


def _swatch(colour: int) -> QIcon:
    pixmap = QPixmap(12, 12)
    pixmap.fill(QColor(series_colour(colour)))
    return QIcon(pixmap)
