"""A run's samples through time: images above, a slider with play below."""

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QSlider, QWidget

from nvp_studio.state.timelapse import Timelapse
from nvp_studio.views.theme import SPACE, set_icon
from nvp_studio.views.widgets.action_button import flat_button
from nvp_studio.views.widgets.inputs import ComboBox
from nvp_studio.views.widgets.labels import ElidedLabel
from nvp_studio.views.widgets.layout import hbox, text_label, vbox
from nvp_studio.views.widgets.sheets import Sheet


class TimelapseView(QWidget):
    """Shows a `Timelapse` and moves it."""

    film_requested = Signal()

    def __init__(self, timelapse: Timelapse) -> None:
        super().__init__()
        self._timelapse = timelapse
        column = vbox(self, spacing=SPACE // 2)
        column.addLayout(self._make_top())
        text = self.tr("Samples appear with a run's first validation.")
        self.sheet = Sheet(self.tr("From the same noise"), text)
        self.pairs = Sheet(self.tr("Each below its real image"), text, pairs=True)
        column.addWidget(self.sheet, 1)
        column.addWidget(self.pairs, 1)
        column.addLayout(self._make_bar())
        timelapse.moved.connect(self._show)
        timelapse.playing_changed.connect(self._on_playing_changed)
        self._show()

    def show_name(self, name: str) -> None:
        """Show the name of the run."""
        self.name.setText(name)

    def _make_top(self) -> QHBoxLayout:
        row = hbox()
        kinds = [(self.tr("Samples"), "samples"), (self.tr("Reconstructions"), "reconstructions")]
        self.kind = ComboBox(kinds, self.tr("Images"), 20 * SPACE)
        self.kind.currentIndexChanged.connect(lambda _: self._timelapse.show_kind(self.kind.currentData()))
        row.addWidget(self.kind)
        self.name = ElidedLabel(role="dim", middle=True)
        row.addWidget(self.name, 1)
        self.film = flat_button("film", self.tr("Save as an animation"), self.tr("Save as an animated GIF or WebP"))
        self.film.clicked.connect(self.film_requested)
        row.addWidget(self.film)
        return row

    def _make_bar(self) -> QHBoxLayout:
        row = hbox()
        self.play = flat_button("play", self.tr("Play"))
        self.play.clicked.connect(self._toggle)
        row.addWidget(self.play)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName(self.tr("Snapshot"))
        self.slider.setPageStep(5)
        self.slider.valueChanged.connect(self._timelapse.move_to)
        row.addWidget(self.slider, 1)
        self.step = text_label()
        self.step.setMinimumWidth(self.fontMetrics().horizontalAdvance(self.tr("step {0}").format("1,000,000")))
        row.addWidget(self.step)
        return row

    def _toggle(self) -> None:
        if self._timelapse.playing:
            self._timelapse.stop()
        else:
            self._timelapse.play()

    def _on_playing_changed(self, playing: bool) -> None:
        set_icon(self.play, "pause" if playing else "play")
        self.play.setAccessibleName(self.tr("Pause") if playing else self.tr("Play"))

    def _show(self) -> None:
        timelapse = self._timelapse
        count = len(timelapse.shots)
        with QSignalBlocker(self.slider):
            self.slider.setRange(0, max(0, count - 1))
            self.slider.setValue(max(0, timelapse.place))
        self.slider.setEnabled(count > 1)
        self.play.setEnabled(count > 1)
        self.film.setEnabled(count > 0)
        self.step.setText(self.tr("step {0}").format(f"{timelapse.step:,}") if timelapse.step is not None else "")
        pairs = timelapse.kind == "reconstructions"
        self.sheet.setVisible(not pairs)
        self.pairs.setVisible(pairs)
        (self.pairs if pairs else self.sheet).show_batch(timelapse.batch())
