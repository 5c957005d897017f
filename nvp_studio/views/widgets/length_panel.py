"""The typical set: how long the latent is at every scale, against the lengths of latents from the prior."""

import math
from collections.abc import Sequence

from PySide6.QtCore import QCoreApplication, QRectF, Qt, Signal
from PySide6.QtGui import QAction, QColor, QFontMetrics, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QCheckBox, QWidget

from nvp_studio.views.theme import SPACE, colors, scaled_font, set_mark
from nvp_studio.views.widgets.action_button import ActionButton
from nvp_studio.views.widgets.labels import ElidedLabel
from nvp_studio.views.widgets.latent_panel import scale_name
from nvp_studio.views.widgets.layout import hbox, vbox

_ROW = 3 * SPACE
_NAME = 8 * SPACE
_FIGURES = 40 * SPACE
"""Least width of what is written beside a bar."""
_REACH = 5.0
"""Standard deviations from the middle to the ends of a bar."""
_NORMAL_97_5 = 1.959964


class LengthGauge(QWidget):
    """A bar for each scale: the band holds 95 % of latents from the prior, the mark is the picture's |z| squared."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[tuple[str, float, int, float]] = []
        self._cold: tuple[bool, ...] = ()
        self.setAccessibleName(self.tr("Length of the latent at every scale"))

    def show_lengths(
        self,
        squares: Sequence[float],
        dimensions: Sequence[int],
        percents: Sequence[float],
        temperatures: Sequence[float] = (),
    ) -> None:
        """Show |z| squared at every scale, finest first, and the percentage of prior latents that are shorter.

        A latent that is short at a scale whose temperature is below 1 is not marked: it is expected. No `temperatures`
        means 1 throughout.
        """
        self._cold = tuple(value < 1 for value in temperatures or (1.0,) * len(squares))
        names = [scale_name(scale, len(squares)) for scale in range(len(squares))]
        self._rows = list(zip(names, squares, dimensions, percents, strict=True))
        self.setFixedHeight(max(1, len(self._rows)) * _ROW)
        self.setAccessibleDescription(". ".join(f"{row[0]}: {length_text(*row[1:])}" for row in self._rows))
        self.update()

    def texts(self) -> list[str]:
        """What is written beside each bar."""
        return [length_text(*row[1:]) for row in self._rows]

    def is_marked(self, row: int) -> bool:
        """Whether the latent at a scale, 0 the finest, is outside of the band and no temperature explains it."""
        percent = self._rows[row][3]
        return percent > 97.5 or (percent < 2.5 and not self._cold[row])

    @property
    def any_short_by_temperature(self) -> bool:
        """Whether a latent is left of the band at a scale whose temperature is below 1."""
        return any(row[3] < 2.5 and cold for row, cold in zip(self._rows, self._cold, strict=True))

    def text_width(self, metrics: QFontMetrics) -> int:
        """Pixels for what is written beside each bar."""
        return max([_FIGURES, *(metrics.horizontalAdvance(text) + 1 for text in self.texts())])

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, c = QPainter(self), colors()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(scaled_font(12))
        wide = self.width() >= 2 * _FIGURES
        figures = self.text_width(painter.fontMetrics()) if wide else 10 * SPACE
        room = max(1.0, self.width() - _NAME - figures - 2 * SPACE)
        middle = Qt.AlignmentFlag.AlignVCenter
        for index, (name, square, dimensions, percent) in enumerate(self._rows):
            top = index * _ROW
            painter.setPen(QColor(c.dim))
            painter.drawText(QRectF(0, top, _NAME, _ROW), middle, name)
            painter.drawText(
                QRectF(self.width() - figures, top, figures, _ROW),
                middle | Qt.AlignmentFlag.AlignRight,
                length_text(square, dimensions, percent) if wide else f"{square:.0f} / {dimensions}",
            )

            def x(value: float, dimensions: int = dimensions) -> float:
                places = (value - dimensions) / math.sqrt(2 * dimensions)
                return _NAME + room * (0.5 + min(max(places, -_REACH), _REACH) / (2 * _REACH))

            line = top + _ROW / 2
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(c.border))
            painter.drawRoundedRect(QRectF(_NAME, line - 2, room, 4), 2, 2)
            low, high = (
                x(chi_squared_quantile(-_NORMAL_97_5, dimensions)),
                x(chi_squared_quantile(_NORMAL_97_5, dimensions)),
            )
            painter.setBrush(QColor(c.accent))
            painter.setOpacity(0.45)
            painter.drawRect(QRectF(low, line - 4, high - low, 8))
            painter.setOpacity(1.0)
            painter.setPen(QPen(QColor(c.warning if self.is_marked(index) else c.text), 3))
            painter.drawLine(round(x(square)), round(line - 8), round(x(square)), round(line + 8))


class LengthPanel(QWidget):
    """The gauge, what it means, and whether moves along directions keep the length."""

    keep_chosen = Signal(bool)

    def __init__(self, steps: Sequence[QAction]) -> None:
        """`steps` are the actions that step to a higher or lower density."""
        super().__init__()
        self.gauge = LengthGauge()
        self.keep = QCheckBox(self.tr("Sliders of directions keep |z| at every scale"))
        self.keep.setToolTip(
            self.tr("A move along directions then turns the latent at each scale and leaves its length |z| as it was.")
        )
        self.keep.clicked.connect(self.keep_chosen)
        column = vbox(self, spacing=SPACE // 2)
        self.note = ElidedLabel(role="dim", lines=2)
        self.show_ends("")
        self.note.setToolTip(
            self.tr(
                "Latents of the prior are standard normal, so |z|² follows the chi-squared law of as many degrees of\n"
                "freedom as the scale has values. Images of a well trained flow lie there too. The percentages are\n"
                "of samples at temperature 1. A lower temperature makes a sample shorter, which is no fault."
            )
        )
        line = hbox(spacing=SPACE // 2)
        line.addWidget(self.note, 1)
        for step in steps:
            line.addWidget(ActionButton(step, flat=True))
        column.addLayout(line)
        column.addWidget(self.gauge)
        column.addWidget(self.keep)

    def show_ends(self, text: str) -> None:
        """Say which sliders were moved as far as they go; empty: what the bars are."""
        plain = self.tr("|z|² at every scale. Band: 95 % of samples at temperature 1")
        if self.gauge.any_short_by_temperature:
            plain = self.tr("|z|². Band: 95 % at temperature 1; lower ones lie left of it")
        self.note.setText(text or plain)
        set_mark(self.note, "end", bool(text))


def length_text(square: float, dimensions: int, percent: float) -> str:
    """Such as "402 of about 392, longer than 64 % of samples"."""
    text = (
        QCoreApplication.translate("LengthPanel", "{0} of about {1}, longer than {2} % of samples")
        if percent >= 50
        else QCoreApplication.translate("LengthPanel", "{0} of about {1}, shorter than {2} % of samples")
    )
    share = max(percent, 100 - percent)
    shown = "99.9+" if share > 99.9 else f"{share:.1f}" if share > 99 else f"{share:.0f}"
    return text.format(f"{square:.0f}", dimensions, shown)


def chi_squared_quantile(normal: float, dimensions: int) -> float:
    """The value of a chi-squared law where the standard normal law has `normal` (Wilson and Hilferty 1931)."""
    share = 2 / (9 * dimensions)
    return float(dimensions * max(0.0, 1 - share + normal * math.sqrt(share)) ** 3)
