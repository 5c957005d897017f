"""Sheets of a run's images: as many as fit at a size that can be seen, under a title."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QWidget

from nvp_studio.image_batch import ImageBatch
from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.elided_label import ElidedLabel
from nvp_studio.views.widgets.image_grid import ImageGrid
from nvp_studio.views.widgets.layout import text_label, vbox

_LEAST_SIDE = 48
"""Pixels on screen; smaller images are shown enlarged by a whole factor of at least this size, and fewer of them."""


class Sheet(QWidget):
    """Title, a note on the right, and images. With `pairs` the second half of a batch is shown below the first."""

    def __init__(self, title: str, text: str, *, pairs: bool = False) -> None:
        super().__init__()
        self._pairs = pairs
        self._batch: ImageBatch | None = None
        column = vbox(self, spacing=SPACE // 2)
        row = QHBoxLayout()
        heading = ElidedLabel(title, role="section")
        row.addWidget(heading, 1)
        self.note = text_label()
        row.addWidget(self.note)
        column.addLayout(row)
        self.grid = ImageGrid()
        self.grid.setAccessibleName(title)
        self.grid.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.grid.set_placeholder(text)
        self.grid.setMinimumHeight(2 * _LEAST_SIDE)
        column.addWidget(self.grid, 1)

    def show_batch(self, batch: ImageBatch | None, note: str = "") -> None:
        """Show the images of `batch`; None: the placeholder."""
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
        columns, lines = self._pair_layout(pairs, width, height, zoom)
        order: list[int] = []
        for first in range(0, min(pairs, columns * lines), columns):
            line = range(first, min(first + columns, pairs))
            blank = [-1] * (columns - len(line))
            order += [*line, *blank, *(pairs + place for place in line), *blank]
        self.grid.show_batch(_picked(batch, order), columns)

    def _pair_layout(self, pairs: int, width: int, height: int, least_zoom: int) -> tuple[int, int]:
        """(columns, lines of pairs): all as large as possible with few places empty, or what fits at the least zoom."""
        gap = self.grid.gap
        across, down = self.grid.width() + gap, self.grid.height() + gap

        def zoom(columns: int) -> int:
            lines = -(-pairs // columns)
            return min((across // columns - gap) // width, (down // (2 * lines) - gap) // height)

        best = max(range(pairs, 0, -1), key=lambda columns: (zoom(columns), -(-pairs % columns)))
        if zoom(best) >= least_zoom:
            return best, -(-pairs // best)
        columns = min(pairs, max(1, across // (least_zoom * width + gap)))
        return columns, max(1, down // (2 * (least_zoom * height + gap)))


def _picked(batch: ImageBatch, order: list[int]) -> ImageBatch:
    _, height, width, channels = batch.shape
    size = height * width * channels
    blank = bytes(size)  # place -1
    pixels = b"".join(blank if place < 0 else batch.pixels[place * size : (place + 1) * size] for place in order)
    return ImageBatch((len(order), height, width, channels), pixels)
