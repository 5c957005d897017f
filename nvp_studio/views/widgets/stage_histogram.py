"""The histogram of the values after a layer, beside the density of N(0, 1)."""

import math

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from nvp_studio.explore.inspected import InspectedStage
from nvp_studio.text import figure
from nvp_studio.views.theme import SPACE, colors, scaled_font, theme

_PEAK = 1 / math.sqrt(2 * math.pi)


class StageHistogram(QWidget):
    """Bars for the values of a stage; a line for N(0, 1) where the stage's values are meant to become normal."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName(self.tr("Histogram of the values after the layer"))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.setMinimumHeight(13 * SPACE)
        self.setMaximumHeight(26 * SPACE)
        self.stage: InspectedStage | None = None
        self.second: InspectedStage | None = None
        theme().changed.connect(self.update)

    def sizeHint(self) -> QSize:
        return QSize(40 * SPACE, 13 * SPACE)

    def show_stage(self, stage: InspectedStage | None, second: InspectedStage | None = None) -> None:
        """Show the values of a stage, and as an outline those of a second picture at the same stage."""
        self.stage, self.second = stage, second
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        stage = self.stage
        if stage is None:
            return
        c = colors()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(scaled_font(11))
        area = QRectF(0.5, 2.5 * SPACE, self.width() - 1.0, self.height() - 4.5 * SPACE)
        normal = stage.bins_low < 0
        top = max(max(stage.histogram), 2 * _PEAK if normal else 0.0) or 1.0  # one scale for most layers
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(c.plot_raw))
        width = area.width() / len(stage.histogram)
        for index, value in enumerate(stage.histogram):
            height = area.height() * value / top
            painter.drawRect(QRectF(area.left() + index * width, area.bottom() - height, width - 1, height))
        if self.second is not None:
            outline = QPolygonF([area.bottomLeft()])
            for index, value in enumerate(self.second.histogram):
                y = area.bottom() - area.height() * min(1.0, value / top)
                outline.append(QPointF(area.left() + index * width, y))
                outline.append(QPointF(area.left() + (index + 1) * width, y))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(c.text), 1))
            painter.drawPolyline(outline)
        painter.setPen(QPen(QColor(c.border), 1))
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        self._write(painter, stage, area, normal)
        if normal:
            line = QPolygonF()
            for step in range(101):
                z = stage.bins_low + (stage.bins_high - stage.bins_low) * step / 100
                density = _PEAK * math.exp(-z * z / 2)
                line.append(
                    QPointF(area.left() + area.width() * step / 100, area.bottom() - area.height() * density / top)
                )
            painter.setPen(QPen(QColor(c.accent), 1.5))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawPolyline(line)

    def _write(self, painter: QPainter, stage: InspectedStage, area: QRectF, normal: bool) -> None:
        painter.setPen(QColor(colors().dim))
        row = QRectF(0, area.bottom() + 2, self.width(), 2 * SPACE)
        middle = (stage.bins_low + stage.bins_high) / 2
        for value, side in (
            (stage.bins_low, Qt.AlignmentFlag.AlignLeft),
            (middle, Qt.AlignmentFlag.AlignHCenter),
            (stage.bins_high, Qt.AlignmentFlag.AlignRight),
        ):
            painter.drawText(row, int(side | Qt.AlignmentFlag.AlignTop), figure(value))
        text = self.tr("Values after the layer")
        if self.second is not None:
            text += "; " + self.tr("outline: the second picture")
        if normal:
            text += "; " + self.tr("line: density of N(0, 1)")
        text = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, self.width())
        painter.drawText(QRectF(0, 0, self.width(), 2 * SPACE), int(Qt.AlignmentFlag.AlignLeft), text)
