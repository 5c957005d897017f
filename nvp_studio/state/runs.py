"""The list of runs as a table."""

from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from PySide6.QtCore import (
    QAbstractTableModel,
    QCoreApplication,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QSortFilterProxyModel,
    Qt,
)

from nvp_studio.runs.listing import SORT_KEYS, ListedRun, list_labelled
from nvp_studio.state.run import LiveRun
from nvp_studio.state.run_states import SUMMARY_STATES, phase_text, summary_text
from nvp_studio.text import duration
from nvp_studio.training.runs import RunSummary

RUN_ROLE = Qt.ItemDataRole.UserRole
"""The `ListedRun` of a row."""

_Index = QModelIndex | QPersistentModelIndex


class RunsModel(QAbstractTableModel):
    """The runs of a folder, newest first; `refresh` lists it again and keeps selections."""

    COLUMNS = ("name", "state", "data", "preset", "best", "steps", "time", "started", "tags")

    def __init__(self, folder: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.folder = folder
        self.runs: list[ListedRun] = []
        self._live: RunSummary | None = None

    def set_folder(self, folder: Path) -> None:
        """List another folder."""
        self.folder = folder
        self.refresh()

    def refresh(self) -> None:
        """Read the folder again and emit signals for what has changed."""
        runs = list_labelled(self.folder)
        if [run.folder for run in runs] != [run.folder for run in self.runs]:
            self._replace([self._as_live(run) for run in runs])
            return
        for row, run in enumerate(runs):
            self._show(row, run)

    def show_live(self, live: RunSummary | None) -> None:
        """Show the run under way from memory, since its record is rarely written; None: no run is under way."""
        self._live = live
        row = self.row_of(live.folder) if live is not None else -1
        if row >= 0:
            self._show(row, self.runs[row])

    def _show(self, row: int, run: ListedRun) -> None:
        run = self._as_live(run)
        if run != self.runs[row]:
            self.runs[row] = run
            self.dataChanged.emit(self.index(row, 0), self.index(row, len(self.COLUMNS) - 1))

    def _as_live(self, run: ListedRun) -> ListedRun:
        live = self._live
        if live is None or live.folder != run.folder:
            return run
        summary = replace(live, started=run.summary.started, begun_from=run.summary.begun_from)
        return ListedRun(summary, run.labels)

    def row_of(self, folder: str) -> int:
        """The row of a run, -1 when it is not listed."""
        return next((row for row, run in enumerate(self.runs) if run.folder == folder), -1)

    def rowCount(self, parent: _Index = QModelIndex()) -> int:
        return 0 if parent.isValid() else len(self.runs)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:
        return 0 if parent.isValid() else len(self.COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(self.COLUMNS):
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self._titles()[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(self.COLUMNS[section])
        if role == Qt.ItemDataRole.ToolTipRole and self.COLUMNS[section] == "best":
            return self.tr("The best on validation images; lower is better")
        return None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid() or not 0 <= index.row() < len(self.runs):
            return None
        run, column = self.runs[index.row()], self.COLUMNS[index.column()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return _text(run, column)
            case Qt.ItemDataRole.TextAlignmentRole:
                return _alignment(column)
            case Qt.ItemDataRole.ToolTipRole:
                return _tip(run, column)
            case _ if role == RUN_ROLE:
                return run
        return None

    def _replace(self, runs: list[ListedRun]) -> None:
        """Show another list, in which persistent indexes (such as the selection) stay with their runs."""
        self.layoutAboutToBeChanged.emit()
        old = self.persistentIndexList()
        folders = [self.runs[index.row()].folder for index in old]
        self.runs = runs
        rows = {run.folder: row for row, run in enumerate(runs)}
        new = [
            self.index(rows[folder], index.column()) if folder in rows else QModelIndex()
            for index, folder in zip(old, folders, strict=True)
        ]
        self.changePersistentIndexList(old, new)
        self.layoutChanged.emit()

    def _titles(self) -> tuple[str, ...]:
        return (
            self.tr("Run"),
            self.tr("State"),
            self.tr("Data"),
            self.tr("Preset"),
            self.tr("Bits/dim"),
            self.tr("Steps"),
            self.tr("Trained for"),
            self.tr("Started"),
            self.tr("Tags"),
        )


class FilteredRunsModel(QSortFilterProxyModel):
    """A `RunsModel` sorted by a column and filtered by a text."""

    def __init__(self, runs: RunsModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._runs = runs
        self._text = ""
        self.setSourceModel(runs)
        self.sort(RunsModel.COLUMNS.index("started"), Qt.SortOrder.DescendingOrder)

    def show_matching(self, text: str) -> None:
        """Show the runs with every word of `text` in name, data, preset, state, tags or note."""
        self._text = text
        self.setFilterFixedString(text)  # `filterAcceptsRow` uses `_text`; this call only filters all rows again

    def filterAcceptsRow(self, row: int, _parent: _Index) -> bool:
        return self._runs.runs[row].matches(self._text)

    def lessThan(self, left: _Index, right: _Index) -> bool:
        key = SORT_KEYS.get(RunsModel.COLUMNS[left.column()], _tags)
        return bool(key(self._runs.runs[left.row()]) < key(self._runs.runs[right.row()]))

    def row_of(self, folder: str) -> int:
        """The row of a run, -1 when it is not shown."""
        row = self._runs.row_of(folder)
        return self.mapFromSource(self._runs.index(row, 0)).row() if row >= 0 else -1


def _tip(listed: ListedRun, column: str) -> str:
    run = listed.summary
    if column == "state" and run.reason:
        return f"{phase_text(run.state)}: {run.reason}"
    if column == "best" and run.best is None:
        return QCoreApplication.translate("RunsModel", "No validation yet")
    place = run.folder
    if run.begun_from:
        place += "\n" + QCoreApplication.translate("RunsModel", "Begun from {0}").format(run.begun_from)
    return f"{listed.labels.note}\n\n{place}" if listed.labels.note else place


def _text(listed: ListedRun, column: str) -> str:
    run = listed.summary
    match column:
        case "name":
            return listed.name
        case "tags":
            return _tags(listed)
        case "state":
            word = summary_text(run)
            return f"{word}: {run.reason}" if run.state == "stopped" and run.reason else word
        case "data":
            return run.data_title
        case "preset":
            return run.preset
        case "best":
            return "–" if run.best is None else f"{run.best:.3f}"
        case "steps":
            return f"{run.step:,}" if run.total_steps is None else f"{run.step:,} / {run.total_steps:,}"
        case "time":
            return duration(run.seconds)
    return _moment(run.started)


def _tags(listed: ListedRun) -> str:
    return ", ".join(listed.labels.tags)


def _moment(started: str) -> str:
    try:
        moment = datetime.fromisoformat(started).astimezone()
    except ValueError:
        return started
    this_year = moment.year == datetime.now().astimezone().year
    return moment.strftime("%d %b %H:%M" if this_year else "%d %b %Y")


def _alignment(column: str) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if column in ("best", "steps", "time") else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter


def summary_of(live: LiveRun) -> RunSummary | None:
    """The live run as a row in the list of runs; None while none is under way in a folder of this machine."""
    phase = SUMMARY_STATES.get(live.phase)
    if phase is None or live.started is None or not live.local_folder:
        return None
    best, last = live.history.best, live.history.last
    return RunSummary(
        name=live.first_name,
        folder=live.folder,
        state=phase,
        reason=live.reason,
        data_title=live.started.data_title,
        preset=live.started.config.preset,
        step=last.step if last else live.started.step,
        total_steps=live.started.total_steps,
        best=best[1] if best else None,
        best_step=best[0] if best else None,
        seconds=last.seconds if last else 0.0,
        scoring=live.can_skip_scoring and phase == "training",
        started="",
    )
