"""For how long a run trains: a number and its unit."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from nvp_studio.training.bounds import BOUNDS
from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.inputs import ComboBox, input_value, on_input, show_input
from nvp_studio.views.widgets.layout import hbox
from nvp_studio.views.widgets.number_field import NumberField

BUDGETS = {"minutes": (10, 1), "epochs": (10, 1), "steps": (5000, 1000)}
"""Kinds of a budget, with the value proposed for each and the step of its arrows."""
_MIN_WIDTH = 10 * SPACE
"""Pixels for five figures."""


class BudgetField(QWidget):
    """A budget in minutes, epochs or steps."""

    edited = Signal()

    def __init__(self) -> None:
        super().__init__()
        kinds = [(self.tr("minutes"), "minutes"), (self.tr("epochs"), "epochs"), (self.tr("steps"), "steps")]
        self.unit = ComboBox(kinds)
        self.unit.setMaximumWidth(12 * SPACE)
        self.unit.setAccessibleName(self.tr("Unit of the budget"))
        self.unit.currentIndexChanged.connect(self._on_unit)
        self.number = NumberField(BOUNDS["minutes"], step=1)
        self.number.setMinimumWidth(_MIN_WIDTH)
        self._shown_text = ""
        """The number as it was shown last, before a person typed another."""
        self._showing = False
        for field in (self.unit, self.number):
            on_input(field, self._on_input)
        line = hbox(self)
        line.addWidget(self.number, 1)
        line.addWidget(self.unit)

    @property
    def kind(self) -> str:
        """Minutes, epochs or steps, by its name in `TrainConfig`."""
        kind: str = self.unit.currentData()
        return kind

    def value(self) -> float | None:
        """The number; ValueError where it is none, or out of bounds."""
        value: float | None = input_value(self.number)
        return value

    def show_budget(self, kind: str, value: float) -> None:
        """Show a budget."""
        self._showing = True
        show_input(self.unit, kind)
        self._on_unit()
        self._show(value)
        self._showing = False

    def _on_input(self) -> None:
        if not self._showing:
            self.edited.emit()

    def _on_unit(self) -> None:
        proposed, step = BUDGETS[self.kind]
        self.number.set_kind(BOUNDS[self.kind], whole=self.kind == "steps", step=step)
        typed = self.number.lineEdit().text() != self._shown_text
        if not self._showing and not typed:  # what a person typed before choosing its unit stays
            self._show(proposed)

    def _show(self, value: float) -> None:
        self.number.setValue(value)
        self._shown_text = self.number.lineEdit().text()
