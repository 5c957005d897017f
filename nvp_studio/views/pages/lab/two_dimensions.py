"""The part of Lab with densities of two dimensions."""

from PySide6.QtWidgets import QWidget

from nvp_studio.views.page import Page
from nvp_studio.views.widgets.layout import text_label, vbox


class TwoDimensions(QWidget):
    """Densities of two dimensions; its actions belong to `page`."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        column = vbox(self)
        column.addWidget(text_label(self.tr("Densities of two dimensions.")))
        column.addStretch(1)
