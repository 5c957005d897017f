"""Fields for what ends a run before its budget is spent."""

from PySide6.QtCore import QCoreApplication

from nvp_studio.training.config import StopRules
from nvp_studio.views.widgets.inputs import DoubleSpinBox, SpinBox, decimal, whole


def stop_fields() -> tuple[DoubleSpinBox, SpinBox, DoubleSpinBox]:
    """Fields for target, patience and minutes; each at its least is none."""
    never = _tr("never")
    target = decimal(0, 32, 4, step=0.05, least_text=never, suffix=" bits/dim")
    patience = whole(0, 100_000, least_text=never, suffix=_tr(" validations"))
    minutes = decimal(0, 1_000_000, 1, step=1, least_text=never, suffix=_tr(" min"))
    target.setToolTip(_tr("End once a validation is this good"))
    patience.setToolTip(_tr("End after so many validations without a gain"))
    minutes.setToolTip(_tr("End after so many minutes of training in all"))
    return target, patience, minutes


def show_rules(rules: StopRules, target: DoubleSpinBox, patience: SpinBox, minutes: DoubleSpinBox) -> None:
    """Show `rules` in their fields."""
    target.setValue(rules.target or 0)
    patience.setValue(rules.patience or 0)
    minutes.setValue(rules.minutes or 0)


def rules_of(target: DoubleSpinBox, patience: SpinBox, minutes: DoubleSpinBox) -> StopRules:
    """The rules that the fields describe."""
    return StopRules(target=target.value() or None, patience=patience.value() or None, minutes=minutes.value() or None)


def _tr(text: str) -> str:
    return QCoreApplication.translate("StopFields", text)
