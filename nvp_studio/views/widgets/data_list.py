"""The list of data to train on: sets of the catalogue, and paths that were chosen."""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QStandardItemModel

from nvp_studio.data.catalogue import CATALOGUE
from nvp_studio.views.widgets.inputs import ComboBox
from nvp_studio.views.widgets.labels import plain_tip

_FOLDER, _FILE = "?folder", "?file"


class DataList(ComboBox):
    """The value of an entry is a name of the catalogue or a path; two entries at the end ask for a folder or file."""

    picked = Signal(str)
    """A person has picked these data."""
    folder_wanted = Signal()
    file_wanted = Signal()

    def __init__(self) -> None:
        super().__init__([(entry.title, name) for name, entry in CATALOGUE.items() if entry.on_this_machine])
        for name, entry in CATALOGUE.items():
            if self.findData(name) < 0:
                self._add_absent(entry.title, entry.how_to_get)
        self.insertSeparator(self.count())
        self.addItem(self.tr("Folder of images…"), _FOLDER)
        self.addItem(self.tr("Data file…"), _FILE)
        self._shown = ""
        self.activated.connect(self._on_activated)

    def show_data(self, data: str) -> None:
        """Show these data, adding a path that is not in the list yet."""
        place = self.findData(data)
        if place < 0:
            place = self._insert(data)
        self._shown = data
        self.setCurrentIndex(place)
        self.setToolTip("" if data in CATALOGUE else plain_tip(data))

    def offer(self, paths: Sequence[str]) -> None:
        """Put paths of earlier into the list, the first one first."""
        for path in paths:
            if self.findData(path) < 0:
                self._insert(path)

    def _add_absent(self, title: str, how_to_get: str) -> None:
        """Name a data set that is not on this machine; how to get it is the tool tip."""
        self.addItem(self.tr("{0} (not on this machine)").format(title), "")
        place = self.count() - 1
        self.setItemData(place, plain_tip(how_to_get), Qt.ItemDataRole.ToolTipRole)
        model = self.model()
        assert isinstance(model, QStandardItemModel)
        model.item(place).setEnabled(False)

    def _insert(self, data: str) -> int:
        place = self.count() - 2
        title = CATALOGUE[data].title if data in CATALOGUE else Path(data).name or data
        self.insertItem(place, title, data)
        self.setItemData(place, plain_tip(data), Qt.ItemDataRole.ToolTipRole)
        return place

    def _on_activated(self, place: int) -> None:
        data = self.itemData(place)
        if data in (_FOLDER, _FILE):
            self.show_data(self._shown)  # until a person has chosen
            (self.folder_wanted if data == _FOLDER else self.file_wanted).emit()
        elif data:
            self.picked.emit(data)
