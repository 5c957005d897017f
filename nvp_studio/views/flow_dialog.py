"""The dialog that edits the settings of a flow and describes the resulting flow."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Literal, get_args, get_origin, get_type_hints

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QDialogButtonBox, QWidget

from nvp_studio.flow.config import RANGES, FlowConfig
from nvp_studio.flow.settings import changed_with_law, without_effect
from nvp_studio.text import sentence
from nvp_studio.training.bounds import Bounds
from nvp_studio.views.dialogs import Dialog
from nvp_studio.views.theme import SPACE, set_role
from nvp_studio.views.widgets.flow_choice import field_names, tr, value_names
from nvp_studio.views.widgets.inputs import ComboBox, input_value, on_input, show_input
from nvp_studio.views.widgets.layout import add_field, form_layout, hbox, text_label
from nvp_studio.views.widgets.number_field import NumberField

_LEFT = 10
"""Fields in the first of two columns: the layout of the flow, with the transform of its couplings."""


class FlowDialog(Dialog):
    """Edits `flow`; `config` is the result."""

    def __init__(self, flow: FlowConfig, preset: FlowConfig, parent: QWidget | None = None) -> None:
        """The button *Reset to the preset* restores `preset`; both are for images of one shape."""
        super().__init__(parent)
        self.setWindowTitle(tr("Change the flow"))
        self._shape = flow.image_shape
        self._preset = preset
        self._law: str = flow.law
        self._before: dict[str, object] = {}
        """What fields showed before mixtures were chosen, which need other values."""
        tips = _tips()
        self.fields: dict[str, QWidget] = {}
        columns = hbox(spacing=4 * SPACE)
        hints, names = get_type_hints(FlowConfig), field_names()
        for keys in (list(names)[:_LEFT], list(names)[_LEFT:]):
            form = form_layout(spacing=2 * SPACE)
            for key in keys:
                add_field(form, names[key], self._make_field(key, hints[key]), tips[key])
            columns.addLayout(form)
        self.description = text_label(wrap=True)
        self.description.setMinimumHeight(5 * SPACE)
        self.description.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self.buttons = self.make_buttons(tr("OK"))
        self.as_preset = self.buttons.addButton(tr("Reset to the preset"), QDialogButtonBox.ButtonRole.ResetRole)
        self.as_preset.clicked.connect(lambda: self.show_flow(self._preset))
        self.column.addLayout(columns)
        self.column.addWidget(self.description)
        self.column.addWidget(self.buttons)
        self.show_flow(flow)

    @property
    def config(self) -> FlowConfig:
        """The values of the fields; raises `ValueError` if they are no valid flow."""
        values = {key: input_value(field) for key, field in self.fields.items()}
        return FlowConfig(image_shape=self._shape, **values)

    def show_flow(self, flow: FlowConfig) -> None:
        """Show `flow` in all fields."""
        self._before = {}
        self._show({key: getattr(flow, key) for key in self.fields})

    def _show(self, values: Mapping[str, object]) -> None:
        self._law = ""  # until all fields agree, none follows from another
        for key, value in values.items():
            show_input(self.fields[key], value)
        self._law = input_value(self.fields["law"])
        self._check()

    def _make_field(self, key: str, hint: object) -> QWidget:
        field: QWidget
        if get_origin(hint) is Literal:
            text = value_names()
            field = ComboBox([(text[value], value) for value in get_args(hint)])
            field.setMinimumContentsLength(20)
        elif hint is bool:
            field = QCheckBox()
        elif hint is int:
            field = NumberField(Bounds(*RANGES[key]), whole=True)
        else:
            bounds = Bounds(0, 1, below=True) if key == "leak" else Bounds(0, 0.5, beyond=True, below=True)
            field = NumberField(bounds, step=0.01)
        on_input(field, self._check)
        field.setObjectName(key)
        self.fields[key] = field
        return field

    def _check(self) -> None:
        if len(self.fields) < len(field_names()) or not self._law:
            return
        choices = {key: input_value(self.fields[key]) for key in ("law", "network", "final_mask", "mixing")}
        if choices["law"] != self._law:
            self._follow_law(choices["law"], choices["network"])
            return
        unused = without_effect(choices)
        for key, field in self.fields.items():
            field.setEnabled(key not in unused)
        try:
            text, role = _described(self.config), "dim"
        except ValueError as error:
            text, role = sentence(error), "error"
        self.description.setText(text)
        set_role(self.description, role)
        self.ok.setEnabled(role == "dim")

    def _follow_law(self, law: str, network: str) -> None:
        """Show what another transform of couplings needs; what was shown before comes back with the one before."""
        needed = changed_with_law(self._law, law, network)
        if law == "levels":
            self._before = {}
            for key in needed:
                with suppress(ValueError):  # of a number that is half typed
                    self._before[key] = input_value(self.fields[key])
        elif needed:
            needed, self._before = needed | self._before, {}
        self._show(needed)


def _tips() -> dict[str, str]:
    """What each setting does, in a line."""
    return {
        "scales": tr("Every scale but the last factors out half of its dimensions, with mixtures three quarters"),
        "checkerboard_couplings": tr("At each scale but the last, before the squeeze"),
        "channel_couplings": tr("At each scale but the last, after the squeeze"),
        "final_couplings": tr("After which the rest becomes the last part of z"),
        "final_mask": tr("Which values those leave as they are"),
        "checkerboard": tr("Masked: on the whole grid, as published; packed: about four times cheaper"),
        "mixing": tr("Before each channel-wise coupling"),
        "final_mixing": tr("Mix them before each checkerboard coupling of the last scale too"),
        "law": tr("What a coupling does to a value, given the others; mixtures transform each pixel once"),
        "pieces": tr("Pieces of the spline of a value, or logistic distributions of its mixture"),
        "network": tr("Blocks of the networks that give s and t: residual ones are those published"),
        "blocks": tr("Blocks in each network"),
        "width": tr("Feature maps of the networks at the finest resolution"),
        "doubling": tr("Twice the feature maps each time the resolution halves, as published"),
        "leak": tr("Slope of the leaky ReLU below zero; 0 is ReLU, whose feature maps can become constant"),
        "network_norm": tr("Inside residual networks"),
        "weight_norm": tr("Of the convolutions of residual networks"),
        "normalization": tr("After couplings: ActNorm learns from the first batch, batch normalization from all"),
        "conditional_prior": tr("Normalize the half that is factored out by the half that stays"),
        "logit_alpha": tr("Pixels x become logit(a + (1 - 2 a) x)"),
        "equalize": tr("Map levels so that all are equally frequent: flat colours are learnt far sooner"),
    }


def _described(config: FlowConfig) -> str:
    """How images of this shape become latents: the couplings, and the shape of each scale's z."""
    channels, height, width = config.image_shape
    latents = ", ".join("x".join(map(str, scale.shape)) for scale in config.latent_scales)
    text = tr("{0} couplings take images of {1} to latents of {2} (channels, height, width).")
    return text.format(config.couplings, f"{channels}x{height}x{width}", latents)
