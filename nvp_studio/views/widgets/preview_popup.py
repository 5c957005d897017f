"""The previews of one slider in a small frame below it, while the pointer or the keyboard rests there."""

from collections.abc import Sequence

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtGui import QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QToolTip, QWidget

from nvp_studio.state.previews import PREVIEWED
from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.layout import text_label, vbox

_SIDE = 7 * SPACE
"""Of an image, in pixels."""


class _Images(QWidget):
    """An image for each of `PREVIEWED`, side by side, with the value below it."""

    def __init__(self) -> None:
        super().__init__()
        self.images: list[QImage] = []
        self.setFixedHeight(_SIDE + self.fontMetrics().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, part = QPainter(self), self.width() // len(PREVIEWED)
        for place, (value, image) in enumerate(zip(PREVIEWED, self.images, strict=False)):
            size = image.size().scaled(QSize(_SIDE, _SIDE), Qt.AspectRatioMode.KeepAspectRatio)
            cell = QRect(place * part, 0, part, _SIDE)
            inside = QRect(QPoint(0, 0), size)
            inside.moveCenter(cell.center())
            painter.drawImage(inside, image)
            below = QRect(cell.left(), _SIDE, part, self.height() - _SIDE)
            text = f"{value:+.0f}".replace("-", "\u2212") if value else "0"
            painter.drawText(below, Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignBottom, text)


class PreviewPopup(QFrame):
    """Lies over the page and lets the mouse through. It takes the place of the slider's tool tip and has its text."""

    def __init__(self, page: QWidget) -> None:
        super().__init__(page)
        self._page = page
        self.setProperty("popup", True)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._column = vbox(self, margins=(SPACE, SPACE, SPACE, SPACE), spacing=SPACE // 2)
        self._images = _Images()
        self._column.addWidget(self._images)
        self.text = text_label("", wrap=True)
        self._column.addWidget(self.text)
        self.hide()

    @property
    def images(self) -> list[QImage]:
        """Those that are shown, from the lowest value on."""
        return self._images.images

    def show_at(self, row: QWidget, images: Sequence[QImage], tip: str) -> None:
        """Show the images below the row, or above it where the page has no room there, with the text `tip`."""
        QToolTip.hideText()
        self._images.images = list(images)
        self.text.setText(tip)
        page = self._page
        width = min(row.width() + 2 * SPACE, page.width())
        self.resize(width, self._column.heightForWidth(width))
        corner = row.mapTo(page, QPoint(-SPACE, row.height()))
        x = max(0, min(corner.x(), page.width() - width))
        above = corner.y() - row.height() - self.height()
        self.move(x, corner.y() if corner.y() + self.height() <= page.height() or above < 0 else above)
        self.show()
        self.raise_()
