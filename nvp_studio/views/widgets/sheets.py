"""Sheets of a run's images: as many as fit at a size that can be seen, under a title."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from nvp_studio.training.events import ImageBatch
from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.image_grid import ImageGrid

_LEAST_SIDE = 48
"""Pixels on screen; smaller images are shown enlarged by a whole factor of at least this size, and fewer of them."""


class Sheet(QWidget):
    """Title, a word on the right, and images. With `pairs` the second half of a batch belongs below the first."""

    def __init__(self, title: str, words: str, *, pairs: bool = False) -> None:
        super().__init__()
        self._pairs = pairs
        self._batch: ImageBatch | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE // 2)
        row = QHBoxLayout()
        heading = QLabel(title)
        heading.setProperty("role", "section")
        row.addWidget(heading)
        row.addStretch(1)
        self.note = QLabel()
        self.note.setProperty("role", "dim")
        row.addWidget(self.note)
        column.addLayout(row)
        self.grid = ImageGrid()
        self.grid.setAccessibleName(title)
        self.grid.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.grid.show_words(words)
        self.grid.setMinimumHeight(2 * _LEAST_SIDE)
        column.addWidget(self.grid, 1)

    def show_batch(self, batch: ImageBatch | None, note: str = "") -> None:
        """Show the images of `batch`, or the words when None."""
        self._batch = batch
        self.note.setText(note)
        self._arrange()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    def _arrange(self) -> None:
        batch = self._batch
        if batch is None or batch.shape[0] == 0:
            self.grid.show_batch(None)
            return
        count, height, width, _ = batch.shape
        zoom = max(1, -(-_LEAST_SIDE // max(height, width)))
        gap = self.grid.gap
        columns = max(1, (self.grid.width() + gap) // (zoom * width + gap))
        rows = max(1, (self.grid.height() + gap) // (zoom * height + gap))
        if not self._pairs:
            self.grid.show_batch(_picked(batch, list(range(min(count, columns * rows)))))
            return
        pairs = count // 2
        columns = min(columns, pairs)
        order: list[int] = []
        for first in range(0, pairs, columns):
            if len(order) and len(order) // columns + 2 > rows:
                break
            line = range(first, first + columns)
            if line.stop > pairs and first:
                break
            order += [*line, *(pairs + place for place in line)]
        self.grid.show_batch(_picked(batch, order), columns)


def _picked(batch: ImageBatch, order: list[int]) -> ImageBatch:
    _, height, width, channels = batch.shape
    size = height * width * channels
    pixels = b"".join(batch.pixels[place * size : (place + 1) * size] for place in order)
    return ImageBatch((len(order), height, width, channels), pixels)
