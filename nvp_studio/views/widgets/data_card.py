"""What the chosen data hold, in a few lines with sample images, as the form of a run shows it."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QPushButton, QWidget

from nvp_studio.data.report import DataReport
from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.image_grid import ImageGrid
from nvp_studio.views.widgets.labels import NoteLabel
from nvp_studio.views.widgets.layout import vbox


class DataCard(QWidget):
    """A note, some images in a row, and a button to look closer."""

    opened = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.note = NoteLabel()
        self.images = ImageGrid(rows=1)
        self.images.setAccessibleName(self.tr("Images to train on"))
        self.images.setFixedHeight(5 * SPACE)
        self.images.clicked.connect(lambda _: self.opened.emit())
        self.button = QPushButton(self.tr("Look closer…"))
        self.button.setProperty("flat", True)
        self.button.setToolTip(self.tr("All that is known of these data, more of their images, and how they are read"))
        self.button.clicked.connect(self.opened)
        column = vbox(self)
        for part in (self.note, self.images, self.button):
            column.addWidget(part)
        self.show_report(None)

    def show_report(self, report: DataReport | None) -> None:
        """Show sample images of `report`."""
        samples = None if report is None else report.samples
        self.images.show_batch(samples, tips=() if report is None else report.sample_names)
        self.images.setVisible(samples is not None)
