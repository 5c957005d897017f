"""A map of thousands of small images that can be zoomed, moved, clicked and encircled.

Where images would hide one another, one is shown and the others are dots; the more, the closer the view. So no more
images are painted than fit side by side.
"""

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPen,
    QPixmap,
    QPolygonF,
    QResizeEvent,
    QTransform,
    QWheelEvent,
)
from PySide6.QtWidgets import QGraphicsScene, QGraphicsView

from nvp_studio.image_batch import ImageBatch
from nvp_studio.views.theme import SPACE, colors, scaled_font
from nvp_studio.views.widgets.viewport import ZOOM_STEP

_SIDES = (16, 20, 24, 32, 40, 48, 64, 96, 128)
"""Sizes of an image's longer side on the screen, in pixels."""
_SIDE_AT_FIT = 20
_GROWTH = 0.6
"""The power of the zoom that images grow with: slower than the distances between them."""
_MOST_ZOOM = 200.0
_EXTENT = 1000.0
"""Length of the longer side of the map in the scene."""
_DOT = 3
_CLICK = 4
"""Pixels within which a press and a release are a click."""
_COLUMNS = 64
"""Of images in a pixmap."""

Points = npt.NDArray[np.float64]


class ImageMapView(QGraphicsView):
    """Shows images at their places. The wheel zooms, a drag moves, a click or Return opens one.

    With `lasso`, or with Shift, a drag encircles images, which are selected; Space selects the marked one, arrow keys
    mark the next one in their direction, + and - zoom, 0 shows all.
    """

    opened = Signal(int)
    """An image was clicked, by its place in the map."""
    marked_changed = Signal(int)
    """Another image is under the pointer or chosen by keys; -1: none."""
    selection_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setScene(QGraphicsScene(self))
        self.places: Points = np.empty((0, 2))
        """(N, 2), in the scene: to the right and downwards."""
        self.selected: npt.NDArray[np.bool_] = np.zeros(0, np.bool_)
        self.marked = -1
        self.lasso = False
        """Whether a drag selects without Shift."""
        self.placeholder = ""
        self._aspect = 1.0
        self._columns = _COLUMNS
        self._pixmap = QPixmap()
        self._cell = QSize(1, 1)
        self._scaled: dict[int, QPixmap] = {}
        self._fit = 1.0
        self._pressed: QPoint | None = None
        self._line: list[QPointF] = []
        self._shown: npt.NDArray[np.int64] = np.empty(0, np.int64)
        """The images that were painted last, the last one on top."""
        self.setTransformationAnchor(QGraphicsView.ViewportAnchor.NoAnchor)
        self.setViewportUpdateMode(QGraphicsView.ViewportUpdateMode.FullViewportUpdate)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.viewport().setMouseTracking(True)
        self.setMinimumSize(20 * SPACE, 20 * SPACE)
        self.setAccessibleName(self.tr("Map of images"))

    # What is shown

    def show_map(self, places: Points, images: ImageBatch | None) -> None:
        """Show the images (N, h, w, C) at places (N, 2), to the right and upwards; None and no places: nothing."""
        count = len(places)
        self.selected, self.marked = np.zeros(count, np.bool_), -1
        self._scaled, self._shown = {}, np.empty(0, np.int64)
        self.places = _within_extent(places)
        if images is not None and count:
            _, height, width, _ = images.shape
            self._cell, self._aspect = QSize(width, height), height / width
            self._columns = min(_COLUMNS, count)
            self._pixmap = _pixmap_of(images, self._columns)
        margin = 0.08 * _EXTENT
        low, high = (self.places.min(0), self.places.max(0)) if count else (np.zeros(2), np.ones(2))
        box = QRectF(QPointF(*low), QPointF(*high)).adjusted(-margin, -margin, margin, margin)
        self.setSceneRect(box.adjusted(-_EXTENT, -_EXTENT, _EXTENT, _EXTENT))
        self._box = box
        self.fit()
        self.selection_changed.emit()
        self.marked_changed.emit(-1)

    def set_placeholder(self, text: str) -> None:
        """Set the text that is shown while there is no map."""
        self.placeholder = text
        self.viewport().update()

    def select(self, chosen: npt.NDArray[np.bool_]) -> None:
        """Select these images (N,) and no others."""
        self.selected = chosen
        self.viewport().update()
        self.selection_changed.emit()

    def mark(self, index: int) -> None:
        """Mark an image, or (-1) none."""
        if index != self.marked:
            self.marked = index
            self.viewport().update()
            self.marked_changed.emit(index)

    def fit(self) -> None:
        """Show all of the map."""
        if len(self.places):
            self.fitInView(self._box, Qt.AspectRatioMode.KeepAspectRatio)
            self._fit = self.transform().m11()

    def zoom(self, factor: float, about: QPoint | None = None) -> None:
        """Show the map so many times as large; a point of the viewport, else its middle, keeps its place."""
        now = self.transform().m11() / self._fit
        factor = max(min(factor, _MOST_ZOOM / now), 0.5 / now)
        about = about or self.viewport().rect().center()
        fixed = self.mapToScene(about)
        self.scale(factor, factor)
        self._scroll(self.mapFromScene(fixed) - about)

    def _scroll(self, step: QPoint) -> None:
        self.horizontalScrollBar().setValue(self.horizontalScrollBar().value() + step.x())
        self.verticalScrollBar().setValue(self.verticalScrollBar().value() + step.y())

    def picture(self, width: int) -> QImage:
        """What is shown, on the background of the theme, as an image `width` pixels wide."""
        factor = width / max(1, self.viewport().width())
        image = QImage(width, max(1, round(self.viewport().height() * factor)), QImage.Format.Format_RGB32)
        image.fill(QColor(colors().window))
        with QPainter(image) as painter:
            transform = self.viewportTransform() * QTransform.fromScale(factor, factor)
            self._paint(painter, transform, image.rect(), self._side() * factor, frames=False)
        return image

    # Painting

    def _side(self) -> int:
        wanted = _SIDE_AT_FIT * (self.transform().m11() / self._fit) ** _GROWTH
        return max((side for side in _SIDES if side <= wanted), default=_SIDES[0])

    def drawForeground(self, painter: QPainter, rect: QRectF | QRect) -> None:
        painter.resetTransform()
        if not len(self.places):
            painter.setPen(QColor(colors().dim))
            painter.setFont(scaled_font(13))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.viewport().rect().adjusted(SPACE, SPACE, -SPACE, -SPACE), flags, self.placeholder)
            return
        self._shown = self._paint(painter, self.viewportTransform(), self.viewport().rect(), self._side(), frames=True)
        if self._line:
            painter.setPen(QPen(QColor(colors().accent), 2))
            painter.drawPolyline(QPolygonF(self._line))

    def _paint(
        self, painter: QPainter, transform: QTransform, area: QRect, side: float, *, frames: bool
    ) -> npt.NDArray[np.int64]:
        """Paint the images whose cells in a grid are free, and the others as dots; returns which are images."""
        at = self.places * transform.m11() + (transform.dx(), transform.dy())
        size = (side, side * self._aspect) if self._aspect <= 1 else (side / self._aspect, side)
        edge = np.array(size)
        room = np.array([area.width(), area.height()])
        inside: npt.NDArray[np.bool_] = np.all((at > -edge) & (at < room + edge), 1)
        numbers = np.flatnonzero(inside)
        cells = np.floor(self.places[numbers] * transform.m11() / edge).astype(np.int64)
        first = np.unique(cells, axis=0, return_index=True)[1] if len(cells) else np.empty(0, np.int64)
        images = numbers[np.sort(first)]
        dots = np.setdiff1d(numbers, images, assume_unique=True)
        c = colors()
        for chosen, colour in ((dots[~self.selected[dots]], c.dim), (dots[self.selected[dots]], c.accent)):
            if len(chosen):
                painter.drawImage(0, 0, _dots(at[chosen], area.size(), QColor(colour)))
        pixmap, cell = self._pixmap_for(side)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(c.accent), 2))
        width, height = (round(length) for length in size)
        exact = cell == QSize(width, height)
        corners = np.rint(at - edge / 2).astype(np.int64)

        def paint(index: int) -> QRect:
            left, top = corners[index].tolist()
            row, column = divmod(index, self._columns)
            across, down = column * cell.width(), row * cell.height()
            target = QRect(left, top, width, height)
            if exact:
                painter.drawPixmap(left, top, pixmap, across, down, width, height)  # several times as fast
            else:
                painter.drawPixmap(target, pixmap, QRect(across, down, cell.width(), cell.height()))
            return target

        for index in images.tolist():
            target = paint(index)
            if frames and self.selected[index]:
                painter.drawRect(target)
        if frames and 0 <= self.marked < len(at) and inside[self.marked]:
            painter.setPen(QPen(QColor(c.text), 2))
            painter.drawRect(paint(self.marked))
        return images

    def _pixmap_for(self, side: float) -> tuple[QPixmap, QSize]:
        """All images for painting them so large, and the size of one in it: smoothly made smaller, once per size."""
        longer = max(self._cell.width(), self._cell.height())
        if side >= longer:
            return self._pixmap, self._cell
        cell = QSize(round(self._cell.width() * side / longer), round(self._cell.height() * side / longer))
        cell = cell.expandedTo(QSize(1, 1))
        if round(side) not in self._scaled:
            rows = self._pixmap.height() // self._cell.height()
            self._scaled[round(side)] = self._pixmap.scaled(
                cell.width() * self._columns,
                cell.height() * rows,
                Qt.AspectRatioMode.IgnoreAspectRatio,
                Qt.TransformationMode.SmoothTransformation,
            )
        return self._scaled[round(side)], cell

    # The mouse

    def index_at(self, point: QPointF) -> int:
        """The image that is painted at a point of the viewport, else the nearest dot within some pixels; else -1."""
        if not len(self.places):
            return -1
        transform = self.viewportTransform()
        apart = np.abs(self.places * transform.m11() + (transform.dx(), transform.dy()) - (point.x(), point.y()))
        side = self._side()
        half = np.array((side, side * self._aspect) if self._aspect <= 1 else (side / self._aspect, side)) / 2
        shown = self._shown[self._shown < len(apart)]
        under = shown[(apart[shown] <= half).all(1)]
        if len(under):
            return int(under[-1])
        nearest = int(apart.max(1).argmin())
        return nearest if apart[nearest].max() <= 2 * _DOT else -1

    def wheelEvent(self, event: QWheelEvent) -> None:
        if event.angleDelta().y():
            self.zoom(ZOOM_STEP ** (event.angleDelta().y() / 120), event.position().toPoint())

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            return
        self._pressed = event.position().toPoint()
        if self.lasso or event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self._line = [event.position()]
        else:
            self._last = self._pressed

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._pressed is None:
            self.mark(self.index_at(event.position()))
        elif self._line:
            self._line.append(event.position())
            self.viewport().update()
        elif (event.position().toPoint() - self._pressed).manhattanLength() > _CLICK or self._last != self._pressed:
            self._scroll(self._last - event.position().toPoint())
            self._last = event.position().toPoint()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        pressed, self._pressed = self._pressed, None
        if pressed is None or event.button() != Qt.MouseButton.LeftButton:
            return
        line, self._line = self._line, []
        if len(line) > 2:
            self.select(self._inside(line))
        elif (event.position().toPoint() - pressed).manhattanLength() <= _CLICK:
            index = self.index_at(event.position())
            if line and index >= 0:
                self._toggle(index)
            elif index >= 0:
                self.mark(index)
                self.opened.emit(index)
        self.viewport().update()

    def _inside(self, line: list[QPointF]) -> npt.NDArray[np.bool_]:
        """Which images' middles lie within a closed line of the viewport, by the even-odd rule."""
        transform = self.viewportTransform()
        at = self.places * transform.m11() + (transform.dx(), transform.dy())
        corners = np.array([(point.x(), point.y()) for point in line])
        inside = np.zeros(len(at), np.bool_)
        for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, -1, 0), strict=True):
            if y1 != y2:
                crosses = (at[:, 1] > y1) != (at[:, 1] > y2)
                inside ^= crosses & (at[:, 0] < x1 + (at[:, 1] - y1) * (x2 - x1) / (y2 - y1))
        return inside

    def _toggle(self, index: int) -> None:
        chosen = self.selected.copy()
        chosen[index] = not chosen[index]
        self.select(chosen)

    # Keys

    def keyPressEvent(self, event: QKeyEvent) -> None:
        way = {
            Qt.Key.Key_Left: (-1, 0),
            Qt.Key.Key_Right: (1, 0),
            Qt.Key.Key_Up: (0, -1),
            Qt.Key.Key_Down: (0, 1),
        }.get(Qt.Key(event.key()))
        key = event.key()
        if not len(self.places):
            super().keyPressEvent(event)
        elif way is not None:
            self._mark_next(np.array(way, np.float64))
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.marked >= 0:
            self.opened.emit(self.marked)
        elif key == Qt.Key.Key_Space and self.marked >= 0:
            self._toggle(self.marked)
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal, Qt.Key.Key_Minus):
            self.zoom(1 / ZOOM_STEP if key == Qt.Key.Key_Minus else ZOOM_STEP)
        elif key == Qt.Key.Key_0:
            self.fit()
        elif key == Qt.Key.Key_Escape and self.selected.any():
            self.select(np.zeros_like(self.selected))
        else:
            super().keyPressEvent(event)

    def _mark_next(self, way: npt.NDArray[np.float64]) -> None:
        """Mark the nearest image that lies more in a direction than beside it; at first the one in the middle."""
        shown = self._shown if len(self._shown) else np.arange(len(self.places))
        if self.marked < 0:
            middle = self.mapToScene(self.viewport().rect().center())
            start = np.array([middle.x(), middle.y()])
            candidates = shown
        else:
            start = self.places[self.marked]
            apart = self.places[shown] - start
            along = apart @ way
            candidates = shown[(along > 0) & (along >= np.abs(apart).sum(1) - along)]
        if len(candidates):
            self.mark(int(candidates[np.square(self.places[candidates] - start).sum(1).argmin()]))
            self.ensureVisible(QRectF(QPointF(*self.places[self.marked]), QSize(1, 1)), 6 * SPACE, 6 * SPACE)

    def leaveEvent(self, event: object) -> None:
        if self._pressed is None:
            self.mark(-1)

    def resizeEvent(self, event: QResizeEvent) -> None:
        fitted = self.transform().m11() == self._fit
        super().resizeEvent(event)
        if fitted:
            self.fit()


def _dots(at: Points, size: QSize, colour: QColor) -> QImage:
    """An image of this size with a dot of one colour at each place (N, 2) in pixels; faster than many calls."""
    pixels = np.zeros((size.height() + _DOT, size.width() + _DOT), np.uint32)
    left, top = (np.rint(at).astype(np.int64) - _DOT // 2).T
    inside = (left >= 0) & (top >= 0) & (left < size.width()) & (top < size.height())
    for row in range(_DOT):
        for column in range(_DOT):
            pixels[top[inside] + row, left[inside] + column] = colour.rgba()
    form = QImage.Format.Format_ARGB32_Premultiplied
    return QImage(pixels.tobytes(), pixels.shape[1], pixels.shape[0], 4 * pixels.shape[1], form).copy()


def _within_extent(places: Points) -> Points:
    """Places in the scene, downwards, the longer side of their box `_EXTENT` long."""
    if not len(places):
        return np.empty((0, 2))
    flipped = np.asarray(places, np.float64) * (1, -1)
    low, high = flipped.min(0), flipped.max(0)
    longest = max(float((high - low).max()), 1e-9)
    within: Points = (flipped - low) * (_EXTENT / longest)
    return within


def _pixmap_of(images: ImageBatch, columns: int) -> QPixmap:
    """All images in rows of `columns`."""
    count, height, width, channels = images.shape
    rows = -(-count // columns)
    sheet = np.zeros((rows * columns, height, width, channels), np.uint8)
    sheet[:count] = images.array()
    sheet = sheet.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    sheet = np.ascontiguousarray(sheet.reshape(rows * height, columns * width, channels))
    form = QImage.Format.Format_Grayscale8 if channels == 1 else QImage.Format.Format_RGB888
    image = QImage(sheet.tobytes(), columns * width, rows * height, columns * width * channels, form)
    return QPixmap.fromImage(image.copy())
