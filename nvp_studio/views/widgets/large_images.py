"""Images of a grid shown large, on a double click or Return."""

from collections.abc import Sequence

from PySide6.QtCore import QObject

from nvp_studio.image_batch import ImageBatch
from nvp_studio.state.qimages import qimage
from nvp_studio.views.widgets.image_grid import ImageGrid
from nvp_studio.views.widgets.labels import SEPARATOR
from nvp_studio.views.widgets.picture_window import PictureWindow


class LargeImages(QObject):
    """Opens a window for the image of a cell, which follows as long as it is open when the grid gets other images."""

    def __init__(self, grid: ImageGrid, title: str, names: Sequence[str] = ()) -> None:
        """With several `names`, as many parts of a batch belong together: image i of each is side by side."""
        super().__init__(grid)
        self._grid = grid
        self._title, self._names = title, names or (title,)
        self._batch: ImageBatch | None = None
        self._cells: Sequence[int] = ()
        self._texts: Sequence[str] = ()
        self._note = ""
        self._index = 0
        self._window: PictureWindow | None = None
        grid.set_tip(self.tr("Double click or Enter: large"))
        grid.clicked.connect(grid.select)
        grid.opened.connect(self._open)

    def show_batch(
        self, batch: ImageBatch | None, cells: Sequence[int], *, note: str = "", texts: Sequence[str] = ()
    ) -> None:
        """Take other images. `cells` has the place in `batch` of each cell, -1 for one that is blank.

        `note` is about all of them, `texts` has a text for each.
        """
        self._batch, self._cells, self._note, self._texts = batch, cells, note, texts
        self._show()

    @property
    def _count(self) -> int:
        """Number of images, or of those that belong together."""
        return 0 if self._batch is None else self._batch.shape[0] // len(self._names)

    def _open(self, cell: int) -> None:
        place = self._cells[cell] if cell < len(self._cells) else -1
        if place < 0:
            return
        self._index = place % self._count
        if self._window is None:
            self._window = PictureWindow(self._title, self._names, self._grid.window())
            self._window.stepped.connect(self._step)
            self._window.finished.connect(self._on_closed)
        self._show()
        self._window.show()
        self._window.raise_()
        self._window.activateWindow()

    def _step(self, step: int) -> None:
        self._index += step
        self._show()

    def _show(self) -> None:
        if self._window is None or self._batch is None or not self._count:
            return
        self._index %= self._count
        places = range(self._index, self._batch.shape[0], self._count)[: len(self._names)]
        text = self._texts[self._index] if self._index < len(self._texts) else ""
        parts = (self.tr("{0} of {1}").format(self._index + 1, self._count), text, self._note)
        self._window.show_images(
            [qimage(self._batch, place) for place in places], SEPARATOR.join(part for part in parts if part)
        )

    def _on_closed(self) -> None:
        self._window = None
