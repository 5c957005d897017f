"""Histogram of scored files over that of the reference images."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from nvp_studio.views.numbers import round_step
from nvp_studio.views.theme import SPACE, colors, scaled_font, theme

_BINS = 60
Numbers = npt.NDArray[np.float64]


class Histogram(QWidget):
    """The reference as filled bars, the files as an outline above them, each by its own number of images.

    A mark is at one score, or at the edge if that is out of range.
    """

    top, bottom = 3 * SPACE, 3 * SPACE
    """Pixels above and below the bars."""
    margin = 0.04
    """Empty part of the range at each end."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName(self.tr("Histogram of the scores over the reference images"))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(14 * SPACE)
        self.reference: Numbers = np.empty(0)
        self._scores: Numbers = np.empty(0)
        self._mark: float | None = None
        self._count()
        theme().changed.connect(self.update)

    def sizeHint(self) -> QSize:
        return QSize(40 * SPACE, 20 * SPACE)

    def show_reference(self, reference: Sequence[float]) -> None:
        """Take the reference scores of another model."""
        self.reference = np.asarray(reference, np.float64)
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
        """Count anew; what lies outside of the range counts at the edges.

        The range holds 99 % of the reference and, where that is no farther than twice its width, of the files; of few
        files far away it would leave a line of the rest. Half of the files are within it in any case.
        """
        low, high = _range_of(self.reference, self._scores)
        margin = max(0.02, self.margin * (high - low))
        self.range = (low - margin, high + margin)
        self.is_cut = len(self._scores) > 0 and float(self._scores.max()) > self.range[1]
        """Whether some files are above the range."""
        self._bars, self._outline = (
            np.histogram(np.clip(group, *self.range), _BINS, self.range)[0] for group in (self.reference, self._scores)
        )
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(scaled_font(11))
        area = QRectF(4.5, self.top, self.width() - 9.0, self.height() - float(self.top + self.bottom))
        self.paint_key(painter)
        self._paint_bars(painter, area)
        painter.setPen(QPen(QColor(colors().border), 1))
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        painter.setPen(QColor(colors().dim))
        self.paint_axis(painter, area)
        self._paint_outline(painter, area)
        if self._mark is not None:
            self._paint_mark(painter, area, self.x_of(area, self._mark))

    def x_of(self, area: QRectF, score: float) -> float:
        """Where a score is in `area`, at an end if it is out of range."""
        low, high = self.range
        return area.left() + min(max((score - low) / (high - low), 0.0), 1.0) * area.width()

    def bar_colour(self, score: float) -> QColor:
        """The colour of the bar at a score."""
        return QColor(colors().border)

    def paint_key(self, painter: QPainter) -> None:
        """Say what bars and outline are."""
        c = colors()
        left = 0.0
        entries = (
            (self.tr("{0} reference images").format(f"{len(self.reference):,}"), True),
            (self.tr("{0} of your files").format(f"{len(self._scores):,}"), False),
        )
        for text, filled in entries:
            painter.setPen(Qt.PenStyle.NoPen if filled else QPen(QColor(c.accent), 1.5))
            painter.setBrush(QColor(c.border) if filled else Qt.BrushStyle.NoBrush)
            painter.drawRect(QRectF(left + 0.5, 3, 10, 10))
            painter.setPen(QColor(c.dim))
            width = painter.fontMetrics().horizontalAdvance(text)
            painter.drawText(QRectF(left + 16, 0, width + 4, 16), Qt.AlignmentFlag.AlignVCenter, text)
            left += width + 16 + 2 * SPACE

    def paint_axis(self, painter: QPainter, area: QRectF) -> None:
        """Write round scores and the unit below the bars."""
        low, high = self.range
        step = round_step((high - low) / max(2, int(area.width() / 64)))
        digits = max(0, -math.floor(math.log10(step)))
        unit = self.tr("or more bits/dim") if self.is_cut else self.tr("bits/dim")
        unit_width = painter.fontMetrics().horizontalAdvance(unit)
        for number in range(math.ceil(low / step), math.floor(high / step) + 1):
            x = self.x_of(area, number * step)
            if area.left() + 14 < x < area.right() - unit_width - 24:
                self.paint_label(painter, area, x, f"{number * step:.{digits}f}")
        self.paint_label(painter, area, area.right(), unit)

    def paint_label(self, painter: QPainter, area: QRectF, x: float, text: str) -> None:
        """Write a text below the bars around `x`, moved to where it is whole."""
        width = painter.fontMetrics().horizontalAdvance(text) + 1
        left = min(max(0.0, x - width / 2), self.width() - width)
        place = QRectF(left, area.bottom() + 3, width, 2 * SPACE)
        painter.drawText(place, Qt.AlignmentFlag.AlignCenter, text)

    def _paint_bars(self, painter: QPainter, area: QRectF) -> None:
        low, high = self.range
        width = area.width() / _BINS
        painter.setPen(Qt.PenStyle.NoPen)
        for index, height in enumerate(_heights(self._bars, area)):
            painter.setBrush(self.bar_colour(low + (index + 0.5) / _BINS * (high - low)))
            painter.drawRect(QRectF(area.left() + index * width, area.bottom() - height, width - 0.5, height))

    def _paint_outline(self, painter: QPainter, area: QRectF) -> None:
        width = area.width() / _BINS
        points = [area.bottomLeft()]
        for index, height in enumerate(_heights(self._outline, area)):
            y = area.bottom() - height
            points += [QPointF(area.left() + index * width, y), QPointF(area.left() + (index + 1) * width, y)]
        accent = QColor(colors().accent)
        painter.setPen(QPen(accent, 1.5))
        accent.setAlpha(40)
        painter.setBrush(accent)
        if len(points) > 1:
            painter.drawPolygon(QPolygonF([*points, area.bottomRight()]))

    def _paint_mark(self, painter: QPainter, area: QRectF, x: float) -> None:
        top = area.top() - 2
        painter.setPen(QPen(QColor(colors().text), 1.5))
        painter.drawLine(QPointF(x, top), QPointF(x, area.bottom()))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colors().text))
        painter.drawPolygon(QPolygonF([QPointF(x - 4, top - 5), QPointF(x + 4, top - 5), QPointF(x, top + 1)]))


def _range_of(reference: Numbers, scores: Numbers) -> tuple[float, float]:
    """The lowest and the highest score that the histogram shows."""
    if not len(reference) and not len(scores):
        return 0.0, 8.0
    first, last = np.quantile(reference if len(reference) else scores, (0.005, 0.995))
    if not len(scores):
        return float(first), float(last)
    farthest = 2 * max(0.1, float(last - first))
    low, quarter, three_quarters, high = np.quantile(scores, (0.005, 0.25, 0.75, 0.995))
    low = min(first, quarter, max(low, first - farthest))
    return float(low), float(max(last, three_quarters, min(high, last + farthest)))


def _heights(counts: npt.NDArray[np.int64], area: QRectF) -> list[float]:
    """Counts as heights, the largest that of `area`; nothing when all are zero."""
    return list(counts / counts.max() * area.height()) if counts.any() else []
