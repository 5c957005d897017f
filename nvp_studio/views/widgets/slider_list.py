"""A scrolled list of sliders for directions: in any order, some of them left out, with a strip of previews each."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from PySide6.QtCore import QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QContextMenuEvent, QFontMetrics, QImage, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QGridLayout, QScrollArea, QSizePolicy, QWidget

from nvp_studio.state.edited_recipe import REACH
from nvp_studio.state.previews import PREVIEWED
from nvp_studio.text import figure
from nvp_studio.views.theme import SPACE, colors
from nvp_studio.views.widgets.image_view import DIMMED
from nvp_studio.views.widgets.labels import plain_tip
from nvp_studio.views.widgets.layout import text_label
from nvp_studio.views.widgets.sliders import SliderRow

SCROLL_BAR = 14
"""Pixels of the scroll bar and the gap beside it."""
_MAX_NAME = 20 * SPACE
_TWO_COLUMNS = 72 * SPACE
_STRIP = 5 * SPACE


@dataclass(frozen=True)
class SliderEntry:
    """What one slider of the list is for."""

    name: str
    """Beside the slider."""
    title: str
    """For a screen reader."""
    tip: str = ""
    locked: bool = False
    undo: str = ""
    """Of an entry of the undo history; empty: the title."""


def preview_text(value: float) -> str:
    """The value of a preview, as it is written below it."""
    return figure(value, "+.0f") if value else "0"


class PreviewStrip(QWidget):
    """Small pictures below a slider, at the values that they are pictures of if there is room; a click goes there.

    Each has its value below it.
    """

    picked = Signal(float)

    def __init__(self, row: SliderRow) -> None:
        super().__init__()
        self._row = row
        self._images: list[QImage] = []
        self.dimmed = False
        """Whether the images are those of an earlier picture."""
        self.setFixedHeight(_STRIP + self.fontMetrics().height())
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    @property
    def images(self) -> list[QImage]:
        """Those that are shown, from the lowest value on."""
        return self._images

    def show_images(self, images: Sequence[QImage], *, dimmed: bool = False) -> None:
        """Show an image for each of `PREVIEWED`, or none; `dimmed` where they are those of an earlier picture."""
        self._images, self.dimmed = list(images), dimmed
        tip = self.tr("The picture with this slider at −2, 0 and +2; a click goes there") if images else ""
        self.setToolTip(tip)
        self.update()

    def image_rect(self, index: int) -> QRect:
        """Where an image is painted."""
        side = _STRIP - 4
        size = self._images[index].size().scaled(QSize(side, side), Qt.AspectRatioMode.KeepAspectRatio)
        slider = self._row.slider
        middle, gap = slider.x() + round(slider.x_of(0.0)), round(slider.x_of(PREVIEWED[-1]) - slider.x_of(0.0))
        x = middle + (index - len(PREVIEWED) // 2) * max(gap, size.width() + 2)  # side by side below a short slider
        return QRect(QPoint(x - size.width() // 2, (side - size.height()) // 2), size)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setOpacity(DIMMED if self.dimmed else 1.0)
        for index, image in enumerate(self._images):
            rect = self.image_rect(index)
            painter.drawImage(rect, image)
            below = QRect(rect.center().x() - _STRIP, _STRIP - 4, 2 * _STRIP, self.fontMetrics().height())
            painter.setPen(QColor(colors().dim))
            painter.drawText(below, Qt.AlignmentFlag.AlignHCenter, preview_text(PREVIEWED[index]))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        place = event.position().toPoint()
        for index in range(len(self._images)):
            if event.button() == Qt.MouseButton.LeftButton and self.image_rect(index).contains(place):
                self.picked.emit(PREVIEWED[index])


class SliderList(QScrollArea):
    """Emits what a person does with a slider, by the number of its entry."""

    edited = Signal(int, float)
    reset_requested = Signal(int)
    gesture_begun = Signal()
    gesture_ended = Signal(str)
    """Carries the text for the undo menu."""
    menu_requested = Signal(int, object)
    """A person wants what can be done with a direction, at a `QPoint` of the screen."""
    unlocked = Signal(int)
    attended = Signal(int, bool)
    """The pointer or the keyboard came to a slider, or left it."""
    in_view_changed = Signal()
    """Other sliders than before may be in view."""

    def __init__(self, empty: str) -> None:
        """`empty` says why there is no slider."""
        super().__init__()
        self.rows: list[SliderRow] = []
        self.strips: list[PreviewStrip] = []
        self._entries: list[SliderEntry] = []
        self._order: list[int] = []
        self._columns = 1
        self._empty = empty
        self._strips_shown = False
        content = QWidget()
        content.setObjectName("scroll_content")
        self._grid = QGridLayout(content)
        self._grid.setContentsMargins(0, 0, SCROLL_BAR - 10, 0)
        self._grid.setHorizontalSpacing(3 * SPACE)
        self._grid.setVerticalSpacing(2)
        self.empty = text_label(empty, wrap=True)
        self._grid.addWidget(self.empty, 1, 0, 1, 2)
        self.setWidgetResizable(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)  # figures stay in one column
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(content)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self.verticalScrollBar().valueChanged.connect(self.in_view_changed)
        self._place()

    def set_head(self, widget: QWidget) -> None:
        """Put a widget above the sliders, which is scrolled with them."""
        self._grid.addWidget(widget, 0, 0, 1, 2)

    def set_entries(self, entries: Sequence[SliderEntry]) -> None:
        """Make a slider for each entry; where only tips and locks are others, the sliders stay."""
        if list(entries) == self._entries:
            return
        named = [(entry.name, entry.title) for entry in entries]
        if named != [(entry.name, entry.title) for entry in self._entries]:
            self._make(entries)
            self._order = list(range(len(entries)))
            self._place()
        self._entries = list(entries)
        for row, entry in zip(self.rows, entries, strict=True):
            row.setToolTip(plain_tip(entry.tip))
            row.show_locked(entry.locked)

    def arrange(self, order: Sequence[int], empty: str = "") -> None:
        """Show the sliders of these entries in this order, the others not; `empty` is told where there are none."""
        self.empty.setText(empty or self._empty)
        if list(order) != self._order:
            self._order = list(order)
            self._place()

    def show_values(self, values: Sequence[float], marks: Sequence[float]) -> None:
        """Show the value of every slider, and its mark; nothing happens for another number of them."""
        if len(values) == len(self.rows):
            for row, value, mark in zip(self.rows, values, marks, strict=True):
                row.show_value(value, mark)

    def show_strips(self, shown: bool) -> None:
        """Show a strip of previews below every slider, or none."""
        self._strips_shown = shown
        self._place()

    def in_view(self) -> list[int]:
        """The entries whose sliders or strips can be seen, from above."""
        area = QRect(QPoint(0, 0), self.viewport().size())

        def seen(index: int) -> bool:
            strip = self.strips[index]
            return area.intersects(QRect(strip.mapTo(self.viewport(), QPoint(0, 0)), strip.size()))

        return [index for index in self._order if seen(index)]

    def tip(self, index: int) -> str:
        """The text of a slider's tool tip."""
        return self._entries[index].tip

    def set_value(self, index: int, value: float) -> None:
        """Let a person's click set a slider: an edit of its own in the undo menu."""
        entry = self._entries[index]
        self.gesture_begun.emit()
        self.edited.emit(index, value)
        self.gesture_ended.emit(entry.undo or entry.title)

    def reveal(self, index: int) -> None:
        """Scroll to a slider."""
        if index in self._order:
            self.ensureWidgetVisible(self.rows[index])

    def resizeEvent(self, event: object) -> None:
        super().resizeEvent(event)  # type: ignore[arg-type]
        columns = 2 if self.width() >= _TWO_COLUMNS else 1
        if columns != self._columns:
            self._columns = columns
            self._place()
        self.in_view_changed.emit()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        focused = self.focusWidget()
        for index, row in enumerate(self.rows):
            by_key = event.reason() == QContextMenuEvent.Reason.Keyboard
            inside = row.isVisible() and row.rect().contains(row.mapFromGlobal(event.globalPos()))
            if row.slider is focused if by_key else inside:
                place = row.mapToGlobal(QPoint(row.name.width(), row.height())) if by_key else event.globalPos()
                self.menu_requested.emit(index, place)
                event.accept()
                return

    def _make(self, entries: Sequence[SliderEntry]) -> None:
        for widget in (*self.rows, *self.strips):
            widget.hide()
            widget.deleteLater()
        self.rows, self.strips = [], []
        font = self.font()
        font.setBold(True)  # as that of a row that was moved
        metrics = QFontMetrics(font)
        widths = {True: 2 * SPACE, False: 2 * SPACE}  # of numbers and of names: sliders beside numbers are longer
        for entry in entries:
            width = min(_MAX_NAME, metrics.horizontalAdvance(entry.name) + SPACE // 2)
            widths[entry.name.isdigit()] = max(widths[entry.name.isdigit()], width)
        for index, entry in enumerate(entries):
            row = SliderRow(entry.name, entry.title, -REACH, REACH)
            row.name.setFixedWidth(widths[entry.name.isdigit()])
            row.edited.connect(lambda value, index=index: self.edited.emit(index, value))
            row.reset_requested.connect(lambda index=index: self.reset_requested.emit(index))
            row.pressed.connect(self.gesture_begun)
            row.released.connect(lambda text=entry.undo or entry.title: self.gesture_ended.emit(text))
            row.unlocked.connect(lambda index=index: self.unlocked.emit(index))
            row.attended.connect(lambda came, index=index: self.attended.emit(index, came))
            strip = PreviewStrip(row)
            strip.picked.connect(partial(self.set_value, index))
            self.rows.append(row)
            self.strips.append(strip)

    def _place(self) -> None:
        """Put what is shown in its order, column by column."""
        shown = set(self._order)
        for index, (row, strip) in enumerate(zip(self.rows, self.strips, strict=True)):
            self._grid.removeWidget(row)
            self._grid.removeWidget(strip)
            if index not in shown:
                row.hide()
                strip.hide()
        lines = max(1, -(-len(self._order) // self._columns))
        for place, index in enumerate(self._order):
            line, column = 2 + 2 * (place % lines), place // lines
            self._grid.addWidget(self.rows[index], line, column)
            self._grid.addWidget(self.strips[index], line + 1, column)
            self.rows[index].show()
            self.strips[index].setVisible(self._strips_shown)
        for line in range(self._grid.rowCount()):
            self._grid.setRowStretch(line, 0)
        self._grid.setRowStretch(2 + 2 * lines, 1)
        self._grid.setColumnStretch(0, 1)
        self._grid.setColumnStretch(1, 1 if self._columns == 2 else 0)
        self.empty.setVisible(not self._order)
        self.in_view_changed.emit()
