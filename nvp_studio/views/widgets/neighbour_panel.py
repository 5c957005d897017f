"""The training images nearest to the picture, side by side, each with its distance."""

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QAction, QHideEvent, QIcon, QImage, QKeyEvent, QPixmap, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QListWidget, QListWidgetItem, QProgressBar, QWidget

from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.action_button import ActionButton
from nvp_studio.views.widgets.inputs import ComboBox
from nvp_studio.views.widgets.known_data import KnownDataField
from nvp_studio.views.widgets.labels import ElidedLabel, plain_tip
from nvp_studio.views.widgets.layout import hbox, vbox

_SIDE = 5 * SPACE
_WIDTH = 8 * SPACE
_HEIGHT = 10 * SPACE
_ROOM_FOR_TEXT = 56 * SPACE


class NeighbourPanel(QWidget):
    """The panel below the picture: which images, how they are compared, and the nearest ones."""

    shown = Signal(bool)
    chosen = Signal(int)
    """Show this neighbour as the picture, by its place from 0 on."""
    space_picked = Signal(str)
    """"x" or "z"."""

    def __init__(self, find: QAction, stop: QAction) -> None:
        super().__init__()
        self.data = KnownDataField()
        self.space = ComboBox(
            [(self.tr("in pixels"), "x"), (self.tr("in latents"), "z")],
            self.tr("Compared in pixels or in latents"),
            13 * SPACE,
        )
        self.space.activated.connect(lambda place: self.space_picked.emit(self.space.itemData(place)))
        self._find, self._stop = ActionButton(find, self.tr("Find")), ActionButton(stop, self.tr("Stop"))
        tools = hbox(spacing=SPACE // 2)
        tools.addWidget(self.data, 1)
        tools.addWidget(self.space)
        tools.addStretch(0)
        tools.addWidget(self._find)
        tools.addWidget(self._stop)
        self.list = _NeighbourList(self)
        self.status = ElidedLabel(role="dim", lines=2)
        self.progress = QProgressBar(textVisible=False)
        self.progress.setFixedHeight(SPACE // 2)
        self.progress.setFixedWidth(12 * SPACE)
        self.progress.setAccessibleName(self.tr("Progress of the comparison"))
        line = hbox()
        line.addWidget(self.status, 1)
        line.addWidget(self.progress)
        column = vbox(self, spacing=SPACE // 2)
        column.addLayout(tools)
        column.addWidget(self.list)
        column.addLayout(line)

    def show_neighbours(self, images: Sequence[QImage], texts: Sequence[str], tips: Sequence[str]) -> None:
        """Show the images with a text below and a tool tip for each, nearest first."""
        self.list.clear()
        for image, text, tip in zip(images, texts, tips, strict=True):
            pixmap = QPixmap.fromImage(image).scaled(
                QSize(_SIDE, _SIDE), Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.FastTransformation
            )
            item = QListWidgetItem(QIcon(pixmap), text)
            item.setSizeHint(QSize(_WIDTH, _SIDE + 5 * SPACE // 2))
            item.setToolTip(plain_tip(tip))
            self.list.addItem(item)

    def show_progress(self, done: int, total: int, *, running: bool) -> None:
        """Show how much is done; of a total of 0 it is not known."""
        self.progress.setVisible(running)
        self.progress.setRange(0, total)
        self.progress.setValue(done)

    def show_status(self, text: str, tip: str = "") -> None:
        """Show what the distances mean, or what is going on."""
        self.status.setText(text)
        self.status.tip = tip

    def resizeEvent(self, event: QResizeEvent) -> None:
        for button in (self._find, self._stop):
            button.show_text(self.width() >= _ROOM_FOR_TEXT)

    def showEvent(self, event: QShowEvent) -> None:
        self.shown.emit(True)

    def hideEvent(self, event: QHideEvent) -> None:
        self.shown.emit(False)


class _NeighbourList(QListWidget):
    """A click shows a neighbour; arrow keys choose one, Return shows it."""

    def __init__(self, panel: NeighbourPanel) -> None:
        super().__init__(panel)
        self._panel = panel
        self.setViewMode(QListWidget.ViewMode.IconMode)
        self.setMovement(QListWidget.Movement.Static)
        self.setWrapping(False)
        self.setIconSize(QSize(_SIDE, _SIDE))
        self.setFixedHeight(_HEIGHT)
        self.setHorizontalScrollMode(QListWidget.ScrollMode.ScrollPerPixel)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName(self.tr("Nearest training images"))
        self.itemClicked.connect(lambda item: panel.chosen.emit(self.row(item)))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.currentRow() >= 0:
            self._panel.chosen.emit(self.currentRow())
        else:
            super().keyPressEvent(event)
