"""Table of scored files with their thumbnails; sorted by a click on a heading, smooth with 100 000 rows and more."""

from collections.abc import Collection

from PySide6.QtCore import (
    QCoreApplication,
    QModelIndex,
    QPersistentModelIndex,
    QPointF,
    QRect,
    QRectF,
    QSize,
    Qt,
)
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QApplication, QStyle, QStyleOptionViewItem, QWidget

from nvp_studio.state.score_columns import COLUMNS, OPTIONAL, ColumnName
from nvp_studio.state.score_rows import THUMBNAIL_SIDE
from nvp_studio.state.scores import IMAGE_ROLE, ScoresModel
from nvp_studio.views.theme import SPACE, colors
from nvp_studio.views.widgets.placed_image import whole_zoom
from nvp_studio.views.widgets.table import PlainDelegate, Table

_ROW_HEIGHT = THUMBNAIL_SIDE + 4
_WIDTHS = [6, 30, 11, 10, 8, 12, 10, 10, 12]
"""Of all columns but the last, in units of `SPACE`."""
_NAME = COLUMNS.index("name")
_MIN_NAME = 14 * SPACE
_LEAST = 5 * SPACE
_NOTES = COLUMNS.index("notes")
_MIN_NOTES, _GOOD_NOTES = 14 * SPACE, 24 * SPACE
_NEEDED = ("image", "score")
_BY_WORTH = tuple(map(COLUMNS.index, ("verdict", "ratio", "percentile", "error", "notes", "p_value", "label")))
"""Where there is no room for all, the last of these are hidden, but for those of `OPTIONAL`, which were asked for."""
VERDICT_COLOURS = {"typical": "text", "unusual": "warning", "far outside": "error"}


class ScoreTable(Table):
    """Shows a `ScoresModel`; without room for the notes, names of files that failed are in the error colour."""

    def __init__(self, model: ScoresModel) -> None:
        super().__init__(model, QCoreApplication.translate("ScoreTable", "Scored files"), _ROW_HEIGHT, least_width=5)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setItemDelegate(_ScoreDelegate(model, self))
        header = self.horizontalHeader()
        header.setStretchLastSection(True)
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        header.setSortIndicatorClearable(True)
        self.setSortingEnabled(True)
        bar = self.style().pixelMetric(QStyle.PixelMetric.PM_ScrollBarExtent)
        needed = sum(_WIDTHS[COLUMNS.index(column)] for column in (*_NEEDED, "verdict")) * SPACE
        self.setMinimumWidth(needed + _MIN_NAME + bar + 2 * self.frameWidth())
        self._widths = [width * SPACE for width in _WIDTHS]
        """As a person set them; the name may be narrower, other columns hidden."""
        self._left_out = set(OPTIONAL)
        self._all = False
        self.placeholder = ""
        """What is said where no row is shown."""
        self._fitting = False
        header.sectionResized.connect(self._on_resized)
        self.show_widths([])

    def show_widths(self, widths: list[int]) -> None:
        """Set column widths in pixels; the last column takes the rest."""
        if len(widths) != len(_WIDTHS):
            widths = [width * SPACE for width in _WIDTHS]
        self._widths = [max(_LEAST, width) for width in widths]
        self._fit()

    def widths(self) -> list[int]:
        """Column widths for `show_widths`."""
        return self._widths.copy()

    def show_optional(self, columns: Collection[ColumnName]) -> None:
        """Show these of the columns `OPTIONAL` and no others; without room for them the table scrolls."""
        self._left_out = set(OPTIONAL) - set(columns)
        self._fit()

    def show_all(self, wanted: bool) -> None:
        """Show columns without room for them too; the table then scrolls."""
        self._all = wanted
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self.model().rowCount():
            paint_placeholder(self.viewport(), self.placeholder)

    def _on_resized(self, column: int, _before: int, width: int) -> None:
        if not self._fitting and column < len(self._widths) and width and not self.isColumnHidden(_NOTES):
            self._widths[column] = width

    def _fit(self) -> None:
        """Shorten the names, then hide columns, where the figures would not be seen."""
        self._fitting = True
        wanted = [*self._widths, _MIN_NOTES]
        room = self.viewport().width() - sum(wanted[COLUMNS.index(column)] for column in _NEEDED)
        asked_for = set(COLUMNS if self._all else (*OPTIONAL, "verdict")) - self._left_out
        for column in sorted(_BY_WORTH, key=lambda column: COLUMNS[column] not in asked_for):
            has_room = room - wanted[column] >= _MIN_NAME and COLUMNS[column] not in self._left_out
            shown = has_room or COLUMNS[column] in asked_for
            room -= wanted[column] if shown else 0
            self.setColumnHidden(column, not shown)
        if not self.isColumnHidden(_NOTES):
            room -= max(0, min(_GOOD_NOTES - _MIN_NOTES, room - _MIN_NAME))
        for column, width in enumerate(self._widths):
            if not self.isColumnHidden(column):
                self.setColumnWidth(column, max(_MIN_NAME, min(width, room)) if column == _NAME else width)
        self._fitting = False


class _ScoreDelegate(PlainDelegate):
    """Paints the thumbnail at a whole zoom, verdicts and the reason of a failure in their colours."""

    def __init__(self, model: ScoresModel, parent: ScoreTable) -> None:
        super().__init__(parent)
        self._model = model
        self._table = parent

    def initStyleOption(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> None:
        super().initStyleOption(option, index)
        if index.column() == _NAME:
            option.textElideMode = Qt.TextElideMode.ElideMiddle  # names often differ at their end
            if self._model.file(index.row()).error and self._table.isColumnHidden(_NOTES):
                self.write_in("error", option)
        column = COLUMNS[index.column()]
        if column == "notes":
            self.write_in("error" if self._model.file(index.row()).error else "dim", option)
        elif column == "verdict":
            self.write_in(VERDICT_COLOURS.get(self._model.file(index.row()).verdict, "dim"), option)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        if COLUMNS[index.column()] != "image":
            super().paint(painter, option, index)
            return
        self.initStyleOption(option, index)
        style = option.widget.style() if option.widget else QApplication.style()
        style.drawPrimitive(QStyle.PrimitiveElement.PE_PanelItemViewItem, option, painter, option.widget)
        image: QImage | None = index.data(IMAGE_ROLE)
        if image is not None:
            painter.drawImage(centred(image, option.rect, THUMBNAIL_SIDE, painter.device().devicePixelRatioF()), image)


def paint_placeholder(viewport: QWidget, text: str) -> None:
    """Paint a text in the middle of a view that has nothing to show."""
    painter = QPainter(viewport)
    painter.setPen(QColor(colors().dim))
    place = viewport.rect().adjusted(2 * SPACE, SPACE, -2 * SPACE, -SPACE)
    painter.drawText(place, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, text)


def centred(image: QImage, area: QRect, side: int, ratio: float) -> QRectF:
    """Where an image of at most `side` logical pixels lies in the middle of an area, at a whole zoom."""
    size = whole_zoom(image.size(), QSize(side, side), ratio)
    place = QRectF(QPointF(), size)
    place.moveCenter(QRectF(area).center())
    return QRectF(place.toRect()) if ratio == 1 else place
