"""One score against the reference images: their histogram, the middle 90 % as a band, and a mark."""

from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from nvp_studio.views.theme import SPACE, colors, scaled_font

_BINS = 48


class ReferenceBand(QWidget):
    """Small histogram of the reference scores with a mark at the current score, at the edge if that is out of range."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(self.tr("Scores of the reference images"))
        self._reference: tuple[float, ...] | None = None
        self._bars: list[float] = []
        self._span = (0.0, 1.0)
        self._score: float | None = None

    def sizeHint(self) -> QSize:
        return QSize(30 * SPACE, 8 * SPACE)

    def show_reference(self, reference: Sequence[float]) -> None:
        """Take other reference scores, sorted."""
        self._reference = tuple(reference)
        self._bars = []
        if len(reference) > 1:
            low, high = self.quantile(0.005), self.quantile(0.995)
            margin = max(1e-3, 0.15 * (high - low))
            self._span = (low - margin, high + margin)
            self._bars = _histogram(self._reference, self._span)
        self.update()

    def show_score(self, score: float | None) -> None:
        """Move the mark."""
        if score != self._score:
            self._score = score
            self.update()

    def quantile(self, fraction: float) -> float:
        """The score below which this fraction of the reference scores is."""
        scores = self._reference or (0.0,)
        return scores[min(len(scores) - 1, int(fraction * len(scores)))]

    def paintEvent(self, event: QPaintEvent) -> None:
        c = colors()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(scaled_font(11))
        if self._reference is None:
            return
        if not self._bars:
            painter.setPen(QColor(c.dim))
            painter.drawText(
                self.rect(), Qt.AlignmentFlag.AlignCenter, self.tr("This model keeps no reference scores.")
            )
            return
        plot = QRectF(0.5, SPACE, self.width() - 1.0, self.height() - 3.0 * SPACE)
        self._paint_bars(painter, plot)
        painter.setPen(QColor(c.dim))
        for fraction in (0.05, 0.95):
            x = self._x(plot, self.quantile(fraction))
            text = f"{self.quantile(fraction):.2f}"
            width = painter.fontMetrics().horizontalAdvance(text)
            left = min(max(0.0, x - width / 2), self.width() - width)
            painter.drawText(QRectF(left, plot.bottom() + 2, width + 1, 2 * SPACE), Qt.AlignmentFlag.AlignCenter, text)
        if self._score is not None:
            self._paint_mark(painter, plot)

    def _paint_bars(self, painter: QPainter, plot: QRectF) -> None:
        c = colors()
        band = QColor(c.accent)
        inside, outside = QColor(band), QColor(c.border)
        inside.setAlpha(110)
        painter.setPen(Qt.PenStyle.NoPen)
        step = plot.width() / _BINS
        low, high = self._x(plot, self.quantile(0.05)), self._x(plot, self.quantile(0.95))
        for index, height in enumerate(self._bars):
            left = plot.left() + index * step
            painter.setBrush(inside if low <= left + step / 2 <= high else outside)
            painter.drawRect(QRectF(left, plot.bottom() - height * plot.height(), step - 0.5, height * plot.height()))
        painter.setPen(QPen(QColor(c.border), 1))
        painter.drawLine(plot.bottomLeft(), plot.bottomRight())

    def _paint_mark(self, painter: QPainter, plot: QRectF) -> None:
        assert self._score is not None
        c = colors()
        x = self._x(plot, self._score)
        painter.setPen(QPen(QColor(c.text), 1.5))
        painter.drawLine(
            QRectF(x, plot.top() - 2, 0, plot.height() + 2).topLeft(), QRectF(x, plot.bottom(), 0, 0).topLeft()
        )
        painter.setBrush(QColor(c.text))
        painter.setPen(Qt.PenStyle.NoPen)
        top = plot.top() - 2
        corners = QRectF(x - 4, top - 5, 8, 6)
        painter.drawPolygon(
            QPolygonF([corners.topLeft(), corners.topRight(), QRectF(x, corners.bottom(), 0, 0).topLeft()])
        )

    def _x(self, plot: QRectF, score: float) -> float:
        low, high = self._span
        fraction = min(max((score - low) / (high - low), 0.0), 1.0)
        return plot.left() + 4 + fraction * (plot.width() - 8)


def _histogram(values: Sequence[float], span: tuple[float, float]) -> list[float]:
    """Heights from 0 to 1 of equal bins over `span`; what lies outside counts at the edges."""
    counts = [0] * _BINS
    low, high = span
    for value in values:
        place = int((value - low) / (high - low) * _BINS)
        counts[min(max(place, 0), _BINS - 1)] += 1
    most = max(counts) or 1
    return [count / most for count in counts]
