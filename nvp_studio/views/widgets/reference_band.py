"""One score against the reference images: their histogram, the middle 90 % as a band, and a mark."""

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QSizePolicy

from nvp_studio.views.theme import SPACE, colors
from nvp_studio.views.widgets.histogram import Histogram


class ReferenceBand(Histogram):
    """A small histogram of the reference scores with a mark at the current score."""

    top, bottom = SPACE, 2 * SPACE
    margin = 0.15

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName(self.tr("Scores of the reference images"))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMinimumHeight(0)
        self._text = ""
        self._band = (0.0, 0.0)

    def sizeHint(self) -> QSize:
        return QSize(30 * SPACE, 8 * SPACE)

    def show_reference(self, reference: Sequence[float]) -> None:
        super().show_reference(reference)
        self._text = "" if len(reference) else self.tr("This model keeps no reference scores.")
        if len(reference):
            self._band = (float(np.quantile(self.reference, 0.05)), float(np.quantile(self.reference, 0.95)))

    def bar_colour(self, score: float) -> QColor:
        low, high = self._band
        inside = QColor(colors().accent)
        inside.setAlpha(110)
        return inside if low <= score <= high else super().bar_colour(score)

    def paint_key(self, painter: QPainter) -> None:
        painter.setPen(QColor(colors().dim))
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self._text)

    def paint_axis(self, painter: QPainter, area: QRectF) -> None:
        for score in self._band if len(self.reference) else ():
            self.paint_label(painter, area, self.x_of(area, score), f"{score:.2f}")
