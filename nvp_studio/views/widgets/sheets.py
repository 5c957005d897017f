"""Sheets of a run's images: as many as fit at a size that can be seen, under a title."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QWidget

from nvp_studio.image_batch import ImageBatch
from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.image_grid import ImageGrid
from nvp_studio.views.widgets.labels import SEPARATOR, ElidedLabel
from nvp_studio.views.widgets.large_images import LargeImages
from nvp_studio.views.widgets.layout import text_label, vbox

_MIN_SIDE = 48
"""Pixels on screen; smaller images are shown enlarged by a whole factor of at least this size, and fewer of them."""


class Sheet(QWidget):
    """Title, a note on the right, and images. With `pairs` the second half of a batch is shown below the first.

    A double click or Return on an image shows it large, or the two of a pair side by side; they follow the sheet then.
    """

    def __init__(self, title: str, text: str, *, detail: str = "", pairs: bool = False) -> None:
        """`title` is what the images are, and `detail` is left out where it does not fit."""
        super().__init__()
        self._pairs = pairs
        self._batch: ImageBatch | None = None
        column = vbox(self, spacing=SPACE // 2)
        row = QHBoxLayout()
        self._title, self._whole_title = title, SEPARATOR.join(filter(None, (title, detail)))
        self._heading = ElidedLabel(self._whole_title, role="section")
        row.addWidget(self._heading, 1)
        self.note = text_label()
        row.addWidget(self.note)
        column.addLayout(row)
        self.grid = ImageGrid()
        name = ", ".join(filter(None, (title, detail)))
        self.grid.setAccessibleName(name)
        names = [self.tr("Real image"), self.tr("Reconstruction")] if pairs else []
        self._large = LargeImages(self.grid, name, names)
        self.grid.set_placeholder(text)
        self.grid.setMinimumHeight(2 * _MIN_SIDE)
        column.addWidget(self.grid, 1)

    def show_batch(self, batch: ImageBatch | None, note: str = "") -> None:
        """Show the images of `batch`; None: the placeholder."""
        self._batch = batch
        self.note.setText(note)
        self._fit_note()
        self._arrange()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_note()
        self._arrange()

    def _fit_note(self) -> None:
        """Leave the detail, and then the note, to the heading's tool tip where there is no room for all."""
        note = self.note.sizeHint().width() + SPACE if self.note.text() else 0

        def fits(title: str) -> bool:
            return self._heading.fontMetrics().horizontalAdvance(title) + note <= self.width()

        shown = self._whole_title if fits(self._whole_title) else self._title
        self._heading.setText(shown)
        self.note.setVisible(fits(shown))
        left_out = (self._whole_title if shown != self._whole_title else "", "" if fits(shown) else self.note.text())
        self._heading.tip = "\n".join(filter(None, left_out))

    def _arrange(self) -> None:
        batch = self._batch
        if batch is None or batch.shape[0] == 0:
            self.grid.show_batch(None)
            self.grid.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            self._large.show_batch(None, ())
            return
        if self.grid.focusPolicy() == Qt.FocusPolicy.NoFocus:
            self.grid.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        _, height, width, _ = batch.shape
        rows = 2 if self._pairs else 1
        count = batch.shape[0] // rows
        columns, lines = self._arrange_lines(count, rows, width, height)
        order: list[int] = []
        for first in range(0, min(count, columns * lines), columns):
            line = range(first, min(first + columns, count))
            blank = [-1] * (columns - len(line))
            for row in range(rows):
                order += [row * count + place for place in line] + blank
        blank = [index for index, place in enumerate(order) if place < 0]
        self.grid.show_batch(_picked(batch, order), columns, blank=blank)
        self._large.show_batch(batch, order, note=self.note.text())

    def _arrange_lines(self, count: int, rows: int, width: int, height: int) -> tuple[int, int]:
        """(columns, lines of `rows` rows): all images as large as possible, or as many as fit at `_MIN_SIDE`."""
        gap = self.grid.gap
        across, down = self.grid.width() + gap, self.grid.height() + gap
        least_zoom = max(1, -(-_MIN_SIDE // max(height, width)))

        def zoom(columns: int) -> int:
            lines = -(-count // columns)
            return min((across // columns - gap) // width, (down // (rows * lines) - gap) // height)

        best = max(range(count, 0, -1), key=lambda columns: (zoom(columns), -(-count % columns)))
        if zoom(best) >= least_zoom:
            return best, -(-count // best)
        columns = min(count, max(1, across // (least_zoom * width + gap)))
        return columns, max(1, down // (rows * (least_zoom * height + gap)))


def _picked(batch: ImageBatch, order: list[int]) -> ImageBatch:
    _, height, width, channels = batch.shape
    size = height * width * channels
    blank = bytes(size)  # place -1
    pixels = b"".join(blank if place < 0 else batch.pixels[place * size : (place + 1) * size] for place in order)
    return ImageBatch((len(order), height, width, channels), pixels)
