"""The part of Lab with densities of one dimension."""

from PySide6.QtWidgets import QWidget

from nvp_studio.views.page import Page
from nvp_studio.views.widgets.layout import text_label, vbox


class OneDimension(QWidget):
    """Densities of one dimension; its actions belong to `page`."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        column = vbox(self)
        column.addWidget(text_label(self.tr("Densities of one dimension.")))
        column.addStretch(1)
