"""What a person does with runs: label, duplicate, go on, explore, export, throw away and bring back."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QObject, Qt
from PySide6.QtGui import QAction

from nvp_studio.runs.labels import read_labels, write_labels
from nvp_studio.runs.trash import delete_for_good, discarded_runs
from nvp_studio.training.errors import RunError
from nvp_studio.training.runs import RunSummary, has_model, read_record
from nvp_studio.views.pages.run_folders import RESUMABLE, discard, put_back, show_folder
from nvp_studio.views.run_dialogs import LabelsDialog, TrashDialog

if TYPE_CHECKING:
    from nvp_studio.views.main_window import MainWindow
    from nvp_studio.views.pages.runs import RunsPage

PAGE_KEYS = ("label", "duplicate", "resume", "explore", "show-folder", "csv", "tensorboard", "discard", "trash")
"""In the order of the buttons; the table's menu has them too."""
_TOPIC = "runs"


class ShelfActions(QObject):
    """Registers the page's actions and does what they say to the selected runs."""

    def __init__(self, window: "MainWindow", page: "RunsPage") -> None:
        super().__init__(page)
        self._window = window
        self._page = page
        self._register()

    def __getitem__(self, key: str) -> QAction:
        return self._window.registry[f"runs.{key}"]

    def refresh(self) -> None:
        """Make each action possible or not."""
        page = self._page
        front, chosen = page.front, page.chosen
        one = front is not None
        for key in ("label", "duplicate", "show-folder"):
            self[key].setEnabled(one)
        self["explore"].setEnabled(front is not None and has_model(front.folder))
        resumable = front is not None and front.state in RESUMABLE and not self._window.engine.trainer_host
        self["resume"].setEnabled(resumable and not page.live.under_way)
        for key in ("csv", "parquet", "tensorboard"):
            self[key].setEnabled(bool(chosen))
        busy = {page.live.local_folder} if page.live.under_way else set()
        self["discard"].setEnabled(bool(chosen) and not any(run.folder in busy for run in chosen))

    def _register(self) -> None:
        page = self._page
        add = partial(self._window.registry.add, menu="runs", page=page)
        add("runs.label", self._tr("&Name, tags and note…"), self._label, shortcut="F2", icon="pencil")
        add("runs.duplicate", self._tr("&Duplicate with changes"), self._duplicate, shortcut="Ctrl+D", icon="copy")
        add("runs.resume", self._tr("&Resume"), self._resume, icon="circle-play")
        add("runs.explore", self._tr("&Explore"), self._explore, icon="compass")
        add("runs.show-folder", self._tr("Show in file mana&ger"), self._show_folder, icon="folder-open")
        add(
            "runs.csv",
            self._tr("Export metrics as &CSV"),
            lambda: page.export("csv"),
            icon="table",
            tip=self._tr("Write metrics.csv into the folder of each selected run"),
            separator=True,
        )
        add("runs.parquet", self._tr("Export metrics as &Parquet"), lambda: page.export("parquet"))
        add(
            "runs.tensorboard",
            self._tr("Export for &TensorBoard"),
            lambda: page.export("tensorboard"),
            icon="chart-line",
            tip=self._tr("Write TensorBoard's event files into the folder of each selected run"),
        )
        add("runs.film", self._tr("Save samples as a &film…"), page.save_film, icon="film")
        add("runs.discard", self._tr("D&iscard"), self._discard, shortcut="Del", icon="trash-2", separator=True)
        add("runs.trash", self._tr("Trash…"), self._show_trash, icon="rotate-ccw")
        add("runs.find", self._tr("&Search runs"), self._find, shortcut="Ctrl+F", separator=True)

    # What a person does

    def _label(self) -> None:
        run = self._page.front
        if run is None:
            return
        dialog = LabelsDialog(read_labels(Path(run.folder)), run.name, self._window)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.accepted.connect(lambda: self._write_labels(run, dialog))
        dialog.open()

    def _write_labels(self, run: RunSummary, dialog: LabelsDialog) -> None:
        try:
            write_labels(Path(run.folder), dialog.labels)
        except RunError as error:
            self._window.notify("bad", str(error), topic=_TOPIC)
            return
        self._page.look_again(run.folder)

    def _duplicate(self) -> None:
        """Put the run's settings into the form of Train, to be changed and started."""
        run = self._page.front
        if run is None:
            return
        try:
            record = read_record(Path(run.folder))
        except RunError as error:
            self._window.notify("bad", str(error), topic=_TOPIC)
            return
        self._page.train.form.show_config(record.config)
        self._page.train.form.name.setText(f"{Path(run.folder).name}-2")
        self._window.show_page("train")
        words = self._tr("The form has the settings of {0}: change what is to differ and start.").format(run.name)
        self._window.notify("info", words, topic=_TOPIC)

    def _resume(self) -> None:
        run = self._page.front
        if run is not None:
            self._window.show_page("train")
            self._page.train.actions_.resume(run.folder)

    def _explore(self) -> None:
        if self._page.front is not None and self["explore"].isEnabled():
            self._window.open_in_explore([Path(self._page.front.folder)])

    def _show_folder(self) -> None:
        if self._page.front is not None:
            show_folder(self._page.front)

    def _discard(self) -> None:
        discard(self._window, self._page.chosen, _TOPIC, self._page.look_again)

    def _show_trash(self) -> None:
        runs = discarded_runs(self._page.runs.folder)
        dialog = TrashDialog(runs, self._restore, self._delete, self._window)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def _restore(self, place: str) -> bool:
        folder = Path(place).parent.parent / Path(place).name
        return put_back(self._window, [(Path(place), folder)], _TOPIC, self._page.look_again)

    def _delete(self, place: str) -> bool:
        try:
            delete_for_good(Path(place))
        except RunError as error:
            self._window.notify("bad", str(error), topic=_TOPIC)
            return False
        return True

    def _find(self) -> None:
        self._page.search.setFocus()
        self._page.search.selectAll()

    def _tr(self, text: str) -> str:
        return QCoreApplication.translate("ShelfActions", text)
