"""The table of scored files: light with 100 000 rows, sorted by itself."""

import math
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

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
)

from nvp_studio.image_batch import ImageBatch
from nvp_studio.score_row import ScoreRow
from nvp_studio.state.qimages import qimage
from nvp_studio.text import printable

IMAGE_ROLE = Qt.ItemDataRole.UserRole
THUMBNAIL_SIDE = 32
MAX_PIXEL_BYTES = 192 * 2**20
"""Exact pixels are kept for as many rows as fit, of the others a thumbnail; their pixels are read again when needed."""
_RESORT_SECONDS = 0.5

_Index = QModelIndex | QPersistentModelIndex
_ColumnName = Literal["image", "name", "score", "percentile", "notes"]


class ScoresModel(QAbstractTableModel):
    """Scored files, kept in the order they came and shown through a permutation, which is what sorting makes."""

    COLUMNS: tuple[_ColumnName, ...] = ("image", "name", "score", "percentile", "notes")

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: list[ScoreRow] = []
        self._items: dict[str, int] = {}
        """Place in `_rows` by path."""
        self._chosen: set[str] = set()
        self._hidden: dict[str, int] = {}
        """How many characters of the paths in a folder are not part of their names, by that folder."""
        self._thumbnails: set[str] = set()
        """Paths of the rows whose pixels are a thumbnail."""
        self._pixel_bytes = 0
        self._order: npt.NDArray[np.int64] = np.empty(0, np.int64)
        self._sorted_by: tuple[int, Qt.SortOrder] | None = None
        self._sort_cost = 0.0
        self._resort = QTimer(self, singleShot=True)
        self._resort.timeout.connect(self._sort_again)

    @property
    def scores(self) -> npt.NDArray[np.float64]:
        """Bits/dim of the rows that have one, in no order to rely on."""
        return np.array([row.bits_per_dim for row in self._rows if row.bits_per_dim is not None], np.float64)

    @property
    def failed(self) -> int:
        """Number of rows without a score."""
        return sum(row.bits_per_dim is None for row in self._rows)

    def file(self, row: int) -> ScoreRow:
        """The content of a row; its pixels may be a thumbnail (`is_thumbnail`)."""
        return self._rows[int(self._order[row])]

    def name(self, row: ScoreRow) -> str:
        """The path of a file below the outermost chosen folder or archive that it is in; of another one its name."""
        folder = os.path.dirname(row.path)
        if folder not in self._hidden:
            base = inner = folder
            while inner:
                base = inner if inner in self._chosen else base
                inner = "" if os.path.dirname(inner) == inner else os.path.dirname(inner)
            self._hidden[folder] = len(os.path.join(base, ""))
        return row.path[self._hidden[folder] :]

    def show_below(self, chosen: Iterable[str]) -> None:
        """Name the files from now on by their paths below those of `chosen` that are folders or archives."""
        paths = {printable(str(Path(path))) for path in chosen}
        if paths == self._chosen:
            return
        self._chosen = paths
        self._hidden.clear()
        if self._rows:
            column = self.COLUMNS.index("name")
            self.dataChanged.emit(self.index(0, column), self.index(len(self._rows) - 1, column))
            self._ask_resort()

    def count_of(self, chosen: Iterable[str]) -> int:
        """Number of rows of these files and of those in these folders and archives."""
        paths = {printable(str(Path(path))) for path in chosen}
        inside = {folder: _is_below(folder, paths) for folder in {os.path.dirname(path) for path in self._items}}
        return sum(path in paths or inside[os.path.dirname(path)] for path in self._items)

    def is_thumbnail(self, row: int) -> bool:
        """Whether the pixels of a row are a thumbnail that stands for those that were scored."""
        return self.file(row).path in self._thumbnails

    def row_of(self, path: str) -> int:
        """The row of a file, -1 when it is not in the table."""
        item = self._items.get(path)
        return -1 if item is None else int(np.flatnonzero(self._order == item)[0])

    def small_rows(self, most: int) -> tuple[ScoreRow, ...]:
        """Up to `most` rows in the order they came, with pixels no larger than a thumbnail."""
        return tuple(
            row if row.pixels is None else replace(row, pixels=_reduced(row.pixels)) for row in self._rows[:most]
        )

    def restore(self, rows: Sequence[ScoreRow]) -> None:
        """Show `small_rows` of before in a table that is empty."""
        self._thumbnails = {row.path for row in rows if row.pixels is not None}
        self.add(rows)

    def add(self, rows: Sequence[ScoreRow]) -> None:
        """Add rows; a row of a file that is in the table already replaces the older one, whose pixels stay."""
        new: dict[str, ScoreRow] = {}
        for row in rows:
            if row.path in self._items:
                self._update(row)
            else:
                new[row.path] = row
        if not new:
            return
        first = len(self._rows)
        self.beginInsertRows(QModelIndex(), first, first + len(new) - 1)
        for path, row in new.items():
            self._items[path] = len(self._rows)
            self._rows.append(self._within_memory(row))
        self._order = np.concatenate([self._order, np.arange(first, len(self._rows))])
        self.endInsertRows()
        self._ask_resort()

    def clear(self) -> None:
        """Empty the table; the order it is sorted in stays."""
        self.beginResetModel()
        self._rows.clear()
        self._items.clear()
        self._thumbnails.clear()
        self._pixel_bytes = 0
        self._order = np.empty(0, np.int64)
        self.endResetModel()

    def files(self) -> list[ScoreRow]:
        """All rows in the order shown."""
        return [self._rows[item] for item in self._order]

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
                return self._titles()[section]
            case Qt.ItemDataRole.TextAlignmentRole:
                return _alignment(column)
            case Qt.ItemDataRole.ToolTipRole if column == "score":
                return self.tr("Bits per dimension: lower is likelier under the model, as plain pictures are too")
            case Qt.ItemDataRole.ToolTipRole if column == "percentile":
                return self.tr("Percentage of the reference images that score lower")
        return None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid() or not 0 <= index.row() < len(self._order):
            return None
        row, column = self.file(index.row()), self.COLUMNS[index.column()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return self._text(row, column)
            case Qt.ItemDataRole.TextAlignmentRole:
                return _alignment(column)
            case Qt.ItemDataRole.ToolTipRole if column in ("name", "notes"):
                return row.path if column == "name" else self._text(row, column)
            case _ if role == IMAGE_ROLE and column == "image":
                return None if row.pixels is None else qimage(row.pixels)
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Show the rows by `column`; rows without a score come last either way. -1: in the order they came."""
        began = time.perf_counter()
        self._sorted_by = (column, order) if column >= 0 else None
        self.layoutAboutToBeChanged.emit()
        old = self.persistentIndexList()
        items = [(int(self._order[index.row()]), index.column()) for index in old]
        self._order = self._permutation(column, order == Qt.SortOrder.DescendingOrder)
        rows = np.empty_like(self._order)
        rows[self._order] = np.arange(len(self._order))
        self.changePersistentIndexList(old, [self.index(int(rows[item]), column) for item, column in items])
        self.layoutChanged.emit()
        self._sort_cost = time.perf_counter() - began

    def _permutation(self, column: int, descending: bool) -> npt.NDArray[np.int64]:
        name = self.COLUMNS[column] if column >= 0 else "image"
        if name in ("score", "percentile"):
            numbers = [row.bits_per_dim if name == "score" else row.percentile for row in self._rows]
            values = np.array(numbers, np.float64)  # None becomes NaN, which is sorted to the end
            return np.argsort(-values if descending else values, kind="stable")
        if name == "image":
            places = np.arange(len(self._rows))
            return places[::-1] if descending else places
        texts = [self._text(row, name).casefold() for row in self._rows]
        return np.array(sorted(range(len(texts)), key=texts.__getitem__, reverse=descending), np.int64)

    def _ask_resort(self) -> None:
        """Sort again a little later, so rarely that sorting takes at most a tenth of the time."""
        if self._sorted_by is not None and not self._resort.isActive():
            self._resort.start(round(1000 * max(_RESORT_SECONDS, 10 * self._sort_cost)))

    def _sort_again(self) -> None:
        if self._sorted_by is not None:
            self.sort(*self._sorted_by)

    def _update(self, row: ScoreRow) -> None:
        item = self._items[row.path]
        self._rows[item] = replace(row, pixels=self._rows[item].pixels)
        place = self.row_of(row.path)
        self.dataChanged.emit(self.index(place, 0), self.index(place, len(self.COLUMNS) - 1))
        self._ask_resort()

    def _within_memory(self, row: ScoreRow) -> ScoreRow:
        """The row with its pixels if there is room for them, else with a thumbnail."""
        if row.pixels is None:
            return row
        if self._pixel_bytes + len(row.pixels.pixels) > MAX_PIXEL_BYTES:
            self._thumbnails.add(row.path)
            row = replace(row, pixels=_reduced(row.pixels))
        assert row.pixels is not None
        self._pixel_bytes += len(row.pixels.pixels)
        return row

    def _text(self, row: ScoreRow, column: _ColumnName) -> str:
        match column:
            case "image":
                return ""
            case "name":
                return self.name(row)
            case "notes":
                return row.error or ", ".join(row.notes)
            case "score":
                return _format(row.bits_per_dim, 3)
        return _format(row.percentile, 1)

    def _titles(self) -> tuple[str, ...]:
        return ("", self.tr("File"), self.tr("Bits/dim"), self.tr("Percentile"), self.tr("Notes"))


def _is_below(folder: str, paths: set[str]) -> bool:
    """Whether `folder` is one of `paths` or in one of them."""
    while folder not in paths:
        if os.path.dirname(folder) in (folder, ""):
            return False
        folder = os.path.dirname(folder)
    return True


def _reduced(batch: ImageBatch) -> ImageBatch:
    """Every n-th pixel, so that the thumbnail's size is not exceeded."""
    _, height, width, _ = batch.shape
    step = max(1, math.ceil(max(height, width) / THUMBNAIL_SIDE))
    return ImageBatch.of(batch.array()[:, ::step, ::step])


def _format(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _alignment(column: _ColumnName) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if column in ("score", "percentile") else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter
