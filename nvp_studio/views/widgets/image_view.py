"""A large image that can be zoomed and moved and that tells its pixels; each one is a sharp square, never smoothed."""

from PySide6.QtCore import QCoreApplication, QEvent, QPoint, QPointF, QRectF, QSize, QSizeF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QNativeGestureEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QWheelEvent,
)
from PySide6.QtWidgets import QGestureEvent, QPinchGesture, QSizePolicy, QWidget

from nvp_studio.views.theme import colors, scaled_font
from nvp_studio.views.widgets.labels import TextLabel
from nvp_studio.views.widgets.viewport import ZOOM_STEP, Viewport, corner, kept_inside

DIMMED = 0.35
"""Opacity of images that others are about to replace."""
_FEWEST_PIXELS = 4
"""How many pixels of an image are seen in a row at the largest zoom."""
_WHEEL_STEP = 120
_ARROWS = {
    Qt.Key.Key_Left: QPoint(-1, 0),
    Qt.Key.Key_Right: QPoint(1, 0),
    Qt.Key.Key_Up: QPoint(0, -1),
    Qt.Key.Key_Down: QPoint(0, 1),
}


def whole_zoom(image: QSize, space: QSize, ratio: float) -> QSizeF:
    """The largest size in logical pixels that fits `space` and shows each pixel as a whole number of screen pixels."""
    factor = min(int(space.width() * ratio / image.width()), int(space.height() * ratio / image.height()))
    if factor < 1:
        return QSizeF(image.scaled(space, Qt.AspectRatioMode.KeepAspectRatio))
    return QSizeF(image.width() * factor / ratio, image.height() * factor / ratio)


class ImageView(QWidget):
    """One image, at first as large as the space allows; a placeholder text is shown while there is none.

    Wheel, pinch, `+` and `-` zoom; dragging and, once it is zoomed, arrow keys move it; a double click or `0` shows all
    of it again. `told` follows the pixel under the pointer, or the one that arrow keys go to (with Shift when zoomed).
    Views with one `Viewport` do all that together.
    """

    told = Signal()
    """The pixel that is told, its values or the zoom may be other ones."""

    def __init__(self, viewport: Viewport | None = None) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(QSize(96, 96))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.grabGesture(Qt.GestureType.PinchGesture)
        self.setAccessibleName(self.tr("Picture"))
        self.setToolTip(
            self.tr(
                "Zoom: wheel, or + and -. Move: drag, or arrow keys.\n"
                "Pixel by pixel: arrow keys, with Shift when zoomed.\n"
                "All of it again: double click, or 0."
            )
        )
        self.image: QImage | None = None
        self.grey = False
        self.placeholder = ""
        self.viewport = viewport if viewport is not None else Viewport(self)
        self._dimmed = False
        self._grabbed: QPointF | None = None
        self._wheel = 0
        self._pinch = 1.0
        self.viewport.changed.connect(self._on_view_changed)
        self.viewport.pixel_changed.connect(self._on_pixel_changed)

    def show_image(self, image: QImage | None) -> None:
        """Show `image`, or the placeholder when None."""
        self.image = image
        if image is not None:
            self.grey = image.isGrayscale()
            self.viewport.take_image(image.size())
        self.update()
        self.told.emit()

    def set_dimmed(self, dimmed: bool) -> None:
        """Paint the image pale, as another is on its way."""
        if dimmed != self._dimmed:
            self._dimmed = dimmed
            self.update()

    def set_placeholder(self, text: str) -> None:
        """Set the text that is shown while there is no image."""
        if text != self.placeholder:
            self.placeholder = text
            self.update()

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

    def _on_view_changed(self) -> None:
        self._show_cursor()
        self.update()
        self.told.emit()

    # Pixels

    def _on_pixel_changed(self) -> None:
        self.update()
        self.told.emit()
        if self.viewport.by_keys:
            self.setAccessibleDescription(status_text(self))  # which a screen reader then speaks

    def _pixel_at(self, place: QPointF) -> QPoint | None:
        if self.image is None:
            return None
        rect = self.image_rect()
        if not rect.contains(place):
            return None
        across, down = rect.width() / self.image.width(), rect.height() / self.image.height()
        pixel = QPoint(int((place.x() - rect.left()) / across), int((place.y() - rect.top()) / down))
        return pixel if self.image.valid(pixel) else None

    def _step_pixel(self, step: QPoint) -> None:
        """Tell the pixel beside the one told so far, at first the one in the middle, and bring it into view."""
        assert self.image is not None
        pixel = self.viewport.pixel
        if pixel is None:
            pixel = self._pixel_at(QPointF(self.width() / 2, self.height() / 2)) or QPoint(0, 0)
        else:
            pixel = pixel + step
        pixel = QPoint(min(max(pixel.x(), 0), self.image.width() - 1), min(max(pixel.y(), 0), self.image.height() - 1))
        self.viewport.point_at(pixel, by_keys=True)
        place, room = self.pixel_rect(pixel), QRectF(self.rect())
        if self.can_move and not room.contains(place):
            self._move_by(
                QPointF(
                    min(0.0, place.left()) + max(0.0, place.right() - room.right()),
                    min(0.0, place.top()) + max(0.0, place.bottom() - room.bottom()),
                )
            )

    # Events

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        c = colors()
        if self.image is None:
            painter.setPen(QColor(c.dim))
            painter.setFont(scaled_font(15))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self.placeholder)
        else:
            painter.setOpacity(DIMMED if self._dimmed else 1.0)
            painter.drawImage(self.image_rect(), self.image)
            painter.setOpacity(1.0)
            if self.viewport.pixel is not None and self.image.valid(self.viewport.pixel):
                place = self.pixel_rect(self.viewport.pixel)
                for grown, shade in ((0, "#000000"), (1, "#ffffff")):  # one of them is seen on any colour
                    painter.setPen(QPen(QColor(shade), 1))
                    painter.drawRect(place.adjusted(-grown - 0.5, -grown - 0.5, grown - 0.5, grown - 0.5))
        if self.hasFocus():
            painter.setPen(QPen(QColor(c.accent), 1))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    def resizeEvent(self, event: object) -> None:
        if self.image is not None and self.viewport.zoom:
            if self.viewport.zoom <= self._fitting():
                self.viewport.fit()
            else:
                self._show(self.viewport.zoom, self.viewport.center)
        self._show_cursor()

    def wheelEvent(self, event: QWheelEvent) -> None:
        self._wheel += event.angleDelta().y()
        steps = int(self._wheel / _WHEEL_STEP)
        if steps:
            self._wheel -= steps * _WHEEL_STEP
            self._zoom_by(steps, event.position())
            self.viewport.point_at(self._pixel_at(event.position()))
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton) and self.can_move:
            self._grabbed = event.position()
            self._show_cursor()
        else:
            super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._grabbed is not None:
            self._move_by(self._grabbed - event.position())
            self._grabbed = event.position()
        self.viewport.point_at(self._pixel_at(event.position()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._grabbed = None
        self._show_cursor()
        super().mouseReleaseEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.viewport.fit()

    def leaveEvent(self, event: QEvent) -> None:
        if not self.viewport.by_keys:
            self.viewport.point_at(None)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        if self.viewport.by_keys and event.reason() not in (
            Qt.FocusReason.ActiveWindowFocusReason,
            Qt.FocusReason.PopupFocusReason,
        ):
            self.viewport.point_at(None)
        super().focusOutEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        step = _ARROWS.get(Qt.Key(event.key()))
        shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if event.key() in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self.zoom_in()
        elif event.key() in (Qt.Key.Key_Minus, Qt.Key.Key_Underscore):
            self.zoom_out()
        elif event.key() == Qt.Key.Key_0:
            self.viewport.fit()
        elif event.key() == Qt.Key.Key_Escape and self.viewport.by_keys:
            self.viewport.point_at(None)
        elif step is None or self.image is None:
            super().keyPressEvent(event)
        elif self.can_move and not shift:
            room = min(self.width(), self.height()) / 8
            self._move_by(QPointF(step) * room)
        else:
            self._step_pixel(step)

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QNativeGestureEvent) and event.gestureType() == Qt.NativeGestureType.ZoomNativeGesture:
            self._pinch_by(1 + event.value(), event.position())
            return True
        if isinstance(event, QGestureEvent):
            pinch = event.gesture(Qt.GestureType.PinchGesture)
            if isinstance(pinch, QPinchGesture):
                self._pinch_by(pinch.scaleFactor(), QPointF(self.mapFromGlobal(pinch.centerPoint().toPoint())))
                return True
        return super().event(event)

    def _pinch_by(self, factor: float, place: QPointF) -> None:
        """Zoom by what two fingers add up to, as soon as that is a whole step of the zoom."""
        if self.image is None or factor <= 0:
            return
        zoom = self.viewport.zoom or self._fitting()
        self._pinch *= factor
        wanted = zoom * self._pinch
        if abs(wanted - zoom) >= 1:
            self._zoom_to(wanted, place)
            self._pinch = 1.0

    def _show_cursor(self) -> None:
        if self.image is None or not self.can_move:
            self.unsetCursor()
        else:
            held = self._grabbed is not None
            self.setCursor(Qt.CursorShape.ClosedHandCursor if held else Qt.CursorShape.OpenHandCursor)


class ImageStatus(TextLabel):
    """Tells pixel and zoom of views that share a viewport."""

    def __init__(self, *views: ImageView) -> None:
        super().__init__(role="dim")
        self._views = views
        self.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        for view in views:
            view.told.connect(self._write)

    def _write(self) -> None:
        self.setText(status_text(*(view for view in self._views if not view.isHidden())))


def status_text(*views: ImageView) -> str:
    """Column, row and values of the pixel that is told, those of each view, and the zoom unless all of it is shown."""
    viewport = views[0].viewport
    values = [view.told_values() for view in views if view.told_values()]
    parts = []
    if viewport.pixel is not None and values:
        text = QCoreApplication.translate("ImageView", "x {0}, y {1}: {2}")
        shown = " | ".join(" ".join(map(str, one)) for one in values)
        if len(values) == 1 and len(values[0]) == 3:
            shown = QCoreApplication.translate("ImageView", "R {0} G {1} B {2}").format(*values[0])
        parts.append(text.format(viewport.pixel.x(), viewport.pixel.y(), shown))
    if viewport.zoom:
        parts.append(f"{viewport.zoom}×")
    return "  ·  ".join(parts)
