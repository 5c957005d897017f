"""The sliders of Explore: temperatures, and directions among the latents, named and principal ones."""

from collections.abc import Callable, Collection, Sequence
from functools import partial

from PySide6.QtCore import QCoreApplication, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QWidget

from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.action_button import ActionButton
from nvp_studio.views.widgets.directions_panel import DirectionsPanel
from nvp_studio.views.widgets.layout import text_label, vbox
from nvp_studio.views.widgets.slider_list import SCROLL_BAR, SliderEntry
from nvp_studio.views.widgets.sliders import SliderRow

_MAX_TEMPERATURE = 1.5
_tr = partial(QCoreApplication.translate, "LatentPanel")


class LatentPanel(QWidget):
    """Sliders for temperatures and directions."""

    temperature_edited = Signal(float, object)
    """(value, scale or None for all)."""
    temperature_reset = Signal(object)
    """Carries the scale, or None for all."""
    direction_edited = Signal(int, float)
    direction_reset = Signal(int)
    gesture_begun = Signal()
    gesture_ended = Signal(str)
    """Carries the text for the undo menu."""

    def __init__(self) -> None:
        super().__init__()
        self.temperatures: list[SliderRow] = []
        self._names: list[str] = []
        self._fractions: list[float] = []
        self._none = ""  # why there is no direction; nothing before a model is open
        self._jumps = False
        column = vbox(self)
        self._temperature_rows = vbox(spacing=0, margins=(0, 0, SCROLL_BAR, 0))
        heading = text_label(self.tr("Temperature"), "section")
        heading.setToolTip(self._temperature_tip())
        column.addWidget(heading)
        column.addLayout(self._temperature_rows)
        column.addSpacing(SPACE // 2)
        self.panel = DirectionsPanel()
        self.moved = self.panel.moved
        column.addWidget(self.panel, 1)
        self.list = self.panel.lists["model"]
        self.list.edited.connect(self.direction_edited)
        self.list.reset_requested.connect(self.direction_reset)
        self.list.gesture_begun.connect(self.gesture_begun)
        self.list.gesture_ended.connect(self.gesture_ended)

    @property
    def directions(self) -> list[SliderRow]:
        """The sliders of the model's directions."""
        return self.list.rows

    def add_tool(self, action: QAction) -> None:
        """Put a small button for `action` beside the directions' title."""
        self.panel.add_tool(ActionButton(action, flat=True))

    def set_model(self, scales: int, fractions: Sequence[float], names: Sequence[str], *, jumps: bool = False) -> None:
        """Make the sliders of a model with that many scales and those directions; unnamed ones are principal.

        `jumps` where its pictures change by jumps along a direction.
        """
        if scales != max(0, len(self.temperatures) - 1):
            self._make_temperatures(scales)
        self._names, self._fractions, self._jumps = list(names), list(fractions), jumps
        self._none = self.tr("This model keeps no principal directions; a run adds them when it saves its best.")
        self.show_entries(())

    def show_entries(
        self, locked: Collection[int], words: str = "", order: Callable[[int], float] | None = None
    ) -> None:
        """Show the model's directions with these locks, of which `words` are found in the title.

        They are sorted by `order`; without it the named ones come first.
        """
        entries = []
        for index, (name, fraction) in enumerate(zip(self._names, self._fractions, strict=True)):
            tip = self._direction_tip(self._direction_name(index), bool(name), fraction)
            undo = name or self.tr("direction {0}").format(index + 1)
            entries.append(SliderEntry(name or str(index + 1), self._direction_name(index), tip, index in locked, undo))
        self.list.set_entries(entries)
        found = [index for index in range(len(entries)) if words.lower() in self._direction_name(index).lower()]
        found.sort(key=order or (lambda index: not self._names[index]))
        self.list.arrange(found, self.tr("No direction is called so.") if entries else self._none)

    def show_moved(self, text: str, tip: str = "") -> None:
        """Say beside the title how many directions were moved, with a tip on where that changed the latents."""
        self.moved.setText(text)
        self.moved.setAccessibleDescription(tip)
        self.moved.tip = tip

    def reveal(self, direction: int) -> None:
        """Scroll to the slider of a direction."""
        self.list.reveal(direction)

    def show_temperatures(self, values: Sequence[float], own: Sequence[float]) -> None:
        """Show the temperature of each scale, with a mark at its `own`; the first row is the mean of all."""
        if len(values) != len(self.temperatures) - 1:
            return
        self.temperatures[0].show_value(sum(values) / len(values), sum(own) / len(own))
        for row, value, mark in zip(self.temperatures[1:], values, own, strict=True):
            row.show_value(value, mark)

    def show_coordinates(self, values: Sequence[float], origin: Sequence[float]) -> None:
        """Show where the picture lies along each direction, and where its base does."""
        self.list.show_values(values, origin)

    def _make_temperatures(self, scales: int) -> None:
        _delete(self.temperatures)
        for index in range(scales + 1):
            scale = index - 1 if index else None
            name = scale_name(scale, scales) if scale is not None else self.tr("All")
            row = SliderRow(name, self.tr("Temperature: {0}").format(name), 0.0, _MAX_TEMPERATURE, signed=False)
            row.name.setFixedWidth(7 * SPACE)
            row.setToolTip(self._temperature_tip(scale, scales))
            row.edited.connect(lambda value, scale=scale: self.temperature_edited.emit(value, scale))
            row.reset_requested.connect(lambda scale=scale: self.temperature_reset.emit(scale))
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
            return text + "\n" + self.tr("All: their mean; the scales differ as the model proposes, until all are 1.")
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
        about = self.tr("Holds {0} % of the latents' variance. Double-click to reset it, right-click to lock it.")
        text = text.format(name) + "\n" + about.format(f"{100 * fraction:.1f}")
        if self._jumps:
            text += "\n" + self.tr("It changes pictures by jumps, other features too; not each follows the name.")
        return text

    def _direction_name(self, index: int) -> str:
        return self._names[index] or self.tr("Direction {0}").format(index + 1)


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
