"""The choice of the images that pictures are compared with."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QWidget

from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.layout import hbox

if TYPE_CHECKING:
    from nvp_studio.views.widgets.data_list import DataList

_OWN = "?own"


class KnownDataField(QWidget):
    """A list of the model's own data, data sets and paths; it is filled when it is first shown."""

    picked = Signal(str)
    """Data that a person has picked; empty: the model's own."""
    folder_wanted = Signal()
    file_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._row = hbox(self)
        self.setMinimumWidth(16 * SPACE)
        self.setMaximumWidth(40 * SPACE)
        self.list: DataList | None = None
        self._shown = ""

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self.list is None:
            self._fill()

    def show_data(self, data: str) -> None:
        """Show these data as those that are chosen."""
        self._shown = data
        if self.list is not None:
            self.list.show_data(data or _OWN)
            if not data:
                self.list.setToolTip(self.tr("The data that the open model was trained on"))

    def _fill(self) -> None:
        from nvp_studio.views.widgets.data_list import DataList  # its catalogue is not needed at the start

        self.list = DataList()
        self.list.insertItem(0, self.tr("Model's data"), _OWN)
        self.list.insertSeparator(1)
        self.list.setAccessibleName(self.tr("Images to compare with"))
        self.list.picked.connect(lambda data: self.picked.emit("" if data == _OWN else data))
        self.list.folder_wanted.connect(self.folder_wanted)
        self.list.file_wanted.connect(self.file_wanted)
        self._row.addWidget(self.list)
        self.show_data(self._shown)
