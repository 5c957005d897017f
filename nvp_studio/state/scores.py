"""The table of scored files: light with 100 000 rows, sorted by itself."""

import math
import os
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
    QTimer,
)
from PySide6.QtGui import QImage

from nvp_studio.image_batch import ImageBatch
from nvp_studio.runs.history import Column
from nvp_studio.score_row import ScoreRow
from nvp_studio.state.qimages import qimage

IMAGE_ROLE = Qt.ItemDataRole.UserRole
THUMBNAIL_SIDE = 32
MAX_PIXEL_BYTES = 192 * 2**20
"""Exact pixels are kept for as many rows as fit, of the others a thumbnail; their pixels are read again when needed."""
_CACHED_IMAGES = 512
_RESORT_SECONDS = 0.5

_Index = QModelIndex | QPersistentModelIndex
_ColumnName = Literal["image", "name", "score", "percentile", "notes"]


class ScoresModel(QAbstractTableModel):
    """Scored files; rows are kept in the order they came and shown through a permutation, which is what sorting makes.

    100 000 rows stay light: numbers live in arrays, pixels as bytes, images are made when a row is painted.
    """

    COLUMNS: tuple[_ColumnName, ...] = ("image", "name", "score", "percentile", "notes")

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._paths: list[str] = []
        self._items: dict[str, int] = {}
        self._scores = Column()
        self._percentiles = Column()
        self._notes: list[tuple[str, ...]] = []
        self._errors: list[str] = []
        self._pixels: list[ImageBatch | None] = []
        self._exact: list[bool] = []
        self._pixel_bytes = 0
        self._order: npt.NDArray[np.int64] = np.empty(0, np.int64)
        self._images: OrderedDict[int, QImage] = OrderedDict()
        self._sorted_by: tuple[int, Qt.SortOrder] | None = None
        self._sort_cost = 0.0
        self._resort = QTimer(self)
        self._resort.setSingleShot(True)
        self._resort.timeout.connect(self._sort_again)

    @property
    def scores(self) -> npt.NDArray[np.float64]:
        """Bits/dim of the rows that have one, in no order to rely on."""
        values = self._scores.values
        return values[np.isfinite(values)]

    @property
    def failed(self) -> int:
        """Number of rows without a score."""
        return len(self._paths) - len(self.scores)

    def file(self, row: int) -> ScoreRow:
        """The content of a row, without its pixels (`pixels`)."""
        item = int(self._order[row])
        return ScoreRow(
            path=self._paths[item],
            bits_per_dim=_number(self._scores.values[item]),
            percentile=_number(self._percentiles.values[item]),
            notes=self._notes[item],
            error=self._errors[item],
        )

    def pixels(self, row: int) -> tuple[ImageBatch | None, bool]:
        """The scored pixels of a row and whether they are exactly those, or a thumbnail that stands for them."""
        item = int(self._order[row])
        return self._pixels[item], self._exact[item]

    def row_of(self, path: str) -> int:
        """The row of a file, -1 when it is not in the table."""
        item = self._items.get(path)
        return -1 if item is None else int(np.flatnonzero(self._order == item)[0])

    def __contains__(self, path: str) -> bool:
        return path in self._items

    def add(self, rows: Sequence[ScoreRow]) -> None:
        """Add rows; a row of a file that is in the table already replaces the older one."""
        new: dict[str, ScoreRow] = {}
        for row in rows:
            if row.path in self._items:
                self._update(row)
            else:
                new[row.path] = row
        if not new:
            return
        first = len(self._paths)
        self.beginInsertRows(QModelIndex(), first, first + len(new) - 1)
        for path, row in new.items():
            self._items[path] = len(self._paths)
            self._paths.append(path)
            self._scores.append(_float(row.bits_per_dim))
            self._percentiles.append(_float(row.percentile))
            self._notes.append(row.notes)
            self._errors.append(row.error)
            self._keep_pixels(row.pixels)
        self._order = np.concatenate([self._order, np.arange(first, len(self._paths))])
        self.endInsertRows()
        self._ask_resort()

    def clear(self) -> None:
        """Empty the table; the order it is sorted in stays."""
        self.beginResetModel()
        for items in (self._paths, self._notes, self._errors, self._pixels, self._exact):
            items.clear()
        self._items.clear()
        self._images.clear()
        self._scores.cut(0)
        self._percentiles.cut(0)
        self._pixel_bytes = 0
        self._order = np.empty(0, np.int64)
        self.endResetModel()

    def files(self) -> Iterator[ScoreRow]:
        """All rows in the order shown, as they are now, without pixels; the iterator may be used on another thread."""
        order = self._order.tolist()
        paths, notes, errors = self._paths.copy(), self._notes.copy(), self._errors.copy()
        scores, percentiles = self._scores.values.copy(), self._percentiles.values.copy()
        return (
            ScoreRow(
                path=paths[item],
                bits_per_dim=_number(scores[item]),
                percentile=_number(percentiles[item]),
                notes=notes[item],
                error=errors[item],
            )
            for item in order
        )

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
                return self.tr("Bits per dimension: lower is more like the training data")
            case Qt.ItemDataRole.ToolTipRole if column == "percentile":
                return self.tr("Share of the reference images that score lower")
        return None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid() or not 0 <= index.row() < len(self._order):
            return None
        item, column = int(self._order[index.row()]), self.COLUMNS[index.column()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return self._text(item, column)
            case Qt.ItemDataRole.TextAlignmentRole:
                return _alignment(column)
            case Qt.ItemDataRole.ToolTipRole if column in ("name", "notes"):
                return self._paths[item] if column == "name" else self._text(item, column)
            case _ if role == IMAGE_ROLE and column == "image":
                return self._image(item)
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

    # Internal

    def _permutation(self, column: int, descending: bool) -> npt.NDArray[np.int64]:
        name = self.COLUMNS[column] if column >= 0 else "image"
        if name in ("score", "percentile"):
            values = (self._scores if name == "score" else self._percentiles).values
            return np.argsort(-values if descending else values, kind="stable")
        if name == "image":
            places = np.arange(len(self._paths))
            return places[::-1] if descending else places
        texts = [self._text(item, name).casefold() for item in range(len(self._paths))]
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
        self._scores.values[item] = _float(row.bits_per_dim)
        self._percentiles.values[item] = _float(row.percentile)
        self._notes[item], self._errors[item] = row.notes, row.error
        place = self.row_of(row.path)
        self.dataChanged.emit(self.index(place, 0), self.index(place, len(self.COLUMNS) - 1))
        self._ask_resort()

    def _keep_pixels(self, batch: ImageBatch | None) -> None:
        exact = batch is not None and self._pixel_bytes + len(batch.pixels) <= MAX_PIXEL_BYTES
        if batch is not None and not exact:
            batch = _reduced(batch)
        self._pixel_bytes += len(batch.pixels) if batch is not None else 0
        self._pixels.append(batch)
        self._exact.append(exact)

    def _image(self, item: int) -> QImage | None:
        batch = self._pixels[item]
        if batch is None:
            return None
        image = self._images.pop(item, None)
        if image is None:
            image = qimage(batch)
        self._images[item] = image
        if len(self._images) > _CACHED_IMAGES:
            self._images.popitem(last=False)
        return image

    def _text(self, item: int, column: _ColumnName) -> str:
        match column:
            case "image":
                return ""
            case "name":
                return os.path.basename(self._paths[item])
            case "notes":
                return self._errors[item] or ", ".join(self._notes[item])
            case "score":
                return _format(self._scores.values[item], 3)
        return _format(self._percentiles.values[item], 1)

    def is_error(self, row: int) -> bool:
        """Whether the row's file could not be scored."""
        return bool(self._errors[int(self._order[row])])

    def _titles(self) -> tuple[str, ...]:
        return ("", self.tr("File"), self.tr("Bits/dim"), self.tr("Percentile"), self.tr("Notes"))


def _reduced(batch: ImageBatch) -> ImageBatch:
    """Every n-th pixel, so that the thumbnail's size is not exceeded."""
    _, height, width, _ = batch.shape
    step = max(1, math.ceil(max(height, width) / THUMBNAIL_SIDE))
    return ImageBatch.of(batch.array()[:, ::step, ::step])


def _float(value: float | None) -> float:
    return math.nan if value is None else value


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _format(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"


def _alignment(column: _ColumnName) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if column in ("score", "percentile") else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter
