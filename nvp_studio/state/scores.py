"""The table of scored files: light with 100 000 rows and more, sorted and filtered by itself."""

import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec.structs import replace
from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
    QTimer,
    Signal,
)

from nvp_studio.image_batch import ImageBatch
from nvp_studio.score_row import ScoreRow
from nvp_studio.state.paths import is_below
from nvp_studio.state.qimages import qimage
from nvp_studio.state.score_columns import COLUMNS, ColumnName, alignment, cell_text, tips, titles
from nvp_studio.state.score_filter import ScoreFilter
from nvp_studio.state.score_rows import Floats, Number, Rows, RowStore, reduced
from nvp_studio.text import printable

IMAGE_ROLE = Qt.ItemDataRole.UserRole
DEFAULT_RATE = 0.01
_RESORT_SECONDS = 0.5
_ASK_MILLISECONDS = 50
_MOST_ASKED = 200

_SORTED_BY: dict[ColumnName, Number] = {
    "score": "bits_per_dim",
    "error": "standard_error",
    "percentile": "percentile",
    "ratio": "likelihood_ratio",
    "p_value": "log_tail",  # goes on where p-values and verdicts are equal
    "verdict": "log_tail",
}

_Index = QModelIndex | QPersistentModelIndex


class ScoresModel(QAbstractTableModel):
    """Scored files, kept in the order they came and shown through a permutation of those that pass the filter."""

    COLUMNS = COLUMNS

    images_wanted = Signal(object)
    """Paths, a tuple, of rows that are seen and whose pixels are not in memory: `keep_image` takes them."""
    filtered = Signal()
    """Other rows are shown than before, or rows came."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._store = RowStore()
        self._chosen: set[str] = set()
        self._hidden: dict[str, int] = {}
        """How many characters of the paths in a folder are not part of their names, by that folder."""
        self._folded: list[str] = []
        self._order: npt.NDArray[np.int64] = np.empty(0, np.int64)
        """Places in the store of the rows that are shown."""
        self._filter = ScoreFilter()
        self._rate = DEFAULT_RATE
        self._sorted_by: tuple[int, Qt.SortOrder] | None = None
        self._sorted: npt.NDArray[np.int64] | None = None
        """All places in the order they are sorted in, whether they are shown or not; None once that may be another."""
        self._sort_cost = 0.0
        self._resort = QTimer(self, singleShot=True)
        self._resort.timeout.connect(self._sort_again)
        self._wanted: dict[str, None] = {}
        self._asked: set[str] = set()
        self._ask = QTimer(self, singleShot=True)
        self._ask.timeout.connect(self._ask_images)
        self._last: ScoreRow | None = None
        """The row that was decoded last: a view asks for its cells one after the other."""

    # All rows

    @property
    def total(self) -> int:
        """Number of all rows, whether they are shown or not."""
        return len(self._store)

    @property
    def scores(self) -> Floats:
        """Bits/dim of the rows that have one, in no order to rely on."""
        values = self._store.numbers("bits_per_dim")
        return values[~np.isnan(values)]

    @property
    def failed(self) -> int:
        """Number of rows without a score."""
        return int(np.isnan(self._store.numbers("bits_per_dim")).sum())

    @property
    def rate(self) -> float:
        """The false-alarm rate of the verdicts that are shown."""
        return self._rate

    @property
    def verdicts(self) -> npt.NDArray[np.int8]:
        """Of all rows in the order they came, as indices of `VERDICTS`; -1 for none."""
        return self._store.verdicts(self._rate)

    def scored_paths(self) -> list[str]:
        """The paths of all rows with a score."""
        scored = ~np.isnan(self._store.numbers("bits_per_dim"))
        return [path for path, is_scored in zip(self._store.paths(), scored.tolist(), strict=True) if is_scored]

    def labels(self) -> list[str]:
        """The labels of all rows, each once, sorted."""
        return self._store.distinct_labels()

    def judge_at(self, rate: float) -> None:
        """Give verdicts and reasons at another false-alarm rate."""
        if rate != self._rate:
            self._rate, self._last, self._sorted = rate, None, None
            if self._filter.verdict:
                self._arrange()
            elif len(self._order):
                first, last = self.index(0, 0), self.index(len(self._order) - 1, len(self.COLUMNS) - 1)
                self.dataChanged.emit(first, last)
            self.filtered.emit()

    def all_files(self) -> Rows:
        """All rows in the order they came, whether they are shown or not, without pixels."""
        return self._store.rows(range(len(self._store))).judged(self._rate)

    def count_of(self, chosen: Iterable[str]) -> int:
        """Number of rows of these files and of those in these folders and archives."""
        paths = {printable(str(Path(path))) for path in chosen}
        items = self._store.paths()
        inside = {folder: is_below(folder, paths) for folder in {os.path.dirname(path) for path in items}}
        return sum(path in paths or inside[os.path.dirname(path)] for path in items)

    def small_rows(self, most: int) -> tuple[ScoreRow, ...]:
        """Up to `most` rows in the order they came, with pixels no larger than a thumbnail."""
        places = range(min(most, len(self._store)))
        pixels = (self._store.pixels(place) for place in places)
        rows = self._store.rows(places)
        return tuple(
            replace(row, pixels=None if one is None else reduced(one)) for row, one in zip(rows, pixels, strict=True)
        )

    def restore(self, rows: Sequence[ScoreRow]) -> None:
        """Show `small_rows` of before in a table that is empty."""
        self._add(rows, thumbnails=True)

    def add(self, rows: Sequence[ScoreRow]) -> None:
        """Add rows; a row of a file that is in the table already replaces the older one."""
        self._add(rows, thumbnails=False)

    def relabel(self, label: Callable[[str], str]) -> None:
        """Give every file the label that `label` says for its path."""
        self._store.relabel(label)
        self._last = self._sorted = None
        self._arrange()
        self.filtered.emit()

    def keep_image(self, path: str, pixels: ImageBatch | None) -> None:
        """Take an image that `images_wanted` asked for; None where it cannot be read any more."""
        place = self._store.place(path)
        if place is not None and pixels is not None:
            self._store.keep_read(place, pixels)
            self._asked.discard(path)
            row = self.row_of(path)
            if row >= 0:
                self.dataChanged.emit(self.index(row, 0), self.index(row, 0), [IMAGE_ROLE])

    def clear(self) -> None:
        """Empty the table; order and filter stay."""
        self.beginResetModel()
        self._store.clear()
        self._last = self._sorted = None
        self._folded.clear()
        self._wanted.clear()
        self._asked.clear()
        self._order = np.empty(0, np.int64)
        self.endResetModel()
        self.filtered.emit()

    # What is shown

    @property
    def filter(self) -> ScoreFilter:
        """Which rows are shown."""
        return self._filter

    def show_only(self, wanted: ScoreFilter) -> None:
        """Show the rows that pass this filter."""
        if wanted != self._filter:
            self._filter = wanted
            self._arrange()
            self.filtered.emit()

    def file(self, row: int) -> ScoreRow:
        """The content of a row that is shown; its pixels may be a thumbnail (`is_thumbnail`)."""
        place = int(self._order[row])
        if self._last is None or self._store.place(self._last.path) != place:
            self._last = self._store.row(place).judged(self._rate)
        return replace(self._last, pixels=self._store.pixels(place))

    def files(self, rows: Iterable[int] | None = None) -> Rows:
        """The rows that are shown, or these of them, in the order shown, without pixels."""
        places = self._order.tolist() if rows is None else [int(self._order[row]) for row in rows]
        return self._store.rows(places).judged(self._rate)

    def name(self, row: ScoreRow) -> str:
        """The path of a file below the outermost chosen folder or archive that it is in; of another one its name."""
        return self._name(row.path)

    def show_below(self, chosen: Iterable[str]) -> None:
        """Name the files from now on by their paths below those of `chosen` that are folders or archives."""
        paths = {printable(str(Path(path))) for path in chosen}
        if paths == self._chosen:
            return
        self._chosen = paths
        self._hidden.clear()
        self._folded.clear()
        self._sorted = None
        if len(self._order):
            column = self.COLUMNS.index("name")
            self.dataChanged.emit(self.index(0, column), self.index(len(self._order) - 1, column))
            self._ask_resort()

    def is_thumbnail(self, row: int) -> bool:
        """Whether the pixels of a row are a thumbnail that stands for those that were scored."""
        return self._store.is_thumbnail(int(self._order[row]))

    def row_of(self, path: str) -> int:
        """The row of a file, -1 when it is not shown."""
        place = self._store.place(path)
        rows = np.empty(0) if place is None else np.flatnonzero(self._order == place)
        return int(rows[0]) if len(rows) else -1

    # QAbstractTableModel

    def rowCount(self, parent: _Index = QModelIndex()) -> int:
        return 0 if parent.isValid() else len(self._order)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:
        return 0 if parent.isValid() else len(self.COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(self.COLUMNS):
            return None
        column = self.COLUMNS[section]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return titles()[column]
            case Qt.ItemDataRole.TextAlignmentRole:
                return alignment(column)
            case Qt.ItemDataRole.ToolTipRole:
                return tips().get(column)
        return None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid() or not 0 <= index.row() < len(self._order):
            return None
        column = self.COLUMNS[index.column()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return self._text(self.file(index.row()), column)
            case Qt.ItemDataRole.TextAlignmentRole:
                return alignment(column)
            case Qt.ItemDataRole.ToolTipRole if column in ("name", "label", "notes"):
                row = self.file(index.row())
                return row.path if column == "name" else self._text(row, column)
            case _ if role == IMAGE_ROLE and column == "image":
                return self._image(self.file(index.row()))
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Show the rows by `column`; rows without a score come last either way. -1: in the order they came."""
        self._sorted_by, self._sorted = (column, order) if column >= 0 else None, None
        self._arrange()

    # How it is done

    def _name(self, path: str) -> str:
        folder = os.path.dirname(path)
        if folder not in self._hidden:
            base = inner = folder
            while inner:
                base = inner if inner in self._chosen else base
                inner = "" if os.path.dirname(inner) == inner else os.path.dirname(inner)
            self._hidden[folder] = len(os.path.join(base, ""))
        return path[self._hidden[folder] :]

    def _folded_names(self, first: int = 0) -> list[str]:
        """The names of all rows from a place on, in one case; made once, as a search asks for them at every key."""
        known = len(self._folded)
        self._folded += [self._name(path).casefold() for path in self._store.paths()[known:]]
        return self._folded[first:] if first else self._folded

    def _add(self, rows: Sequence[ScoreRow], *, thumbnails: bool) -> None:
        store, first = self._store, len(self._store)
        for row in rows:
            place = store.place(row.path)
            if place is None:
                store.add(row, thumbnail=thumbnails)
            else:
                self._update(place, row)
        if len(store) == first:
            return
        self._sorted = None
        names = self._folded_names(first) if self._filter.text else None
        verdicts = store.verdicts(self._rate, first)
        new = first + np.flatnonzero(self._filter.passed(store, names, verdicts, first))
        if len(new):
            self.beginInsertRows(QModelIndex(), len(self._order), len(self._order) + len(new) - 1)
            self._order = np.concatenate([self._order, new])
            self.endInsertRows()
            self._ask_resort()
        self.filtered.emit()

    def _update(self, place: int, row: ScoreRow) -> None:
        self._store.replace(place, row)
        self._last = self._sorted = None
        shown = self.row_of(row.path)
        if shown >= 0:
            self.dataChanged.emit(self.index(shown, 0), self.index(shown, len(self.COLUMNS) - 1))
        self._ask_resort()

    def _arrange(self) -> None:
        """Sort and filter anew; rows that are selected stay so where they are shown."""
        began = time.perf_counter()
        self.layoutAboutToBeChanged.emit()
        old = self.persistentIndexList()
        places = [(int(self._order[index.row()]), index.column()) for index in old]
        if self._sorted is None:
            self._sorted = self._permutation()
        self._order = self._sorted
        if not self._filter.everything:
            names = self._folded_names() if self._filter.text else None
            self._order = self._order[self._filter.passed(self._store, names, self.verdicts)[self._order]]
        rows = np.full(len(self._store), -1, np.int64)
        rows[self._order] = np.arange(len(self._order))
        new = [self.index(int(rows[place]), column) if rows[place] >= 0 else QModelIndex() for place, column in places]
        self.changePersistentIndexList(old, new)
        self.layoutChanged.emit()
        self._sort_cost = time.perf_counter() - began

    def _permutation(self) -> npt.NDArray[np.int64]:
        """All places, sorted."""
        count = len(self._store)
        column, order = self._sorted_by or (0, Qt.SortOrder.AscendingOrder)
        descending = order == Qt.SortOrder.DescendingOrder
        name = self.COLUMNS[column]
        if name == "image":
            places = np.arange(count)
            return places[::-1] if descending else places
        if name in _SORTED_BY:
            values = self._store.numbers(_SORTED_BY[name])
            return np.argsort(-values if descending else values, kind="stable")  # NaN comes last
        texts = self._sort_texts(name)
        return np.array(sorted(range(count), key=texts.__getitem__, reverse=descending), np.int64)

    def _sort_texts(self, name: ColumnName) -> list[str]:
        if name == "name":
            return self._folded_names()
        if name == "label":
            return [label.casefold() for label in self._store.labels]
        return [text.casefold() for text in self._store.remarks(self._rate)]

    def _ask_resort(self) -> None:
        """Sort again a little later, so rarely that sorting takes at most a tenth of the time."""
        if (self._sorted_by is not None or not self._filter.everything) and not self._resort.isActive():
            self._resort.start(round(1000 * max(_RESORT_SECONDS, 10 * self._sort_cost)))

    def _sort_again(self) -> None:
        if self._sorted_by is not None or not self._filter.everything:
            self._arrange()

    def _image(self, row: ScoreRow) -> Any:
        if row.pixels is not None:
            return qimage(row.pixels)
        if row.bits_per_dim is not None and row.path not in self._asked:
            self._wanted[row.path] = None
            while len(self._wanted) > _MOST_ASKED:
                del self._wanted[next(iter(self._wanted))]
            self._ask.start(_ASK_MILLISECONDS)
        return None

    def _ask_images(self) -> None:
        wanted = tuple(self._wanted)
        self._wanted.clear()
        self._asked.update(wanted)
        if wanted:
            self.images_wanted.emit(wanted)

    def _text(self, row: ScoreRow, column: ColumnName) -> str:
        return self.name(row) if column == "name" else cell_text(row, column)
