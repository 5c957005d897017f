"""Table of scored files with their thumbnails; sorted by a click on a heading, smooth with 100 000 rows."""

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QKeyEvent, QPainter, QPalette
from PySide6.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
)

from nvp_studio.state.scores import IMAGE_ROLE, THUMBNAIL_SIDE, ScoresModel
from nvp_studio.views.theme import SPACE, colors, theme
from nvp_studio.views.widgets.image_view import whole_zoom
from nvp_studio.views.widgets.run_table import plain_option

_ROW_HEIGHT = THUMBNAIL_SIDE + 4
_WIDTHS = [6, 34, 12, 13]


class ScoreTable(QTableView):
    """Shows a `ScoresModel`."""

    chosen = Signal(int)
    """Row that was selected, -1: none."""
    opened = Signal(int)
    """Row that was double-clicked, or chosen with Return."""

    def __init__(self, model: ScoresModel) -> None:
        super().__init__()
        self.setModel(model)
        self.setAccessibleName(self.tr("Scored files"))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setItemDelegate(_ScoreDelegate(model, self))
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(_ROW_HEIGHT)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.setStyleSheet("QTableView::item { padding: 0 5px; }")
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setStretchLastSection(True)
        header.setMinimumSectionSize(5 * SPACE)
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        header.setSortIndicatorClearable(True)
        self.setSortingEnabled(True)
        self.show_widths([])
        self.selectionModel().currentRowChanged.connect(lambda current, _: self.chosen.emit(current.row()))
        self.doubleClicked.connect(lambda index: self.opened.emit(index.row()))
        theme().changed.connect(self.viewport().update)

    def show_widths(self, widths: list[int]) -> None:
        """Take column widths in pixels; the last column takes what is left."""
        if len(widths) != len(_WIDTHS):
            widths = [width * SPACE for width in _WIDTHS]
        for column, width in enumerate(widths):
            self.setColumnWidth(column, max(5 * SPACE, width))

    def widths(self) -> list[int]:
        """Column widths for `show_widths`."""
        return [self.columnWidth(column) for column in range(len(_WIDTHS))]

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.currentIndex().isValid():
            self.opened.emit(self.currentIndex().row())
            return
        super().keyPressEvent(event)


class _ScoreDelegate(QStyledItemDelegate):
    """Paints the thumbnail at a whole zoom, and the reason of a failure in its colour."""

    def __init__(self, model: ScoresModel, parent: ScoreTable) -> None:
        super().__init__(parent)
        self._model = model

    def initStyleOption(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> None:
        super().initStyleOption(option, index)
        plain_option(option)
        name = self._model.COLUMNS[index.column()]
        if name != "notes":
            return
        colour = QColor(colors().bad if self._model.is_error(index.row()) else colors().dim)
        option.palette.setColor(QPalette.ColorRole.Text, colour)
        option.palette.setColor(QPalette.ColorRole.HighlightedText, colour)

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
