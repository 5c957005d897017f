"""The sliders of Explore: temperatures, and directions among the latents, named and principal ones."""

from collections.abc import Sequence
from functools import partial

from PySide6.QtCore import QCoreApplication, Signal
from PySide6.QtGui import QAction, Qt
from PySide6.QtWidgets import QGridLayout, QScrollArea, QSizePolicy, QWidget

from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.action_button import ActionButton
from nvp_studio.views.widgets.labels import ElidedLabel, plain_tip
from nvp_studio.views.widgets.layout import hbox, text_label, vbox
from nvp_studio.views.widgets.sliders import SliderRow

_REACH = 4.0
"""Standard deviations from the middle of a direction's slider to its ends."""
_MAX_TEMPERATURE = 1.5
_SCROLL_BAR = 14
"""Pixels of the scroll bar and the gap beside it."""
_MAX_NAME = 20 * SPACE
_TWO_COLUMNS = 72 * SPACE
_tr = partial(QCoreApplication.translate, "LatentPanel")


class LatentPanel(QWidget):
    """Sliders for temperatures and directions."""

    temperature_edited = Signal(float, object)
    """(value, scale or None for all)."""
    direction_edited = Signal(int, float)
    direction_reset = Signal(int)
    gesture_begun = Signal()
    gesture_ended = Signal(str)
    """Carries the text for the undo menu."""

    def __init__(self) -> None:
        super().__init__()
        self.temperatures: list[SliderRow] = []
        self.directions: list[SliderRow] = []
        self._names: list[str] = []
        self._columns = 1
        self._own_temperature = 1.0
        column = vbox(self)
        self._temperature_rows = vbox(spacing=0, margins=(0, 0, _SCROLL_BAR, 0))
        heading = text_label(self.tr("Temperature"), "section")
        heading.setToolTip(self._temperature_tip())
        column.addWidget(heading)
        column.addLayout(self._temperature_rows)
        self._head = hbox(spacing=SPACE // 2)
        self._title = text_label(self.tr("Directions"), "section")
        self._title.setToolTip(
            self.tr(
                "Directions among the latents of the training images, in standard deviations from their mean:\n"
                "the numbered ones are those along which they differ most,\n"
                "the named ones lead to the images that have something in common.\n"
                "Double-click a slider to reset it."
            )
        )
        self._head.addWidget(self._title)
        self.moved = ElidedLabel(role="dim")
        self._head.addWidget(self.moved, 1)
        column.addSpacing(SPACE // 2)
        column.addLayout(self._head)
        content = QWidget()
        content.setObjectName("scroll_content")
        self._grid = QGridLayout(content)
        self._grid.setContentsMargins(0, 0, _SCROLL_BAR - 10, 0)
        self._grid.setHorizontalSpacing(3 * SPACE)
        self._grid.setVerticalSpacing(2)
        text = self.tr("This model keeps no principal directions; a run adds them when it saves its best.")
        self._empty = text_label(text, wrap=True)
        self._empty.hide()
        self._grid.addWidget(self._empty, 0, 0)
        self._area = QScrollArea()
        self._area.setWidgetResizable(True)
        self._area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._area.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)  # figures stay in one column
        self._area.setWidget(content)
        self._area.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        column.addWidget(self._area, 1)

    def add_tool(self, action: QAction) -> None:
        """Put a small button for `action` beside the directions' title."""
        self._head.addWidget(ActionButton(action, flat=True))

    def set_model(self, scales: int, fractions: Sequence[float], names: Sequence[str]) -> None:
        """Make the sliders of a model with that many scales and those directions; unnamed ones are principal."""
        if scales != max(0, len(self.temperatures) - 1):
            self._make_temperatures(scales)
        if list(names) != self._names:
            self._make_directions(list(names))
        for index, (row, fraction) in enumerate(zip(self.directions, fractions, strict=True)):
            text = self._direction_name(index)
            row.setToolTip(self._direction_tip(text, bool(self._names[index]), fraction))
        self._empty.setVisible(not fractions)

    def show_moved(self, text: str, tip: str = "") -> None:
        """Say beside the title how many directions were moved, with a tip on where that changed the latents."""
        self.moved.setText(text)
        self.moved.setAccessibleDescription(tip)
        self.moved.tip = tip

    def reveal(self, direction: int) -> None:
        """Scroll to the slider of a direction."""
        self._area.ensureWidgetVisible(self.directions[direction])

    def show_temperatures(self, values: Sequence[float], own: float) -> None:
        """Show the temperature of each scale, with a mark at its `own`; the first row is all of them together."""
        if len(values) != len(self.temperatures) - 1:
            return
        self._own_temperature = own
        self.temperatures[0].show_value(sum(values) / len(values), own)
        for row, value in zip(self.temperatures[1:], values, strict=True):
            row.show_value(value, own)

    def show_coordinates(self, values: Sequence[float], origin: Sequence[float]) -> None:
        """Show where the picture lies along each direction, and where its base does."""
        if len(values) != len(self.directions):
            return
        for row, value, mark in zip(self.directions, values, origin, strict=True):
            row.show_value(value, mark)

    def resizeEvent(self, event: object) -> None:
        columns = 2 if self.width() >= _TWO_COLUMNS else 1
        if columns != self._columns:
            self._columns = columns
            self._place_directions()

    def _make_temperatures(self, scales: int) -> None:
        _delete(self.temperatures)
        for index in range(scales + 1):
            scale = index - 1 if index else None
            name = scale_name(scale, scales) if scale is not None else self.tr("All")
            row = SliderRow(name, self.tr("Temperature: {0}").format(name), 0.0, _MAX_TEMPERATURE, signed=False)
            row.name.setFixedWidth(7 * SPACE)
            row.setToolTip(self._temperature_tip(scale, scales))
            row.edited.connect(lambda value, scale=scale: self.temperature_edited.emit(value, scale))
            row.reset_requested.connect(lambda scale=scale: self.temperature_edited.emit(self._own_temperature, scale))
            self._follow_gestures(row, self.tr("temperature"))
            self.temperatures.append(row)
            self._temperature_rows.addWidget(row)
            row.setVisible(scale is None or scales > 1)

    def _follow_gestures(self, row: SliderRow, undo_text: str) -> None:
        row.pressed.connect(self.gesture_begun)
        row.released.connect(lambda: self.gesture_ended.emit(undo_text))

    def _temperature_tip(self, scale: int | None = None, scales: int = 0) -> str:
        """What a temperature does; of one scale, or of all."""
        text = self.tr(
            "How far the latents lie from their mean. 0: the plainest picture;\n"
            "below 1: cleaner and more alike; 1: as the flow learnt them; above: wilder."
        )
        if scale is None:
            return text
        role = self.tr("what lies between fine and coarse")
        if scale == 0:
            role = self.tr("texture and edges, the latents that leave the flow first")
        elif scale == scales - 1:
            role = self.tr("shape and composition, the latents that go through the whole flow")
        return self.tr("{0}: {1}.").format(scale_name(scale, scales), role) + "\n" + text

    def _direction_tip(self, name: str, named: bool, fraction: float) -> str:
        """What moves along a direction, and how much of the differences between images lies along it."""
        text = self.tr("{0}: the training images differ much along it.")
        if named:
            text = self.tr("Right: more like the images with “{0}”; left: less.")
        about = self.tr("Holds {0} % of the latents' variance. Double-click to reset it.")
        return plain_tip(text.format(name) + "\n" + about.format(f"{100 * fraction:.1f}"))

    def _direction_name(self, index: int) -> str:
        return self._names[index] or self.tr("Direction {0}").format(index + 1)

    def _make_directions(self, names: list[str]) -> None:
        _delete(self.directions)
        self._names = names
        metrics = self.fontMetrics()
        width = min(_MAX_NAME, max([2 * SPACE, *(metrics.horizontalAdvance(name) + SPACE // 2 for name in names)]))
        for index, name in enumerate(names):
            message = self._direction_name(index)
            row = SliderRow(name or str(index + 1), message, -_REACH, _REACH)
            row.name.setFixedWidth(width)
            row.edited.connect(lambda value, index=index: self.direction_edited.emit(index, value))
            row.reset_requested.connect(lambda index=index: self.direction_reset.emit(index))
            self._follow_gestures(row, name or self.tr("direction {0}").format(index + 1))
            self.directions.append(row)
        self._place_directions()

    def _place_directions(self) -> None:
        """Named directions first, then the principal ones, column by column."""
        places = sorted(range(len(self.directions)), key=lambda index: not self._names[index])
        rows = -(-len(places) // self._columns)
        for place, index in enumerate(places):
            self._grid.addWidget(self.directions[index], 1 + place % max(1, rows), place // max(1, rows))
        for line in range(self._grid.rowCount()):
            self._grid.setRowStretch(line, 0)
        self._grid.setRowStretch(1 + rows, 1)
        self._grid.setColumnStretch(0, 1)
        self._grid.setColumnStretch(1, 1 if self._columns == 2 else 0)


def scale_name(index: int, scales: int) -> str:
    """The name of a scale of so many, finest first."""
    if index == 0:
        return _tr("Fine")
    if index == scales - 1:
        return _tr("Coarse")
    return _tr("Middle") if scales == 3 else _tr("Scale {0}").format(index + 1)


def _delete(rows: list[SliderRow]) -> None:
    for row in rows:
        row.hide()
        row.deleteLater()
    rows.clear()
