"""An image with a map over it, the legend of the map's colours, and the value under the pointer."""

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QLineF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen, QTransform
from PySide6.QtWidgets import QSizePolicy, QWidget

from nvp_studio.scores.map_colours import colours
from nvp_studio.state.evidence import ShownMap
from nvp_studio.text import figure
from nvp_studio.views.theme import SPACE, scaled_font, theme
from nvp_studio.views.theme import colors as theme_colors
from nvp_studio.views.widgets.image_view import ImageView
from nvp_studio.views.widgets.labels import plain_tip

_OUTLINE = "#00ffff"
_BAR = 10


class MapView(ImageView):
    """An image view that may show a map instead of the image; the values told stay those of the image."""

    def __init__(self) -> None:
        super().__init__()
        self.map: ShownMap | None = None
        self._picture: QImage | None = None
        self._edges: list[QLineF] = []

    def show_map(self, shown: ShownMap | None) -> None:
        """Show a map of the same size over the image; None shows the image."""
        self.map = shown
        self._picture, self._edges = None, []
        if shown is not None:
            height, width = shown.values.shape
            data = np.ascontiguousarray(shown.picture).tobytes()
            picture = QImage(data, width, height, 3 * width, QImage.Format.Format_RGB888)
            self._picture = picture.convertToFormat(QImage.Format.Format_RGB32)
            self._edges = [] if shown.beyond is None else _edges(shown.beyond)
        self.update()
        self.told.emit()

    def told_bits(self) -> float | None:
        """The value of the map at the pixel that is told."""
        pixel = self.viewport.pixel
        if self.map is None or pixel is None or self.image is None or not self.image.valid(pixel):
            return None
        return float(self.map.values[pixel.y(), pixel.x()])

    def paintEvent(self, event: QPaintEvent) -> None:
        image = self.image
        if self._picture is None or image is None or image.size() != self._picture.size():
            super().paintEvent(event)
            return
        self.image = self._picture
        try:
            super().paintEvent(event)
        finally:
            self.image = image
        rect = self.image_rect()
        to_widget = QTransform(
            rect.width() / image.width(), 0, 0, rect.height() / image.height(), rect.left(), rect.top()
        )
        painter = QPainter(self)
        painter.setPen(QPen(QColor(_OUTLINE), 1.5))
        painter.drawLines([to_widget.map(line) for line in self._edges])


class MapLegend(QWidget):
    """The colours of a map with what their ends stand for, and the value under the pointer."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._map: ShownMap | None = None
        self._problem = ""
        self._value: float | None = None
        ramp = np.tile(np.linspace(0.0, 1.0, 256), (1, 1))
        data = np.ascontiguousarray(colours(ramp, 0.0, 1.0)).tobytes()
        self._ramp = QImage(data, 256, 1, 768, QImage.Format.Format_RGB888).convertToFormat(QImage.Format.Format_RGB32)
        theme().changed.connect(self.update)

    def sizeHint(self) -> QSize:
        return QSize(18 * SPACE, 3 * SPACE + 4)

    def minimumSizeHint(self) -> QSize:
        return QSize(12 * SPACE, 3 * SPACE + 4)

    def show_map(self, shown: ShownMap | None, problem: str) -> None:
        """Take another map, or the reason why there is none."""
        self._map, self._problem, self._value = shown, problem, None
        bits = self.tr(
            "Bits at each pixel, in colours that are the same for all images: the range is that of the reference. "
            "The layers of a flow move information between pixels, so a pixel's share is the share of the terms that "
            "sit there, not of what the pixel caused. Outlined: more bits in total than 99 % of the reference images "
            "have at that place."
        )
        slopes = self.tr(
            "How much the log-likelihood changes with a pixel, in nats per grey level, on a logarithmic scale. It says "
            "what the model is sensitive to, not what is wrong with the image."
        )
        text = slopes if shown is not None and shown.gradient else bits
        self.setToolTip(plain_tip(problem or text))
        self.setAccessibleName(problem or text)
        self.update()

    def show_value(self, value: float | None) -> None:
        """Tell the value under the pointer."""
        if value != self._value:
            self._value = value
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setFont(scaled_font(11))
        painter.setPen(QColor(theme_colors().dim))
        if self._map is None:
            text = self.tr("no map") if self._problem else self.tr("computing…")
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, text)
            return
        painter.drawImage(QRectF(0, 0, self.width(), _BAR), self._ramp)
        below = self.rect().adjusted(0, _BAR + 1, 0, 0)
        ends = ".3g" if self._map.gradient else ".1f"
        painter.drawText(below, Qt.AlignmentFlag.AlignLeft, figure(self._map.low, ends))
        painter.drawText(below, Qt.AlignmentFlag.AlignRight, figure(self._map.high, ends))
        unit = self.tr("nats/level") if self._map.gradient else self.tr("bits")
        painter.setPen(QColor(theme_colors().text))
        middle = unit if self._value is None else f"{figure(self._value, '.3g')} {unit}"
        painter.drawText(below, Qt.AlignmentFlag.AlignHCenter, middle)


def _edges(marked: npt.NDArray[np.bool_]) -> list[QLineF]:
    """The borders of marked pixels (H, W), as lines between corners of pixels."""
    inside = np.pad(marked, 1)
    rows, columns = np.nonzero(inside[1:, :] != inside[:-1, :])
    lines = [QLineF(x - 1, y, x, y) for y, x in zip(rows.tolist(), columns.tolist(), strict=True)]
    rows, columns = np.nonzero(inside[:, 1:] != inside[:, :-1])
    return lines + [QLineF(x, y - 1, x, y) for y, x in zip(rows.tolist(), columns.tolist(), strict=True)]
