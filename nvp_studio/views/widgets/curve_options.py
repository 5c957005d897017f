"""The controls above the curves of several runs: what is drawn, how it is smoothed and scaled, and saving."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QMenu, QSlider, QToolButton, QWidget

from nvp_studio.runs.curves import QUANTITIES, Quantity
from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.action_button import flat_button
from nvp_studio.views.widgets.curve_drawing import PlotOptions
from nvp_studio.views.widgets.inputs import ComboBox
from nvp_studio.views.widgets.layout import text_label, vbox
from nvp_studio.views.widgets.wrapping_row import WrappingRow, group

_MEMORIES = (0, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
"""Points that a smoothed curve remembers, from none to the most."""
_DEFAULT_MEMORY = 4


class CurveOptions(QWidget):
    """One row where there is room, else two; `options` gives what was chosen."""

    changed = Signal()
    export_requested = Signal(str)
    """``png``, ``svg`` or ``csv``."""

    def __init__(self, fit: QToolButton) -> None:
        """`fit` is the plot's button, which is placed here."""
        super().__init__()
        self._make_combos()
        self._make_smoothing()
        self._make_save()
        chosen = group(self.quantity, self.axis, self.part)
        for widget in (self.axis, self.part):
            widget.setMinimumWidth(widget.sizeHint().width())
        chosen.setMinimumWidth(chosen.sizeHint().width() - 4 * SPACE)  # in a small window the quantity is narrower
        row = WrappingRow(
            chosen,
            group(self.smoothing_label, self.smoothing, self.log, self.clip),
            group(fit, self.save),
        )
        vbox(self).addWidget(row)
        for combo in (self.quantity, self.axis, self.part):
            combo.currentIndexChanged.connect(self._on_changed)
        self.smoothing.valueChanged.connect(self._on_changed)
        self.log.toggled.connect(self._on_changed)
        self.clip.toggled.connect(self._on_changed)
        self._show_state()

    @property
    def chosen(self) -> Quantity:
        """The quantity that is drawn."""
        return QUANTITIES[self.quantity.currentData()]

    @property
    def options(self) -> PlotOptions:
        """The options that the controls show."""
        name, unit = self.quantity.currentText(), self.chosen.unit
        return PlotOptions(
            quantity=self.chosen.key,
            axis=self.axis.currentData(),
            memory=float(_MEMORIES[self.smoothing.value()]),
            log=self.log.isChecked(),
            clip=self.clip.isChecked(),
            part=self.part.currentData(),
            label=f"{name}, {unit}" if unit and unit.lower() != name.lower() else name,
        )

    def _make_combos(self) -> None:
        self.quantity = ComboBox(
            [
                (self.tr("Validation"), "validation"),
                (self.tr("Training"), "train"),
                (self.tr("Bits by scale"), "scale_bits"),
                (self.tr("Images/s"), "images_per_second"),
                (self.tr("Learning rate"), "learning_rate"),
                (self.tr("Gradient norm"), "gradient_norm"),
                (self.tr("Inverse error"), "inverse_error"),
                (self.tr("Inverse error of noise"), "noise_inverse_error"),
            ],
            self.tr("Quantity"),
            23 * SPACE,
        )
        self.axis = ComboBox(
            [(self.tr("by step"), "steps"), (self.tr("by epoch"), "epochs"), (self.tr("by time"), "seconds")],
            self.tr("Axis"),
            12 * SPACE,
        )
        self.part = ComboBox(
            [
                (self.tr("whole run"), 1.0),
                (self.tr("last half"), 0.5),
                (self.tr("last quarter"), 0.25),
                (self.tr("last tenth"), 0.1),
            ],
            self.tr("Part of the run"),
            15 * SPACE,
        )

    def _make_smoothing(self) -> None:
        self.smoothing = QSlider(Qt.Orientation.Horizontal)
        self.smoothing.setRange(0, len(_MEMORIES) - 1)
        self.smoothing.setValue(_DEFAULT_MEMORY)
        self.smoothing.setFixedWidth(10 * SPACE)
        self.smoothing.setPageStep(1)
        self.smoothing.setAccessibleName(self.tr("Smoothing"))
        self.smoothing_label = text_label()
        self.smoothing_label.setMinimumWidth(self.fontMetrics().horizontalAdvance(self.tr("Smooth {0}").format(2000)))
        self.log = QCheckBox(self.tr("Log"))
        self.log.setToolTip(self.tr("Logarithmic where all values are positive"))
        self.clip = QCheckBox(self.tr("Clip outliers"))
        self.clip.setChecked(True)
        self.clip.setToolTip(self.tr("Show the middle 98 % of the values and a margin"))

    def _make_save(self) -> None:
        tip = self.tr("Save the curves as PNG, SVG or CSV")
        self.save = flat_button("download", self.tr("Save the curves"), tip, "dim")
        menu = QMenu(self.save)
        for form in ("png", "svg", "csv"):
            text = self.tr("Save as {0}…").format(form.upper())
            menu.addAction(text).triggered.connect(lambda _=False, form=form: self.export_requested.emit(form))
        self.save.setMenu(menu)
        self.save.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)

    def _on_changed(self) -> None:
        self._show_state()
        self.changed.emit()

    def _show_state(self) -> None:
        """Enable what applies to the quantity, and name the smoothing."""
        for widget in (self.smoothing, self.smoothing_label):
            widget.setEnabled(self.chosen.noisy)
        for box in (self.log, self.clip):
            box.setEnabled(not self.chosen.stacked)
        memory = _MEMORIES[self.smoothing.value()]
        self.smoothing_label.setText(self.tr("Smooth {0}").format(memory) if memory else self.tr("As it is"))
        self.smoothing.setToolTip(self.tr("Average over about {0} steps, at most a quarter of a run").format(memory))
