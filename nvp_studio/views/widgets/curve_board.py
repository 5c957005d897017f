"""Curves of several runs with all that can be asked of them: quantity, axis, smoothing, scale, part, series, files."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor, QFont, QIcon, QPixmap
from PySide6.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QSlider,
    QStackedLayout,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from nvp_studio.runs.curves import QUANTITIES, curves_csv, nearest, stack, step_at
from nvp_studio.runs.names import Axis
from nvp_studio.views.importer import Importer
from nvp_studio.views.theme import SPACE, theme
from nvp_studio.views.widgets.action_button import flat_button
from nvp_studio.views.widgets.series import Series, series_colour
from nvp_studio.views.widgets.steady_inputs import ComboBox
from nvp_studio.views.widgets.wrapping_row import WrappingRow, group

if TYPE_CHECKING:
    from nvp_studio.views.widgets.compare_plot import ComparePlot, PlotOptions

_MEMORIES = (0, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
"""Points that a smoothed curve remembers, from none to the most."""
_DEFAULT_MEMORY = 4
_LIST_MARGIN = 60
"""Pixels of box and swatch beside a name."""
_KEY_ROLE = Qt.ItemDataRole.UserRole


class CurveBoard(QWidget):
    """Options above, the plot, and at its right the runs with their values under the mouse."""

    step_pointed = Signal(float)
    """Under the mouse, a step of the run in front."""
    export_asked = Signal(str)
    """``png``, ``svg`` or ``csv``."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName(self.tr("Curves of the chosen runs"))
        self.plot: ComparePlot | None = None
        self._series: list[Series] = []
        self._front = ""
        self._hidden: set[str] = set()
        self._words_of_none = ""
        self._place: float | None = None
        self._step: float | None = None
        self._filling = False
        self._lay_out()
        self._importer = Importer()
        self._importer.imported.connect(self._on_imported)
        self._importer.start("compare plot", _import_plot)
        theme().changed.connect(self._fill_list)

    @property
    def options(self) -> "PlotOptions":
        """What the controls say."""
        from nvp_studio.views.widgets.compare_plot import PlotOptions

        name, unit = self.quantity.currentText(), QUANTITIES[self.quantity.currentData()].unit
        return PlotOptions(
            quantity=self.quantity.currentData(),
            axis=self.axis.currentData(),
            memory=float(_MEMORIES[self.smoothing.value()]),
            log=self.log.isChecked(),
            clip=self.clip.isChecked(),
            share=self.part.currentData(),
            label=f"{name}, {unit}" if unit and unit.lower() != name.lower() else name,
        )

    def show_series(self, series: Sequence[Series], front: str) -> None:
        """Draw these runs; `front` is the one that the cursor belongs to."""
        self._series, self._front = list(series), front
        self._fill_list()
        self._redraw()

    def refresh(self) -> None:
        """A history grew."""
        self._redraw()

    def show_step(self, step: float | None) -> None:
        """Put the cursor at a step of the run in front."""
        self._step = step
        if self.plot is not None:
            self.plot.show_step(step)

    def show_words(self, words: str) -> None:
        """What stands there while no run is chosen."""
        self._words_of_none = words
        self._redraw()

    def content(self, form: str) -> bytes:
        """The plot as the content of a ``png``, ``svg`` or ``csv`` file; CSV holds what is drawn, smoothed as it is."""
        assert self.plot is not None
        if form == "csv":
            axis: Axis = self.axis.currentData()
            named = [(one.name, self.plot.curves[one.key]) for one in self._shown() if one.key in self.plot.curves]
            return curves_csv(axis, self.quantity.currentData(), named).encode()
        return self.plot.svg() if form == "svg" else self.plot.png()

    # Construction

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE // 2)
        column.addWidget(self._make_options())
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        self._stack = QStackedLayout()
        self._words = QLabel()
        self._words.setProperty("role", "dim")
        self._words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._words.setWordWrap(True)
        self._stack.addWidget(self._words)
        row.addLayout(self._stack, 1)
        side = QVBoxLayout()
        side.setSpacing(SPACE // 2)
        self.reading = QLabel()
        self.reading.setProperty("role", "dim")
        side.addWidget(self.reading)
        self.list = QListWidget()
        self.list.setAccessibleName(self.tr("Curves shown"))
        self.list.setFixedWidth(26 * SPACE)
        self.list.setSpacing(SPACE // 4)
        self.list.setStyleSheet(f"QListView {{ padding: {SPACE // 2}px 0; }}")
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.itemChanged.connect(self._on_item_changed)
        side.addWidget(self.list, 1)
        row.addLayout(side)
        column.addLayout(row, 1)

    def _make_options(self) -> QWidget:
        self.quantity = _combo(
            self.tr("Quantity"),
            [
                (self.tr("Validation"), "validation"),
                (self.tr("Training"), "train"),
                (self.tr("Bits by scale"), "scale_bits"),
                (self.tr("Images/s"), "images_per_second"),
                (self.tr("Learning rate"), "learning_rate"),
                (self.tr("Gradient norm"), "gradient_norm"),
                (self.tr("Inverse error"), "inverse_error"),
                (self.tr("Inverse error of noise"), "noise_inverse_error"),
            ],
            19,
        )
        self.axis = _combo(
            self.tr("Axis"),
            [(self.tr("by step"), "steps"), (self.tr("by epoch"), "epochs"), (self.tr("by time"), "seconds")],
            12,
        )
        self.part = _combo(
            self.tr("Part of the run"),
            [
                (self.tr("all of it"), 1.0),
                (self.tr("last half"), 0.5),
                (self.tr("last quarter"), 0.25),
                (self.tr("last tenth"), 0.1),
            ],
            13,
        )
        self.smoothing = QSlider(Qt.Orientation.Horizontal)
        self.smoothing.setRange(0, len(_MEMORIES) - 1)
        self.smoothing.setValue(_DEFAULT_MEMORY)
        self.smoothing.setFixedWidth(10 * SPACE)
        self.smoothing.setPageStep(1)
        self.smoothing.setAccessibleName(self.tr("Smoothing"))
        self.smoothing_words = QLabel()
        self.smoothing_words.setProperty("role", "dim")
        self.smoothing_words.setMinimumWidth(self.fontMetrics().horizontalAdvance(self.tr("Smooth {0}").format(2000)))
        self.log = QCheckBox(self.tr("Log"))
        self.log.setToolTip(self.tr("Logarithmic where all values are positive"))
        self.clip = QCheckBox(self.tr("Clip outliers"))
        self.clip.setChecked(True)
        self.clip.setToolTip(self.tr("Leave what lies far outside the middle 98 % out of view"))
        self.fit = flat_button(
            "scan-search", self.tr("Fit the curves"), self.tr("Show all and follow (double click)"), "dim"
        )
        self.fit.setEnabled(False)
        self.fit.clicked.connect(self._on_fit)
        save = flat_button("download", self.tr("Save the curves"), self.tr("Save the curves as PNG, SVG or CSV"), "dim")
        menu = QMenu(save)
        for form in ("png", "svg", "csv"):
            menu.addAction(self.tr("Save as {0}…").format(form.upper()), lambda form=form: self.export_asked.emit(form))
        save.setMenu(menu)
        save.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.save = save
        for combo in (self.quantity, self.axis, self.part):
            combo.currentIndexChanged.connect(self._on_options_changed)
        self.smoothing.valueChanged.connect(self._on_options_changed)
        self.log.toggled.connect(self._on_options_changed)
        self.clip.toggled.connect(self._on_options_changed)
        self._say_smoothing()
        return WrappingRow(
            group(self.quantity, self.axis, self.part),
            group(self.smoothing_words, self.smoothing, self.log, self.clip),
            group(self.fit, save),
        )

    def _on_imported(self, _name: str) -> None:
        from nvp_studio.views.widgets.compare_plot import ComparePlot

        self.plot = ComparePlot(self)
        self.plot.setAccessibleName(self.accessibleName())
        self._stack.addWidget(self.plot)
        self.plot.following_changed.connect(lambda following: self.fit.setEnabled(not following))
        self.plot.pointed.connect(self._on_pointed)
        self.plot.fit_asked.connect(self._on_fit)
        self.plot.show_step(self._step)
        self._on_options_changed()

    # What changes

    def _shown(self) -> list[Series]:
        return [one for one in self._series if one.key not in self._hidden]

    def _redraw(self) -> None:
        if self.plot is not None:
            self.plot.show_series(self._shown(), self._front)
        words = self._why_empty()
        empty = self.plot is None or bool(words)
        self._words.setText(words)
        self._stack.setCurrentIndex(0 if empty else 1)
        self.save.setEnabled(not empty)
        self._say_values()

    def _why_empty(self) -> str:
        """What stands where the curves would, when there is none to draw; empty when there is one."""
        if not self._series:
            return self._words_of_none
        if not any(len(one.history.steps) for one in self._series):
            return self.tr("No steps yet")
        shown = self._shown()
        if not shown:
            return self.tr("No curve is ticked")
        quantity = QUANTITIES[self.quantity.currentData()]
        if quantity.at_validations and not any(len(one.history.validation_steps) for one in shown):
            return self.tr("No validation yet")
        if quantity.stacked:
            front = self._front_shown()
            some = front is not None and bool(stack(front.history)[1])
        else:
            some = self.plot is not None and any(len(points.x) for points in self.plot.curves.values())
        return "" if some else self.tr("{0}: no values yet").format(self.quantity.currentText())

    def _front_shown(self) -> Series | None:
        """The run that layers are drawn of: the one in front, or the first when that is hidden."""
        shown = self._shown()
        return next((one for one in shown if one.key == self._front), None) or next(iter(shown), None)

    def _on_options_changed(self) -> None:
        self._say_smoothing()
        quantity = QUANTITIES[self.quantity.currentData()]
        self.smoothing.setEnabled(quantity.noisy)
        self.smoothing_words.setEnabled(quantity.noisy)
        self.log.setEnabled(not quantity.stacked)
        self.clip.setEnabled(not quantity.stacked)
        if self.plot is not None:
            self.plot.show_options(self.options)
        self._fill_list()
        self._redraw()

    def _say_smoothing(self) -> None:
        memory = _MEMORIES[self.smoothing.value()]
        self.smoothing_words.setText(self.tr("Smooth {0}").format(memory) if memory else self.tr("As it is"))
        self.smoothing.setToolTip(self.tr("Average over about {0} steps, at most a quarter of a run").format(memory))

    def _on_fit(self) -> None:
        if self.plot is not None:
            self.plot.follow()

    def _on_item_changed(self, item: QListWidgetItem) -> None:
        if self._filling:
            return
        key = item.data(_KEY_ROLE)
        if item.checkState() == Qt.CheckState.Checked:
            self._hidden.discard(key)
        else:
            self._hidden.add(key)
        self._redraw()

    def _on_pointed(self, place: float | None) -> None:
        self._place = place
        self._say_values()
        front = next((one for one in self._series if one.key == self._front), None)
        if place is not None and front is not None:
            self.step_pointed.emit(step_at(front.history, place, self.axis.currentData()))

    # The list at the right

    def _fill_list(self) -> None:
        self._filling = True
        self.list.clear()
        front_font = QFont(self.list.font())
        front_font.setWeight(QFont.Weight.DemiBold)
        for one in [] if self._stacked else self._series:
            item = QListWidgetItem(_swatch(series_colour(one.colour)), one.name)
            item.setData(_KEY_ROLE, one.key)
            if one.key == self._front and len(self._series) > 1:
                item.setFont(front_font)
            item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable | Qt.ItemFlag.ItemIsSelectable)
            shown = one.key not in self._hidden
            item.setCheckState(Qt.CheckState.Checked if shown else Qt.CheckState.Unchecked)
            self.list.addItem(item)
        self._filling = False
        self._say_values()

    def _say_values(self) -> None:
        """The value of each run under the mouse, else at its end."""
        self._filling = True
        if self._stacked:
            self._say_scales()
        else:
            self._say_runs()
        self._filling = False

    def _say_runs(self) -> None:
        quantity = QUANTITIES[self.quantity.currentData()]
        for row, one in enumerate(self._series):
            item = self.list.item(row)
            points = self.plot.curves.get(one.key) if self.plot is not None else None
            index = None
            if points is not None and len(points.x):
                index = len(points.x) - 1 if self._place is None else nearest(points, self._place)
            value = "–" if points is None or index is None else _number(float(points.y[index]), quantity.digits)
            item.setText(f"{self._short(one.name)}\n{value} {quantity.unit}".rstrip())
            item.setToolTip(one.name)
        self.reading.setText(self._place_words())

    def _say_scales(self) -> None:
        """The part of each scale of the run in front under the mouse, else at its end, the finest at the bottom."""
        one = self._front_shown()
        steps, layers = stack(one.history) if one is not None else ((), [])
        if self.list.count() != len(layers):
            self.list.clear()
            self.list.addItems([""] * len(layers))
        index = len(steps) - 1
        if one is not None and self._place is not None and len(steps):
            step = step_at(one.history, self._place, self.axis.currentData())
            index = int(np.abs(np.asarray(steps) - step).argmin())
        for scale, layer in enumerate(layers):
            item = self.list.item(len(layers) - 1 - scale)
            below = float(layers[scale - 1][index]) if scale else 0.0
            words = self.tr("Scale {0}").format(scale + 1)
            item.setIcon(_swatch(series_colour(scale)))
            item.setText(f"{words}\n{float(layer[index]) - below:.3f} bits/dim")
            item.setFlags(Qt.ItemFlag.ItemIsEnabled)
        self.reading.setText(self._short(one.name) if one is not None else "")

    def _short(self, name: str) -> str:
        """A name as long as the list is wide."""
        return self.fontMetrics().elidedText(name, Qt.TextElideMode.ElideMiddle, self.list.width() - _LIST_MARGIN)

    @property
    def _stacked(self) -> bool:
        return QUANTITIES[self.quantity.currentData()].stacked

    def _place_words(self) -> str:
        if self._place is None:
            return self.tr("At the end")
        axis = self.axis.currentData()
        if axis == "steps":
            return self.tr("At step {0}").format(f"{max(0, self._place):,.0f}")
        if axis == "epochs":
            return self.tr("At epoch {0}").format(f"{self._place:.2f}")
        return self.tr("After {0} min").format(f"{self._place / 60:.1f}")


def _import_plot() -> None:
    """Bring in pyqtgraph, too slow to have before the first paint."""
    import nvp_studio.views.widgets.compare_plot  # noqa: F401 - from now on importing it takes no time


def _combo(name: str, entries: Sequence[tuple[str, object]], width: int) -> ComboBox:
    combo = ComboBox()
    combo.setAccessibleName(name)
    combo.setToolTip(name)
    combo.setFixedWidth(width * SPACE)
    for text, value in entries:
        combo.addItem(text, value)
    return combo


def _swatch(colour: str) -> QIcon:
    pixmap = QPixmap(12, 12)
    pixmap.fill(QColor(colour))
    return QIcon(pixmap)


def _number(value: float, digits: int) -> str:
    if digits == 0:
        return f"{value:,.0f}"
    return f"{value:.{digits}f}" if abs(value) >= 1e-3 else f"{value:.3g}"
