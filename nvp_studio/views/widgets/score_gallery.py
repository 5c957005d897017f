"""The scored files as thumbnails: only those that are seen are painted, so that there may be any number of them."""

from PySide6.QtCore import QItemSelection, QItemSelectionModel, QModelIndex, QPoint, QRect, Qt, Signal
from PySide6.QtGui import QColor, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QAbstractScrollArea, QFrame

from nvp_studio.state.score_columns import COLUMNS, verdict_text
from nvp_studio.state.scores import IMAGE_ROLE, ScoresModel
from nvp_studio.views.theme import SPACE, colors, scaled_font, theme
from nvp_studio.views.widgets.score_table import VERDICT_COLOURS, centred, paint_placeholder

SIDE = 80
"""Logical pixels of a thumbnail, at most."""
_CELL_WIDTH, _CELL_HEIGHT = SIDE + 2 * SPACE, SIDE + 5 * SPACE
_IMAGE = COLUMNS.index("image")


class ScoreGallery(QAbstractScrollArea):
    """Shows the rows of a `ScoresModel` in its order; what is selected is that of the table, by one selection model."""

    opened = Signal(QModelIndex)
    """The file that was double-clicked, or chosen with Return."""

    def __init__(self, model: ScoresModel, selection: QItemSelectionModel) -> None:
        super().__init__()
        self._model, self._selection = model, selection
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        self.setAccessibleName(self.tr("Scored files as thumbnails"))
        self.setMinimumWidth(_CELL_WIDTH + 2 * SPACE)
        self._anchor = 0
        self.placeholder = ""
        """What is said where no file is shown."""
        for signal in (model.layoutChanged, model.modelReset, model.rowsInserted):
            signal.connect(self._on_rows)
        model.dataChanged.connect(self.viewport().update)
        selection.selectionChanged.connect(self.viewport().update)
        selection.currentRowChanged.connect(self._on_current)
        theme().changed.connect(self.viewport().update)

    @property
    def columns(self) -> int:
        """How many files are side by side."""
        return max(1, self.viewport().width() // _CELL_WIDTH)

    def rect_of(self, row: int) -> QRect:
        """Where a file is, in the coordinates of the viewport."""
        line, column = divmod(row, self.columns)
        return QRect(
            column * _CELL_WIDTH, line * _CELL_HEIGHT - self.verticalScrollBar().value(), _CELL_WIDTH, _CELL_HEIGHT
        )

    def row_at(self, place: QPoint) -> int:
        """The file at a place of the viewport, -1 for none."""
        column = place.x() // _CELL_WIDTH
        row = (place.y() + self.verticalScrollBar().value()) // _CELL_HEIGHT * self.columns + column
        return row if 0 <= column < self.columns and 0 <= row < self._model.rowCount() else -1

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self.viewport())
        painter.fillRect(self.viewport().rect(), QColor(colors().surface))
        if not self._model.rowCount():
            painter.end()
            paint_placeholder(self.viewport(), self.placeholder)
            return
        painter.setFont(scaled_font(11))
        scrolled = self.verticalScrollBar().value()
        first = scrolled // _CELL_HEIGHT * self.columns
        last = (scrolled + self.viewport().height()) // _CELL_HEIGHT * self.columns + self.columns
        for row in range(first, min(last, self._model.rowCount())):
            self._paint_file(painter, row)

    def _paint_file(self, painter: QPainter, row: int) -> None:
        c, area = colors(), self.rect_of(row).adjusted(2, 2, -2, -2)
        index = self._model.index(row, _IMAGE)
        if self._selection.isSelected(index):
            painter.fillRect(area, QColor(c.selection))
        if self._selection.currentIndex().row() == row and self.hasFocus():
            painter.setPen(QPen(QColor(c.accent), 1))
            painter.drawRect(area.adjusted(0, 0, -1, -1))
        file = self._model.file(row)
        picture = QRect(area.left() + SPACE - 2, area.top() + SPACE // 2, SIDE, SIDE)
        image: QImage | None = index.data(IMAGE_ROLE)
        painter.setPen(QColor(c.error if file.error else c.dim))
        if image is not None:
            painter.drawImage(centred(image, picture, SIDE, self.devicePixelRatioF()), image)
        else:
            text = self.tr("not readable") if file.error else "…"
            painter.drawText(picture, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, text)
        line = QRect(area.left() + 4, picture.bottom() + 3, area.width() - 8, 2 * SPACE)
        painter.setPen(QColor(c.text))
        name = painter.fontMetrics().elidedText(self._model.name(file), Qt.TextElideMode.ElideMiddle, line.width())
        painter.drawText(line, Qt.AlignmentFlag.AlignHCenter, name)
        verdict = VERDICT_COLOURS.get(file.verdict)
        score = "" if file.bits_per_dim is None else f"{file.bits_per_dim:.3f}"
        painter.setPen(QColor(getattr(c, verdict) if verdict and verdict != "text" else c.dim))
        text = verdict_text(file.verdict) if verdict and verdict != "text" else score
        painter.drawText(line.translated(0, 2 * SPACE), Qt.AlignmentFlag.AlignHCenter, text)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        row = self.row_at(event.position().toPoint())
        right_on_selected = event.button() == Qt.MouseButton.RightButton and self._is_selected(row)
        if row >= 0 and not right_on_selected:
            self._choose(row, event.modifiers())

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        row = self.row_at(event.position().toPoint())
        if row >= 0 and event.button() == Qt.MouseButton.LeftButton:
            self.opened.emit(self._model.index(row, _IMAGE))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        row, last = self._selection.currentIndex().row(), self._model.rowCount() - 1
        page = max(1, self.viewport().height() // _CELL_HEIGHT) * self.columns
        steps = {
            Qt.Key.Key_Left: -1,
            Qt.Key.Key_Right: 1,
            Qt.Key.Key_Up: -self.columns,
            Qt.Key.Key_Down: self.columns,
            Qt.Key.Key_PageUp: -page,
            Qt.Key.Key_PageDown: page,
            Qt.Key.Key_Home: -last,
            Qt.Key.Key_End: last,
        }
        key = Qt.Key(event.key())
        if key in steps and last >= 0:
            shift = event.modifiers() & Qt.KeyboardModifier.ShiftModifier
            self._choose(min(max(row + steps[key], 0), last), shift)
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and row >= 0:
            self.opened.emit(self._model.index(row, _IMAGE))
        else:
            super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._on_rows()

    def focusInEvent(self, event: object) -> None:
        self.viewport().update()

    def focusOutEvent(self, event: object) -> None:
        self.viewport().update()

    def _is_selected(self, row: int) -> bool:
        return row >= 0 and self._selection.isSelected(self._model.index(row, _IMAGE))

    def _choose(self, row: int, modifiers: Qt.KeyboardModifier) -> None:
        """Select a file alone, with Control also, with Shift all from the one chosen last."""
        flags = QItemSelectionModel.SelectionFlag
        index = self._model.index(row, _IMAGE)
        if modifiers & Qt.KeyboardModifier.ShiftModifier:
            self._selection.clearSelection()
            low, high = sorted((self._anchor, row))
            between = QItemSelection(self._model.index(low, 0), self._model.index(high, len(COLUMNS) - 1))
            self._selection.select(between, flags.Select)
            self._selection.setCurrentIndex(index, flags.NoUpdate)
            return
        self._anchor = row
        add = bool(modifiers & Qt.KeyboardModifier.ControlModifier)
        self._selection.setCurrentIndex(index, (flags.Toggle if add else flags.ClearAndSelect) | flags.Rows)

    def _on_rows(self) -> None:
        lines = -(-self._model.rowCount() // self.columns)
        bar = self.verticalScrollBar()
        bar.setRange(0, max(0, lines * _CELL_HEIGHT - self.viewport().height()))
        bar.setPageStep(self.viewport().height())
        bar.setSingleStep(_CELL_HEIGHT // 2)
        self.viewport().update()

    def _on_current(self, current: QModelIndex) -> None:
        """Bring the current file into view."""
        if current.isValid() and self.isVisible():
            place, bar = self.rect_of(current.row()), self.verticalScrollBar()
            if place.top() < 0:
                bar.setValue(bar.value() + place.top())
            elif place.bottom() > self.viewport().height():
                bar.setValue(bar.value() + place.bottom() - self.viewport().height())
        self.viewport().update()
