"""Images on screen: one large, whole-factor zoom, no smoothing."""

from PySide6.QtCore import QPointF, QRectF, QSize, QSizeF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from nvp_studio.views.theme import colors, scaled_font

DIMMED = 0.35
"""Opacity of images that others are about to replace."""


def whole_zoom(image: QSize, space: QSize, ratio: float) -> QSizeF:
    """The largest size in logical pixels that fits `space` and shows each pixel as a whole number of screen pixels."""
    factor = min(int(space.width() * ratio / image.width()), int(space.height() * ratio / image.height()))
    if factor < 1:
        return QSizeF(image.scaled(space, Qt.AspectRatioMode.KeepAspectRatio))
    return QSizeF(image.width() * factor / ratio, image.height() * factor / ratio)


class ImageView(QWidget):
    """One image as large as the space allows; a placeholder text is shown while there is none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(QSize(96, 96))
        self.image: QImage | None = None
        self.placeholder = ""
        self._dimmed = False

    def show_image(self, image: QImage | None) -> None:
        """Show `image`, or the placeholder when None."""
        self.image = image
        self.update()

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

    def image_rect(self) -> QRectF:
        """Where the image lies, in the widget's coordinates; its corner is on a screen pixel."""
        if self.image is None:
            return QRectF()
        ratio = self.devicePixelRatioF()
        size = whole_zoom(self.image.size(), self.size(), ratio)
        left = int((self.width() - size.width()) / 2 * ratio) / ratio
        top = int((self.height() - size.height()) / 2 * ratio) / ratio
        return QRectF(QPointF(left, top), size)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        if self.image is not None:
            painter.setOpacity(DIMMED if self._dimmed else 1.0)
            painter.drawImage(self.image_rect(), self.image)
            return
        painter.setPen(QColor(colors().dim))
        painter.setFont(scaled_font(15))
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self.placeholder)
