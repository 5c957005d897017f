"""The chosen file: what was scored, where its bits are, what is said of it, and the histogram of all scores."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QImage, QResizeEvent
from PySide6.QtWidgets import QStackedWidget, QWidget

from nvp_studio.image_batch import ImageBatch
from nvp_studio.score_row import ScoreRow
from nvp_studio.state.evidence import EvidenceState
from nvp_studio.state.qimages import qimage
from nvp_studio.state.score_columns import verdict_text
from nvp_studio.state.scoring import ScoreState
from nvp_studio.text import figure
from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.action_button import ActionButton
from nvp_studio.views.widgets.histogram import Histogram
from nvp_studio.views.widgets.image_status import ImageStatus
from nvp_studio.views.widgets.inputs import ComboBox
from nvp_studio.views.widgets.labels import ElidedLabel
from nvp_studio.views.widgets.layout import hbox, text_label, vbox
from nvp_studio.views.widgets.map_view import MapLegend, MapView
from nvp_studio.views.widgets.score_numbers import ScoreNumbersView

_HEIGHT_FOR_ALL = 50 * SPACE
_GRADIENT = "gradient"
_NUMBERS = "numbers"
"""The entry of the list that shows what was measured instead of a picture."""


class ScoreSide(QWidget):
    """Shows one file of the table, and its place among all scores."""

    def __init__(self, state: ScoreState, explore: QAction) -> None:
        super().__init__()
        self._state = state
        self.evidence = EvidenceState(state, self)
        self.path = ""
        self.setMinimumWidth(32 * SPACE)
        column = vbox(self)
        self._file: ScoreRow | None = None
        self.layer = ComboBox([(self.tr("Pixels"), "")], self.tr("What is shown of the chosen file"))
        self.legend = MapLegend()
        row = hbox()
        row.addWidget(self.layer, 3)
        row.addWidget(self.legend, 2)
        column.addLayout(row)
        self.preview = MapView()
        self.preview.setAccessibleName(self.tr("The pixels that were scored"))
        self.numbers = ScoreNumbersView()
        self._shown = QStackedWidget()
        self._picture = QWidget()
        inner = vbox()
        inner.addWidget(self.preview, 1)
        inner.addWidget(ImageStatus(self.preview))  # in a line of its own, so that nothing moves when it has a text
        self.slope = MapView()
        self.slope.setAccessibleName(self.tr("How much the log-likelihood changes with each pixel"))
        self.slope_value = ElidedLabel(role="dim")
        self._beside = QWidget()
        beside = vbox(self._beside)
        beside.addWidget(self.slope, 1)
        beside.addWidget(self.slope_value)
        pictures = hbox(self._picture)
        pictures.addLayout(inner, 1)
        pictures.addWidget(self._beside, 1)
        self._shown.addWidget(self._picture)
        self._shown.addWidget(self.numbers)
        column.addWidget(self._shown, 3)
        row = hbox()
        self.name = ElidedLabel(middle=True)
        row.addWidget(self.name, 1)
        row.addWidget(ActionButton(explore))
        column.addLayout(row)
        self.score = text_label(role="", wrap=True)
        column.addWidget(self.score)
        self.verdict = text_label(role="", wrap=True)
        column.addWidget(self.verdict)
        self.notes = text_label(wrap=True)
        self.notes.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        column.addWidget(self.notes)
        self.histogram = Histogram()
        column.addWidget(self.histogram, 2)
        self.layer.currentIndexChanged.connect(self._show_layer)
        self.evidence.changed.connect(self._show_layer)
        self.slope.told.connect(self._show_slope_value)
        self.preview.told.connect(lambda: self.legend.show_value(self.preview.told_bits()))
        self.show_layers()
        self.show_file(None)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave the histogram out where the picture would have no room."""
        super().resizeEvent(event)
        self.histogram.setVisible(self.height() >= _HEIGHT_FOR_ALL)

    def show_layers(self) -> None:
        """Offer the numbers, and what the model has: the maps in total and of each scale, and the gradient."""
        model = self._state.model
        entries = [(self.tr("Pixels"), ""), (self.tr("All numbers"), _NUMBERS)]
        if model is not None and self._state.reference is not None:
            entries.append((self.tr("Where the bits are"), "total"))
            shapes = model.latent_shapes
            for scale, (_, height, width) in enumerate(shapes, 1):
                if len(shapes) > 1:
                    entries.append((self.tr("Bits of scale {0} ({1}x{2})").format(scale, width, height), f"{scale}"))
            if model.flow.has_gradients:
                entries.append((self.tr("Gradient"), _GRADIENT))
        shown = [(self.layer.itemText(index), self.layer.itemData(index)) for index in range(self.layer.count())]
        if shown == entries:
            return
        chosen = self.layer.currentData()
        self.layer.blockSignals(True)
        self.layer.clear()
        for text, value in entries:
            self.layer.addItem(text, value)
        self.layer.setCurrentIndex(max(0, self.layer.findData(chosen)))
        self.layer.blockSignals(False)
        tip = self.tr(
            "What is shown of the chosen file: its pixels, everything that was measured, or where its bits are"
        )
        if len(entries) == 2:
            tip += "\n" + self.tr("Maps need verdicts: a reference fixes their colours")
        elif model is not None and not model.flow.has_gradients:
            tip += "\n" + self.tr("This model has no gradient: its density is constant within each grey level")
        self.layer.setToolTip(tip)
        self._show_layer()

    def show_file(self, file: ScoreRow | None, name: str = "", *, exact: bool = True) -> None:
        """Show a file large; unless its pixels are `exact` they are read again."""
        self._file = file
        if file is None:
            self.path = ""
            self._show_image(None)
            self.preview.set_placeholder(self.tr("Choose a file to see what was scored."))
            self.name.tip = ""
            for label in (self.name, self.score, self.verdict, self.notes):
                label.setText("")
            self.histogram.show_mark(None)
            self._show_layer()
            return
        self.path = file.path
        self._show_image(qimage(file.pixels) if file.pixels is not None else None)
        self.preview.set_placeholder(
            self.tr("This file could not be read.") if file.error else self.tr("Reading the file…")
        )
        if not exact and not file.error:
            self._state.ask_preview(file.path)
        self.name.setText(name)
        self.name.tip = file.path
        score = file.bits_per_dim
        self.score.setText("" if score is None else self._score_text(score, file))
        self.verdict.setText(self._verdict_text(file))
        self.verdict.setVisible(bool(file.verdict))
        notes = file.error or ", ".join(file.notes) or self.tr("Scored unchanged.")
        self.notes.setText(notes[:1].upper() + notes[1:])
        self.histogram.show_mark(score)
        self._show_layer()

    def show_pixels(self, path: str, batch: ImageBatch) -> None:
        """Take the exact pixels of a file that were read again."""
        if path == self.path:
            self._show_image(qimage(batch))
            self._show_layer()

    def _score_text(self, score: float, file: ScoreRow) -> str:
        text = self.tr("{0} bits/dim").format(f"{score:.3f}")
        if file.percentile is not None:
            text += self.tr(", above {0} % of the reference images").format(f"{file.percentile:.1f}")
        if file.numbers is not None:
            text += "\n" + self.tr("{0} bytes under ideal coding; PNG {1}, WebP {2}").format(
                f"{file.numbers.ideal_bytes:,.0f}", f"{file.numbers.png_bytes:,}", f"{file.numbers.webp_bytes:,}"
            )
        return text

    def _verdict_text(self, file: ScoreRow) -> str:
        if not file.verdict or file.p_value is None:
            return ""
        said = verdict_text(file.verdict)
        text = self.tr("{0}, p = {1}").format(said[:1].upper() + said[1:], figure(file.p_value, ".2g"))
        return f"{text}: {'; '.join(file.reasons)}" if file.reasons else text

    def _show_layer(self) -> None:
        layer, path = self.layer.currentData(), self.path
        numbers = layer == _NUMBERS
        model = self._state.model
        gradients = model is not None and model.flow.has_gradients
        self._shown.setCurrentWidget(self.numbers if numbers else self._picture)
        if numbers:
            self.numbers.show_row(self._file, model.latent_shapes if model is not None else ())
        shown = bool(layer) and not numbers and bool(path) and self.preview.image is not None
        self.legend.setVisible(shown)
        self._beside.setVisible(shown and layer != _GRADIENT and gradients)
        if not shown:
            self.preview.show_map(None)
            self.slope.show_map(None)
            return
        self.slope.show_map(self.evidence.map_of(path, _GRADIENT) if gradients else None)
        found = self.evidence.map_of(path, layer)
        self.preview.show_map(found)
        self.legend.show_map(found, self.evidence.problem)

    def _show_image(self, image: QImage | None) -> None:
        self.preview.show_image(image)
        self.slope.show_image(image)

    def _show_slope_value(self) -> None:
        """Say what the picture beside the bits is, or its value under the pointer."""
        value, shown = self.slope.told_bits(), self.slope.map
        text = self.tr("Gradient")
        self.slope_value.setText(text if value is None else self.tr("{0} nats/level").format(figure(value, ".3g")))
        if shown is not None:
            tip = self.tr("How much log p changes with a pixel: {0} to {1} nats per grey level")
            self.slope_value.tip = tip.format(figure(shown.low, ".3g"), figure(shown.high, ".3g"))
