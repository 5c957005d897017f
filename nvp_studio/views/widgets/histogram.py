"""Histogram of scored files over that of the reference images."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from nvp_studio.views.theme import SPACE, colors, scaled_font, theme

_BINS = 60
Numbers = npt.NDArray[np.float64]


def histogram_range(*groups: Numbers) -> tuple[float, float]:
    """A range that holds 99 % of each group, with a margin; round at neither end."""
    filled = [group for group in groups if len(group)]
    if not filled:
        return 0.0, 8.0
    low = min(float(np.quantile(group, 0.005)) for group in filled)
    high = max(float(np.quantile(group, 0.995)) for group in filled)
    margin = max(0.02, 0.04 * (high - low))
    return low - margin, high + margin


def relative_counts(values: Numbers, low: float, high: float, bins: int = _BINS) -> Numbers:
    """Fraction of the values in each of equal bins; what lies outside counts at the edges."""
    if not len(values):
        return np.zeros(bins)
    counts, _ = np.histogram(np.clip(values, low, high), bins, (low, high))
    return counts / len(values)


class Histogram(QWidget):
    """The reference as filled bars, the files as an outline above them, each by its own number of images."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(self.tr("Histogram of the scores over the reference images"))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(14 * SPACE)
        self._reference: Numbers = np.empty(0)
        self._scores: Numbers = np.empty(0)
        self._mark: float | None = None
        self._span = histogram_range()
        self._reference_counts = self._score_counts = relative_counts(self._scores, *self._span)
        theme().changed.connect(self.update)

    def sizeHint(self) -> QSize:
        return QSize(40 * SPACE, 20 * SPACE)

    def show_reference(self, reference: Sequence[float]) -> None:
        """Take the reference scores of another model."""
        self._reference = np.asarray(reference, np.float64)
        self._count()

    def show_scores(self, scores: Numbers) -> None:
        """Take the scores of the files."""
        self._scores = scores.copy()
        self._count()

    def show_mark(self, score: float | None) -> None:
        """Mark the score of one file."""
        if score != self._mark:
            self._mark = score
            self.update()

    def _count(self) -> None:
        self._span = histogram_range(self._reference, self._scores)
        self._reference_counts = relative_counts(self._reference, *self._span)
        self._score_counts = relative_counts(self._scores, *self._span)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(scaled_font(11))
        low, high = self._span
        plot = QRectF(0.5, 3 * SPACE, self.width() - 1.0, self.height() - 6.0 * SPACE)
        self._paint_key(painter)
        self._paint_axis(painter, plot, low, high)
        self._paint_bars(painter, plot, self._reference_counts)
        self._paint_outline(painter, plot, self._score_counts)
        if self._mark is not None:
            self._paint_mark(painter, plot, (self._mark - low) / (high - low))

    def _paint_key(self, painter: QPainter) -> None:
        c = colors()
        middle, left = 8.0, 0.0
        entries = (
            (self.tr("{0} reference images").format(f"{len(self._reference):,}"), True),
            (self.tr("{0} of your files").format(f"{len(self._scores):,}"), False),
        )
        for text, filled in entries:
            box = QRectF(left + 0.5, middle - 5, 10, 10)
            painter.setPen(Qt.PenStyle.NoPen if filled else QPen(QColor(c.accent), 1.5))
            painter.setBrush(QColor(c.border) if filled else Qt.BrushStyle.NoBrush)
            painter.drawRect(box)
            painter.setPen(QColor(c.dim))
            width = painter.fontMetrics().horizontalAdvance(text)
            painter.drawText(QRectF(left + 16, 0, width + 4, 16), Qt.AlignmentFlag.AlignVCenter, text)
            left += width + 16 + 2 * SPACE

    def _paint_axis(self, painter: QPainter, plot: QRectF, low: float, high: float) -> None:
        c = colors()
        painter.setPen(QPen(QColor(c.border), 1))
        painter.drawLine(plot.bottomLeft(), plot.bottomRight())
        painter.setPen(QColor(c.dim))
        step = tick_step(high - low, max(2, int(plot.width() / 64)))
        digits = max(0, -math.floor(math.log10(step)))
        unit = self.tr("bits/dim")
        unit_width = painter.fontMetrics().horizontalAdvance(unit)
        for number in range(math.ceil(low / step), math.floor(high / step) + 1):
            x = plot.left() + (number * step - low) / (high - low) * plot.width()
            if plot.left() + 14 < x < plot.right() - unit_width - 24:
                area = QRectF(x - 30, plot.bottom() + 3, 60, 2 * SPACE)
                painter.drawText(area, Qt.AlignmentFlag.AlignCenter, f"{number * step:.{digits}f}")
        area = QRectF(plot.right() - unit_width - 2, plot.bottom() + 3, unit_width + 2, 2 * SPACE)
        painter.drawText(area, Qt.AlignmentFlag.AlignCenter, unit)

    def _paint_bars(self, painter: QPainter, plot: QRectF, heights: Numbers) -> None:
        most = heights.max()
        if most <= 0:
            return
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colors().border))
        width = plot.width() / len(heights)
        for index, height in enumerate(heights / most * plot.height()):
            painter.drawRect(QRectF(plot.left() + index * width, plot.bottom() - height, width - 0.5, height))

    def _paint_outline(self, painter: QPainter, plot: QRectF, heights: Numbers) -> None:
        most = heights.max()
        if most <= 0:
            return
        width = plot.width() / len(heights)
        points = [plot.bottomLeft()]
        for index, height in enumerate(heights / most * plot.height()):
            y = plot.bottom() - height
            points += [QPointF(plot.left() + index * width, y), QPointF(plot.left() + (index + 1) * width, y)]
        points.append(plot.bottomRight())
        accent = QColor(colors().accent)
        painter.setPen(QPen(accent, 1.5))
        accent.setAlpha(40)
        painter.setBrush(accent)
        painter.drawPolygon(QPolygonF(points))

    def _paint_mark(self, painter: QPainter, plot: QRectF, fraction: float) -> None:
        x = plot.left() + min(max(fraction, 0.0), 1.0) * plot.width()
        painter.setPen(QPen(QColor(colors().text), 1.5))
        painter.drawLine(QPointF(x, plot.top() - 2), QPointF(x, plot.bottom()))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colors().text))
        top = plot.top() - 2
        painter.drawPolygon(QPolygonF([QPointF(x - 4, top - 5), QPointF(x + 4, top - 5), QPointF(x, top + 1)]))


def tick_step(span: float, most: int) -> float:
    """A round step that puts at most `most` ticks on `span`."""
    wanted = span / most
    scale = 10.0 ** math.floor(math.log10(wanted))
    return scale * next(factor for factor in (1.0, 2.0, 5.0, 10.0) if factor * scale >= wanted * 0.999)
