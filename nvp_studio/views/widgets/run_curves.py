"""The learning curves of one run, below a line with their values and the meaning of their marks."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QPointF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from nvp_studio.runs.history import RunHistory
from nvp_studio.views.theme import SPACE, colors, theme
from nvp_studio.views.widgets.curve_drawing import Drawing, run_drawing
from nvp_studio.views.widgets.curve_panel import CurvePanel
from nvp_studio.views.widgets.elided_label import ElidedLabel
from nvp_studio.views.widgets.layout import hbox, text_label, vbox

if TYPE_CHECKING:
    from nvp_studio.views.widgets.curve_plot import CurvePlot


class RunCurves(CurvePanel):
    """Training bits/dim raw and smoothed, validation as dots, the best one marked."""

    def __init__(self) -> None:
        super().__init__(QCoreApplication.translate("RunCurves", "Learning curves"), axis_width=46)
        self._history = RunHistory()
        self._total_steps: int | None = None
        self._steps_per_epoch: int | None = None
        self._empty_text = ""
        self._lay_out()

    def show_history(self, history: RunHistory, total_steps: int | None, steps_per_epoch: int | None) -> None:
        """Show another run, in full; a run of the same history keeps its zoom."""
        if history is not self._history:
            self.follow()
        self._history, self._total_steps, self._steps_per_epoch = history, total_steps, steps_per_epoch
        self.refresh()

    def set_placeholder(self, text: str) -> None:
        """Set the text that is shown while there is no curve."""
        self._empty_text = text
        if not len(self._history.steps):
            self.placeholder.setText(text)

    def refresh(self) -> None:
        """Draw again: the history grew."""
        empty = not len(self._history.steps)
        self._legend.setVisible(not empty)
        drawing = Drawing() if empty else run_drawing(self._history, self._total_steps)
        self.show_drawing(drawing, self._empty_text if empty else "")

    def show_values(self) -> None:
        """Show the numbers under the mouse, else of the last step."""
        history = self._history
        if not len(history.steps):
            self.reading.setText("")
            return
        place = len(history.steps) - 1
        if self.pointed is not None:
            place = min(place, int(history.steps.values.searchsorted(self.pointed)))
        step = int(history.steps.values[place])
        text = [self.tr("step {0}").format(f"{step:,}")]
        if self._steps_per_epoch:
            text.append(self.tr("epoch {0}").format(f"{step / self._steps_per_epoch:.2f}"))
        text.append(self.tr("training {0}").format(f"{history.smoothed.values[place]:.3f}"))
        validated = int(history.validation_steps.values.searchsorted(step, side="right")) - 1
        if validated >= 0:
            text.append(self.tr("validation {0}").format(f"{history.validation.values[validated]:.3f}"))
        self.reading.setText("  ·  ".join(text))

    def _plot_made(self, plot: "CurvePlot") -> None:
        plot.set_limits(xMin=0, yMin=-100, yMax=1000, minXRange=5, minYRange=0.005)

    def _lay_out(self) -> None:
        column = vbox(self, spacing=SPACE // 2)
        row = hbox()
        title = text_label(self.tr("Bits/dim by step"), "section")
        title.setToolTip(self.tr("Bits the flow needs for each pixel value of an 8-bit image: lower is better."))
        row.addWidget(title)
        self.reading = ElidedLabel(role="dim")
        row.addWidget(self.reading, 1)
        self._legend = _Legend()
        row.addWidget(self._legend)
        row.addWidget(self.fit)
        column.addLayout(row)
        column.addLayout(self.stack, 1)


class _Legend(QWidget):
    """What each mark of the plot is."""

    def __init__(self) -> None:
        super().__init__()
        self._entries = ((self.tr("training"), "line"), (self.tr("validation"), "dot"), (self.tr("best"), "ring"))
        self._widths = [self.fontMetrics().horizontalAdvance(text) + 28 for text, _ in self._entries]
        self.setFixedSize(sum(self._widths), 20)
        theme().changed.connect(self.update)

    def paintEvent(self, event: QPaintEvent) -> None:
        c = colors()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        left = 0
        for (text, mark), width in zip(self._entries, self._widths, strict=True):
            if mark == "line":
                painter.setPen(QPen(QColor(c.accent), 2))
                painter.drawLine(left + 2, 10, left + 14, 10)
            else:
                painter.setPen(QPen(QColor(c.success if mark == "ring" else c.text), 1.5))
                painter.setBrush(QColor(c.text) if mark == "dot" else Qt.BrushStyle.NoBrush)
                radius = 2.5 if mark == "dot" else 4.5
                painter.drawEllipse(QPointF(left + 9, 10), radius, radius)
            painter.setPen(QColor(c.dim))
            painter.drawText(left + 18, 0, width, 20, Qt.AlignmentFlag.AlignVCenter, text)
            left += width
