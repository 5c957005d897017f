"""Two pictures in one place: A at the left of a divider, B at its right."""

from PySide6.QtCore import QEvent, QObject, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QWidget

from nvp_studio.views.theme import SPACE, colors, scaled_font
from nvp_studio.views.widgets.image_view import ImageView

_STEP = 0.02
_LETTER = 3 * SPACE


class SwipeOverlay(QWidget):
    """Lies on a view, which shows the picture on screen. The left button moves the divider; other buttons, the wheel
    and Ctrl with the left button reach the view. Left, Right, Home and End move the divider too.
    """

    moved = Signal()

    def __init__(self, view: ImageView) -> None:
        super().__init__(view)
        self._view = view
        self.place = 0.5
        """Of the divider, as a fraction of the picture's width."""
        self.a: QImage | None = None
        self.b: QImage | None = None
        """None where the view itself shows B."""
        self._held = False
        self.setCursor(Qt.CursorShape.SplitHCursor)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)  # before the next line: later it would be the view's
        self.setFocusProxy(view)
        self.setToolTip(
            self.tr(
                "A at the left, B at the right. Move the divider: drag, arrow keys, Home and End.\n"
                "Zoom: wheel, or + and -."
            )
        )
        view.installEventFilter(self)
        view.told.connect(self.update)
        self.hide()

    def show_images(self, a: QImage | None, b: QImage | None) -> None:
        """Show A, and B where the view shows another picture."""
        self.a, self.b = a, b
        self.update()

    def set_place(self, place: float) -> None:
        """Put the divider at a fraction of the picture's width."""
        place = max(0.0, min(place, 1.0))
        if place != self.place:
            self.place = place
            self.update()
            self.moved.emit()

    # Events

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QResizeEvent):
            self.resize(event.size())
        elif isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress and self.isVisible():
            places = {
                Qt.Key.Key_Left: self.place - _STEP,
                Qt.Key.Key_Right: self.place + _STEP,
                Qt.Key.Key_Home: 0.0,
                Qt.Key.Key_End: 1.0,
            }
            place = places.get(Qt.Key(event.key()))
            if place is not None and not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
                self.set_place(place)
                return True
        return super().eventFilter(watched, event)

    def paintEvent(self, event: QPaintEvent) -> None:
        rect = self._view.image_rect()
        if self._view.image is None or self.a is None:
            return
        painter = QPainter(self)
        divider = rect.left() + self.place * rect.width()
        left = QRectF(rect.left(), rect.top(), divider - rect.left(), rect.height())
        right = QRectF(divider, rect.top(), rect.right() - divider, rect.height())
        for part, image in ((left, self.a), (right, self.b)):
            if image is not None:
                painter.save()
                painter.setClipRect(part.intersected(QRectF(self.rect())))
                painter.drawImage(rect, image)
                painter.restore()
        top, bottom = max(rect.top(), 0.0), min(rect.bottom(), float(self.height()))
        for shade, width in (("#000000", 3.0), ("#ffffff", 1.0)):  # one of them is seen on any colour
            painter.setPen(QPen(QColor(shade), width))
            painter.drawLine(QPointF(divider, top), QPointF(divider, bottom))
        painter.setFont(scaled_font(12, bold=True))
        for letter, x in (("A", divider - _LETTER - SPACE // 2), ("B", divider + SPACE // 2)):
            box = QRectF(x, top + SPACE // 2, _LETTER, _LETTER)
            painter.fillRect(box, QColor(colors().surface))
            painter.setPen(QColor(colors().text))
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, letter)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton or event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            event.ignore()
            return
        self._held = True
        self._move_to(event.position())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._held:
            self._move_to(event.position())
        event.ignore()  # the view tells the pixel below the pointer

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._held = False
        event.ignore()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.mousePressEvent(event)

    def _move_to(self, point: QPointF) -> None:
        rect = self._view.image_rect()
        if self._view.image is not None and rect.width() > 0:
            self.set_place((point.x() - rect.left()) / rect.width())
