"""Dialogs about runs: labels, changes to the live run, changed data, and the trash."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QDialogButtonBox,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QMessageBox,
    QPlainTextEdit,
    QWidget,
)

from nvp_studio.runs.labels import Labels, check_labels, shown_name, tidy_tags
from nvp_studio.text import escaped, sentence
from nvp_studio.training.bounds import BOUNDS
from nvp_studio.training.changes import ChangeRequest
from nvp_studio.training.config import rate_warning
from nvp_studio.training.errors import RunError
from nvp_studio.training.events import RunChanged
from nvp_studio.training.runs import MAX_NAME, RunSummary
from nvp_studio.views.dialogs import Dialog
from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.labels import plain_tip
from nvp_studio.views.widgets.layout import form_layout, paragraph, text_label
from nvp_studio.views.widgets.number_field import NameField, NumberField
from nvp_studio.views.widgets.stop_fields import StopFields


class LabelsDialog(Dialog):
    """Name, tags and note of a run; `labels` gives them once accepted. It opens with the whole name selected."""

    def __init__(self, labels: Labels, first_name: str, parent: QWidget) -> None:
        """`first_name` is the name that the run was started with, which it has without another one."""
        super().__init__(parent)
        self._first_name = first_name
        self.setWindowTitle(self.tr("Name, tags and note"))
        self.setMinimumWidth(56 * SPACE)
        self.name = NameField(MAX_NAME, labels.name or first_name)
        self.name.setPlaceholderText(first_name)
        self.name.selectAll()
        self.tags = QLineEdit(", ".join(labels.tags))
        self.tags.setPlaceholderText(self.tr("such as: good, paper"))
        self.note = QPlainTextEdit(labels.note)
        self.note.setTabChangesFocus(True)
        self.note.setMinimumHeight(14 * SPACE)
        fields = (
            (self.tr("Name"), self.name, ""),
            (self.tr("Tags"), self.tags, ""),
            (self.tr("Note"), self.note, ""),
        )
        self.problem = text_label(role="error", wrap=True)
        self.column.addLayout(form_layout(fields))
        self.column.addWidget(self.problem)
        self.column.addWidget(self.make_buttons(self.tr("Save")))
        self.name.setFocus()  # which a widget takes once it has its parent

    @property
    def labels(self) -> Labels:
        """The values of the fields; raises `RunError` for an invalid tag."""
        name = self.name.text().strip()
        return Labels(
            name="" if name == self._first_name else name,
            tags=tidy_tags(self.tags.text().split(",")),
            note=self.note.toPlainText(),
        )

    def accept(self) -> None:
        try:
            labels = self.labels
            check_labels(labels)
        except RunError as error:
            self.problem.setText(sentence(error))
            return
        super().accept()


class ChangeRunDialog(Dialog):
    """Learning rate and stop conditions of the live run; `request` gives what was changed."""

    def __init__(self, settings: RunChanged, parent: QWidget) -> None:
        super().__init__(parent)
        self._settings = settings
        self.setWindowTitle(self.tr("Change the run"))
        self.setMinimumWidth(48 * SPACE)
        self.learning_rate = NumberField(BOUNDS["learning_rate"], advice=rate_warning)
        self.learning_rate.setValue(settings.learning_rate)
        self.stop = StopFields()
        self.stop.show_rules(settings.stop)
        fields = ((self.tr("Learning rate"), self.learning_rate, ""), *self.stop.rows)
        explanation = self.tr(
            "The learning rate is the schedule's highest. Changes hold from the next step on, are kept with the "
            "run, and are made again when it resumes from an earlier checkpoint."
        )
        self.column.addLayout(form_layout(fields))
        self.column.addWidget(text_label(explanation, wrap=True))
        self.column.addWidget(self.make_buttons(self.tr("Change")))
        for _, field, _ in fields:
            field.edited.connect(self._check)
        self._check()

    @property
    def request(self) -> ChangeRequest | None:
        """What a person changed; None when nothing was. Raises `ValueError` for what cannot be meant."""
        rate, rules = self.learning_rate.value(), self.stop.rules
        if rate == self._settings.learning_rate and rules == self._settings.stop:
            return None
        return ChangeRequest(
            learning_rate=rate if rate != self._settings.learning_rate else None,
            stop=rules if rules != self._settings.stop else None,
        )

    def _check(self) -> None:
        try:
            _ = self.request
        except ValueError as error:
            self.ok.setEnabled(False)
            self.ok.setToolTip(plain_tip(sentence(error)))
        else:
            self.ok.setEnabled(True)
            self.ok.setToolTip("")


class ChangedDataDialog(Dialog):
    """Explains what it means to resume a run whose data have changed, and asks whether to do it."""

    def __init__(self, name: str, change: str, parent: QWidget) -> None:
        """`change` is a line that names the data, with the digests before and now."""
        super().__init__(parent)
        self.setWindowTitle(self.tr("The data have changed"))
        self.setMinimumWidth(64 * SPACE)
        points = (
            self.tr("it resumes from its last checkpoint and learns from the data as they are now;"),
            self.tr(
                "its best model so far is kept as best-before-step-<number>, for scores on other data do not compare, "
                "and the next validation makes a new best;"
            ),
            self.tr("the new digest is written into the run, and the change into its log."),
        )
        last = self.tr("If the change was not intended, cancel, restore the data, and resume.")
        self.column.addWidget(paragraph(self.tr("{0} was not resumed: {1}.").format(name, change), "dim"))
        self.column.addWidget(paragraph(self.tr("If you continue anyway,")))
        for text in points:
            self.column.addWidget(paragraph(f"•  {text}"))
        self.column.addWidget(paragraph(last))
        self.column.addSpacing(SPACE)
        self.column.addWidget(self.make_buttons(self.tr("Continue anyway")))


class SkipScoringDialog(Dialog):
    """Asks whether to cut the scoring of a run short, so that the next one can start."""

    def __init__(self, name: str, progress: str, parent: QWidget) -> None:
        """`progress` says how far the scoring is."""
        super().__init__(parent)
        self.setWindowTitle(self.tr("Skip the scoring"))
        self.setMinimumWidth(56 * SPACE)
        text = self.tr("{0} is trained, and its best model is still being scored ({1}).")
        self.column.addWidget(paragraph(text.format(name, progress)))
        self.column.addWidget(
            paragraph(
                self.tr(
                    "If you start the next run now, it keeps the scores of the images scored so far. "
                    "To score the rest later, choose Score all images in the menu Training."
                )
            )
        )
        self.column.addSpacing(SPACE)
        self.column.addWidget(self.make_buttons(self.tr("Skip the rest and start")))


class TrashDialog(Dialog):
    """Lists the runs in the trash, to restore or delete them."""

    def __init__(
        self,
        runs: list[RunSummary],
        restore: Callable[[str], bool],
        delete: Callable[[str], bool],
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Trash"))
        self._restore, self._delete = restore, delete
        self.resize(64 * SPACE, 44 * SPACE)
        self.count = text_label()
        self.list = QListWidget()
        self.list.setAccessibleName(self.tr("Runs in the trash"))
        self.list.setSelectionMode(QListWidget.SelectionMode.ExtendedSelection)
        for run in runs:
            name = shown_name(Path(run.folder), run.name)
            best = f"{run.best:.3f} bits/dim" if run.best is not None else self.tr("not validated")
            text = "  ·  ".join((name, run.data_title, best, self.tr("{0} steps").format(f"{run.step:,}")))
            item = QListWidgetItem(escaped(text))
            item.setData(Qt.ItemDataRole.UserRole, run.folder)
            self.list.addItem(item)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        self.back = buttons.addButton(self.tr("Restore"), QDialogButtonBox.ButtonRole.ActionRole)
        self.forever = buttons.addButton(self.tr("Delete permanently…"), QDialogButtonBox.ButtonRole.DestructiveRole)
        buttons.rejected.connect(self.reject)
        self.back.clicked.connect(lambda: self._act(self._restore))
        self.forever.clicked.connect(self._delete_chosen)
        self.list.itemSelectionChanged.connect(self._show_state)
        self.column.addWidget(self.count)
        self.column.addWidget(self.list)
        self.column.addWidget(buttons)
        if runs:
            self.list.setCurrentRow(0)
        self._show_state()

    def _delete_chosen(self) -> None:
        count = len(self.list.selectedItems())
        text = self.tr("Delete {0} permanently? This cannot be undone.")
        what = (
            self.list.selectedItems()[0].text().split("  ·  ")[0] if count == 1 else self.tr("{0} runs").format(count)
        )
        answer = QMessageBox.question(self, self.windowTitle(), plain_tip(text.format(what)))
        if answer == QMessageBox.StandardButton.Yes:
            self._act(self._delete)

    def _act(self, act: Callable[[str], bool]) -> None:
        for item in self.list.selectedItems():
            if act(str(item.data(Qt.ItemDataRole.UserRole))):
                self.list.takeItem(self.list.row(item))
        self._show_state()

    def _show_state(self) -> None:
        count = self.list.count()
        self.count.setText(self.tr("{0} in the trash").format(count) if count else self.tr("The trash is empty."))
        some = bool(self.list.selectedItems())
        self.back.setEnabled(some)
        self.forever.setEnabled(some)
