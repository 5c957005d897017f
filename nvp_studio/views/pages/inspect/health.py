"""What the examination of the layers found, and what was measured of each; a click goes to the layer."""

from PySide6.QtCore import QSignalBlocker, QSize, Qt
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialogButtonBox,
    QHeaderView,
    QProgressBar,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from nvp_studio.explore.health_report import Health, LayerHealth
from nvp_studio.state.health import HealthState
from nvp_studio.state.inspect import InspectState
from nvp_studio.text import figure
from nvp_studio.views.dialogs import Dialog
from nvp_studio.views.theme import SPACE, colors, pixmap, theme
from nvp_studio.views.widgets.inputs import ComboBox
from nvp_studio.views.widgets.layout import hbox, splitter, text_label
from nvp_studio.views.widgets.notification_stack import LEVEL_ICONS
from nvp_studio.views.widgets.table import PlainDelegate


class HealthDialog(Dialog):
    """Findings above, measurements below."""

    def __init__(self, health: HealthState, state: InspectState, parent: QWidget) -> None:
        super().__init__(parent)
        self._health, self._state = health, state
        self.setWindowTitle(self.tr("Health of the layers"))
        self.resize(130 * SPACE, 72 * SPACE)
        row = hbox()
        self.summary = text_label(wrap=True)
        row.addWidget(self.summary, 1)
        sources = [(self.tr("On samples of the model"), False), (self.tr("On the present picture"), True)]
        self.source = ComboBox(sources, self.tr("What the layers are measured on"), 28 * SPACE)
        self.source.currentIndexChanged.connect(self._examine)
        row.addWidget(self.source)
        self.column.addLayout(row)
        self.progress = QProgressBar(textVisible=False)
        self.progress.setAccessibleName(self.tr("Progress of the examination"))
        self.column.addWidget(self.progress)
        self.findings = self._table([self.tr("Finding")], self.tr("Findings"))
        self.findings.setWordWrap(True)
        self.findings.setIconSize(QSize(16, 16))
        self.findings.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.findings.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        headings = {
            self.tr("Layer"): self.tr("Click a row to go to the layer"),
            self.tr("Mean"): self.tr("Mean of the values after the layer"),
            self.tr("Deviation"): self.tr("Standard deviation of the values after the layer"),
            self.tr("Largest"): self.tr("The largest size of a value after the layer"),
            self.tr("Slopes"): self.tr(
                "Least and greatest slope of a coupling: exp(s), or those of splines or mixtures"
            ),
            self.tr("Saturated"): self.tr("The part of the scales s that are at their bound"),
            self.tr("Outside"): self.tr("The part of the values outside of the bins of the splines"),
            self.tr("Condition"): self.tr("Condition number of a channel mixing"),
            self.tr("Dead"): self.tr("The part of the network's feature maps that are the same at every pixel"),
            self.tr("Inverse error"): self.tr("How far decoding from the latents is from the values before the layer"),
        }
        self.layers = self._table(list(headings), self.tr("Measurements of the layers"))
        for column, tip in enumerate(headings.values()):
            heading = self.layers.horizontalHeaderItem(column)
            assert heading is not None
            heading.setToolTip(tip)
        self.layers.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        parts = splitter(Qt.Orientation.Vertical, (self.findings, self.layers), (2, 3))
        self.column.addWidget(parts, 1)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        role = QDialogButtonBox.ButtonRole.ActionRole
        self.again = buttons.addButton(self.tr("Examine again"), role)
        self.again.clicked.connect(self._examine)
        buttons.rejected.connect(self.reject)
        self.column.addWidget(buttons)
        self._shown: Health | None = None
        health.changed.connect(self._show)
        theme().changed.connect(self._fill)
        self.finished.connect(health.cancel)
        state.first.came.connect(self._on_picture)
        if health.health is None:
            self._examine()
        else:
            with QSignalBlocker(self.source):
                self.source.setCurrentIndex(0 if health.health.samples else 1)
        self._show()

    def _table(self, headings: list[str], name: str) -> QTableWidget:
        table = QTableWidget(0, len(headings))
        table.setAccessibleName(name)
        table.setHorizontalHeaderLabels(headings)
        table.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        table.horizontalHeader().setHighlightSections(False)
        table.verticalHeader().hide()
        table.setShowGrid(False)
        table.setStyleSheet("QTableView::item { padding: 3px 5px; }")
        table.setTabKeyNavigation(False)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setItemDelegate(PlainDelegate(table))
        table.itemClicked.connect(self._go)
        table.itemActivated.connect(self._go)
        return table

    def _examine(self) -> None:
        picture = self._state.first.recipe if self.source.currentData() else None
        if self.source.currentData() and picture is None:
            self.source.setCurrentIndex(0)  # there is no picture: this examines samples
        else:
            self._health.examine(picture)

    def _on_picture(self) -> None:
        """Another picture is shown: what is told of the one before would be taken for this one's."""
        if self.source.currentData():
            self._examine()

    def _go(self, item: QTableWidgetItem) -> None:
        self._state.move_to_layer(item.data(Qt.ItemDataRole.UserRole))

    def _show(self) -> None:
        health = self._health
        self.summary.setText(self._words())
        self.progress.setVisible(health.busy)
        self.progress.setRange(0, health.total)
        self.progress.setValue(health.done)
        self.again.setEnabled(not health.busy)
        if self._shown is not health.health:
            self._fill()

    def _words(self) -> str:
        found = self._health.health
        if found is None:
            examining = self.tr("Every layer is measured on samples of the model…")
            if self.source.currentData():
                examining = self.tr("Every layer is measured on the present picture…")
            nothing = self.tr("The layers of this model were not examined yet.")
            return self._health.problem or (examining if self._health.busy else nothing)
        problems = sum(one.level == "problem" for one in found.findings)
        notes = len(found.findings) - problems
        on_samples = self.tr("{0} layers, measured on {1} samples of the model.")
        on_picture = self.tr("{0} layers, measured on the present picture.")
        measured = (on_samples if found.samples else on_picture).format(len(found.layers), found.images)
        if not found.findings:
            return f"{measured} " + self.tr("Nothing was found that needs attention.")
        counts = self.tr("Problems: {0}, notes: {1}. Click one to go to its layer.").format(problems, notes)
        return f"{measured} {counts}"

    def _fill(self) -> None:
        found = self._shown = self._health.health
        self.findings.setVisible(found is not None and bool(found.findings))
        with QSignalBlocker(self.findings), QSignalBlocker(self.layers):
            self.findings.setRowCount(0 if found is None else len(found.findings))
            self.layers.setRowCount(0 if found is None else len(found.layers))
            if found is None:
                return
            for row, finding in enumerate(found.findings):
                icon, colour = LEVEL_ICONS["error" if finding.level == "problem" else "info"]
                item = QTableWidgetItem(finding.text)
                item.setIcon(QIcon(pixmap(icon, getattr(colors(), colour), 16, self.devicePixelRatioF())))
                item.setData(Qt.ItemDataRole.UserRole, finding.layer)
                self.findings.setItem(row, 0, item)
            for row, layer in enumerate(found.layers):
                for column, text in enumerate(_figures(layer)):
                    item = QTableWidgetItem(text)
                    item.setData(Qt.ItemDataRole.UserRole, layer.layer)
                    self.layers.setItem(row, column, item)


def _figures(layer: LayerHealth) -> tuple[str, ...]:
    ends = [figure(value, ".3g") for value in (layer.slope_low, layer.slope_high) if value is not None]
    return (
        layer.layer,
        figure(layer.mean, ".3g"),
        figure(layer.deviation, ".3g"),
        figure(layer.largest, ".3g"),
        " to ".join(ends),
        _share(layer.saturated),
        _share(layer.outside),
        "" if layer.condition is None else figure(layer.condition, ".3g"),
        _share(layer.dead_channels),
        "" if layer.inverse_error is None else figure(layer.inverse_error, ".2g"),
    )


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"
