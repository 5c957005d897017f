"""Compare two groups of images: which score tells them apart, and where a threshold would cut."""

from functools import partial
from pathlib import Path

import numpy as np
from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QGridLayout, QLabel, QProgressBar, QPushButton, QSlider, QWidget

from nvp_studio.csv_file import csv_text
from nvp_studio.state.comparison import Comparison
from nvp_studio.state.references import ReferenceState
from nvp_studio.views import notify
from nvp_studio.views.context import WindowContext
from nvp_studio.views.dialogs import Dialog
from nvp_studio.views.file_writing import write_file
from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.group_plot import GroupPlot
from nvp_studio.views.widgets.inputs import ComboBox
from nvp_studio.views.widgets.labels import ElidedLabel
from nvp_studio.views.widgets.layout import hbox, text_label

_STEPS = 1000


class CompareDialog(Dialog):
    """Two folders are chosen or dropped, on the left half for A and on the right half for B."""

    def __init__(self, context: WindowContext, references: ReferenceState, against: str = "") -> None:
        """Verdicts compare with what is chosen in `references`; `against` is a second model, by path or name."""
        super().__init__(context.window)
        self._context, self._references, self._against = context, references, against
        self.comparison = Comparison(context.engine, self)
        self._paths: list[Path | None] = [None, None]
        self._wanted: tuple[Path, Path] | None = None
        references.changed.connect(self._start)
        self.setWindowTitle(self.tr("Compare two groups"))
        self.setAcceptDrops(True)
        self.column.addWidget(
            text_label(
                self.tr(
                    "Drop two folders here: A with the usual images at the left, B with the others at the right. The "
                    "AUROC is the probability that an image of B is more unusual than one of A by that score: 0.5 "
                    "tells nothing, 1 tells them apart. With a second model in the scoring options their likelihood "
                    "ratio is compared too."
                ),
                wrap=True,
            )
        )
        row = hbox()
        self.labels = (ElidedLabel(middle=True), ElidedLabel(middle=True))
        for group, (label, name) in enumerate(zip(self.labels, "AB", strict=True)):
            button = QPushButton(self.tr("{0}: choose…").format(name))
            button.clicked.connect(partial(self._ask, group))
            row.addWidget(button)
            row.addWidget(label, 1)
        self.button = QPushButton(self.tr("Compare"))
        self.button.setProperty("primary", True)
        self.button.clicked.connect(self._start_or_stop)
        row.addWidget(self.button)
        self.column.addLayout(row)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.column.addWidget(self.progress)
        row = hbox()
        self.score = ComboBox([], self.tr("Score"), 34 * SPACE)
        row.addWidget(self.score)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, _STEPS)
        self.slider.setAccessibleName(self.tr("Threshold"))
        row.addWidget(self.slider, 1)
        self.column.addLayout(row)
        self.plot = GroupPlot()
        self.column.addWidget(self.plot, 1)
        self.hint = text_label(self.tr("Histograms, ROC curve and the AUROC of every score appear here."), wrap=True)
        self.hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.column.addWidget(self.hint, 1)
        self.counts = text_label(role="", wrap=True)
        self.column.addWidget(self.counts)
        self.table = QWidget()
        self._grid = QGridLayout(self.table)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self.column.addWidget(self.table)
        row = hbox()
        row.addStretch(1)
        self.exports = (QPushButton(self.tr("Save the figure…")), QPushButton(self.tr("Save the table…")))
        for button, slot in zip(self.exports, (self._save_figure, self._save_table), strict=True):
            button.clicked.connect(slot)
            row.addWidget(button)
        self.column.addLayout(row)
        self.comparison.progressed.connect(self._show_progress)
        self.comparison.finished.connect(self._show_found)
        self.comparison.failed.connect(lambda reason: self.counts.setText(reason))
        self.score.currentIndexChanged.connect(self._show_score)
        self.slider.valueChanged.connect(self._show_threshold)
        self.resize(100 * SPACE, 80 * SPACE)
        self._show_progress()

    # What is compared

    def choose(self, group: int, path: Path) -> None:
        """Take the images under a path as group 0 (A) or 1 (B)."""
        self._paths[group] = path
        self.labels[group].setText(path.name)
        self.labels[group].tip = str(path)
        self._show_progress()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        if len(paths) > 1:
            for group, path in enumerate(sorted(paths)[:2]):
                self.choose(group, path)
        elif paths:
            self.choose(int(event.position().x() > self.width() / 2), paths[0])
        event.acceptProposedAction()

    def closeEvent(self, event: QCloseEvent) -> None:
        self.comparison.cancel()
        super().closeEvent(event)

    def reject(self) -> None:
        self.comparison.cancel()
        super().reject()

    def _ask(self, group: int) -> None:
        folder = self._context.ask_folder("score", self.tr("A folder of images"))
        if folder is not None:
            self.choose(group, folder)

    def _start_or_stop(self) -> None:
        a, b = self._paths
        if self.comparison.busy:
            self.comparison.cancel()
        elif a is not None and b is not None:
            self.counts.setText("")
            self._wanted = (a, b)
            self._start()

    def _start(self) -> None:
        """Begin once it is known what verdicts compare with."""
        if self._wanted is None:
            return
        if not self._references.settled:
            self.counts.setText(self.tr("Preparing what verdicts compare with…"))
            self._references.settle()
            return
        (a, b), self._wanted = self._wanted, None
        self.counts.setText(self._references.problem)
        self.comparison.start(a, b, self._references.current_name, self._against)

    # What is shown

    def _show_progress(self) -> None:
        busy = self.comparison.busy
        self.button.setText(self.tr("Cancel") if busy else self.tr("Compare"))
        self.button.setEnabled(busy or None not in self._paths)
        self.progress.setVisible(busy)
        self.progress.setRange(0, self.comparison.total)
        self.progress.setValue(self.comparison.done if self.comparison.total else 0)
        found = bool(self.comparison.found)
        for widget in (self.score, self.slider, self.plot, self.table, *self.exports):
            widget.setEnabled(found)
        for widget in (self.score, self.slider, self.plot):
            widget.setVisible(found)
        self.hint.setVisible(not found)

    def _show_found(self) -> None:
        found = self.comparison.found
        for label in self.table.findChildren(QLabel):
            self._grid.removeWidget(label)
            label.deleteLater()
        heads = (self.tr("Score"), self.tr("AUROC"), self.tr("95 % interval"))
        lines = -(-len(found) // 2)
        for place, (name, one) in enumerate(found.items()):
            line, side = place % lines + 1, 3 * (place // lines)
            cells = (score_title(name), f"{one.value:.3f}", f"{one.low:.3f} – {one.high:.3f}")
            for column, text in enumerate(cells):
                self._grid.addWidget(text_label(text, ""), line, side + column)
        for side in (0, 3):
            for column, text in enumerate(heads):
                self._grid.addWidget(text_label(text), 0, side + column)
        self.score.blockSignals(True)
        self.score.clear()
        for name in found:
            self.score.addItem(score_title(name), name)
        self.score.blockSignals(False)
        self._show_progress()
        self._show_score()

    def _show_score(self) -> None:
        name = self.score.currentData()
        a, b = self.comparison.values(name)
        names = tuple(path.name if path is not None else "" for path in self._paths)
        self.plot.show_groups(a, b, (f"A: {names[0]}", f"B: {names[1]}"), self.score.currentText())
        low, high = self.plot.range
        best = float(np.quantile(a, 0.99)) if len(a) else low  # where a hundredth of A would be called unusual
        self.slider.setValue(round(_STEPS * (best - low) / (high - low)))
        self._show_threshold()

    def _show_threshold(self) -> None:
        low, high = self.plot.range
        self.plot.show_threshold(low + (high - low) * self.slider.value() / _STEPS)
        a, b = self.comparison.values(self.score.currentData())
        if not len(a) or not len(b):
            return
        alarms, hits = self.plot.rates()
        text = self.tr(
            "Above {0}: {1} of {2} of A (false alarms, {3} %) and {4} of {5} of B; {6} of B are missed ({7} %)."
        ).format(
            f"{self.plot.threshold:.4g}",
            *(f"{alarms:,}", f"{len(a):,}", f"{100 * alarms / len(a):.1f}"),
            *(f"{hits:,}", f"{len(b):,}", f"{len(b) - hits:,}", f"{100 - 100 * hits / len(b):.1f}"),
        )
        failed = sum(self.comparison.failures)
        if failed:
            text += " " + self.tr("Files that could not be read: {0}.").format(f"{failed:,}")
        self.counts.setText(text)

    # Files

    def _save_figure(self) -> None:
        path = self._context.ask_save("csv", self.tr("Save the figure"), "comparison.png", "PNG (*.png)")
        if path is not None and not self.plot.grab().save(str(path), "PNG"):
            notify.error(self.tr("{0} could not be written.").format(path.name), topic="export")

    def _save_table(self) -> None:
        path = self._context.ask_save("csv", self.tr("Save the table"), "comparison.csv", "CSV (*.csv)")
        if path is not None:
            found = self.comparison.found
            rows = [(name, one.value, one.low, one.high) for name, one in found.items()]
            write_file(path, lambda: csv_text(("score", "auroc", "low", "high"), rows).encode())


def score_title(name: str) -> str:
    """A score (a key of `unusualness`) in words."""
    tr = partial(QCoreApplication.translate, "CompareDialog")
    return {
        "verdict": tr("Verdict (distance)"),
        "bits_per_dim": tr("Bits/dim"),
        "complexity": tr("Bits/dim minus WebP's"),
        "typicality": tr("Typicality (two-sided)"),
        "statistics_distance": tr("Distance of the statistics"),
        "coarse_distance": tr("Distance of coarse latents"),
        "shape": tr("Coarse shape"),
        "turned": tr("Fits better turned"),
        "likelihood_ratio": tr("Likelihood ratio"),
    }.get(name, name)
