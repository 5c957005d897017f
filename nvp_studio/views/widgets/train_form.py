"""The form of a training run: what to learn, with which flow, for how long; the rest folded away."""

import os
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from nvp_studio.data.catalogue import CATALOGUE
from nvp_studio.training.config import TrainConfig, recommended
from nvp_studio.views.theme import SPACE, set_icon
from nvp_studio.views.widgets.flow_choice import FlowChoice
from nvp_studio.views.widgets.note_label import NoteLabel
from nvp_studio.views.widgets.steady_inputs import ComboBox, DoubleSpinBox, SpinBox
from nvp_studio.views.widgets.stop_fields import rules_of, show_rules, stop_fields

_MOST_STEPS = 10_000_000
_BUDGETS = ("minutes", "epochs", "steps")
DEFAULT_CONFIG = TrainConfig(minutes=10)


class TrainForm(QWidget):
    """Shows and edits a `TrainConfig`. `edited` follows each change; `config` gives it, or `problem` says why not."""

    edited = Signal()
    choose_folder = Signal()
    choose_file = Signal()
    unfolded = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._showing = False
        self._shown = DEFAULT_CONFIG
        """What was shown last, for the settings that have no field."""
        self._labels: list[QLabel] = []
        self._suggested_side = 0
        """An image side that nobody chose, and that leaves with the data it was meant for."""
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE)
        self._make_main(column)
        self.advanced = QToolButton()
        self.advanced.setText(self.tr("Advanced"))
        self.advanced.setCheckable(True)
        self.advanced.setProperty("flat", True)
        self.advanced.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        set_icon(self.advanced, "chevron-right", "dim")
        column.addWidget(self.advanced)
        self._folded = QWidget()
        self._make_advanced()
        column.addWidget(self._folded)
        self._folded.hide()
        column.addStretch(1)
        self.advanced.toggled.connect(self._on_advanced_toggled)
        width = max(label.sizeHint().width() for label in self._labels)
        for label in self._labels:
            label.setFixedWidth(width)
        self.show_config(DEFAULT_CONFIG)

    # Reading and writing

    @property
    def config(self) -> TrainConfig | None:
        """What the form says; None when that is no valid configuration."""
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
        _choose(self.preset, config.preset)
        kind = next(kind for kind in _BUDGETS if getattr(config, kind) is not None)
        _choose(self.budget_kind, kind)
        self._on_budget_kind()
        self.budget.setValue(float(getattr(config, kind)))
        self.batch_size.setValue(config.batch_size)
        self.learning_rate.setValue(config.learning_rate)
        self.seed.setValue(config.seed)
        _choose(self.device, config.device)
        _choose(self.optimizer, config.optimizer)
        self.warmup_steps.setValue(config.warmup_steps)
        _choose(self.schedule, config.schedule)
        self.ema_decay.setValue(config.ema_decay)
        self.gradient_clip.setValue(config.gradient_clip)
        self.weight_decay.setValue(config.weight_decay)
        self.noise_share.setValue(config.noise_share)
        flip = config.horizontal_flip
        self.horizontal_flip.setChecked(_may_mirror(config.data) if flip is None else flip)
        self.random_shift.setValue(config.random_shift)
        self._shown = config
        self.accumulate.setValue(config.accumulate)
        _choose(self.memory, config.memory)
        _choose(self.precision, config.precision)
        self.deterministic.setChecked(config.deterministic)
        self.validation_images.setValue(config.validation_images)
        self.validation_every.setValue(config.validation_every or 0)
        self.checkpoint_minutes.setValue(config.checkpoint_minutes)
        self.checkpoint_steps.setValue(config.checkpoint_steps or 0)
        self.image_size.setValue(config.image_size or 0)
        _choose(self.channels, config.channels or 0)
        self.threads.setValue(config.threads or 0)
        show_rules(config.stop, self.target, self.patience, self.at_most)
        self.flow.show_flow(config.flow)
        self._showing = False
        self.edited.emit()

    @property
    def data_name(self) -> str:
        """The data that are chosen: a name of the catalogue, or a path."""
        return self._data

    @property
    def shown_shape(self) -> tuple[int, int, int] | None:
        """(C, H, W) of the flow that was shown last, while its data, side and colours are; None without one."""
        shown, size, channels = self._shown, self.image_size.value() or None, self.channels.currentData() or None
        if shown.flow is None or (self._data, size, channels) != (shown.data, shown.image_size, shown.channels):
            return None
        return shown.flow.image_shape

    def show_data(self, data: str) -> None:
        """Choose a data set, adding the path of one that is not in the list yet."""
        place = self.data.findData(data)
        if place < 0:
            place = self.data.count() - 2
            title = CATALOGUE[data].title if data in CATALOGUE else _data_name(data)
            self.data.insertItem(place, title, data)
            self.data.setItemData(place, data, Qt.ItemDataRole.ToolTipRole)
        if data != self._data and not self._showing:
            self.horizontal_flip.setChecked(_may_mirror(data))
            if self.image_size.value() == self._suggested_side:
                self.image_size.setValue(0)
        if data != self._data or self._showing:
            self._suggested_side = 0
        self._data = data
        self.data.setCurrentIndex(place)
        self.data.setToolTip("" if data in CATALOGUE else data)
        self._on_edited()

    def suggest_side(self, side: int) -> None:
        """Set the image side for the data shown, until other data are chosen or a person sets another."""
        if not self.image_size.value():
            self._suggested_side = side
            self.image_size.setValue(side)

    def unfold(self, unfolded: bool) -> None:
        """Show or hide the advanced fields."""
        self.advanced.setChecked(unfolded)

    def _read(self) -> TrainConfig:
        kind = self.budget_kind.currentData()
        value = self.budget.value()
        return TrainConfig(
            data=self._data,
            preset=self.preset.currentData(),
            steps=round(value) if kind == "steps" else None,
            epochs=value if kind == "epochs" else None,
            minutes=value if kind == "minutes" else None,
            batch_size=self.batch_size.value(),
            learning_rate=self.learning_rate.value(),
            seed=self.seed.value(),
            device=self.device.currentData(),
            optimizer=self.optimizer.currentData(),
            warmup_steps=self.warmup_steps.value(),
            schedule=self.schedule.currentData(),
            ema_decay=self.ema_decay.value(),
            gradient_clip=self.gradient_clip.value(),
            weight_decay=self.weight_decay.value(),
            noise_share=self.noise_share.value(),
            horizontal_flip=None if self._mirrors_as_suits() else self.horizontal_flip.isChecked(),
            random_shift=self.random_shift.value(),
            data_root=self._shown.data_root,
            accumulate=min(self.accumulate.value(), self.batch_size.value()),
            memory=self.memory.currentData(),
            precision=self.precision.currentData(),
            deterministic=self.deterministic.isChecked(),
            validation_images=self.validation_images.value(),
            validation_every=self.validation_every.value() or None,
            checkpoint_minutes=self.checkpoint_minutes.value(),
            checkpoint_steps=self.checkpoint_steps.value() or None,
            image_size=self.image_size.value() or None,
            channels=self.channels.currentData() or None,
            threads=self.threads.value() or None,
            stop=rules_of(self.target, self.patience, self.at_most),
            flow=self.flow.flow,
        )

    # Construction

    def _make_main(self, column: QVBoxLayout) -> None:
        form = _form()
        column.addLayout(form)
        self.data = self._combo([(entry.title, name) for name, entry in CATALOGUE.items() if entry.on_this_machine])
        self.data.insertSeparator(self.data.count())
        self.data.addItem(self.tr("Folder of images…"), "?folder")
        self.data.addItem(self.tr("Data file…"), "?file")
        self.data.activated.connect(self._on_data_chosen)
        self._data = next(iter(CATALOGUE))
        self._add(form, self.tr("Data"), self.data)
        self.data_note = NoteLabel()
        form.addRow("", self.data_note)
        self.flow = FlowChoice()
        self.preset = self.flow.preset
        self.flow.edited.connect(self._on_edited)
        self.flow.preset_chosen.connect(self._on_preset_chosen)
        self._add(form, self.tr("Flow"), self.flow, self.preset, tip=self.flow.tip)
        self.budget_kind = self._combo(
            [(self.tr("minutes"), "minutes"), (self.tr("epochs"), "epochs"), (self.tr("steps"), "steps")]
        )
        self.budget_kind.currentIndexChanged.connect(self._on_budget_kind)
        self.budget = self._decimal(0.1, _MOST_STEPS, 2)
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        row.addWidget(self.budget, 1)
        row.addWidget(self.budget_kind)
        self.budget_kind.setFixedWidth(12 * SPACE)
        self._add(form, self.tr("Train for"), row, self.budget)
        self.budget_kind.setAccessibleName(self.tr("Unit of the budget"))
        self.batch_size = self._whole(1, 65536)
        self._add(form, self.tr("Batch size"), self.batch_size, tip=self.tr("Images in each step"))
        self.learning_rate = self._decimal(1e-6, 1.0, 6)
        self.learning_rate.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
        self._add(form, self.tr("Learning rate"), self.learning_rate, tip=self.tr("The highest of the schedule"))
        self.seed = self._whole(0, 2**31 - 1)
        self._add(form, self.tr("Seed"), self.seed, tip=self.tr("The same seed and settings make the same run"))
        self.device = self._combo(
            [(self.tr("Automatic"), "auto"), ("CPU", "cpu"), ("CUDA", "cuda"), (self.tr("Apple GPU (mps)"), "mps")]
        )
        self._add(form, self.tr("Device"), self.device)
        self.name = QLineEdit()
        self.name.setPlaceholderText(self.tr("date and data"))
        self.name.setMaxLength(80)
        self._add(form, self.tr("Name"), self.name)

    def _make_advanced(self) -> None:
        form = _form()
        self._folded.setLayout(form)
        self.optimizer = self._combo([("Muon", "muon"), ("Adam", "adam")])
        tip = self.tr("Muon steers the matrices of the networks, with Adam for the rest; the others steer everything")
        self._add(form, self.tr("Optimizer"), self.optimizer, tip=tip)
        self.schedule = self._combo([(self.tr("Cosine to 2 %"), "cosine"), (self.tr("Constant"), "constant")])
        self._add(form, self.tr("Schedule"), self.schedule, tip=self.tr("Learning rate after the warm-up"))
        self.warmup_steps = self._whole(0, 100_000)
        self._add(form, self.tr("Warm-up steps"), self.warmup_steps, tip=self.tr("At most a tenth of the run"))
        self.ema_decay = self._decimal(0.0, 0.999999, 6)
        self.ema_decay.setSingleStep(0.001)
        tip = self.tr("Decay, per step, of the moving average of the weights; that average is what is validated")
        self._add(form, self.tr("Averaging"), self.ema_decay, tip=tip)
        self.gradient_clip = self._decimal(0.01, 1000.0, 2)
        self._add(form, self.tr("Gradient clip"), self.gradient_clip, tip=self.tr("Largest norm of the gradient"))
        self.weight_decay = self._decimal(0.0, 1.0, 6)
        self.weight_decay.setSingleStep(1e-5)
        self._add(form, self.tr("Weight decay"), self.weight_decay, tip=self.tr("On weight-normalization scales"))
        self.noise_share = self._decimal(0.0, 0.5, 3)
        self.noise_share.setSingleStep(0.005)
        tip = self.tr("Share of images of noise to learn from too, so that the flow can be inverted far from the data")
        self._add(form, self.tr("Noise share"), self.noise_share, tip=tip)
        self.memory = self._combo([(self.tr("Fast"), "fast"), (self.tr("Constant"), "constant")])
        tip = self.tr("Constant: slower, in memory that does not grow with the number of couplings")
        self._add(form, self.tr("Memory"), self.memory, tip=tip)
        self.accumulate = self._whole(1, 65536)
        self.accumulate.setSpecialValueText(self.tr("whole"))
        tip = self.tr("Parts that a batch is taken in, one after the other: less memory, the same step")
        self._add(form, self.tr("Batch in parts"), self.accumulate, tip=tip)
        self.precision = self._combo(
            [(self.tr("Automatic"), "auto"), ("float32", "float32"), (self.tr("bfloat16 networks"), "bfloat16")]
        )
        tip = self.tr("Of the networks while they train; automatic is bfloat16 on a GPU that is made for it")
        self._add(form, self.tr("Precision"), self.precision, tip=tip)
        self.validation_images = self._whole(1, 1_000_000)
        self._add(form, self.tr("Validate on"), self.validation_images, tip=self.tr("Images; the last one uses all"))
        self.validation_images.setSuffix(self.tr(" images"))
        self.validation_every = self._whole(0, _MOST_STEPS, self.tr("automatic"))
        self.validation_every.setSuffix(self.tr(" steps"))
        self._add(form, self.tr("Validate every"), self.validation_every)
        self.checkpoint_minutes = self._decimal(0.1, 600.0, 2)
        self.checkpoint_minutes.setSuffix(self.tr(" min"))
        tip = self.tr("Longest time between two checkpoints; what came after the last one is lost when a process dies")
        self._add(form, self.tr("Save every"), self.checkpoint_minutes, tip=tip)
        self.checkpoint_steps = self._whole(0, _MOST_STEPS, self.tr("by time alone"))
        self.checkpoint_steps.setSuffix(self.tr(" steps"))
        tip = self.tr("Steps between two checkpoints, besides the minutes; short ones cost time")
        self._add(form, self.tr("and every"), self.checkpoint_steps, tip=tip)
        self.checkpoint_steps.setAccessibleName(self.tr("Save every so many steps"))
        self.image_size = self._whole(0, 1024, self.tr("as they are"))
        self.image_size.setSuffix(self.tr(" px"))
        self._add(form, self.tr("Image side"), self.image_size, tip=self.tr("Images are cropped and resized to it"))
        self.channels = self._combo([(self.tr("as they are"), 0), (self.tr("Grey"), 1), (self.tr("Colour"), 3)])
        self._add(form, self.tr("Colours"), self.channels)
        self.target, self.patience, self.at_most = stop_fields()
        for text, field in (
            (self.tr("Stop at"), self.target),
            (self.tr("Patience"), self.patience),
            (self.tr("Stop after"), self.at_most),
        ):
            field.valueChanged.connect(self._on_edited)
            self._add(form, text, field, tip=field.toolTip())
        self.threads = self._whole(0, os.cpu_count() or 64, self.tr("automatic"))
        self._add(form, self.tr("CPU threads"), self.threads)
        self.random_shift = self._whole(0, 64, self.tr("none"))
        self.random_shift.setSuffix(self.tr(" px"))
        tip = self.tr("Training images are moved at random by up to so many pixels; reflections fill the edges")
        self._add(form, self.tr("Random shift"), self.random_shift, tip=tip)
        self.horizontal_flip = QCheckBox(self.tr("Mirror images at random"))
        self.horizontal_flip.setToolTip(self.tr("For what has no left and right of its own: photographs, not digits"))
        self.horizontal_flip.toggled.connect(self._on_edited)
        form.addRow(self.horizontal_flip)
        self.deterministic = QCheckBox(self.tr("Repeat to the bit on a GPU"))
        self.deterministic.setToolTip(self.tr("Slower: only algorithms that have one result. A CPU does so anyway"))
        self.deterministic.toggled.connect(self._on_edited)
        form.addRow(self.deterministic)

    def _add(
        self, form: QFormLayout, text: str, field: QWidget | QHBoxLayout, buddy: QWidget | None = None, tip: str = ""
    ) -> None:
        widget = buddy or field
        assert isinstance(widget, QWidget)
        label = QLabel(text)
        label.setProperty("role", "dim")
        label.setBuddy(widget)
        label.setToolTip(tip)
        widget.setAccessibleName(text)
        widget.setToolTip(tip)
        self._labels.append(label)
        if isinstance(field, QWidget):
            form.addRow(label, field)
        else:
            form.addRow(label, field)

    def _combo(self, entries: list[tuple[str, str]] | list[tuple[str, int]]) -> QComboBox:
        combo = ComboBox()
        for text, value in entries:
            combo.addItem(text, value)
        combo.currentIndexChanged.connect(self._on_edited)
        return combo

    def _whole(self, least: int, most: int, zero_text: str = "") -> QSpinBox:
        spin = SpinBox()
        spin.setRange(least, most)
        spin.setSpecialValueText(zero_text)
        spin.valueChanged.connect(self._on_edited)
        return spin

    def _decimal(self, least: float, most: float, digits: int) -> QDoubleSpinBox:
        spin = DoubleSpinBox()
        spin.setDecimals(digits)
        spin.setRange(least, most)
        spin.valueChanged.connect(self._on_edited)
        return spin

    # What a person does

    def _mirrors_as_suits(self) -> bool:
        return self.horizontal_flip.isChecked() == _may_mirror(self._data)

    def _on_edited(self) -> None:
        if not self._showing:
            self.edited.emit()

    def _on_budget_kind(self) -> None:
        kind = self.budget_kind.currentData()
        self.budget.setDecimals(0 if kind == "steps" else 2)
        self.budget.setMinimum(1 if kind == "steps" else 0.01)
        self.budget.setSingleStep({"steps": 1000, "epochs": 1, "minutes": 1}[kind])
        if not self._showing:
            self.budget.setValue({"steps": 5000, "epochs": 10, "minutes": 10}[kind])

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
            field, value = getattr(self, name), suits.get(name, getattr(DEFAULT_CONFIG, name))
            if isinstance(field, QComboBox):
                _choose(field, value)
            else:
                field.setValue(value)

    def _on_advanced_toggled(self, unfolded: bool) -> None:
        self._folded.setVisible(unfolded)
        set_icon(self.advanced, "chevron-down" if unfolded else "chevron-right", "dim")
        self.unfolded.emit(unfolded)


def _form() -> QFormLayout:
    form = QFormLayout()
    form.setContentsMargins(0, 0, 0, 0)
    form.setHorizontalSpacing(SPACE)
    form.setVerticalSpacing(SPACE)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    return form


def _choose(combo: QComboBox, value: object) -> None:
    place = combo.findData(value)
    if place < 0:  # such as a second CUDA device, which the command line can name
        combo.addItem(str(value), value)
        place = combo.count() - 1
    combo.setCurrentIndex(place)


def _may_mirror(data: str) -> bool:
    """Whether images of `data` are known to be as plausible when mirrored."""
    return data in CATALOGUE and CATALOGUE[data].mirror


def _data_name(data: str) -> str:
    return Path(data).name or data
