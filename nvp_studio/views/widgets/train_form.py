"""The form of a training run: data, flow, budget and, in a part that is hidden at first, all other settings."""

from contextlib import suppress
from typing import Any, Literal, NamedTuple

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QFormLayout, QLabel, QWidget

from nvp_studio.data.catalogue import CATALOGUE
from nvp_studio.data.image_size import ImageSize, size_of
from nvp_studio.data.reading import UNDECIDED, Reading
from nvp_studio.flow.config import FlowConfig
from nvp_studio.training.config import TrainConfig, recommended
from nvp_studio.training.runs import MAX_NAME, folder_name
from nvp_studio.views.widgets.budget_field import BUDGETS, BudgetField
from nvp_studio.views.widgets.data_card import DataCard
from nvp_studio.views.widgets.data_list import DataList
from nvp_studio.views.widgets.flow_choice import FlowChoice
from nvp_studio.views.widgets.foldout import Foldout
from nvp_studio.views.widgets.inputs import input_value, on_input, show_input
from nvp_studio.views.widgets.layout import add_field, form_layout, vbox
from nvp_studio.views.widgets.number_field import NameField
from nvp_studio.views.widgets.parent_field import ParentField
from nvp_studio.views.widgets.size_field import SizeField
from nvp_studio.views.widgets.stop_fields import StopFields
from nvp_studio.views.widgets.train_fields import Field, advanced_fields, main_fields, tips

DEFAULT_CONFIG = TrainConfig(minutes=10)


class _FlowSettings(NamedTuple):
    """What a model that a run begins from replaces."""

    preset: str
    changes: dict[str, Any]
    image_size: ImageSize | None
    channels: Literal[1, 3] | None


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
        self.data_problem = ""
        """Why no run can learn from the chosen data; empty: as far as is known, one can."""
        self.data_name = next(iter(CATALOGUE))
        """The data that are chosen: a name of the catalogue, or a path."""
        self.reading = UNDECIDED
        """How a person wants the chosen data read."""
        self._before: _FlowSettings | None = None
        """What was chosen before a model to begin from."""
        self._suggested_side: int | None = None
        """An image side that nobody chose; it is dropped together with the data it was meant for."""
        self.fields: dict[str, QWidget] = {}
        """The fields of settings that each have one, by the names of `TrainConfig`."""
        column = vbox(self)
        column.addLayout(self._make_main())
        form = form_layout()
        part = Foldout(self.tr("Advanced"), form)
        self.advanced = part.button
        column.addWidget(part)
        self._add_fields(form, advanced_fields())
        self.fields["checkpoint_steps"].setAccessibleName(self.tr("Save every so many steps"))
        self._stop = StopFields()
        for text, field, tip in self._stop.rows:
            on_input(field, self._on_edited)
            add_field(form, text, field, tip)
        column.addStretch(1)
        labels = [label for label in self.findChildren(QLabel) if label.buddy() is not None]
        width = max(label.sizeHint().width() for label in labels)
        for label in labels:
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
        """Why no run can be started, with the name of the field; empty when one can."""
        try:
            self._read()
        except ValueError as error:
            return str(error)
        if self.name.problem:
            return f"{self.name.accessibleName()}: {self.name.problem}"
        if self.parent_field.problem:
            return f"{self.parent_field.accessibleName()}: {self.parent_field.problem}"
        return self.data_problem

    def show_data_problem(self, problem: str) -> None:
        """Take note of `data_problem`."""
        if problem != self.data_problem:
            self.data_problem = problem
            self.edited.emit()

    @property
    def run_name(self) -> str:
        """The name for the run; empty: one is made from date and data."""
        return self.name.text().strip()

    def show_config(self, config: TrainConfig) -> None:
        """Show `config` in all fields."""
        self._showing = True
        self._hold(None)
        self._before = None
        self.show_data(config.data)
        show_input(self.preset, config.preset)
        kind = next(kind for kind in BUDGETS if getattr(config, kind) is not None)
        self.budget.show_budget(kind, getattr(config, kind))
        for name in self._plain_fields:
            show_input(self.fields[name], getattr(config, name))
        flip = config.horizontal_flip
        self._flip.setChecked(_may_mirror(config.data) if flip is None else flip)
        self._stop.show_rules(config.stop)
        self._shown = config
        self.reading = config.reading
        self.flow.show_flow(config.flow)
        self._hold(config.begin_from, config.flow)
        self._showing = False
        self.edited.emit()

    def begin_from(self, path: str, preset: str, flow: FlowConfig | None) -> None:
        """Let the run begin from the model at `path`, which has this flow; flow and image format are the model's."""
        if self.parent_field.path is None:
            self._before = _FlowSettings(self.preset.currentData(), self.flow.changes, *self.image_format)
        if preset != self.preset.currentData() and self.preset.findData(preset) >= 0:
            show_input(self.preset, preset)
            self._on_preset_chosen()
        if flow is not None:
            channels, height, width = flow.image_shape
            self._show_format(size_of(width, height), channels)
            with suppress(ValueError):  # a preset of that name has no images of this shape
                self.flow.show_flow(flow)
        self._hold(path, flow)
        self.edited.emit()

    def _begin_anew(self) -> None:
        """Let the run begin from new weights, with the flow and image format that were there before."""
        self._hold(None)
        if (before := self._before) is not None:
            show_input(self.preset, before.preset)
            self._on_preset_chosen()
            self._show_format(before.image_size, before.channels)
            self.flow.show_changes(before.changes)
        self.edited.emit()

    def _hold(self, path: str | None, flow: FlowConfig | None = None) -> None:
        """Show the model that the run begins from, None for new weights, and let nothing contradict it."""
        self.parent_field.show_model(path, flow)
        self._main.setRowVisible(self.parent_field, path is not None)
        for field in (self.flow, self.fields["image_size"], self.fields["channels"]):
            field.setEnabled(path is None)

    def _show_format(self, size: ImageSize | None, channels: int | None) -> None:
        self._suggested_side = None
        show_input(self.fields["image_size"], size)
        show_input(self.fields["channels"], channels)

    @property
    def image_format(self) -> tuple[ImageSize | None, Literal[1, 3] | None]:
        """(size, channels) that images are brought to; None keeps theirs. A size in doubt is the last good one."""
        return self._size_field.last_size(), input_value(self.fields["channels"])

    @property
    def shown_shape(self) -> tuple[int, int, int] | None:
        """(C, H, W) of the flow that was shown last, while its data, side and colours are; None without one."""
        shown = self._shown
        if shown.flow is None or (self.data_name, self.image_format) != (
            shown.data,
            (shown.image_size, shown.channels),
        ):
            return None
        return shown.flow.image_shape

    def show_data(self, data: str) -> None:
        """Choose a data set, adding the path of one that is not in the list yet."""
        if data != self.data_name and not self._showing:
            self._flip.setChecked(_may_mirror(data))
            if self._size_field.last_size() == self._suggested_side:
                show_input(self.fields["image_size"], None)
        if data != self.data_name or self._showing:
            self._suggested_side = None
            self.reading = UNDECIDED
        self.data_name = data
        self.data.show_data(data)
        self._on_edited()

    def show_reading(self, reading: Reading) -> None:
        """Read the chosen data so."""
        self.reading = reading
        self._on_edited()

    def suggest_side(self, side: int | None) -> None:
        """Set the image side for the data shown, if any, until other data are chosen or a person sets another."""
        if self.image_format[0] is None and side is not None:
            self._suggested_side = side
            show_input(self.fields["image_size"], side)

    def _read(self) -> TrainConfig:
        budget = self.budget.value()
        values: dict[str, Any] = {name: input_value(self.fields[name]) for name in self._plain_fields}
        values[self.budget.kind] = budget
        parts, batch = values["accumulate"], values["batch_size"]
        if parts > batch:
            name = self.fields["accumulate"].accessibleName()
            raise ValueError(self.tr("{0}: must be at most {1}, the batch size, not {2}").format(name, batch, parts))
        mirrors = self._flip.isChecked()
        return TrainConfig(
            data=self.data_name,
            preset=self.preset.currentData(),
            horizontal_flip=None if mirrors == _may_mirror(self.data_name) else mirrors,
            data_root=self._shown.data_root,
            reading=self.reading,
            stop=self._stop.rules,
            flow=self.flow.flow if self.parent_field.path is None else self.parent_field.flow,
            begin_from=self.parent_field.path,
            **values,
        )

    @property
    def _plain_fields(self) -> list[str]:
        """Names of the settings whose value is that of their field."""
        return [name for name in self.fields if name != "horizontal_flip"]

    @property
    def _size_field(self) -> SizeField:
        field = self.fields["image_size"]
        assert isinstance(field, SizeField)
        return field

    @property
    def _flip(self) -> QCheckBox:
        field = self.fields["horizontal_flip"]
        assert isinstance(field, QCheckBox)
        return field

    # Construction

    def _make_main(self) -> QFormLayout:
        form = form_layout()
        self.data = DataList()
        self.data.picked.connect(self.show_data)
        self.data.folder_wanted.connect(self.choose_folder)
        self.data.file_wanted.connect(self.choose_file)
        add_field(form, self.tr("Data"), self.data)
        self.data_card = DataCard()
        self.data_note = self.data_card.note
        form.addRow(self.data_card)
        self.flow = FlowChoice()
        self.preset = self.flow.preset
        self.flow.edited.connect(self._on_edited)
        self.flow.preset_chosen.connect(self._on_preset_chosen)
        add_field(form, self.tr("Flow"), self.flow, self.flow.tip, named=self.preset)
        self._main = form
        self.parent_field = ParentField()
        self.parent_field.cleared.connect(self._begin_anew)
        tip = self.tr("The weights of this model are trained further; flow and image format are the model's")
        add_field(form, self.tr("Begin from"), self.parent_field, tip)
        self.budget = BudgetField()
        self.budget.edited.connect(self._on_edited)
        add_field(form, self.tr("Train for"), self.budget, named=self.budget.number)
        self._add_fields(form, main_fields())
        self.name = NameField(MAX_NAME, stored_as=folder_name)
        self.name.setPlaceholderText(self.tr("date and data"))
        self.name.textChanged.connect(self._on_edited)
        add_field(form, self.tr("Name"), self.name)
        return form

    def _add_fields(self, form: QFormLayout, fields: list[Field]) -> None:
        explained = tips()
        for field in fields:
            self.fields[field.name] = field.widget
            on_input(field.widget, self._on_edited)
            add_field(form, field.label, field.widget, explained.get(field.name, ""))

    # Actions of a person

    def _on_edited(self) -> None:
        if not self._showing:
            self.edited.emit()

    def _on_preset_chosen(self) -> None:
        """Bring what depends on the preset to what suits it."""
        suits = recommended(self.preset.currentData())
        for name in recommended("paper"):
            show_input(self.fields[name], suits.get(name, getattr(DEFAULT_CONFIG, name)))


def _may_mirror(data: str) -> bool:
    """Whether images of `data` are known to be as plausible when mirrored."""
    return data in CATALOGUE and CATALOGUE[data].mirror
