"""The flow of a run: a preset, and the settings that differ from it."""

from functools import partial
from typing import Any

import msgspec
from PySide6.QtCore import QCoreApplication, Qt, Signal
from PySide6.QtWidgets import QWidget

from nvp_studio.flow.config import FlowConfig, preset_config
from nvp_studio.text import number_text
from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.action_button import flat_button
from nvp_studio.views.widgets.inputs import ComboBox
from nvp_studio.views.widgets.labels import NoteLabel
from nvp_studio.views.widgets.layout import hbox, vbox

tr = partial(QCoreApplication.translate, "Flow")

ImageShape = tuple[int, int, int]


def field_names() -> dict[str, str]:
    """The settings of a flow that a person changes, in the order of the dialog, with their names on screen."""
    return {
        "scales": tr("Scales"),
        "checkerboard_couplings": tr("Checkerboard couplings"),
        "channel_couplings": tr("Channel-wise couplings"),
        "final_couplings": tr("Couplings at the last scale"),
        "final_mask": tr("Masks of the last scale"),
        "checkerboard": tr("Checkerboard form"),
        "mixing": tr("Mixing of channels"),
        "final_mixing": tr("Mixing at the last scale"),
        "law": tr("Transform of couplings"),
        "pieces": tr("Bins or components"),
        "network": tr("Networks"),
        "blocks": tr("Blocks"),
        "width": tr("Width"),
        "doubling": tr("Double the width at each scale"),
        "leak": tr("Negative slope"),
        "network_norm": tr("Normalization in networks"),
        "weight_norm": tr("Weight normalization"),
        "normalization": tr("Normalization of outputs"),
        "conditional_prior": tr("Conditional prior"),
        "logit_alpha": tr("Alpha of the logit"),
        "equalize": tr("Equalize levels"),
    }


def value_names() -> dict[str, str]:
    """What the choices of such settings are called."""
    return {
        "none": tr("none"),
        "batch": tr("batch normalization"),
        "actnorm": tr("ActNorm"),
        "conv1x1": tr("1x1 convolution"),
        "affine": tr("affine"),
        "spline": tr("rational-quadratic spline"),
        "levels": tr("mixture over grey levels"),
        "residual": tr("residual"),
        "gated": tr("gated"),
        "depthwise": tr("depthwise"),
        "masked": tr("masked"),
        "packed": tr("packed"),
        "checkerboard": tr("checkerboard"),
        "channel": tr("channel-wise"),
    }


class FlowChoice(QWidget):
    """A list of presets, a button for what else a flow consists of, and a line on what differs from the preset."""

    change_requested = Signal()
    edited = Signal()
    preset_chosen = Signal()
    """A person chose a preset; changes to the one before are dropped."""

    def __init__(self) -> None:
        super().__init__()
        self.shape: ImageShape | None = None
        """(C, H, W) of the images that a changed flow is built for; None while that is not known."""
        self.changes: dict[str, Any] = {}
        entries = (
            (tr("Studio"), "studio", tr("The default: spline couplings in the paper's layout, for a CPU")),
            (tr("Quick"), "quick", tr("Smaller: learns visibly within a minute")),
            (
                tr("Pyramid"),
                "pyramid",
                tr(
                    "Each pixel from coarser grids, by mixtures over grey levels: for drawings and flat colours; "
                    "exact code lengths"
                ),
            ),
            (tr("Paper"), "paper", tr("As published, for a GPU: width doubles at each scale, batch normalization")),
            (
                tr("Paper, CIFAR-10"),
                "paper-cifar10",
                tr("As published for CIFAR-10, for a GPU: two scales, 8 residual blocks, width 64"),
            ),
            (tr("Large"), "large", tr("Spline couplings as wide as one large GPU trains in a day")),
        )
        self.preset = ComboBox([(name, preset) for name, preset, _ in entries])
        for place, (*_, tip) in enumerate(entries):
            self.preset.setItemData(place, tip, Qt.ItemDataRole.ToolTipRole)
        self.tip = "\n".join(f"{name}: {tip}" for name, _, tip in entries)
        self.button = flat_button("sliders-horizontal", tr("Change the flow…"))
        self.note = NoteLabel()
        line = hbox(spacing=SPACE // 2)
        line.addWidget(self.preset, 1)
        line.addWidget(self.button)
        column = vbox(self, spacing=SPACE // 2)
        column.addLayout(line)
        column.addWidget(self.note)
        self.preset.currentIndexChanged.connect(self.edited)
        self.preset.activated.connect(self._on_preset_chosen)
        self.button.clicked.connect(self.change_requested)

    @property
    def name(self) -> str:
        """The preset's name."""
        preset: str = self.preset.currentData()
        return preset

    @property
    def flow(self) -> FlowConfig | None:
        """The changed flow, None for the unchanged preset; raises `ValueError` if it cannot be built."""
        if not self.changes:
            return None
        if self.shape is None:
            raise ValueError(tr("a changed flow needs the image size and colours to be set"))
        return msgspec.structs.replace(preset_config(self.name, self.shape), **self.changes)

    def show_flow(self, flow: FlowConfig | None) -> None:
        """Show what `flow` changes in the preset shown; None: nothing."""
        if flow is None:
            self.show_changes({})
        else:
            self.shape = flow.image_shape
            self.show_changes(differences(preset_config(self.name, flow.image_shape), flow))

    def show_changes(self, changes: dict[str, Any]) -> None:
        """Show these settings in place of the preset's."""
        self.changes = changes
        values = value_names()
        told = (
            f"{name}: {_told(values.get(str(self.changes[key]), self.changes[key]))}"
            for key, name in field_names().items()
            if key in self.changes
        )
        self.note.show_text(", ".join(told))
        self.edited.emit()

    def _on_preset_chosen(self) -> None:
        self.show_flow(None)
        self.preset_chosen.emit()


def differences(one: FlowConfig, other: FlowConfig) -> dict[str, Any]:
    """The settings of `other` that are not those of `one`, for images of one shape."""
    return {
        field: getattr(other, field)
        for field in other.__struct_fields__
        if field != "image_shape" and getattr(one, field) != getattr(other, field)
    }


def _told(value: object) -> str:
    if isinstance(value, bool):
        return tr("yes") if value else tr("no")
    return number_text(value) if isinstance(value, float) else str(value)
