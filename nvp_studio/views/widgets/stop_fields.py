"""Fields for what ends a run before its budget is spent."""

from nvp_studio.training.stopping import StopRules
from nvp_studio.views.widgets.steady_inputs import DoubleSpinBox, SpinBox


def stop_fields() -> tuple[DoubleSpinBox, SpinBox, DoubleSpinBox]:
    """Fields for target, patience and minutes; each at its least is none."""
    target, patience, minutes = DoubleSpinBox(), SpinBox(), DoubleSpinBox()
    target.setDecimals(4)
    target.setRange(0, 32)
    target.setSingleStep(0.05)
    target.setSuffix(" bits/dim")
    patience.setRange(0, 100_000)
    patience.setSuffix(target.tr(" validations"))
    minutes.setDecimals(1)
    minutes.setRange(0, 1_000_000)
    minutes.setSuffix(target.tr(" min"))
    for field in (target, patience, minutes):
        field.setSpecialValueText(target.tr("never"))
    target.setToolTip(target.tr("End once a validation is this good"))
    patience.setToolTip(target.tr("End after so many validations without a gain"))
    minutes.setToolTip(target.tr("End after so many minutes of training in all"))
    return target, patience, minutes


def show_rules(rules: StopRules, target: DoubleSpinBox, patience: SpinBox, minutes: DoubleSpinBox) -> None:
    """Show `rules` in their fields."""
    target.setValue(rules.target or 0)
    patience.setValue(rules.patience or 0)
    minutes.setValue(rules.minutes or 0)


def rules_of(target: DoubleSpinBox, patience: SpinBox, minutes: DoubleSpinBox) -> StopRules:
    """The rules that the fields say."""
    return StopRules(target=target.value() or None, patience=patience.value() or None, minutes=minutes.value() or None)
