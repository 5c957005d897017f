"""What a person does with scored files: export, copy, show in their folder, open in Explore; and with references."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction, QGuiApplication
from PySide6.QtWidgets import QInputDialog

from nvp_studio.runs.score_tables import write_table
from nvp_studio.score_row import ScoreRow
from nvp_studio.state.paths import image_filter
from nvp_studio.state.score_reports import ReportMaker
from nvp_studio.state.score_tables import TableReader
from nvp_studio.state.scoring import ScoreState
from nvp_studio.text import printable
from nvp_studio.views import notify
from nvp_studio.views.context import WindowContext
from nvp_studio.views.figures_dialog import FiguresDialog
from nvp_studio.views.file_writing import write_file, write_in_thread
from nvp_studio.views.pages.score.compare_dialog import CompareDialog
from nvp_studio.views.pages.score.options_dialog import ScoreOptionsDialog
from nvp_studio.views.reveal import reveal
from nvp_studio.views.undo_offer import UndoOffer
from nvp_studio.views.widgets.score_table import ScoreTable

TOPIC = "score"
TABLE_KEYS = ("explore", "inspect", "copy-paths", "reveal", "export")
"""In the order of the table's menu."""
_MOST_COPIED = 100_000


class ScoreActions(QObject):
    """Registers the page's actions and applies them to the selected files."""

    def __init__(self, context: WindowContext, page: QObject, page_key: str, state: ScoreState) -> None:
        super().__init__(page)
        self._context, self._page_key, self._state = context, page_key, state
        self.cleared = UndoOffer(f"{TOPIC}-cleared", self)
        self._tables = TableReader(state, self)
        self._tables.finished.connect(self._on_table_read)
        self._tables.failed.connect(lambda reason: notify.error(reason, topic=TOPIC))
        self._reports = ReportMaker(state, self)
        self._report_path: Path | None = None
        self._reports.ready.connect(self._write_report)
        self._reports.failed.connect(lambda reason: notify.error(reason, topic="export"))
        self._watched_before = list(context.settings.values.score_watched)
        context.engine.model_opened.connect(self.watch_again)
        self.table: ScoreTable | None = None
        """Where files are selected, once there is one."""
        add = context.registry.add
        add("score.add-files", self.tr("Add &files…"), self._ask_files, "Ctrl+Shift+F", "file-plus")
        add("score.add-folder", self.tr("Add f&older…"), self._ask_folder, "Ctrl+Shift+D", "folder-plus")
        tip = self.tr("Take the rows of a CSV or Parquet file of scores; files in it are not scored again")
        text = self.tr("Continue from a ta&ble…")
        add("score.continue-from", text, self._continue_from, icon="table", tip=tip)
        tip = self.tr("Score the images in a folder, and those that arrive in it")
        add("score.watch", self.tr("Watch a fol&der…"), self._ask_watched, "Ctrl+Shift+W", "timer", tip=tip)
        add("score.stop-watching", self.tr("Stop w&atching"), state.watching.stop, icon="octagon-x")
        add("score.again", self.tr("&Score again"), state.score_again, icon="refresh-cw", separator=True)
        tip = self.tr("Noise samples and their bound, a second model to compare with, labels from a table")
        add("score.options", self.tr("Scoring op&tions…"), self._options, icon="sliders-horizontal", tip=tip)
        add("score.cancel", self.tr("&Cancel scoring"), state.cancel, icon="circle-x")
        add("score.continue", self.tr("Co&ntinue scoring"), state.resume, icon="circle-play")
        add("score.explore", self.tr("Open in E&xplore"), self.explore, icon="compass", separator=True)
        add("score.inspect", self.tr("Open in &Inspect"), self._inspect, icon="scan-search")
        add("score.copy-paths", self.tr("Copy the &paths"), self._copy_paths, icon="clipboard-copy")
        add("score.reveal", self.tr("S&how in the folder"), self._reveal, icon="folder-open")
        tip = self.tr("All rows that are shown, or those that are selected where they are several, as CSV or Parquet")
        add("score.export", self.tr("&Export the table…"), self._export, icon="table", tip=tip)
        tip = self.tr("Verdicts then compare with images that you know to be good")
        text = self.tr("&Make a reference of a folder…")
        add("score.make-reference", text, self._make_reference, icon="folder-plus", tip=tip, separator=True)
        tip = self.tr("AUROC of every score, histograms and ROC curve of two folders")
        add("score.compare", self.tr("Compare t&wo groups…"), self._compare, icon="columns-2", tip=tip)
        tip = self.tr("The whole table as one HTML file, with the most unusual images and where their bits are")
        add("score.report", self.tr("Save a &report…"), self._report, icon="save", tip=tip)
        tip = self.tr("What bits/dim are, when they mislead, and how well each score was measured to work")
        add("score.figures", self.tr("How m&uch the scores say…"), self._show_figures, icon="info", tip=tip)
        add("score.clear", self.tr("C&lear the table"), self._clear, icon="trash-2", separator=True)
        for key, text in (
            ("cancel", self.tr("Cancel")),
            ("continue", self.tr("Continue")),
            ("export", self.tr("Export")),
            ("clear", self.tr("Clear")),
            ("options", self.tr("Options")),
            ("watch", self.tr("Watch a folder")),
            ("figures", self.tr("What this means")),
        ):
            self[key].setIconText(text)  # on buttons: all must fit beside the progress in a small window

    def __getitem__(self, key: str) -> QAction:
        return self._context.registry[f"{TOPIC}.{key}"]

    def update(self) -> None:
        """Make possible what is possible now."""
        state, chosen = self._state, self.selected_rows()
        going = state.busy or state.waiting_for_model or state.references.making is not None
        self["cancel"].setEnabled(going)
        self["cancel"].setVisible(going)
        self["continue"].setEnabled(state.can_resume)
        self["continue"].setVisible(state.can_resume)
        watched = bool(state.watching.folders)
        self["stop-watching"].setEnabled(watched)
        self["stop-watching"].setVisible(watched)
        self["again"].setEnabled(state.rows.total > 0)
        self["export"].setEnabled(state.rows.rowCount() > 0)
        self["report"].setEnabled(state.rows.total > 0 and not state.busy)
        self["clear"].setEnabled(state.rows.total > 0 or going)
        self["copy-paths"].setEnabled(bool(chosen))
        self["reveal"].setEnabled(bool(chosen))
        self["continue-from"].setEnabled(self._context.engine.model is not None and not going)
        self["compare"].setEnabled(self._context.engine.model is not None)
        self["make-reference"].setEnabled(self._context.engine.model is not None)
        for key in ("explore", "inspect"):
            self[key].setEnabled(bool(chosen) and not self._current().error)

    def selected_rows(self) -> list[int]:
        """The rows that are selected, in the order shown."""
        if self.table is None:
            return []
        selection = self.table.selectionModel().selection()  # ranges: an index for each cell would be very many
        ranges = [selection.at(place) for place in range(selection.count())]
        return sorted({row for one in ranges for row in range(one.top(), one.bottom() + 1)})

    @property
    def watched(self) -> list[str]:
        """Folders that are watched, or will be once a model is open."""
        return list(map(str, self._state.watching.folders)) or self._watched_before

    def watch_again(self) -> None:
        """Go on watching, once a model is open, what was watched when the program ended."""
        if self._context.engine.model is None or not self._watched_before:
            return
        folders, self._watched_before = list(map(Path, self._watched_before)), []
        names = ", ".join(printable(folder.name or str(folder)) for folder in folders)
        if self._state.stale:
            text = self.tr("{0} is not watched any more: another model is open than that of the table.")
            notify.warning(text.format(names), topic=f"{TOPIC}-watch")
            return
        self._state.watch(folders)
        stop = (self.tr("Stop watching"), self._state.watching.stop)
        notify.info(self.tr("Watching {0} again.").format(names), topic=f"{TOPIC}-watch", actions=[stop])

    def explore(self) -> None:
        """Open the file with the focus in Explore."""
        if self.selected_rows() and not self._current().error:
            self._context.open_requested.emit([Path(self._current().path)])

    def _inspect(self) -> None:
        if self.selected_rows() and not self._current().error:
            self._context.inspect(Path(self._current().path))

    def _current(self) -> ScoreRow:
        assert self.table is not None
        row = self.table.currentIndex().row()
        chosen = self.selected_rows()
        return self._state.rows.file(row if row in chosen else chosen[0])

    def _ask_files(self) -> None:
        self._context.page_requested.emit(self._page_key)
        filters = image_filter(self.tr("Images and archives"), archives=True)
        self._state.add(self._context.ask_files(TOPIC, self.tr("Images to score"), filters, many=True))

    def _ask_folder(self) -> None:
        self._context.page_requested.emit(self._page_key)
        folder = self._context.ask_folder(TOPIC, self.tr("A folder of images to score"))
        if folder is not None:
            self._state.add([folder])

    def _ask_watched(self) -> None:
        self._context.page_requested.emit(self._page_key)
        folder = self._context.ask_folder(TOPIC, self.tr("A folder to watch"))
        if folder is not None:
            self._state.watch([folder])

    def _continue_from(self) -> None:
        self._context.page_requested.emit(self._page_key)
        for path in self._context.ask_files("csv", self.tr("A table of scores"), self.tr("Tables (*.csv *.parquet)")):
            self._tables.read(path)

    def _on_table_read(self, taken: int, left: int) -> None:
        text = self.tr("{0} scores are taken from the table.").format(f"{taken:,}")
        if left:
            more = self.tr("{0} rows are not: without a score, or of files that have changed.")
            text += " " + more.format(f"{left:,}")
        notify.success(text, topic=TOPIC, actions=[(self.tr("Add a folder"), self._ask_folder)])

    def _copy_paths(self) -> None:
        files = self._state.rows.files(self.selected_rows()[:_MOST_COPIED])
        QGuiApplication.clipboard().setText("\n".join(row.path for row in files))
        notify.success(self.tr("{0} paths copied.").format(f"{len(files):,}"), topic=TOPIC)

    def _reveal(self) -> None:
        path = Path(self._current().path)
        if not reveal(path, self):
            notify.warning(self.tr("{0} is not there any more.").format(path.parent), topic=TOPIC)

    def _export(self) -> None:
        model = self._state.model
        if model is None:
            return
        proposal = f"scores-{Path(model.name).stem}.csv"
        filters = self.tr("Tables (*.csv *.parquet)")
        path = self._context.ask_save("csv", self.tr("Export the scores"), proposal, filters)
        if path is None:
            return
        chosen = self.selected_rows()
        rows = self._state.rows.files(chosen if len(chosen) > 1 else None)

        def write() -> str:
            try:
                write_table(path, rows, model.name, model.digest)
            except ImportError as error:
                raise OSError(self.tr("Parquet needs pyarrow: pip install 'nvp-studio[parquet]'")) from error
            return self.tr("Wrote {0}.").format(path.name)

        write_in_thread(write)

    def _report(self) -> None:
        model = self._state.model
        if model is None:
            return
        proposal = f"scores-{Path(model.name).stem}.html"
        path = self._context.ask_save("csv", self.tr("Save a report"), proposal, "HTML (*.html)")
        if path is not None:
            self._report_path = path
            self._reports.make()

    def _write_report(self, content: Callable[[], bytes]) -> None:
        if self._report_path is not None:
            write_file(self._report_path, content)

    def _make_reference(self) -> None:
        self._context.page_requested.emit(self._page_key)
        folder = self._context.ask_folder("reference", self.tr("A folder of images that are known to be good"))
        if folder is None:
            return
        text = self.tr("Name of the reference")
        name, given = QInputDialog.getText(self._context.window, self.tr("Make a reference"), text, text=folder.name)
        if given and name.strip():
            self._state.references.make([folder], name.strip())

    def _compare(self) -> None:
        self._context.page_requested.emit(self._page_key)
        dialog = CompareDialog(self._context, self._state.references, self._state.options.against)
        dialog.show()

    def _show_figures(self) -> None:
        FiguresDialog(self._context.window, "misleads").open()

    def _options(self) -> None:
        self._context.page_requested.emit(self._page_key)
        ScoreOptionsDialog(self._context, self._state).show()

    def _clear(self) -> None:
        before = self._state.stored(self._state.rows.total)
        self._state.clear()
        if before is not None:
            bring_back = partial(self._state.show_stored, before)
            self.cleared.offer(self.tr("The table is cleared."), self.tr("Undo"), self.tr("Clear"), bring_back)
