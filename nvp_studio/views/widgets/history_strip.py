"""The strip of Explore's history: a small picture for each step, the newest last."""

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QKeyEvent, QPainter, QPixmap, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QListView, QWidget

from nvp_studio.views.theme import SPACE, colors
from nvp_studio.views.widgets.image_view import DIMMED
from nvp_studio.views.widgets.labels import plain_tip
from nvp_studio.views.widgets.layout import hbox, text_label

_SIDE = 5 * SPACE
_Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()


@dataclass(frozen=True)
class Shown:
    """A step as it is shown."""

    title: str
    image: QImage | None
    undone: bool


class _Steps(QAbstractListModel):
    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.steps: list[Shown] = []

    def show_steps(self, steps: list[Shown]) -> None:
        same = min(len(self.steps), len(steps))
        if len(self.steps) > same:
            self.beginRemoveRows(_ROOT, same, len(self.steps) - 1)
            del self.steps[same:]
            self.endRemoveRows()
        changed = [place for place in range(same) if self.steps[place] != steps[place]]
        self.steps[:same] = steps[:same]
        if len(steps) > same:
            self.beginInsertRows(_ROOT, same, len(steps) - 1)
            self.steps += steps[same:]
            self.endInsertRows()
        if changed:
            self.dataChanged.emit(self.index(changed[0]), self.index(changed[-1]))

    def rowCount(self, parent: _Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self.steps)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        step = self.steps[index.row()]
        match role:
            case Qt.ItemDataRole.DecorationRole:
                return _pixmap(step)
            case Qt.ItemDataRole.SizeHintRole:
                return QSize(_SIDE + SPACE // 2, _SIDE + SPACE // 2)
            case Qt.ItemDataRole.ToolTipRole:
                return plain_tip(f"{step.title}\n{self.tr('undone')}" if step.undone else step.title)
            case Qt.ItemDataRole.AccessibleTextRole:
                return step.title
        return None


class HistoryStrip(QWidget):
    """Emits the number of a step that is clicked, or chosen by arrow keys, Home and End."""

    chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.list = _StepList(self)
        self.steps = _Steps(self)
        self.list.setModel(self.steps)
        self.empty = text_label(self.tr("Each change of the picture becomes a step here."), wrap=True)
        row = hbox(self)
        row.addWidget(self.list, 1)
        row.addWidget(self.empty, 1)
        self.list.clicked.connect(lambda index: self.chosen.emit(index.row()))
        self.setFixedHeight(_SIDE + 2 * SPACE)

    def show_steps(self, steps: Sequence[Shown], current: int) -> None:
        """Show these steps, `current` marked."""
        self.steps.show_steps(list(steps))
        self.empty.setVisible(len(steps) < 2)
        index = self.steps.index(current)
        self.list.setCurrentIndex(index)
        self.list.scrollTo(index)


class _StepList(QListView):
    def __init__(self, strip: HistoryStrip) -> None:
        super().__init__(strip)
        self._strip = strip
        self.setFlow(QListView.Flow.LeftToRight)
        self.setWrapping(False)
        self.setUniformItemSizes(True)
        self.setIconSize(QSize(_SIDE, _SIDE))
        self.setHorizontalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setEditTriggers(QListView.EditTrigger.NoEditTriggers)
        self.setAccessibleName(self.tr("Steps of the history"))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        row, last = self.currentIndex().row(), self.model().rowCount() - 1
        places = {
            Qt.Key.Key_Left: max(0, row - 1),
            Qt.Key.Key_Right: min(last, row + 1),
            Qt.Key.Key_Home: 0,
            Qt.Key.Key_End: last,
        }
        place = places.get(Qt.Key(event.key()))
        if place is None:
            event.ignore()  # letters are shortcuts of the page, not a search
        elif place != row:
            self._strip.chosen.emit(place)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.scrollTo(self.currentIndex())

    def wheelEvent(self, event: QWheelEvent) -> None:
        bar, turned = self.horizontalScrollBar(), event.angleDelta()
        bar.setValue(bar.value() - (turned.y() or turned.x()) // 2)
        event.accept()


def _pixmap(step: Shown) -> QPixmap:
    """The image as a square pixmap, pale where the step is undone; an empty frame where there is none."""
    pixmap = QPixmap(_SIDE, _SIDE)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setOpacity(DIMMED if step.undone else 1.0)
    if step.image is None:
        painter.setPen(QColor(colors().dim))
        painter.drawRect(0, 0, _SIDE - 1, _SIDE - 1)
    else:
        larger = max(step.image.width(), step.image.height()) > _SIDE
        way = Qt.TransformationMode.SmoothTransformation if larger else Qt.TransformationMode.FastTransformation
        image = step.image.scaled(_SIDE, _SIDE, Qt.AspectRatioMode.KeepAspectRatio, way)
        painter.drawImage((_SIDE - image.width()) // 2, (_SIDE - image.height()) // 2, image)
    painter.end()
    return pixmap
