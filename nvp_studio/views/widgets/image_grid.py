"""A contact sheet: many small images in one widget, painted at whole zoom, each cell to be clicked."""

from PySide6.QtCore import QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from nvp_studio.image_batch import ImageBatch
from nvp_studio.state.qimages import qimages
from nvp_studio.views.theme import SPACE, colors, scaled_font


class ImageGrid(QWidget):
    """Images in rows, as large as a whole zoom allows.

    With `rows` set, that many rows are shown and as many columns as fit; else all images in rows of so many columns.
    """

    clicked = Signal(int)
    """Number of the cell that was clicked, or chosen by keys."""

    def __init__(self, rows: int | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows = rows
        self._images: list[QImage] = []
        self._tips: tuple[str, ...] = ()
        self._columns: int | None = None
        self._under_mouse = -1
        self.selected = -1
        self.placeholder = ""
        self.gap = 2
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMouseTracking(True)

    @property
    def count(self) -> int:
        """Number of images."""
        return len(self._images)

    def show_batch(self, batch: ImageBatch | None, columns: int | None = None, tips: tuple[str, ...] = ()) -> None:
        """Show the images of `batch`, in rows of `columns` (else in one row), each with its tip."""
        self._images = qimages(batch) if batch is not None else []
        self._columns = columns
        self._tips = tips
        self._under_mouse = -1
        self.update()

    def set_placeholder(self, text: str) -> None:
        """Set the text that is shown while there are no images."""
        self.placeholder = text
        self.update()

    def select(self, index: int) -> None:
        """Mark a cell, or (-1) none."""
        if index != self.selected:
            self.selected = index
            self.update()

    def cell_rect(self, index: int) -> QRect:
        """Where cell `index` is painted."""
        columns, _, side, origin = self._layout()
        row, column = divmod(index, columns)
        return QRect(
            origin.x() + column * (side.width() + self.gap),
            origin.y() + row * (side.height() + self.gap),
            side.width(),
            side.height(),
        )

    def shown(self) -> int:
        """How many cells fit."""
        columns, rows, _, _ = self._layout()
        return min(self.count, columns * rows)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        c = colors()
        if not self._images:
            painter.setPen(QColor(c.dim))
            painter.setFont(scaled_font(13))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self.placeholder)
            return
        for index in range(self.shown()):
            rect = self.cell_rect(index)
            painter.drawImage(rect, self._images[index])
            if index in (self.selected, self._under_mouse):
                painter.setPen(QPen(QColor(c.accent if index == self.selected else c.text), 2))
                painter.drawRect(rect.adjusted(0, 0, -1, -1))
        if self.hasFocus() and self.focusPolicy() != Qt.FocusPolicy.NoFocus:
            painter.setPen(QPen(QColor(c.accent), 1))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        index = self._index_at(event.position().toPoint())
        if index != self._under_mouse:
            self._under_mouse = index
            self.setToolTip(self._tips[index] if 0 <= index < len(self._tips) else "")
            self.update()

    def leaveEvent(self, event: object) -> None:
        self._under_mouse = -1
        self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        index = self._index_at(event.position().toPoint())
        if index >= 0 and event.button() == Qt.MouseButton.LeftButton:
            self.clicked.emit(index)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        columns = self._layout()[0] if self._images else 1
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Up: -columns, Qt.Key.Key_Down: columns}
        step = steps.get(Qt.Key(event.key()))
        if step is None or not self._images:
            super().keyPressEvent(event)
            return
        index = 0 if self.selected < 0 else self.selected + step
        if 0 <= index < self.shown():
            self.clicked.emit(index)

    def _index_at(self, point: QPoint) -> int:
        if not self._images:
            return -1
        return next((i for i in range(self.shown()) if self.cell_rect(i).contains(point)), -1)

    def _layout(self) -> tuple[int, int, QSize, QPoint]:
        """(columns, rows, size of a cell, top left corner)."""
        image = self._images[0].size() if self._images else QSize(SPACE, SPACE)
        columns, rows, factor = self._arrange(image)
        side = QSize(max(1, int(image.width() * factor)), max(1, int(image.height() * factor)))
        used_columns = min(columns, max(1, self.count))
        used_rows = min(rows, -(-self.count // columns)) if self.count else 1
        width = used_columns * (side.width() + self.gap) - self.gap
        height = used_rows * (side.height() + self.gap) - self.gap
        left = 0 if self._rows is not None else max(0, (self.width() - width) // 2)
        return columns, rows, side, QPoint(left, max(0, (self.height() - height) // 2))

    def _arrange(self, image: QSize) -> tuple[int, int, float]:
        """(columns, rows, zoom)."""
        if self._rows is not None:
            zoom = self._zoom(image, 1, self._rows, by_height=True)
            return max(1, (self.width() + self.gap) // (int(image.width() * zoom) + self.gap)), self._rows, zoom
        columns = max(1, self._columns or self.count)
        rows = -(-self.count // columns) or 1
        return columns, rows, self._zoom(image, columns, rows)

    def _zoom(self, image: QSize, columns: int, rows: int, by_height: bool = False) -> float:
        """The largest zoom of that many cells: whole screen pixels when it is above one."""
        ratio = self.devicePixelRatioF()
        across = ((self.width() + self.gap) / columns - self.gap) / image.width()
        down = ((self.height() + self.gap) / rows - self.gap) / image.height()
        zoom = (down if by_height else min(across, down)) * ratio
        return (int(zoom) if zoom >= 1 else max(zoom, 0.05)) / ratio
