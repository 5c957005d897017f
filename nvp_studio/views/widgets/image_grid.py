"""A contact sheet: many small images in one widget, painted at whole zoom, each cell to be clicked."""

from collections.abc import Collection

from PySide6.QtCore import QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QApplication, QSizePolicy, QWidget

from nvp_studio.image_batch import ImageBatch
from nvp_studio.state.qimages import qimages
from nvp_studio.views.theme import colors, scaled_font
from nvp_studio.views.widgets.image_view import DIMMED
from nvp_studio.views.widgets.labels import plain_tip
from nvp_studio.views.widgets.placed_image import whole_zoom

_NO_LIMIT = 100_000


class ImageGrid(QWidget):
    """Images in rows, as large as a whole zoom allows.

    With `rows` set, that many rows are shown and as many columns as fit; else all images in rows of so many columns.
    """

    clicked = Signal(int)
    """Number of the cell that was clicked, or chosen by keys."""
    opened = Signal(int)
    """Number of the cell that was double-clicked, or chosen by Return."""
    dragged = Signal(int)
    """Number of the cell that is pulled out, where `offer_drag` was called."""

    def __init__(self, rows: int | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows = rows
        self._images: list[QImage] = []
        self._blank: Collection[int] = ()
        self._tips: tuple[str, ...] = ()
        self._tip = ""
        self._columns: int | None = None
        self._under_mouse = -1
        self._drags = False
        self._pulled: tuple[int, QPoint] | None = None
        """The cell that the button went down on, and where, while it may be pulled out."""
        self.dimmed = False
        """Whether the images are painted pale."""
        self.selected = -1
        self.placeholder = ""
        self.gap = 2
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMouseTracking(True)

    @property
    def count(self) -> int:
        """Number of images."""
        return len(self._images)

    def show_batch(
        self,
        batch: ImageBatch | None,
        columns: int | None = None,
        tips: tuple[str, ...] = (),
        *,
        blank: Collection[int] = (),
    ) -> None:
        """Show the images of `batch`, in rows of `columns` (else in one row), each with its tip.

        The places of those that are `blank` are left empty.
        """
        self._images = qimages(batch) if batch is not None else []
        self._blank = blank
        self._columns = columns
        self._tips = tips
        self._under_mouse = -1
        self.update()

    def set_dimmed(self, dimmed: bool) -> None:
        """Paint the images pale, as others are on their way."""
        if dimmed != self.dimmed:
            self.dimmed = dimmed
            self.update()

    def set_placeholder(self, text: str) -> None:
        """Set the text that is shown while there are no images."""
        self.placeholder = text
        self.update()

    def set_tip(self, tip: str) -> None:
        """Set the tool tip of images that have none of their own."""
        self._tip = tip
        self.setToolTip(tip)

    def offer_drag(self) -> None:
        """Let images be pulled out; a click counts once the button is let go then."""
        self._drags = True

    def select(self, index: int) -> None:
        """Mark a cell, or (-1) none."""
        if index != self.selected:
            self.selected = index
            self.update()

    def cell_rect(self, index: int) -> QRect:
        """Where cell `index` is painted."""
        return self._cells()[1][index]

    def shown(self) -> int:
        """How many cells fit."""
        return len(self._cells()[1])

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        c = colors()
        if not self._images:
            painter.setPen(QColor(c.dim))
            painter.setFont(scaled_font(13))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self.placeholder)
            return
        for index, rect in enumerate(self._cells()[1]):
            if index in self._blank:
                continue
            painter.setOpacity(DIMMED if self.dimmed else 1.0)
            painter.drawImage(rect, self._images[index])
            painter.setOpacity(1.0)
            if index in (self.selected, self._under_mouse):
                painter.setPen(QPen(QColor(c.accent if index == self.selected else c.text), 2))
                painter.drawRect(rect.adjusted(0, 0, -1, -1))
        if self.hasFocus() and self.focusPolicy() != Qt.FocusPolicy.NoFocus:
            painter.setPen(QPen(QColor(c.accent), 1))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._pulled is not None:
            index, start = self._pulled
            if (event.position().toPoint() - start).manhattanLength() >= QApplication.startDragDistance():
                self._pulled = None
                self.dragged.emit(index)
            return
        index = self._index_at(event.position().toPoint())
        if index != self._under_mouse:
            self._under_mouse = index
            self.setToolTip(plain_tip(self._tips[index]) if 0 <= index < len(self._tips) else self._tip)
            self.update()

    def leaveEvent(self, event: object) -> None:
        self._under_mouse = -1
        self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        index = self._index_at(event.position().toPoint())
        if index >= 0 and event.button() == Qt.MouseButton.LeftButton:
            if self._drags:
                self._pulled = index, event.position().toPoint()
            else:
                self.clicked.emit(index)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        pulled, self._pulled = self._pulled, None
        if pulled is not None and event.button() == Qt.MouseButton.LeftButton:
            self.clicked.emit(pulled[0])

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        index = self._index_at(event.position().toPoint())
        if index >= 0 and event.button() == Qt.MouseButton.LeftButton:
            self.opened.emit(index)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and 0 <= self.selected < self.count:
            self.opened.emit(self.selected)
            return
        columns, cells = self._cells()
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Up: -columns, Qt.Key.Key_Down: columns}
        step = steps.get(Qt.Key(event.key()))
        if step is None or not cells:
            super().keyPressEvent(event)
            return
        index = 0 if self.selected < 0 else self.selected + step
        if 0 <= index < len(cells):
            self.clicked.emit(index)

    def _index_at(self, point: QPoint) -> int:
        return next((index for index, rect in enumerate(self._cells()[1]) if rect.contains(point)), -1)

    def _cells(self) -> tuple[int, list[QRect]]:
        """(columns, places of the images that fit): in the middle, at the left with a given number of rows."""
        if not self._images:
            return 1, []
        across, down = self.width() + self.gap, self.height() + self.gap
        columns, rows = self._columns or self.count, self._rows
        if rows is None:
            rows = -(-self.count // columns)
            side = self._zoomed(across // columns, down // rows)
        else:
            side = self._zoomed(_NO_LIMIT, down // rows)
            columns = max(1, across // (side.width() + self.gap))
        step = QSize(side.width() + self.gap, side.height() + self.gap)
        count = min(self.count, columns * rows)
        left = 0 if self._rows is not None else max(0, (across - columns * step.width()) // 2)
        lines = -(-count // columns)
        top = max(0, (down - lines * step.height()) // 2)
        corners = (
            QPoint(left + place % columns * step.width(), top + place // columns * step.height())
            for place in range(count)
        )
        return columns, [QRect(corner, side) for corner in corners]

    def _zoomed(self, across: int, down: int) -> QSize:
        """The size of an image in a cell of so many pixels, its gap included."""
        space = QSize(max(1, across - self.gap), max(1, down - self.gap))
        size = whole_zoom(self._images[0].size(), space, self.devicePixelRatioF())
        return QSize(max(1, int(size.width())), max(1, int(size.height())))
