"""Fields that choose which scored files are shown, and the false-alarm rate of their verdicts."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLineEdit, QSizePolicy, QToolButton, QWidget

from nvp_studio.state.score_filter import NO_SCORE, ScoreFilter
from nvp_studio.training.bounds import Bounds
from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.inputs import ComboBox
from nvp_studio.views.widgets.labels import TextLabel
from nvp_studio.views.widgets.layout import hbox
from nvp_studio.views.widgets.number_field import NumberField

_MOST_LABELS = 500


class ScoreFilterRow(QWidget):
    """A line of fields; `changed` follows each change of `value`."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        row = hbox(self)
        self.text = QLineEdit()
        self.text.setPlaceholderText(self.tr("Search names"))
        self.text.setAccessibleName(self.tr("Search names"))
        self.text.setClearButtonEnabled(True)
        for button in self.text.findChildren(QToolButton):
            button.setAccessibleName(self.tr("Clear the search"))
        self.text.setMinimumWidth(11 * SPACE)
        self.text.setMaximumWidth(24 * SPACE)
        self.verdict = ComboBox(
            [
                (self.tr("All verdicts"), ""),
                (self.tr("Unusual or far outside"), "not typical"),
                (self.tr("Far outside"), "far outside"),
                (self.tr("Unusual"), "unusual"),
                (self.tr("Typical"), "typical"),
                (self.tr("Without a score"), NO_SCORE),
            ],
            self.tr("Verdicts that are shown"),
            21 * SPACE,
        )
        self.label = ComboBox([(self.tr("All labels"), None)], self.tr("Labels that are shown"), 16 * SPACE)
        self.verdict.setMinimumWidth(15 * SPACE)
        self.label.setMinimumWidth(13 * SPACE)
        self.lowest, self.highest = (NumberField(Bounds(0, 100), none_text=end) for end in ("0", "100"))
        for field, name in (
            (self.lowest, self.tr("Lowest percentile that is shown")),
            (self.highest, self.tr("Highest percentile that is shown")),
        ):
            field.setAccessibleName(name)
            field.set_tip(name)
            field.setFixedWidth(8 * SPACE)
            field.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
            field.edited.connect(self.changed)
        for widget in (self.text, self.verdict, self.label):
            row.addWidget(widget)
        for part in (TextLabel(self.tr("Percentile"), role="dim"), self.lowest, TextLabel("–", role="dim")):
            row.addWidget(part)
        row.addWidget(self.highest)
        self.text.textChanged.connect(self.changed)
        self.verdict.currentIndexChanged.connect(self.changed)
        self.label.currentIndexChanged.connect(self.changed)

    def value(self) -> ScoreFilter:
        """What the fields say; a field with a mistake says nothing."""
        low, high = (None if field.problem else field.value() for field in (self.lowest, self.highest))
        return ScoreFilter(
            text=self.text.text().strip(),
            verdict=self.verdict.currentData(),
            label=self.label.currentData(),
            lowest=0.0 if low is None else float(low),
            highest=100.0 if high is None else float(high),
        )

    def show_labels(self, labels: list[str]) -> None:
        """Offer these labels."""
        shown = [self.label.itemData(index) for index in range(1, self.label.count())]
        wanted = labels[:_MOST_LABELS]
        if shown == wanted:
            return
        chosen = self.label.currentData()
        self.label.blockSignals(True)
        while self.label.count() > 1:
            self.label.removeItem(1)
        for label in wanted:
            self.label.addItem(label or self.tr("(none)"), label)
        self.label.setCurrentIndex(max(0, self.label.findData(chosen)) if chosen is not None else 0)
        self.label.blockSignals(False)
        if self.label.currentData() != chosen:
            self.changed.emit()

    def reset(self) -> None:
        """Show everything."""
        self.text.clear()
        self.verdict.setCurrentIndex(0)
        self.label.setCurrentIndex(0)
        self.lowest.setValue(None)
        self.highest.setValue(None)
