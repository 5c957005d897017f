"""Two groups of scores: their histograms with a threshold, and the ROC curve with the threshold's place on it."""

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from nvp_studio.text import figure
from nvp_studio.views.theme import SPACE, colors, scaled_font, theme

_BINS = 40
Floats = npt.NDArray[np.float64]


class GroupPlot(QWidget):
    """Histograms at the left, each by its own number of images, and the ROC curve at the right."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(22 * SPACE)
        self.setAccessibleName(self.tr("Histograms and ROC curve of two groups"))
        self._names, self._title = ("A", "B"), ""
        self._a = self._b = np.empty(0)
        self.range = (0.0, 1.0)
        self.threshold = 0.0
        theme().changed.connect(self.update)

    def sizeHint(self) -> QSize:
        return QSize(80 * SPACE, 30 * SPACE)

    def show_groups(self, a: Floats, b: Floats, names: tuple[str, str], title: str) -> None:
        """Take the scores of both groups; a larger one is more unusual."""
        self._a, self._b, self._names, self._title = np.sort(a), np.sort(b), names, title
        both = np.concatenate((a, b))
        low, high = (float(np.quantile(both, at)) for at in (0.005, 0.995)) if len(both) else (0.0, 1.0)
        margin = max(1e-6, 0.05 * (high - low))
        self.range = (low - margin, high + margin)
        self.update()

    def show_threshold(self, value: float) -> None:
        """Call scores above it unusual."""
        self.threshold = value
        self.update()

    def rates(self) -> tuple[int, int]:
        """How many of A and of B are above the threshold."""
        above = (len(one) - int(np.searchsorted(one, self.threshold, side="right")) for one in (self._a, self._b))
        first, second = above
        return first, second

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(scaled_font(11))
        painter.fillRect(self.rect(), QColor(colors().surface))
        side = min(self.height() - 5.0 * SPACE, self.width() / 2 - 4 * SPACE)
        left = QRectF(SPACE, 3 * SPACE, self.width() - side - 6 * SPACE, self.height() - 6.0 * SPACE)
        self._paint_histograms(painter, left)
        self._paint_curve(painter, QRectF(self.width() - side - SPACE, 3 * SPACE, side, side - SPACE))

    def _shades(self) -> tuple[QColor, QColor]:
        return QColor(colors().accent), QColor(colors().warning)

    def _paint_histograms(self, painter: QPainter, area: QRectF) -> None:
        c, place = colors(), 0.0
        for name, shade, group in zip(self._names, self._shades(), (self._a, self._b), strict=True):
            text = f"{name} ({len(group):,})"
            painter.fillRect(QRectF(area.left() + place, SPACE, 10, 10), shade)
            painter.setPen(QColor(c.text))
            room = area.width() / 2 - 24
            shown = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideMiddle, int(room))
            painter.drawText(
                QRectF(area.left() + place + 16, SPACE / 2, room, 18), Qt.AlignmentFlag.AlignVCenter, shown
            )
            place += area.width() / 2
            counts, _ = np.histogram(np.clip(group, *self.range), _BINS, self.range)
            heights = counts / max(1, counts.max()) * area.height()
            width = area.width() / _BINS
            points = [area.bottomLeft()]
            for index, height in enumerate(heights.tolist()):
                y = area.bottom() - height
                points += [QPointF(area.left() + index * width, y), QPointF(area.left() + (index + 1) * width, y)]
            painter.setPen(QPen(shade, 1.5))
            pale = QColor(shade)
            pale.setAlpha(50)
            painter.setBrush(pale)
            painter.drawPolygon(QPolygonF([*points, area.bottomRight()]))
        low, high = self.range
        x = area.left() + min(max((self.threshold - low) / (high - low), 0.0), 1.0) * area.width()
        painter.setPen(QPen(QColor(c.text), 1.5, Qt.PenStyle.DashLine))
        painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
        painter.setPen(QColor(c.dim))
        below = QRectF(area.left(), area.bottom() + 4, area.width(), 18)
        painter.drawText(below, Qt.AlignmentFlag.AlignLeft, figure(low, ".3g"))
        painter.drawText(below, Qt.AlignmentFlag.AlignRight, figure(high, ".3g"))
        painter.drawText(below, Qt.AlignmentFlag.AlignHCenter, self._title)

    def _paint_curve(self, painter: QPainter, area: QRectF) -> None:
        c = colors()
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(c.border), 1))
        painter.drawRect(area)
        painter.drawLine(area.bottomLeft(), area.topRight())
        if len(self._a) and len(self._b):
            both = np.concatenate((self._a, self._b))
            levels = np.unique(np.quantile(both, np.linspace(0, 1, 400)))[::-1]
            alarms, hits = (
                1 - np.searchsorted(group, levels, side="left") / len(group) for group in (self._a, self._b)
            )
            points = [area.bottomLeft()]
            points += [self._at(area, x, y) for x, y in zip(alarms.tolist(), hits.tolist(), strict=True)]
            painter.setPen(QPen(QColor(c.accent), 2))
            painter.drawPolyline(QPolygonF(points))
            first, second = self.rates()
            painter.setBrush(QColor(c.text))
            painter.setPen(Qt.PenStyle.NoPen)
            painter.drawEllipse(self._at(area, first / len(self._a), second / len(self._b)), 4, 4)
        painter.setPen(QColor(c.dim))
        below = QRectF(area.left(), area.bottom() + 4, area.width(), 18)
        painter.drawText(below, Qt.AlignmentFlag.AlignHCenter, self.tr("false alarms, A called unusual"))
        above = QRectF(area.left() - 2 * SPACE, SPACE / 2, area.width() + 2 * SPACE, 18)
        painter.drawText(above, Qt.AlignmentFlag.AlignHCenter, self.tr("found, B called unusual"))

    @staticmethod
    def _at(area: QRectF, x: float, y: float) -> QPointF:
        return QPointF(area.left() + x * area.width(), area.bottom() - y * area.height())
