"""Which part of an image is shown, how large, and which of its pixels is told; views that share one move together."""

from PySide6.QtCore import QObject, QPoint, QPointF, QSize, Signal

ZOOM_STEP = 1.5
_MIDDLE = QPointF(0.5, 0.5)


class Viewport(QObject):
    """Zoom and place of one view, or of several that show images of one size side by side."""

    changed = Signal()
    """Zoom or place is another one."""
    pixel_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.zoom = 0
        """Screen pixels for each pixel of the image; 0 where the image is as large as fits."""
        self.center = QPointF(_MIDDLE)
        """What lies in the middle of the view, as fractions of the image's width and height."""
        self.pixel: QPoint | None = None
        """(column, row) of the pixel whose values are told, from 0."""
        self.by_keys = False
        """Whether the pixel was chosen by keys, and not by the pointer."""
        self._image_size = QSize()

    def take_image(self, size: QSize) -> None:
        """Show images of this size; zoom and place stay where it is the same size as before."""
        if size == self._image_size:
            return
        self._image_size = size
        self.point_at(None)
        self.fit()

    def fit(self) -> None:
        """Show the whole image, as large as fits."""
        self.show(0, _MIDDLE)

    def show(self, zoom: int, center: QPointF) -> None:
        """Set zoom and place."""
        if (zoom, center) != (self.zoom, self.center):
            self.zoom, self.center = zoom, QPointF(center)
            self.changed.emit()

    def point_at(self, pixel: QPoint | None, *, by_keys: bool = False) -> None:
        """Tell the values of another pixel, or (None) of none."""
        if (pixel, by_keys) != (self.pixel, self.by_keys):
            self.pixel, self.by_keys = pixel, by_keys
            self.pixel_changed.emit()


def corner(whole: float, room: float, middle: float) -> float:
    """Where a side of an image begins that is `whole` long, with its `middle`, a fraction, in the middle of the room.

    An image that fits lies in the middle, and no gap is left at a side beyond which there is more.
    """
    return (room - whole) / 2 if whole <= room else room / 2 - kept_inside(middle, room / whole) * whole


def kept_inside(middle: float, shown: float) -> float:
    """The middle of a view over the fraction `shown` of an image, so that nothing beyond the image is shown."""
    return 0.5 if shown >= 1 else min(max(middle, shown / 2), 1 - shown / 2)
