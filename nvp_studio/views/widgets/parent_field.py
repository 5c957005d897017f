"""The model that a run begins from, in the form: its name, and a button to begin from new weights instead."""

import os
from functools import partial

from PySide6.QtCore import QCoreApplication, Qt, Signal
from PySide6.QtWidgets import QWidget

from nvp_studio.flow.config import FlowConfig
from nvp_studio.resources import INCLUDED_MODELS
from nvp_studio.state.paths import model_name
from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.action_button import flat_button
from nvp_studio.views.widgets.labels import ElidedLabel, plain_tip
from nvp_studio.views.widgets.layout import hbox

tr = partial(QCoreApplication.translate, "TrainForm")


class ParentField(QWidget):
    """Shows one model; `path` is None and the field hidden while a run begins from new weights."""

    cleared = Signal()
    """A person wants new weights."""

    def __init__(self) -> None:
        super().__init__()
        self.path: str | None = None
        self.flow: FlowConfig | None = None
        """Its architecture, None where that is not known before the run starts."""
        self._name = ElidedLabel()
        self._name.setTextInteractionFlags(Qt.TextInteractionFlag.NoTextInteraction)
        self.button = flat_button("x", tr("Begin from new weights"))
        line = hbox(self, spacing=SPACE // 2)
        line.addWidget(self._name, 1)
        line.addWidget(self.button)
        self.button.clicked.connect(self.cleared)

    def show_model(self, path: str | None, flow: FlowConfig | None = None) -> None:
        """Show the model at `path`, None for new weights."""
        self.path, self.flow = path, flow
        self._name.setText(model_name(path) if path else "")
        self._name.tip = plain_tip(path or "")

    @property
    def problem(self) -> str:
        """Why no run can begin from it, as far as can be told without reading it; empty when one can."""
        if self.path is None or self.path in INCLUDED_MODELS or os.path.exists(self.path):
            return ""
        return tr("{0} is not there any more").format(self.path)
