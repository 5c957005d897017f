"""What Score shows before there are files."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QWidget

from nvp_studio.text import pixels_text
from nvp_studio.views.theme import SPACE, colors, pixmap, theme
from nvp_studio.views.widgets.action_button import ActionButton
from nvp_studio.views.widgets.labels import TextLabel
from nvp_studio.views.widgets.layout import hbox, text_label, vbox
from nvp_studio.worker.messages import ModelInfo


class ScoreEmpty(QWidget):
    """Says what may be dropped, and what each file gets."""

    def __init__(self, add_files: QAction, *others: QAction) -> None:
        super().__init__()
        column = vbox(self, spacing=2 * SPACE, margins=(6 * SPACE, 6 * SPACE, 6 * SPACE, 6 * SPACE))
        column.addStretch(2)
        self._icon = TextLabel()
        self._icon.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column.addWidget(self._icon)
        heading = text_label(self.tr("Drop images, folders or archives here"), "heading")
        heading.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column.addWidget(heading)
        self.label = text_label(wrap=True)
        self.label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column.addWidget(self.label)
        row = hbox()
        row.addStretch(1)
        row.addWidget(ActionButton(add_files, primary=True))
        for action in others:
            row.addWidget(ActionButton(action))
        row.addStretch(1)
        column.addSpacing(SPACE)
        column.addLayout(row)
        column.addStretch(3)
        self._show_icon()
        theme().changed.connect(self._show_icon)

    def show_model(self, model: ModelInfo | None) -> None:
        """Say what the open model takes; None while none is open."""
        text = self.tr(
            "Each file gets its bits per dimension and a verdict: typical, unusual or far outside. "
            "Files are cropped and resized to the model's size, and every change is named."
        )
        if model is not None:
            channels, height, width = model.image_shape
            colour = self.tr("grey") if channels == 1 else self.tr("colour")
            size = pixels_text(width, height)
            text += "\n" + self.tr("Model: {0}, {1} {2}.").format(model.name, size, colour)
        self.label.setText(text)

    def _show_icon(self) -> None:
        self._icon.setPixmap(pixmap("images", colors().disabled, 6 * SPACE, self.devicePixelRatioF()))
