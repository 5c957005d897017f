"""The learning curves of one run, below a line with their values and the meaning of their marks."""

from PySide6.QtCore import QCoreApplication, Qt

from nvp_studio.runs.history import RunHistory
from nvp_studio.views.theme import SPACE, colors, theme
from nvp_studio.views.widgets.curve_drawing import Drawing, run_drawing
from nvp_studio.views.widgets.curve_panel import CurvePanel
from nvp_studio.views.widgets.labels import SEPARATOR, ElidedLabel
from nvp_studio.views.widgets.layout import hbox, text_label, vbox


class RunCurves(CurvePanel):
    """Training bits/dim raw and smoothed, validation as dots, the best one marked."""

    def __init__(self) -> None:
        name = QCoreApplication.translate("RunCurves", "Learning curves")
        super().__init__(name, axis_width=46, xMin=0, yMin=-100, yMax=1000, minXRange=5, minYRange=0.005)
        self._history = RunHistory()
        self._total_steps: int | None = None
        self._steps_per_epoch: int | None = None
        self._lay_out()

    def show_history(self, history: RunHistory, total_steps: int | None, steps_per_epoch: int | None) -> None:
        """Show another run, in full; a run of the same history keeps its zoom."""
        if history is not self._history:
            self.follow()
        self._history, self._total_steps, self._steps_per_epoch = history, total_steps, steps_per_epoch
        self.refresh()

    def refresh(self) -> None:
        """Draw again: the history grew."""
        empty = not len(self._history.steps)
        self._legend.setVisible(not empty)
        drawing = Drawing() if empty else run_drawing(self._history, self._total_steps)
        self.show_drawing(drawing, self.empty_text if empty else "")

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
        text = [self.tr("training {0}").format(f"{history.smoothed.values[place]:.3f}")]
        validated = int(history.validation_steps.values.searchsorted(step, side="right")) - 1
        if validated >= 0:
            value, at = history.validation.values[validated], int(history.validation_steps.values[validated])
            text.append(self.tr("validation {0}").format(f"{value:.3f}"))
            images = int(history.validation_images.values[validated])
            about = [self.tr("{0} images").format(f"{images:,}")] if images else []
            about += [self.tr("step {0}").format(f"{at:,}")] if at != step else []
            text[-1] += f" ({', '.join(about)})" if about else ""
        text.append(self.tr("step {0}").format(f"{step:,}"))
        if self._steps_per_epoch:
            text.append(self.tr("epoch {0}").format(f"{step / self._steps_per_epoch:.2f}"))
        self.reading.setText(SEPARATOR.join(text))

    def _lay_out(self) -> None:
        column = vbox(self, spacing=SPACE // 2)
        row = hbox()
        title = ElidedLabel(self.tr("Bits/dim by step"), role="section", grows=False)
        row.addWidget(title)
        self.reading = ElidedLabel(role="dim")
        row.addWidget(self.reading, 1)
        self._legend = text_label()
        self._legend.setTextFormat(Qt.TextFormat.RichText)
        self._write_legend()
        theme().changed.connect(self._write_legend)
        row.addWidget(self._legend)
        row.addWidget(self.fit)
        column.addLayout(row)
        column.addLayout(self.stack, 1)

    def _write_legend(self) -> None:
        """Say what each mark of the plot is."""
        c = colors()
        marks = (
            (self.tr("training"), "━", c.accent),
            (self.tr("validation"), "●", c.text),
            (self.tr("best"), "○", c.success),
        )
        self._legend.setText(
            "&nbsp;&nbsp;".join(f'<font color="{colour}">{mark}</font>&nbsp;{text}' for text, mark, colour in marks)
        )
