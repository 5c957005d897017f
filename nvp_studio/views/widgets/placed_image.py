"""Where an image lies within a widget, and how it is zoomed and moved there."""

from PySide6.QtCore import QPoint, QPointF, QRectF, QSize, QSizeF, Qt, Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QWidget

from nvp_studio.views.widgets.viewport import ZOOM_STEP, Viewport, corner, kept_inside

_FEWEST_PIXELS = 4
"""How many pixels of an image are seen in a row at the largest zoom."""


def whole_zoom(image: QSize, space: QSize, ratio: float) -> QSizeF:
    """The largest size in logical pixels that fits `space` and shows each pixel as a whole number of screen pixels."""
    factor = min(int(space.width() * ratio / image.width()), int(space.height() * ratio / image.height()))
    if factor < 1:
        return QSizeF(image.scaled(space, Qt.AspectRatioMode.KeepAspectRatio))
    return QSizeF(image.width() * factor / ratio, image.height() * factor / ratio)


class PlacedImage(QWidget):
    """An image, the place that its `viewport` gives it, and the pixel that is told."""

    told = Signal()
    """The pixel that is told, its values or the zoom may be other ones."""

    def __init__(self, viewport: Viewport | None = None) -> None:
        super().__init__()
        self.image: QImage | None = None
        self.grey = False
        self.viewport = viewport if viewport is not None else Viewport(self)

    # What is told

    def told_values(self) -> tuple[int, ...]:
        """The 8-bit values of the pixel that is told: one of a grey image, three of a colour image, else none."""
        pixel = self.viewport.pixel
        if self.image is None or pixel is None or not self.image.valid(pixel):
            return ()
        color = self.image.pixelColor(pixel)
        return (color.red(),) if self.grey else (color.red(), color.green(), color.blue())

    # Where the image lies

    def image_rect(self) -> QRectF:
        """Where the image lies, in the widget's coordinates; its corner is on a screen pixel."""
        if self.image is None:
            return QRectF()
        ratio, center = self.devicePixelRatioF(), self.viewport.center
        size = self._size_at(self.viewport.zoom)
        left, top = (
            corner(whole, room, middle)
            for whole, room, middle in (
                (size.width(), self.width(), center.x()),
                (size.height(), self.height(), center.y()),
            )
        )
        return QRectF(QPointF(int(left * ratio) / ratio, int(top * ratio) / ratio), size)

    def pixel_rect(self, pixel: QPoint) -> QRectF:
        """Where a pixel of the image is painted."""
        assert self.image is not None
        rect = self.image_rect()
        across, down = rect.width() / self.image.width(), rect.height() / self.image.height()
        return QRectF(rect.left() + pixel.x() * across, rect.top() + pixel.y() * down, across, down)

    @property
    def can_move(self) -> bool:
        """Whether a part of the image lies outside of the view."""
        rect = self.image_rect()
        return rect.width() > self.width() or rect.height() > self.height()

    def zoom_in(self) -> None:
        """Show each pixel larger, around the middle of the view."""
        self._zoom_by(1, QPointF(self.rect().center()))

    def zoom_out(self) -> None:
        """Show each pixel smaller, at the least so that all of the image fits."""
        self._zoom_by(-1, QPointF(self.rect().center()))

    def _size_at(self, zoom: int) -> QSizeF:
        assert self.image is not None
        ratio = self.devicePixelRatioF()
        if not zoom:
            return whole_zoom(self.image.size(), self.size(), ratio)
        return QSizeF(self.image.size()) * (zoom / ratio)

    def _fitting(self) -> float:
        """Screen pixels for each pixel of an image that fits; below 1 for one larger than the view."""
        assert self.image is not None
        return self._size_at(0).width() * self.devicePixelRatioF() / self.image.width()

    def _zoom_by(self, steps: int, place: QPointF) -> None:
        if self.image is not None:
            zoom = self.viewport.zoom or self._fitting()
            wanted = zoom * ZOOM_STEP**steps
            self._zoom_to(max(wanted, zoom + 1) if steps > 0 else min(wanted, zoom - 1), place)

    def _zoom_to(self, wanted: float, place: QPointF) -> None:
        """Zoom so that what is at `place` stays there."""
        if self.image is None:
            return
        room = min(self.width(), self.height()) * self.devicePixelRatioF()
        zoom = round(min(wanted, max(room / _FEWEST_PIXELS, 1)))
        if zoom <= self._fitting():
            self.viewport.fit()
            return
        before, after = self.image_rect(), self._size_at(zoom)
        fixed = QPointF(
            min(max((place.x() - before.left()) / before.width(), 0), 1),
            min(max((place.y() - before.top()) / before.height(), 0), 1),
        )
        away = place - QPointF(self.width() / 2, self.height() / 2)
        self._show(zoom, QPointF(fixed.x() - away.x() / after.width(), fixed.y() - away.y() / after.height()))

    def _show(self, zoom: int, center: QPointF) -> None:
        """Show what lies around `center`, with no gap at a side beyond which there is more."""
        size = self._size_at(zoom)
        x, y = (
            kept_inside(middle, room / whole)
            for middle, room, whole in (
                (center.x(), self.width(), size.width()),
                (center.y(), self.height(), size.height()),
            )
        )
        self.viewport.show(zoom, QPointF(x, y))

    def _move_by(self, distance: QPointF) -> None:
        """Move the view over the image by logical pixels."""
        rect, center = self.image_rect(), self.viewport.center
        self._show(self.viewport.zoom, center + QPointF(distance.x() / rect.width(), distance.y() / rect.height()))

    def _pixel_at(self, place: QPointF) -> QPoint | None:
        if self.image is None:
            return None
        rect = self.image_rect()
        if not rect.contains(place):
            return None
        across, down = rect.width() / self.image.width(), rect.height() / self.image.height()
        pixel = QPoint(int((place.x() - rect.left()) / across), int((place.y() - rect.top()) / down))
        return pixel if self.image.valid(pixel) else None
