"""Conditions that end a run before its budget is spent: a score, validations without a gain, or time."""

from typing import Annotated

import msgspec

from nvp_studio.training.fields import BUDGET, Described


class StopRules(msgspec.Struct, frozen=True, kw_only=True):
    """Conditions of which any ends a run; None for none. The run then finishes as if its budget were spent."""

    target: Annotated[float | None, Described("End once a validation scores this many bits/dim.", BUDGET)] = None
    patience: Annotated[int | None, Described("End after so many validations without a gain.", BUDGET)] = None
    minutes: Annotated[
        float | None, Described("End after so many minutes of training in all.", BUDGET, "--at-most-minutes")
    ] = None
    """Over all sessions of the run; by the clock, so the one rule that is not repeatable."""

    def __post_init__(self) -> None:
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"patience must be at least 1 validation, not {self.patience}")
        if self.minutes is not None and not self.minutes > 0:
            raise ValueError(f"minutes must be positive, not {self.minutes}")
        if self.target is not None and not -100 < self.target < 100:
            raise ValueError(f"the target must be a score in bits/dim, not {self.target}")

    @property
    def empty(self) -> bool:
        """Whether the budget alone ends the run."""
        return self.target is None and self.patience is None and self.minutes is None


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
            return f"reached {value:.4f} bits/dim, the target was {rules.target:g}"
        if rules.patience is not None and self.without_gain >= rules.patience:
            return f"{self.without_gain} validations without a gain"
        return ""


def out_of_time(rules: StopRules, seconds: float) -> str:
    """Why the run ends after `seconds` of training; empty when it goes on."""
    if rules.minutes is not None and seconds >= 60 * rules.minutes:
        return f"trained for {rules.minutes:g} minutes"
    return ""
