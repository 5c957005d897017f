"""Table of scored files with their thumbnails; sorted by a click on a heading, smooth with 100 000 rows."""

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
from PySide6.QtGui import QImage, QPainter, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QApplication, QStyle, QStyleOptionViewItem

from nvp_studio.state.score_rows import THUMBNAIL_SIDE
from nvp_studio.state.scores import IMAGE_ROLE, ScoresModel
from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.placed_image import whole_zoom
from nvp_studio.views.widgets.table import PlainDelegate, Table

_ROW_HEIGHT = THUMBNAIL_SIDE + 4
_WIDTHS = [6, 34, 12, 13]
_NAME = ScoresModel.COLUMNS.index("name")
_NOTES = ScoresModel.COLUMNS.index("notes")
_MIN_NAME, _MIN_NOTES = 14 * SPACE, 14 * SPACE


class ScoreTable(Table):
    """Shows a `ScoresModel`; without room for the notes, names of files that failed are in the error colour."""

    def __init__(self, model: ScoresModel) -> None:
        super().__init__(model, QCoreApplication.translate("ScoreTable", "Scored files"), _ROW_HEIGHT, least_width=5)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setItemDelegate(_ScoreDelegate(model, self))
        header = self.horizontalHeader()
        header.setStretchLastSection(True)
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        header.setSortIndicatorClearable(True)
        self.setSortingEnabled(True)
        bar = self.style().pixelMetric(QStyle.PixelMetric.PM_ScrollBarExtent)
        self.setMinimumWidth(sum(_WIDTHS) * SPACE - _WIDTHS[_NAME] * SPACE + _MIN_NAME + bar + 2 * self.frameWidth())
        self._name_width = self._narrowed = 0
        self.show_widths([])

    def show_widths(self, widths: list[int]) -> None:
        """Set column widths in pixels; the last column takes the rest."""
        if len(widths) != len(_WIDTHS):
            widths = [width * SPACE for width in _WIDTHS]
        self._name_width = max(5 * SPACE, widths[_NAME])
        for column, width in enumerate(widths):
            self.setColumnWidth(column, max(5 * SPACE, width))

    def widths(self) -> list[int]:
        """Column widths for `show_widths`."""
        widths = [self.columnWidth(column) for column in range(len(_WIDTHS))]
        if widths[_NAME] == self._narrowed:
            widths[_NAME] = self._name_width
        return widths

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Shorten the names where the figures would not be seen, and leave out notes that would have no room."""
        widths = self.widths()
        self._name_width = widths[_NAME]
        room = self.viewport().width() - sum(widths) + self._name_width
        hidden = room < _MIN_NAME + _MIN_NOTES
        if self.isColumnHidden(_NOTES) != hidden:
            self.setColumnHidden(_NOTES, hidden)
        self._narrowed = max(_MIN_NAME, min(self._name_width, room if hidden else room - _MIN_NOTES))
        self.setColumnWidth(_NAME, self._narrowed)
        super().resizeEvent(event)


class _ScoreDelegate(PlainDelegate):
    """Paints the thumbnail at a whole zoom, and the reason of a failure in its colour."""

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
        if self._model.COLUMNS[index.column()] == "notes":
            self.write_in("error" if self._model.file(index.row()).error else "dim", option)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        if self._model.COLUMNS[index.column()] != "image":
            super().paint(painter, option, index)
            return
        self.initStyleOption(option, index)
        style = option.widget.style() if option.widget else QApplication.style()
        style.drawPrimitive(QStyle.PrimitiveElement.PE_PanelItemViewItem, option, painter, option.widget)
        image: QImage | None = index.data(IMAGE_ROLE)
        if image is not None:
            painter.drawImage(_centred(image, option.rect, painter.device().devicePixelRatioF()), image)


def _centred(image: QImage, area: QRect, ratio: float) -> QRectF:
    size = whole_zoom(image.size(), QSize(THUMBNAIL_SIDE, THUMBNAIL_SIDE), ratio)
    place = QRectF(QPointF(), size)
    place.moveCenter(QRectF(area).center())
    return QRectF(place.toRect()) if ratio == 1 else place
