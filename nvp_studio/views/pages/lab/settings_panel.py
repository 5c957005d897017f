"""The settings of an experiment of Lab: data and flow, and how training goes."""

from collections.abc import Sequence
from functools import partial

from PySide6.QtCore import QSignalBlocker
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QWidget

from nvp_studio.state.lab import LabState
from nvp_studio.training.bounds import Bounds
from nvp_studio.views.actions import ActionRegistry
from nvp_studio.views.theme import SPACE, set_icon
from nvp_studio.views.widgets.action_button import ActionButton, menu_button
from nvp_studio.views.widgets.inputs import ComboBox
from nvp_studio.views.widgets.layout import form_layout, hbox, paragraph, text_label, vbox
from nvp_studio.views.widgets.number_field import NumberField

WIDTH = 25 * SPACE


class SettingsPanel(QWidget):
    """Fields that change the state's settings, each by one undo step; a changed setting begins the experiment anew."""

    def __init__(self, state: LabState, registry: ActionRegistry) -> None:
        super().__init__()
        self.setFixedWidth(WIDTH)
        self._state = state
        column = vbox(self)
        row = hbox(spacing=SPACE // 2)
        row.addWidget(ActionButton(registry["lab.play"], primary=True), 1)
        for key in ("slow", "step", "reset"):
            row.addWidget(ActionButton(registry[f"lab.{key}"], flat=True))
        column.addLayout(row)
        data = [
            (self.tr("Moons"), "moons"),
            (self.tr("Rings"), "rings"),
            (self.tr("Checkerboard"), "checkerboard"),
            (self.tr("Spirals"), "spirals"),
            (self.tr("Pinwheel"), "pinwheel"),
            (self.tr("Eight Gaussians"), "gaussians"),
            (self.tr("Own points"), "points"),
        ]
        self.data_field = ComboBox(data)
        column.addLayout(form_layout([(self.tr("Data"), self.data_field, self.tr("What the flow is trained on"))]))
        own = hbox(spacing=SPACE // 2)
        own.addWidget(ActionButton(registry["lab.draw"]), 1)
        own.addWidget(ActionButton(registry["lab.open"]), 1)
        own.addWidget(ActionButton(registry["lab.clear"], flat=True))
        column.addLayout(own)
        self.couplings_field = NumberField(Bounds(1, 32), whole=True)
        self.width_field = NumberField(Bounds(1, 256), whole=True)
        laws = [(self.tr("Affine"), "affine"), (self.tr("Spline"), "spline")]
        self.law_field = ComboBox(laws)
        masks = [
            (self.tr("In turn"), "alternate"),
            (self.tr("In turn, mixed"), "mixed"),
            (self.tr("Always y"), "same"),
        ]
        self.mask_field = ComboBox(masks)
        mask_tip = self.tr(
            "Which coordinate a coupling changes: x and y in turn, in turn after a learned rotation and stretching, or "
            "always y, which cannot learn most densities"
        )
        rows = [
            (self.tr("Layers"), self.couplings_field, self.tr("Number of coupling layers")),
            (self.tr("Width"), self.width_field, self.tr("Of the networks s and t")),
            (self.tr("Law"), self.law_field, self.tr("What a coupling does: y = x * exp(s) + t, or a spline")),
            (self.tr("Mask"), self.mask_field, mask_tip),
        ]
        column.addLayout(form_layout(rows))
        self.facts = text_label(wrap=True)
        self.note = paragraph("", "dim")
        column.addWidget(self.facts)
        column.addWidget(self.note)
        column.addStretch(1)
        self._end = hbox()
        column.addLayout(self._end)
        names = {
            "data": (self.data_field, self.tr("Data")),
            "law": (self.law_field, self.tr("Law of the couplings")),
            "mask": (self.mask_field, self.tr("Mask")),
        }
        for name, (combo, text) in names.items():
            combo.currentIndexChanged.connect(partial(self._on_combo, name, combo, text))
        self.couplings_field.committed.connect(
            partial(self._on_number, "couplings", self.couplings_field, self.tr("Layers"))
        )
        self.width_field.committed.connect(partial(self._on_number, "width", self.width_field, self.tr("Width")))
        state.changed.connect(self.refresh)
        self.refresh()

    def add_menu(self, text: str, icon: str, actions: Sequence[QAction]) -> None:
        """Put a button with a menu of actions below the settings."""
        button = menu_button()
        button.setText(f" {text}")
        button.setAccessibleName(text)
        set_icon(button, icon)
        menu = QMenu(button)
        menu.addActions(actions)
        button.setMenu(menu)
        self._end.addWidget(button)
        self._end.addStretch(1)

    def refresh(self) -> None:
        """Show the settings as they are."""
        settings = self._state.settings
        for combo, value in (
            (self.data_field, settings.data),
            (self.law_field, settings.law),
            (self.mask_field, settings.mask),
        ):
            with QSignalBlocker(combo):
                combo.setCurrentIndex(combo.findData(value))
        for field, number in ((self.couplings_field, settings.couplings), (self.width_field, settings.width)):
            with QSignalBlocker(field):
                field.setValue(number)
        built = self._state.built
        parts = []
        if settings.data == "points":
            parts.append(self.tr("{0} own points").format(f"{len(self._state.points):,}"))
        if built is not None:
            parts.append(self.tr("{0} parameters").format(f"{built.parameters:,}"))
        self.facts.setText("\n".join(parts))
        self.note.setText(built.note if built is not None else "")

    def _on_combo(self, name: str, combo: ComboBox, text: str, _index: int) -> None:
        self._state.choose(name, combo.currentData(), text)

    def _on_number(self, name: str, field: NumberField, text: str) -> None:
        if not field.problem and field.value() is not None:
            self._state.choose(name, int(field.value()), text)
