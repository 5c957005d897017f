"""The form of a training run: data, flow, budget and, in a part that is hidden at first, all other settings."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QFormLayout, QHBoxLayout, QLabel, QLineEdit, QToolButton, QWidget

from nvp_studio.data.catalogue import CATALOGUE
from nvp_studio.training.config import TrainConfig, recommended
from nvp_studio.views.theme import SPACE, set_icon
from nvp_studio.views.widgets.flow_choice import FlowChoice
from nvp_studio.views.widgets.inputs import combo, decimal, input_value, on_input, show_input
from nvp_studio.views.widgets.layout import hbox, text_label, vbox
from nvp_studio.views.widgets.note_label import NoteLabel
from nvp_studio.views.widgets.stop_fields import rules_of, show_rules
from nvp_studio.views.widgets.train_fields import MOST_STEPS, OPTIONAL, Field, advanced_fields, main_fields, tips

_BUDGETS = {"minutes": (10, 1), "epochs": (10, 1), "steps": (5000, 1000)}
"""Kinds of a budget, with the value proposed for each and the step of its arrows."""
_STOP_FIELDS = ("target", "patience", "at_most")
DEFAULT_CONFIG = TrainConfig(minutes=10)


class TrainForm(QWidget):
    """Shows and edits a `TrainConfig`. `edited` follows each change; `config` gives it, or `problem` says why not."""

    edited = Signal()
    choose_folder = Signal()
    choose_file = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._showing = False
        self._shown = DEFAULT_CONFIG
        """What was shown last, for the settings that have no field."""
        self._data = next(iter(CATALOGUE))
        self._labels: list[QLabel] = []
        self._suggested_side = 0
        """An image side that nobody chose; it is dropped together with the data it was meant for."""
        self.fields: dict[str, QWidget] = {}
        """The fields of settings that each have one, by the names of `TrainConfig`, and those of its stop rules."""
        column = vbox(self)
        column.addLayout(self._make_main())
        self.advanced = QToolButton()
        self.advanced.setText(self.tr("Advanced"))
        self.advanced.setCheckable(True)
        self.advanced.setProperty("flat", True)
        self.advanced.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        set_icon(self.advanced, "chevron-right", "dim")
        column.addWidget(self.advanced)
        self._advanced_part = QWidget()
        form = _form()
        self._advanced_part.setLayout(form)
        self._add_fields(form, advanced_fields())
        self.fields["checkpoint_steps"].setAccessibleName(self.tr("Save every so many steps"))
        column.addWidget(self._advanced_part)
        self._advanced_part.hide()
        column.addStretch(1)
        self.advanced.toggled.connect(self._on_advanced_toggled)
        width = max(label.sizeHint().width() for label in self._labels)
        for label in self._labels:
            label.setFixedWidth(width)
        self.show_config(DEFAULT_CONFIG)

    # Reading and writing

    @property
    def config(self) -> TrainConfig | None:
        """The configuration in the form; None if it is not valid."""
        try:
            return self._read()
        except ValueError:
            return None

    @property
    def problem(self) -> str:
        """Why `config` is None; empty when it is not."""
        try:
            self._read()
        except ValueError as error:
            return str(error)
        return ""

    @property
    def run_name(self) -> str:
        """The name for the run; empty: one is made from date and data."""
        return self.name.text().strip()

    def show_config(self, config: TrainConfig) -> None:
        """Show `config` in all fields."""
        self._showing = True
        self.show_data(config.data)
        show_input(self.preset, config.preset)
        kind = next(kind for kind in _BUDGETS if getattr(config, kind) is not None)
        show_input(self.budget_kind, kind)
        self._on_budget_kind()
        self.budget.setValue(float(getattr(config, kind)))
        for name in self._plain_fields:
            show_input(self.fields[name], getattr(config, name) or 0 if name in OPTIONAL else getattr(config, name))
        flip = config.horizontal_flip
        self._flip.setChecked(_may_mirror(config.data) if flip is None else flip)
        show_rules(config.stop, *self._stop_fields)
        self._shown = config
        self.flow.show_flow(config.flow)
        self._showing = False
        self.edited.emit()

    @property
    def data_name(self) -> str:
        """The data that are chosen: a name of the catalogue, or a path."""
        return self._data

    @property
    def image_format(self) -> tuple[int | None, Literal[1, 3] | None]:
        """(side, channels) that images are brought to; None keeps theirs."""
        return input_value(self.fields["image_size"]) or None, input_value(self.fields["channels"]) or None

    @property
    def shown_shape(self) -> tuple[int, int, int] | None:
        """(C, H, W) of the flow that was shown last, while its data, side and colours are; None without one."""
        shown = self._shown
        if shown.flow is None or (self._data, self.image_format) != (shown.data, (shown.image_size, shown.channels)):
            return None
        return shown.flow.image_shape

    def show_data(self, data: str) -> None:
        """Choose a data set, adding the path of one that is not in the list yet."""
        place = self.data.findData(data)
        if place < 0:
            place = self.data.count() - 2
            title = CATALOGUE[data].title if data in CATALOGUE else Path(data).name or data
            self.data.insertItem(place, title, data)
            self.data.setItemData(place, data, Qt.ItemDataRole.ToolTipRole)
        if data != self._data and not self._showing:
            self._flip.setChecked(_may_mirror(data))
            if input_value(self.fields["image_size"]) == self._suggested_side:
                show_input(self.fields["image_size"], 0)
        if data != self._data or self._showing:
            self._suggested_side = 0
        self._data = data
        self.data.setCurrentIndex(place)
        self.data.setToolTip("" if data in CATALOGUE else data)
        self._on_edited()

    def suggest_side(self, side: int) -> None:
        """Set the image side for the data shown, until other data are chosen or a person sets another."""
        if not input_value(self.fields["image_size"]):
            self._suggested_side = side
            show_input(self.fields["image_size"], side)

    def show_advanced(self, unfolded: bool) -> None:
        """Show or hide the advanced fields."""
        self.advanced.setChecked(unfolded)

    def _read(self) -> TrainConfig:
        kind, budget = self.budget_kind.currentData(), self.budget.value()
        values: dict[str, Any] = {name: input_value(self.fields[name]) for name in self._plain_fields}
        values |= {name: values[name] or None for name in OPTIONAL}
        values["accumulate"] = min(values["accumulate"], values["batch_size"])
        values[kind] = round(budget) if kind == "steps" else budget
        mirrors = self._flip.isChecked()
        return TrainConfig(
            data=self._data,
            preset=self.preset.currentData(),
            horizontal_flip=None if mirrors == _may_mirror(self._data) else mirrors,
            data_root=self._shown.data_root,
            stop=rules_of(*self._stop_fields),
            flow=self.flow.flow,
            **values,
        )

    @property
    def _plain_fields(self) -> list[str]:
        """Names of the settings whose value is that of their field."""
        return [name for name in self.fields if name not in (*_STOP_FIELDS, "horizontal_flip")]

    @property
    def _flip(self) -> QCheckBox:
        field = self.fields["horizontal_flip"]
        assert isinstance(field, QCheckBox)
        return field

    @property
    def _stop_fields(self) -> tuple[Any, Any, Any]:
        target, patience, minutes = (self.fields[name] for name in _STOP_FIELDS)
        return target, patience, minutes

    # Construction

    def _make_main(self) -> QFormLayout:
        form = _form()
        self.data = combo([(entry.title, name) for name, entry in CATALOGUE.items() if entry.on_this_machine])
        self.data.insertSeparator(self.data.count())
        self.data.addItem(self.tr("Folder of images…"), "?folder")
        self.data.addItem(self.tr("Data file…"), "?file")
        self.data.activated.connect(self._on_data_chosen)
        self._add(form, self.tr("Data"), self.data)
        self.data_note = NoteLabel()
        form.addRow("", self.data_note)
        self.flow = FlowChoice()
        self.preset = self.flow.preset
        self.flow.edited.connect(self._on_edited)
        self.flow.preset_chosen.connect(self._on_preset_chosen)
        self._add(form, self.tr("Flow"), self.flow, self.preset, tip=self.flow.tip)
        kinds = [(self.tr("minutes"), "minutes"), (self.tr("epochs"), "epochs"), (self.tr("steps"), "steps")]
        self.budget_kind = combo(kinds)
        self.budget_kind.setFixedWidth(12 * SPACE)
        self.budget_kind.currentIndexChanged.connect(self._on_budget_kind)
        self.budget = decimal(0.1, MOST_STEPS, 2, step=1)
        for field in (self.data, self.budget_kind, self.budget):
            on_input(field, self._on_edited)
        row = hbox()
        row.addWidget(self.budget, 1)
        row.addWidget(self.budget_kind)
        self._add(form, self.tr("Train for"), row, self.budget)
        self.budget_kind.setAccessibleName(self.tr("Unit of the budget"))
        self._add_fields(form, main_fields())
        self.name = QLineEdit()
        self.name.setPlaceholderText(self.tr("date and data"))
        self.name.setMaxLength(80)
        self._add(form, self.tr("Name"), self.name)
        return form

    def _add_fields(self, form: QFormLayout, fields: list[Field]) -> None:
        explained = tips()
        for field in fields:
            self.fields[field.name] = field.widget
            on_input(field.widget, self._on_edited)
            tip = explained.get(field.name) or field.widget.toolTip()
            if isinstance(field.widget, QCheckBox):
                field.widget.setToolTip(tip)
                form.addRow(field.widget)
            else:
                self._add(form, field.label, field.widget, tip=tip)

    def _add(
        self, form: QFormLayout, text: str, field: QWidget | QHBoxLayout, buddy: QWidget | None = None, tip: str = ""
    ) -> None:
        widget = buddy or field
        assert isinstance(widget, QWidget)
        label = text_label(text)
        label.setBuddy(widget)
        label.setToolTip(tip)
        widget.setAccessibleName(text)
        widget.setToolTip(tip)
        self._labels.append(label)
        if isinstance(field, QWidget):
            form.addRow(label, field)
        else:
            form.addRow(label, field)

    # Actions of a person

    def _on_edited(self) -> None:
        if not self._showing:
            self.edited.emit()

    def _on_budget_kind(self) -> None:
        kind = self.budget_kind.currentData()
        self.budget.setDecimals(0 if kind == "steps" else 2)
        self.budget.setMinimum(1 if kind == "steps" else 0.01)
        proposed, step = _BUDGETS[kind]
        self.budget.setSingleStep(step)
        if not self._showing:
            self.budget.setValue(proposed)

    def _on_data_chosen(self, place: int) -> None:
        data = self.data.itemData(place)
        choose: dict[str, Callable[[], None]] = {"?folder": self.choose_folder.emit, "?file": self.choose_file.emit}
        if data in choose:
            self.show_data(self._data)  # until a person has chosen
            choose[data]()
        elif data:
            self.show_data(data)

    def _on_preset_chosen(self) -> None:
        """Bring what depends on the preset to what suits it."""
        suits = recommended(self.preset.currentData())
        for name in recommended("paper"):
            show_input(self.fields[name], suits.get(name, getattr(DEFAULT_CONFIG, name)))

    def _on_advanced_toggled(self, unfolded: bool) -> None:
        self._advanced_part.setVisible(unfolded)
        set_icon(self.advanced, "chevron-down" if unfolded else "chevron-right", "dim")


def _form() -> QFormLayout:
    form = QFormLayout()
    form.setContentsMargins(0, 0, 0, 0)
    form.setHorizontalSpacing(SPACE)
    form.setVerticalSpacing(SPACE)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    return form


def _may_mirror(data: str) -> bool:
    """Whether images of `data` are known to be as plausible when mirrored."""
    return data in CATALOGUE and CATALOGUE[data].mirror
