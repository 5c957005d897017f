"""A region that is painted with the mouse or with keys on an `ImageView`."""

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QEvent, QObject, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QBitmap,
    QColor,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
    QRegion,
    QResizeEvent,
    QTransform,
)
from PySide6.QtWidgets import QWidget

from nvp_studio.views.theme import colors
from nvp_studio.views.widgets.image_view import ImageView

_OPACITY = 0.4


class RegionOverlay(QWidget):
    """Lies on a view: the left button paints, with Shift it erases; other buttons and the wheel reach the view.

    Space paints at the pixel that arrow keys went to, with Shift it erases.
    """

    painted = Signal(object, object, bool)
    """(start, end, erase) of a part of a stroke; places are (x, y) in pixels of the image, maybe outside of it."""

    stroke_begun = Signal()
    stroke_ended = Signal()

    def __init__(self, view: ImageView) -> None:
        super().__init__(view)
        self._view = view
        self._path = QPainterPath()
        self._last: tuple[float, float] | None = None
        self.filled = True
        """Whether the region is filled, not its edge alone."""
        self.setMouseTracking(True)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)  # before the next line: later it would be the view's
        self.setFocusProxy(view)
        view.installEventFilter(self)
        view.told.connect(self.update)
        self.setToolTip(
            self.tr(
                "Paint the region that is to be redrawn: drag. Erase: drag with Shift.\n"
                "With keys: arrows choose a pixel, Space paints, Shift+Space erases. Zoom: wheel, or + and -."
            )
        )
        self.hide()

    def show_region(self, region: npt.NDArray[np.bool_]) -> None:
        """Show the pixels (H, W) that are set."""
        height, width = region.shape
        self._path = QPainterPath()
        if region.any():
            grey = np.where(region, 0, 255).astype(np.uint8).tobytes()
            image = QImage(grey, width, height, width, QImage.Format.Format_Grayscale8)
            self._path.addRegion(QRegion(QBitmap.fromImage(image, Qt.ImageConversionFlag.ThresholdDither)))
            self._path = self._path.simplified()
        self.update()

    def set_filled(self, filled: bool) -> None:
        """Fill the region, or show its edge alone."""
        if filled != self.filled:
            self.filled = filled
            self.update()

    # Events

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize and isinstance(event, QResizeEvent):
            self.resize(event.size())
        elif isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress and event.key() == Qt.Key.Key_Space:
            pixel = self._view.viewport.pixel
            if self.isVisible() and pixel is not None:
                place = pixel.x() + 0.5, pixel.y() + 0.5
                self.painted.emit(place, place, bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier))
                return True
        return super().eventFilter(watched, event)

    def paintEvent(self, event: QPaintEvent) -> None:
        rect, image = self._view.image_rect(), self._view.image
        if image is None or self._path.isEmpty():
            return
        scale = QTransform.fromTranslate(rect.left(), rect.top())
        scale.scale(rect.width() / image.width(), rect.height() / image.height())
        path = scale.map(self._path)
        painter, accent = QPainter(self), QColor(colors().accent)
        painter.setClipRect(QRectF(self.rect()))
        if self.filled:
            painter.setOpacity(_OPACITY)
            painter.fillPath(path, accent)
            painter.setOpacity(1.0)
        for shade, width in (("#000000", 3.0), ("#ffffff", 1.0)):  # one of them is seen on any colour
            painter.strokePath(path, QPen(QColor(shade), width))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton or event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            event.ignore()
            return
        self._last = self._place(event.position())
        if self._last is not None:
            self.stroke_begun.emit()
            self.painted.emit(self._last, self._last, _erases(event))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        place = self._place(event.position())
        if self._last is not None and place is not None:
            self.painted.emit(self._last, place, _erases(event))
            self._last = place
        event.ignore()  # the view tells the pixel below the pointer

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._last is not None:
            self.stroke_ended.emit()
        self._last = None
        event.ignore()

    def _place(self, point: QPointF) -> tuple[float, float] | None:
        image, rect = self._view.image, self._view.image_rect()
        if image is None or rect.isEmpty():
            return None
        across, down = rect.width() / image.width(), rect.height() / image.height()
        return (point.x() - rect.left()) / across, (point.y() - rect.top()) / down


def _erases(event: QMouseEvent) -> bool:
    return bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
