"""The right side of Explore: score, seed and sliders."""

from PySide6.QtWidgets import QSizePolicy, QWidget

from nvp_studio.state.edited_recipe import MAX_SEED
from nvp_studio.training.bounds import Bounds
from nvp_studio.views.context import WindowContext
from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.action_button import ActionButton
from nvp_studio.views.widgets.latent_panel import LatentPanel
from nvp_studio.views.widgets.layout import hbox, text_label, vbox
from nvp_studio.views.widgets.number_field import NumberField
from nvp_studio.views.widgets.score_card import ScoreCard


class SliderPanel(QWidget):
    """How likely the picture is, the seed of the sample, and the sliders."""

    def __init__(self, context: WindowContext) -> None:
        super().__init__()
        self.setMinimumWidth(41 * SPACE)
        column = vbox(self, margins=(SPACE, 0, 0, 0))
        self.score = ScoreCard()
        column.addWidget(self.score)
        row = hbox()
        row.addWidget(ActionButton(context.registry["explore.new-sample"], self.tr("New sample")))
        row.addStretch(1)
        label = text_label(self.tr("Seed"))
        self.seed = NumberField(Bounds(0, MAX_SEED), whole=True, none_text=self.tr("image"), explain_empty=False)
        self.seed.setFixedWidth(15 * SPACE)
        self.seed.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.seed.setAccessibleName(self.tr("Seed of the sample"))
        label.setBuddy(self.seed)
        row.addWidget(label)
        row.addWidget(self.seed)
        column.addLayout(row)
        column.addWidget(self.seed.add_note())
        self.latents = LatentPanel()
        for key in ("explore.randomize", "explore.repeat-randomize", "explore.reset"):
            self.latents.add_tool(context.registry[key])
        column.addWidget(self.latents, 1)
