"""What a person does with runs: label, duplicate, resume, explore, export, discard and restore."""

import itertools
import re
from functools import partial
from pathlib import Path
from typing import get_args

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QAction

from nvp_studio.runs.export import Format, export_run, missing_package
from nvp_studio.runs.labels import write_labels
from nvp_studio.runs.listing import ListedRun
from nvp_studio.runs.timelapse import write_film
from nvp_studio.runs.trash import delete_for_good, discarded_runs
from nvp_studio.state.timelapse import Timelapse
from nvp_studio.training.errors import RunError
from nvp_studio.training.runs import MAX_NAME, folder_name, has_model, read_record
from nvp_studio.views import notify
from nvp_studio.views.context import WindowContext
from nvp_studio.views.file_writing import write_in_thread
from nvp_studio.views.page import Page
from nvp_studio.views.run_dialogs import LabelsDialog, TrashDialog
from nvp_studio.views.run_folders import ask_data, can_be_resumed, discard, put_back, show_folder
from nvp_studio.views.undo_offer import UndoOffer

PAGE_KEYS = ("label", "duplicate", "resume", "explore", "show-folder", "csv", "tensorboard", "discard", "trash")
"""In the order of the buttons; the table's menu has them too."""
_TOPIC = "runs"


class RunsActions(QObject):
    """Registers the page's actions and applies them to the selected runs."""

    runs_changed = Signal(str)
    """Runs were labelled, discarded or restored; carries the folder to select then, or nothing."""

    def __init__(self, context: WindowContext, page: Page, timelapse: Timelapse) -> None:
        super().__init__(page)
        self._context = context
        self._timelapse = timelapse
        self.undo = UndoOffer(_TOPIC, self)
        self._current: ListedRun | None = None
        self._chosen: list[ListedRun] = []
        self._register(page)
        timelapse.moved.connect(self._show_snapshots)
        self._show_snapshots()

    def __getitem__(self, key: str) -> QAction:
        return self._context.registry[f"runs.{key}"]

    def show_selection(self, current: ListedRun | None, chosen: list[ListedRun]) -> None:
        """The actions are about these runs: `current` has the keyboard focus, `chosen` are all selected."""
        self._current, self._chosen = current, chosen
        live = self._context.live
        for key in ("label", "duplicate", "show-folder"):
            self[key].setEnabled(current is not None)
        explorable = current is not None and has_model(current.folder)
        self["explore"].setEnabled(explorable)
        self["fine-tune"].setEnabled(explorable and not self._context.engine.trainer_host)
        resumable = current is not None and can_be_resumed(current.summary)
        for key in ("resume", "resume-with"):
            self[key].setEnabled(resumable and not live.under_way and not self._context.engine.trainer_host)
        for key in ("csv", "parquet", "tensorboard"):
            self[key].setEnabled(bool(chosen) and not self._missing.get(key))
        under_way = live.under_way and live.local_folder in [run.folder for run in chosen]
        self["discard"].setEnabled(bool(chosen) and not under_way)

    def _show_snapshots(self) -> None:
        self["film"].setEnabled(bool(self._timelapse.shots))

    def _register(self, page: Page) -> None:
        add = partial(self._context.registry.add, page=page)
        add("runs.label", self.tr("&Name, tags and note…"), self._label, "F2", "pencil")
        add("runs.duplicate", self.tr("&Duplicate with changes"), self._duplicate, "Ctrl+D", "copy")
        add("runs.resume", self.tr("&Resume"), self._resume, icon="circle-play")
        tip = self.tr("Resume a run whose data were moved: they are verified by their digest")
        add("runs.resume-with", self.tr("Resume with data fro&m…"), self._resume_with, tip=tip)
        add("runs.explore", self.tr("&Explore"), self._explore, icon="compass")
        tip = self.tr("Begin a run from the weights of this one, on data of your choice")
        add("runs.fine-tune", self.tr("Fine-t&une"), self._fine_tune, icon="repeat", tip=tip)
        add("runs.show-folder", self.tr("Show in file mana&ger"), self._show_folder, icon="folder-open")
        text = self.tr("Export metrics as &CSV")
        tip = self.tr("Write metrics.csv into the folder of each selected run")
        add("runs.csv", text, partial(self._export, "csv"), icon="table", tip=tip, separator=True)
        tip = self.tr("Write metrics.parquet into the folder of each selected run")
        add("runs.parquet", self.tr("Export metrics as &Parquet"), partial(self._export, "parquet"), tip=tip)
        text = self.tr("Export for &TensorBoard")
        tip = self.tr("Write TensorBoard's event files into the folder of each selected run")
        add("runs.tensorboard", text, partial(self._export, "tensorboard"), icon="chart-line", tip=tip)
        self._missing = {form: missing_package(form) for form in get_args(Format)}
        for form, package in self._missing.items():
            if package:
                action = self[form]
                action.setText(self.tr("{0} (needs {1})").format(action.text(), package))
                action.setToolTip(
                    self.tr("Not possible without {0}: pip install 'nvp-studio[{1}]'").format(package, form)
                )
        add("runs.film", self.tr("Save samples as an &animation…"), self.save_film, icon="film")
        add("runs.discard", self.tr("Move to the tras&h"), self._discard, "Del", "trash-2", separator=True)
        add("runs.trash", self.tr("&Open the trash…"), self._show_trash, icon="rotate-ccw")

    # Actions of a person

    def _label(self) -> None:
        run = self._current
        if run is None:
            return
        dialog = LabelsDialog(run.labels, run.summary.name, self._context.window)
        dialog.accepted.connect(lambda: self._write_labels(run, dialog))
        dialog.open()

    def _write_labels(self, run: ListedRun, dialog: LabelsDialog) -> None:
        try:
            write_labels(Path(run.folder), dialog.labels)
        except RunError as error:
            notify.error(str(error), topic=_TOPIC)
            return
        self.runs_changed.emit(run.folder)

    def _duplicate(self) -> None:
        """Put the run's settings into the form of Train, to be changed and started."""
        run = self._current
        if run is None:
            return
        try:
            record = read_record(Path(run.folder))
        except RunError as error:
            notify.refuse(str(error), topic=_TOPIC)
            return
        self._context.page_requested.emit("train")
        self._context.settings_offered.emit(record.config, self._name_of_copy(run))
        text = self.tr("The form has the settings of {0}: edit and start.").format(run.name)
        notify.info(text, topic=_TOPIC)

    def _name_of_copy(self, run: ListedRun) -> str:
        """ "NAME copy", with a number where there is such a run already."""
        first = f"{re.sub(r' copy( [0-9]+)?$', '', run.name)[: MAX_NAME - 10]} copy"
        listed = self._context.runs.runs
        taken = {name for one in listed for name in (one.name, Path(one.folder).name)}
        numbered = (first if number == 1 else f"{first} {number}" for number in itertools.count(1))
        return next(name for name in numbered if name not in taken and folder_name(name) not in taken)

    def _resume(self) -> None:
        if self._current is not None:
            self._context.page_requested.emit("train")
            self._context.resume_requested.emit(self._current.folder, "")

    def _resume_with(self) -> None:
        """Resume the run with its data where a person says that they are now."""
        run = self._current
        if run is not None and (data := ask_data(self._context, run.folder)):
            self._context.page_requested.emit("train")
            self._context.resume_requested.emit(run.folder, data)

    def _explore(self) -> None:
        if self._current is not None:
            self._context.open_requested.emit([Path(self._current.folder)])

    def _fine_tune(self) -> None:
        """Let the next run begin from the weights of this one."""
        run = self._current
        if run is None:
            return
        try:
            config = read_record(Path(run.folder)).config
        except RunError as error:
            notify.refuse(str(error), topic=_TOPIC)
            return
        self._context.fine_tune_requested.emit(run.folder, config.preset, config.flow)

    def _show_folder(self) -> None:
        if self._current is not None:
            show_folder(self._current.folder)

    def _discard(self) -> None:
        discard([run.folder for run in self._chosen], self.undo, self.runs_changed.emit)

    def _show_trash(self) -> None:
        runs = discarded_runs(self._context.runs.folder)
        dialog = TrashDialog(runs, self._restore, self._delete, self._context.window)
        dialog.open()

    def _restore(self, place: str) -> bool:
        folder = Path(place).parent.parent / Path(place).name
        return put_back([(Path(place), folder)], _TOPIC, self.runs_changed.emit)

    def _delete(self, place: str) -> bool:
        try:
            delete_for_good(Path(place))
        except RunError as error:
            notify.refuse(str(error), topic=_TOPIC)
            return False
        return True

    # Files, each written by a thread

    def save_film(self) -> None:
        """Write the snapshots of the current run as an animation."""
        folder, kind = self._timelapse.folder, self._timelapse.kind
        if not folder:
            return
        filters = "GIF (*.gif);;WebP (*.webp)"
        name = f"{Path(folder).name}-{kind}.gif"
        path = self._context.ask_save("films", self.tr("Save as an animation"), name, filters)
        if path is not None:
            write_in_thread(lambda: self.tr("{0}: {1} frames").format(path.name, write_film(Path(folder), path, kind)))

    def _export(self, form: Format) -> None:
        """Write the metrics of the selected runs into their folders."""
        folders = [Path(run.folder) for run in self._chosen]
        if folders:
            write_in_thread(lambda: ", ".join(str(export_run(folder, form)) for folder in folders))
