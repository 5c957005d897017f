"""The previews of one slider in a small frame below it, while the pointer or the keyboard rests there."""

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QContextMenuEvent, QCursor, QImage, QMouseEvent, QPainter, QPaintEvent, QWheelEvent
from PySide6.QtWidgets import QBoxLayout, QFrame, QToolTip, QWidget

from nvp_studio.state.previews import PREVIEWED
from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.layout import text_label, vbox
from nvp_studio.views.widgets.slider_list import preview_text

_SIDE = 7 * SPACE
"""Of an image, in pixels."""


class _Images(QWidget):
    """An image for each of `PREVIEWED`, side by side, with the value below it; a click on one picks its value."""

    picked = Signal(float)

    def __init__(self) -> None:
        super().__init__()
        self.images: list[QImage] = []
        self.setFixedHeight(_SIDE + self.fontMetrics().height())
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def cell(self, place: int) -> QRect:
        """Where an image and its value are."""
        part = self.width() // len(PREVIEWED)
        return QRect(place * part, 0, part, self.height())

    def mousePressEvent(self, event: QMouseEvent) -> None:
        place = event.position().toPoint()
        for index, value in enumerate(PREVIEWED[: len(self.images)]):
            if event.button() == Qt.MouseButton.LeftButton and self.cell(index).contains(place):
                self.picked.emit(value)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        for place, (value, image) in enumerate(zip(PREVIEWED, self.images, strict=False)):
            size = image.size().scaled(QSize(_SIDE, _SIDE), Qt.AspectRatioMode.KeepAspectRatio)
            cell = self.cell(place)
            inside = QRect(QPoint(0, 0), size)
            inside.moveCenter(QRect(cell.topLeft(), QSize(cell.width(), _SIDE)).center())
            painter.drawImage(inside, image)
            bottom = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignBottom
            painter.drawText(cell, bottom, preview_text(value))


class PreviewPopup(QFrame):
    """Lies over the page, and no press goes through it. It takes the slider's tool tip's place and has its text."""

    picked = Signal(float)
    """A person clicked the image of this value."""
    left = Signal()
    """The pointer left the images, or the wheel was turned over the frame."""

    def __init__(self, page: QWidget) -> None:
        super().__init__(page)
        self._page = page
        self.setProperty("popup", True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self._column = vbox(self, margins=(SPACE, SPACE, SPACE, SPACE), spacing=SPACE // 2)
        self._images = _Images()
        self._images.picked.connect(self.picked)
        self._column.addWidget(self._images)
        self.text = text_label("", wrap=True)
        self._column.addWidget(self.text)
        self._above = False
        self._reached = False
        self.hide()

    @property
    def images(self) -> list[QImage]:
        """Those that are shown, from the lowest value on."""
        return self._images.images

    def image_center(self, place: int) -> QPoint:
        """The middle of an image, in the coordinates of the frame."""
        return self._images.mapTo(self, self._images.cell(place).center())

    def show_at(self, row: QWidget, images: Sequence[QImage], tip: str) -> None:
        """Show the images below the row, or above it where the page has no room there, with the text `tip`.

        The images are beside the row in both cases, so that the pointer comes to them first.
        """
        QToolTip.hideText()
        self._images.images = list(images)
        self.ensurePolished()  # else its border is not known yet, and the last line of the text had no room
        self.text.setText(tip)
        self._reached = False
        page = self._page
        width = min(row.width() + 2 * SPACE, page.width())
        self.resize(width, self.heightForWidth(width))
        corner = row.mapTo(page, QPoint(-SPACE, row.height()))
        x = max(0, min(corner.x(), page.width() - width))
        above = corner.y() - row.height() - self.height()
        self._above = corner.y() + self.height() > page.height() and above >= 0
        down, up = QBoxLayout.Direction.TopToBottom, QBoxLayout.Direction.BottomToTop
        self._column.setDirection(up if self._above else down)
        self.move(x, above if self._above else corner.y())
        self.show()
        self.raise_()

    def holds_pointer(self) -> bool:
        """Whether the pointer is on the images or between them and the row; the text holds it not.

        So a person who goes on to the next sliders gets them free of the frame once the pointer is past the images.
        """
        place = self.mapFromGlobal(QCursor.pos())
        images = self._images.geometry()
        beside = place.y() >= images.top() if self._above else place.y() <= images.bottom()
        return self.isVisible() and self.rect().contains(place) and beside

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.HoverMove:
            holds = self.holds_pointer()
            self._reached = self._reached or holds
            if self._reached and not holds:
                self.left.emit()
        return super().event(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        event.accept()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        event.accept()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        event.accept()

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.accept()
        self.left.emit()

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self.left.emit()
