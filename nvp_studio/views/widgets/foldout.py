"""A part of a form that is hidden until it is wanted."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLayout, QToolButton, QWidget

from nvp_studio.views.theme import SPACE, set_icon
from nvp_studio.views.widgets.layout import vbox


class Foldout(QWidget):
    """A button with a title that shows or hides what is below it."""

    def __init__(self, title: str, content: QLayout) -> None:
        super().__init__()
        self.button = QToolButton()
        self.button.setText(title)
        self.button.setCheckable(True)
        self.button.setProperty("flat", True)
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._part = QWidget()
        self._part.setLayout(content)
        column = vbox(self, spacing=SPACE)
        column.addWidget(self.button)
        column.addWidget(self._part)
        self.button.toggled.connect(self._show)
        self._show(False)

    def _show(self, unfolded: bool) -> None:
        self._part.setVisible(unfolded)
        set_icon(self.button, "chevron-down" if unfolded else "chevron-right", "dim")
