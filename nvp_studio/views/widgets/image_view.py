"""A large image that can be zoomed and moved and that tells its pixels; each one is a sharp square, never smoothed."""

from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, QSize, Qt, Signal
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
from PySide6.QtWidgets import QApplication, QGestureEvent, QPinchGesture, QSizePolicy

from nvp_studio.views.theme import colors, scaled_font
from nvp_studio.views.widgets.image_status import status_text
from nvp_studio.views.widgets.placed_image import PlacedImage
from nvp_studio.views.widgets.viewport import Viewport

DIMMED = 0.35
"""Opacity of images that others are about to replace."""
_WHEEL_STEP = 120
_ARROWS = {
    Qt.Key.Key_Left: QPoint(-1, 0),
    Qt.Key.Key_Right: QPoint(1, 0),
    Qt.Key.Key_Up: QPoint(0, -1),
    Qt.Key.Key_Down: QPoint(0, 1),
}


class ImageView(PlacedImage):
    """One image, at first as large as the space allows; a placeholder text is shown while there is none.

    Wheel, pinch, `+` and `-` zoom; dragging and, once it is zoomed, arrow keys move it; a double click or `0` shows all
    of it again. `told` follows the pixel under the pointer, or the one that arrow keys go to (with Shift when zoomed).
    Views with one `Viewport` do all that together.
    """

    dragged = Signal()
    """The picture is pulled out, where `offer_drag` was called."""

    def __init__(self, viewport: Viewport | None = None) -> None:
        super().__init__(viewport)
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
        self.placeholder = ""
        self._dimmed = False
        self._grabbed: QPointF | None = None
        self._drags = False
        self._pulled: QPointF | None = None
        """Where the button went down that may pull the picture out."""
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

    def offer_drag(self) -> None:
        """Let the picture be pulled out: by a drag while all of it is shown, and with Ctrl always."""
        self._drags = True
        self.setToolTip(
            self.toolTip() + "\n" + self.tr("To another program: drag while all of it is shown, or with Ctrl.")
        )

    # Pixels

    def _on_view_changed(self) -> None:
        self._show_cursor()
        self.update()
        self.told.emit()

    def _on_pixel_changed(self) -> None:
        self.update()
        self.told.emit()
        if self.viewport.by_keys:
            self.setAccessibleDescription(status_text(self))  # which a screen reader then speaks

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
        left, held = event.button() == Qt.MouseButton.LeftButton, event.modifiers()
        if self._drags and left and (not self.can_move or held & Qt.KeyboardModifier.ControlModifier):
            self._pulled = event.position()
        elif event.button() in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton) and self.can_move:
            self._grabbed = event.position()
            self._show_cursor()
        else:
            super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._pulled is not None:
            if (event.position() - self._pulled).manhattanLength() >= QApplication.startDragDistance():
                self._pulled = None
                self.dragged.emit()
            return
        if self._grabbed is not None:
            self._move_by(self._grabbed - event.position())
            self._grabbed = event.position()
        self.viewport.point_at(self._pixel_at(event.position()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._grabbed = self._pulled = None
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
