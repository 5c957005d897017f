"""The learning curves of a run: a heading with what they mean, and the plot once its library is loaded."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QLabel, QStackedLayout, QVBoxLayout, QWidget

from nvp_studio.runs.history import RunHistory
from nvp_studio.views.importer import Importer
from nvp_studio.views.theme import SPACE, colors, theme
from nvp_studio.views.widgets.action_button import flat_button
from nvp_studio.views.widgets.elided_label import ElidedLabel

if TYPE_CHECKING:
    from nvp_studio.views.widgets.plot import CurvePlot


class CurvesView(QWidget):
    """Training bits/dim raw and smoothed, validation as dots, the best one marked; zoomed and moved by the mouse.

    The axes follow a growing curve until a person zooms; *Fit* follows again.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(self.tr("Learning curves"))
        self.plot: CurvePlot | None = None
        self._pointed: float | None = None
        self._history = RunHistory()
        self._total_steps: int | None = None
        self._steps_per_epoch: int | None = None
        self._lay_out()
        self.fit.clicked.connect(self._on_fit)
        self._importer = Importer()
        self._importer.imported.connect(self._on_imported)
        self._importer.start("plot", _import_plot)

    def show_history(self, history: RunHistory, total_steps: int | None, steps_per_epoch: int | None) -> None:
        """Draw another run, in full view; a run of the same history keeps its zoom."""
        other = history is not self._history
        self._history, self._total_steps, self._steps_per_epoch = history, total_steps, steps_per_epoch
        if self.plot is not None:
            self.plot.show_history(history, total_steps)
            if other:
                self._on_fit()
        self.refresh()

    def show_words(self, words: str) -> None:
        """What stands there while there is no curve."""
        self._words.setText(words)

    def refresh(self) -> None:
        """The history grew."""
        empty = not len(self._history.steps)
        self._stack.setCurrentIndex(0 if empty or self.plot is None else 1)
        self._key.setVisible(not empty)
        if self.plot is not None:
            self.plot.refresh()
        self._show_reading()

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE // 2)
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        title = QLabel(self.tr("Bits/dim by step"))
        title.setProperty("role", "section")
        title.setToolTip(self.tr("Bits the flow needs for each pixel value of an 8-bit image: lower is better."))
        row.addWidget(title)
        self.reading = ElidedLabel()
        self.reading.setProperty("role", "dim")
        row.addWidget(self.reading, 1)
        self._key = _Key()
        row.addWidget(self._key)
        tip = self.tr("Show all of the curves and follow them (double click)")
        self.fit = flat_button("scan-search", self.tr("Fit the curves"), tip, "dim")
        self.fit.setEnabled(False)
        row.addWidget(self.fit)
        column.addLayout(row)
        self._stack = QStackedLayout()
        self._words = QLabel()
        self._words.setProperty("role", "dim")
        self._words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._words.setWordWrap(True)
        self._stack.addWidget(self._words)
        column.addLayout(self._stack, 1)

    def _on_imported(self, _name: str) -> None:
        from nvp_studio.views.widgets.plot import CurvePlot

        self.plot = CurvePlot(self)
        self.plot.setAccessibleName(self.accessibleName())
        self._stack.addWidget(self.plot)
        self.plot.following_changed.connect(lambda following: self.fit.setEnabled(not following))
        self.plot.pointed.connect(self._on_pointed)
        self.plot.fit_asked.connect(self._on_fit)
        self.plot.show_history(self._history, self._total_steps)
        self.refresh()

    def _on_fit(self) -> None:
        if self.plot is not None:
            self.plot.follow()

    def _on_pointed(self, step: float | None) -> None:
        self._pointed = step
        self._show_reading()

    def _show_reading(self) -> None:
        """Numbers under the mouse, else of the last step."""
        history = self._history
        if not len(history.steps):
            self.reading.setText("")
            return
        place = len(history.steps) - 1
        if self._pointed is not None:
            place = min(place, int(history.steps.values.searchsorted(self._pointed)))
        step = int(history.steps.values[place])
        words = [self.tr("step {0}").format(f"{step:,}")]
        if self._steps_per_epoch:
            words.append(self.tr("epoch {0}").format(f"{step / self._steps_per_epoch:.2f}"))
        words.append(self.tr("training {0}").format(f"{history.smoothed.values[place]:.3f}"))
        validated = int(history.validation_steps.values.searchsorted(step, side="right")) - 1
        if validated >= 0:
            words.append(self.tr("validation {0}").format(f"{history.validation.values[validated]:.3f}"))
        self.reading.setText("  ·  ".join(words))


def _import_plot() -> None:
    """Bring in pyqtgraph, too slow to have before the first paint."""
    import nvp_studio.views.widgets.plot  # noqa: F401 - from now on importing it takes no time


class _Key(QWidget):
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
                painter.setPen(QPen(QColor(c.good if mark == "ring" else c.text), 1.5))
                painter.setBrush(QColor(c.text) if mark == "dot" else Qt.BrushStyle.NoBrush)
                radius = 2.5 if mark == "dot" else 4.5
                painter.drawEllipse(QPointF(left + 9, 10), radius, radius)
            painter.setPen(QColor(c.dim))
            painter.drawText(left + 18, 0, width, 20, Qt.AlignmentFlag.AlignVCenter, text)
            left += width
