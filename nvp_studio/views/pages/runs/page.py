"""Runs: all of them in a sortable table, several compared in one plot, one of them through time."""

from pathlib import Path
from zlib import crc32

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QHideEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QHBoxLayout,
    QLineEdit,
)

from nvp_studio.runs.history import RunHistory
from nvp_studio.runs.listing import ListedRun
from nvp_studio.state.opened_run import OpenedRun
from nvp_studio.state.runs import RUN_ROLE, FilteredRunsModel
from nvp_studio.state.timelapse import Timelapse
from nvp_studio.training.errors import RunError
from nvp_studio.views.context import WindowContext
from nvp_studio.views.file_writing import write_file
from nvp_studio.views.page import Page
from nvp_studio.views.pages.runs.actions import PAGE_KEYS, RunsActions
from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.action_button import ActionButton
from nvp_studio.views.widgets.curve_comparison import CurveComparison
from nvp_studio.views.widgets.labels import SEPARATOR, ElidedLabel
from nvp_studio.views.widgets.layout import PAGE_MARGINS, card, hbox, splitter, vbox
from nvp_studio.views.widgets.run_table import RunTable
from nvp_studio.views.widgets.series import MAX_SERIES, Series
from nvp_studio.views.widgets.timelapse_view import TimelapseView

_REFRESH_MILLISECONDS = 2000
_DRAW_MILLISECONDS = 250
"""Live curves are redrawn at most this often."""


class RunsPage(Page):
    """The table above; below it the curves of the selected runs and, beside them, the samples of the current run."""

    key = "runs"

    def __init__(self, context: WindowContext) -> None:
        super().__init__(context)
        self.live = context.live
        self.runs = context.runs
        self.filtered_runs = FilteredRunsModel(self.runs, self)
        self.timelapse = Timelapse(self)
        self.actions_ = RunsActions(context, self, self.timelapse)
        self.undo = self.actions_.undo
        text = self.tr("&Search runs")
        context.registry.add("runs.find", text, self._search, "Ctrl+F", page=self, separator=True)
        self._opened: dict[str, OpenedRun] = {}
        self._colours: dict[str, int] = {}
        self._lay_out()
        self._draw = QTimer(self, singleShot=True, interval=_DRAW_MILLISECONDS)
        self._connect_signals()
        self._show_selection()

    # Methods of every page

    def activated(self) -> None:
        self.refresh()
        if not self.table.selectionModel().hasSelection() and self.filtered_runs.rowCount():
            self.table.selectRow(0)

    # Which runs are selected

    @property
    def current(self) -> ListedRun | None:
        """The run in the row with the keyboard focus."""
        index = self.table.currentIndex()
        run: ListedRun | None = index.data(RUN_ROLE) if index.isValid() else None
        return run

    @property
    def chosen(self) -> list[ListedRun]:
        """The selected runs, as the table orders them."""
        rows = sorted(index.row() for index in self.table.selectionModel().selectedRows())
        return [self.filtered_runs.index(row, 0).data(RUN_ROLE) for row in rows]

    def refresh(self, folder: str = "") -> None:
        """Read the folder of runs again, and choose the run `folder`, or the one after a chosen one that has left."""
        place = self.table.currentIndex().row()
        self.context.refresh_runs()
        row = self.filtered_runs.row_of(folder) if folder else -1
        if not folder and place >= 0 and not self.chosen:
            row = min(place, self.filtered_runs.rowCount() - 1)
        if row >= 0:
            self.table.selectRow(row)
        self._show_selection()

    # Construction

    def _lay_out(self) -> None:
        column = vbox(self, margins=PAGE_MARGINS)
        column.addLayout(self._make_top())
        self.table = RunTable(self.filtered_runs, sortable=True)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.table.setMinimumHeight(14 * SPACE)
        for key in PAGE_KEYS:
            self.table.addAction(self.actions_[key])
        self.comparison = CurveComparison()
        self.comparison.set_placeholder(
            self.tr("Choose runs above (with Ctrl or Shift several) to see their curves here.")
        )
        self.timelapse_view = TimelapseView(self.timelapse)
        self.timelapse_view.setMinimumWidth(20 * SPACE)
        columns = splitter(Qt.Orientation.Horizontal, (card(self.comparison), card(self.timelapse_view)), (3, 1))
        self.restore_sizes("runs-columns", columns, [800, 300])
        rows = splitter(Qt.Orientation.Vertical, (self.table, columns), (2, 3))
        self.restore_sizes("runs-rows", rows, [200, 400])
        column.addWidget(rows, 1)

    def _make_top(self) -> QHBoxLayout:
        row = hbox()
        tip = self.tr("Finds names, data, presets, states, tags and notes")
        self.search = QLineEdit(placeholderText=self.tr("Search runs"), clearButtonEnabled=True)
        self.search.setToolTip(tip)
        self.search.setAccessibleName(self.tr("Search runs"))
        for button in self.search.findChildren(QAbstractButton):
            button.setAccessibleName(self.tr("Clear the search"))
        self.search.setMinimumWidth(20 * SPACE)
        self.search.setMaximumWidth(42 * SPACE)
        row.addWidget(self.search, 2)
        self.count = ElidedLabel(role="dim")
        row.addWidget(self.count, 1)
        for key in PAGE_KEYS:
            row.addWidget(ActionButton(self.actions_[key], flat=True))
        return row

    def _connect_signals(self) -> None:
        self.search.textChanged.connect(self._on_searched)
        self.table.selectionModel().selectionChanged.connect(self._show_selection)
        self.table.selectionModel().currentRowChanged.connect(self._show_selection)
        self.table.opened.connect(self.actions_["explore"].trigger)
        self.filtered_runs.rowsInserted.connect(self._show_count)
        self.filtered_runs.rowsRemoved.connect(self._show_count)
        self.filtered_runs.layoutChanged.connect(self._show_count)
        self.runs.dataChanged.connect(self._show_actions)
        self.comparison.step_pointed.connect(self.timelapse.move_to_step)
        self.comparison.controls.export_requested.connect(self._save_curves)
        self.timelapse_view.film_requested.connect(self.actions_.save_film)
        self.timelapse.moved.connect(lambda: self.comparison.show_step(self.timelapse.step))
        self.live.updated.connect(self._on_live_updated)
        self.live.phase_changed.connect(self._show_actions)
        self.context.engine.host_changed.connect(self._show_actions)
        self.repeat_while_visible(_REFRESH_MILLISECONDS, self._on_refresh)
        self._draw.timeout.connect(self.comparison.refresh)
        self.actions_.runs_changed.connect(self.refresh)

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.timelapse.stop()

    # The selection

    def _show_selection(self) -> None:
        """Draw the selected runs; the current one is among them."""
        chosen = self.chosen[:MAX_SERIES]
        current = self.current
        if current is not None and chosen and current not in chosen:
            current = chosen[0]
        self._keep_opened({run.folder for run in chosen})
        self._keep_colours([run.folder for run in chosen])
        series = [
            Series(run.folder, run.name, history, self._colours[run.folder])
            for run in chosen
            if (history := self._history(run.folder)) is not None
        ]
        folder = current.folder if current is not None and chosen else ""
        self.comparison.show_series(series, folder)
        if self.timelapse.folder != folder:
            self.timelapse.show_run(folder)
        self.timelapse_view.show_name(current.name if current is not None and folder else "")
        self.comparison.show_step(self.timelapse.step)
        self._show_actions()
        self._show_count()

    def _history(self, folder: str) -> RunHistory | None:
        if folder == self.live.local_folder and self.live.started is not None:
            return self.live.history
        if folder not in self._opened:
            try:
                opened = OpenedRun(folder, self)
            except RunError:
                return None
            opened.updated.connect(self._draw_soon)
            self._opened[folder] = opened
            opened.read()
        return self._opened[folder].history

    def _keep_opened(self, folders: set[str]) -> None:
        for folder in set(self._opened) - folders:
            self._opened.pop(folder).close()

    def _keep_colours(self, folders: list[str]) -> None:
        """A run keeps its colour for as long as it is drawn, and has it again later unless another one has it then."""
        self._colours = {folder: colour for folder, colour in self._colours.items() if folder in folders}
        for folder in folders:
            if folder not in self._colours:
                free = set(range(MAX_SERIES)) - set(self._colours.values())
                own = crc32(Path(folder).name.encode()) % MAX_SERIES
                self._colours[folder] = min(free, key=lambda colour: (colour - own) % MAX_SERIES)

    def _on_refresh(self) -> None:
        self.context.refresh_runs()
        self.timelapse.refresh()

    def _on_searched(self, text: str) -> None:
        self.filtered_runs.show_matching(text)
        self._show_count()

    def _on_live_updated(self) -> None:
        if self.isVisible() and self.live.local_folder in self._colours:
            self._draw_soon()

    def _draw_soon(self) -> None:
        if not self._draw.isActive():
            self._draw.start()

    def _show_count(self) -> None:
        shown, total = self.filtered_runs.rowCount(), self.runs.rowCount()
        every = self.tr("1 run") if total == 1 else self.tr("{0} runs").format(total)
        text = every if shown == total else self.tr("{0} of {1} runs").format(shown, total)
        chosen = len(self.table.selectionModel().selectedRows())
        if chosen > MAX_SERIES:
            text += SEPARATOR + self.tr("the first {0} of {1} selected are drawn").format(MAX_SERIES, chosen)
        self.count.setText(text)

    def _show_actions(self) -> None:
        self.actions_.show_selection(self.current, self.chosen)

    def _search(self) -> None:
        self.search.setFocus()
        self.search.selectAll()

    # Files

    def _save_curves(self, form: str) -> None:
        proposal = f"{self.comparison.controls.chosen.key}.{form}"
        path = self.context.ask_save("curves", self.tr("Save the curves"), proposal, f"{form.upper()} (*.{form})")
        if path is not None:
            content = self.comparison.content(form)
            write_file(path, lambda: content)
