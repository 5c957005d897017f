"""Fields for what ends a run before its budget is spent."""

from functools import partial

from PySide6.QtCore import QCoreApplication

from nvp_studio.training.bounds import BOUNDS
from nvp_studio.training.config import StopRules
from nvp_studio.views.widgets.inputs import input_value, show_input
from nvp_studio.views.widgets.number_field import NumberField

_tr = partial(QCoreApplication.translate, "StopFields")


class StopFields:
    """Fields for target, patience and minutes; an empty one is none. They are to be placed with `rows`."""

    def __init__(self) -> None:
        never = _tr("never")
        self.target = NumberField(BOUNDS["target"], step=0.05, none_text=never, unit="bits/dim")
        self.patience = NumberField(BOUNDS["patience"], whole=True, none_text=never, unit=_tr("validations"))
        self.minutes = NumberField(BOUNDS["minutes"], step=1, none_text=never, unit=_tr("min"))
        self.rows = (
            (_tr("Stop at"), self.target, _tr("End once a validation is this good")),
            (_tr("Patience"), self.patience, _tr("End after so many validations without a gain")),
            (_tr("Stop after"), self.minutes, _tr("End after so many minutes of training in all")),
        )
        """(label, field, tip) of each."""

    @property
    def rules(self) -> StopRules:
        """The rules that the fields describe; raises `ValueError` for what is none, with the name of the field."""
        return StopRules(
            target=input_value(self.target), patience=input_value(self.patience), minutes=input_value(self.minutes)
        )

    def show_rules(self, rules: StopRules) -> None:
        """Show `rules` in the fields."""
        show_input(self.target, rules.target)
        show_input(self.patience, rules.patience)
        show_input(self.minutes, rules.minutes)
