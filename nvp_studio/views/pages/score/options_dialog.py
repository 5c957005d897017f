"""How files are scored: noise samples, the bound, a second model, labels."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import QFormLayout, QPushButton

from nvp_studio.file_labels import LabelsError
from nvp_studio.resources import INCLUDED_MODELS
from nvp_studio.runs.listing import list_labelled
from nvp_studio.score_row import MAX_SAMPLES
from nvp_studio.state.score_options import ScoreOptions
from nvp_studio.state.scoring import ScoreState
from nvp_studio.text import escaped, sentence
from nvp_studio.training.bounds import Bounds
from nvp_studio.views.context import WindowContext
from nvp_studio.views.dialogs import Dialog
from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.inputs import ComboBox, show_input
from nvp_studio.views.widgets.labels import NoteLabel
from nvp_studio.views.widgets.layout import hbox, text_label
from nvp_studio.views.widgets.number_field import NumberField

_MOST_RUNS = 12


class ScoreOptionsDialog(Dialog):
    """Shows the options of a `ScoreState`, and sets them when it is accepted."""

    def __init__(self, context: WindowContext, state: ScoreState) -> None:
        super().__init__(context.window)
        self._context, self._state = context, state
        self._table = state.labels.table
        self.setWindowTitle(self.tr("Scoring options"))
        options = state.options
        form = QFormLayout()
        self.samples = NumberField(Bounds(1, MAX_SAMPLES), whole=True, none_text="1")
        self.samples.set_tip(self.tr("More give a tighter bound with a standard error, and take as many times longer"))
        self.samples.setValue(options.samples)
        model = state.engine.model
        self._exact = model is not None and model.flow.exact_code_length
        if self._exact:
            self.samples.set_tip(
                self.tr("Without effect for the open model: its scores are exact code lengths, whatever the noise")
            )
        form.addRow(self.tr("&Noise samples"), self.samples)
        self.bound = ComboBox(
            [(self.tr("importance-weighted, the tighter one"), True), (self.tr("mean over the samples"), False)],
            self.tr("Of several noise samples"),
        )
        show_input(self.bound, options.weighted)
        form.addRow(self.tr("&Bound"), self.bound)
        self.against = ComboBox([(self.tr("none"), ""), *self._models()], self.tr("For the likelihood ratio"))
        self._show_model(options.against)
        self._add(form, self.tr("&Second model"), self.against, self._choose_model)
        self.labels = ComboBox([(self.tr("names of the folders"), "")], self.tr("What labels files get"))
        self._show_table(self._table)
        self._add(form, self.tr("&Labels"), self.labels, self._choose_labels)
        self.column.addLayout(form)
        self.column.addWidget(
            text_label(
                self.tr(
                    "The second model must be of images of the same size. A table of labels is a CSV file with the "
                    "columns path and label. Labels change at once; scores when files are scored again."
                ),
                wrap=True,
            )
        )
        self.note = NoteLabel()
        self.column.addWidget(self.note)
        self.column.addStretch(1)
        self.column.addWidget(self.make_buttons(self.tr("Apply")))
        self.samples.edited.connect(self._check)
        self.resize(70 * SPACE, self.sizeHint().height())
        self._check()

    def accept(self) -> None:
        """Set the options; stay open where the labels cannot be read."""
        table = self.labels.currentData()
        try:
            if table != self._table:
                self._state.label_by(table)
        except LabelsError as error:
            self.note.show_text(sentence(str(error)), "error")
            return
        samples = self.samples.value()
        self._state.use(
            ScoreOptions(
                samples=1 if samples is None else int(samples),
                weighted=self.bound.currentData(),
                against=self.against.currentData(),
            )
        )
        super().accept()

    def _check(self) -> None:
        usable = not self.samples.problem
        self.ok.setEnabled(usable)
        self.samples.setEnabled(not self._exact)
        self.bound.setEnabled(usable and not self._exact and (self.samples.value() or 1) > 1)

    def _models(self) -> list[tuple[str, object]]:
        found: dict[str, str] = dict(INCLUDED_MODELS)
        for run in list_labelled(self._context.runs_folder):
            if run.summary.best is not None and len(found) < _MOST_RUNS + len(INCLUDED_MODELS):
                found[run.folder] = escaped(run.name)
        for path in self._context.settings.values.recent_models:
            if Path(path).exists():
                found.setdefault(path, escaped(Path(path).name))
        return [(text, path) for path, text in found.items()]

    def _show_model(self, path: str) -> None:
        if path and self.against.findData(path) < 0:
            self.against.addItem(escaped(Path(path).name), path)
        show_input(self.against, path)

    def _show_table(self, path: str) -> None:
        if path and self.labels.findData(path) < 0:
            self.labels.addItem(escaped(Path(path).name), path)
        show_input(self.labels, path)

    def _choose_model(self) -> None:
        filters = self.tr("Models (*.safetensors)")
        for path in self._context.ask_files("model", self.tr("A second model"), filters):
            self._show_model(str(path))

    def _choose_labels(self) -> None:
        filters = self.tr("Tables (*.csv)")
        for path in self._context.ask_files("labels", self.tr("A table of labels"), filters):
            self._show_table(str(path))

    def _add(self, form: QFormLayout, text: str, box: ComboBox, choose: Callable[[], None]) -> None:
        """A row with a button that adds an entry to the box."""
        row = hbox()
        row.addWidget(box, 1)
        button = QPushButton(self.tr("Choose…"))
        button.setAccessibleName(self.tr("Choose a file: {0}").format(box.accessibleName()))
        button.clicked.connect(choose)
        row.addWidget(button)
        label = text_label(text, role="")
        label.setBuddy(box)
        form.addRow(label, row)
