"""Whether conditions end a run before its budget is spent: a score, validations without a gain, or time."""

import msgspec

from nvp_studio.text import number_text
from nvp_studio.training.config import StopRules


class StopProgress(msgspec.Struct):
    """The validations so far; part of a checkpoint, so that a resumed run ends where it would have."""

    lowest: float | None = None
    """Lowest validation so far, in bits/dim."""
    without_gain: int = 0
    """Validations since then."""

    def validated(self, value: float, rules: StopRules) -> str:
        """Record a validation that scored `value`; return why the run ends after it, empty when it goes on."""
        if self.lowest is None or value < self.lowest:
            self.lowest, self.without_gain = value, 0
        else:
            self.without_gain += 1
        if rules.target is not None and value <= rules.target:
            return f"reached {value:.4f} bits/dim, the target was {number_text(rules.target)}"
        if rules.patience is not None and self.without_gain >= rules.patience:
            return f"{self.without_gain} validations without a gain"
        return ""


def out_of_time(rules: StopRules, seconds: float) -> str:
    """Why the run ends after `seconds` of training; empty when it goes on."""
    if rules.minutes is not None and seconds >= 60 * rules.minutes:
        return f"trained for {number_text(rules.minutes)} minutes"
    return ""
