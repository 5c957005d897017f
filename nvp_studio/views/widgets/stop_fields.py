"""Fields for what ends a run before its budget is spent."""

from functools import partial

from PySide6.QtCore import QCoreApplication

from nvp_studio.training.config import StopRules
from nvp_studio.views.widgets.inputs import input_value, number, show_input

_tr = partial(QCoreApplication.translate, "StopFields")


class StopFields:
    """Fields for target, patience and minutes; each at its least is none. They are to be placed with `rows`."""

    def __init__(self) -> None:
        never = _tr("never")
        self.target = number(0, 32, 4, step=0.05, least_text=never, suffix=" bits/dim")
        self.patience = number(0, 100_000, least_text=never, suffix=_tr(" validations"))
        self.minutes = number(0, 1_000_000, 1, step=1, least_text=never, suffix=_tr(" min"))
        self.rows = (
            (_tr("Stop at"), self.target, _tr("End once a validation is this good")),
            (_tr("Patience"), self.patience, _tr("End after so many validations without a gain")),
            (_tr("Stop after"), self.minutes, _tr("End after so many minutes of training in all")),
        )
        """(label, field, tip) of each."""

    @property
    def rules(self) -> StopRules:
        """The rules that the fields describe."""
        return StopRules(
            target=input_value(self.target), patience=input_value(self.patience), minutes=input_value(self.minutes)
        )

    def show_rules(self, rules: StopRules) -> None:
        """Show `rules` in the fields."""
        show_input(self.target, rules.target)
        show_input(self.patience, rules.patience)
        show_input(self.minutes, rules.minutes)
