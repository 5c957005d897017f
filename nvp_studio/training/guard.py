"""Watches the loss of each step and says when to skip the step or to go back to the last good state."""

import math
from typing import Literal

import msgspec

Verdict = Literal["good", "skip", "roll back"]

MOST_ROLLBACKS = 3
_MOST_SKIPS = 3
"""Non-finite steps in a row."""
_FAR = 1.0
"""Bits/dim above the best that count as lost."""
_PATIENCE = 50
"""Steps in a row that far above the best."""
_SMOOTHING = 0.9


class Guard(msgspec.Struct):
    """What the watch remembers; part of a checkpoint, so that a resumed run is watched as if it had not stopped."""

    skipped: int = 0
    """Steps skipped so far."""
    rollbacks: int = 0
    skips_in_row: int = 0
    far_in_row: int = 0
    smooth: float | None = None
    """Running average of the loss, in bits/dim."""
    best: float | None = None
    """Lowest running average since the last return."""

    def judge(self, loss: float, gradient_norm: float) -> Verdict:
        """The verdict on a step's loss (bits/dim) and gradient norm, given before the weights change."""
        if not (math.isfinite(loss) and math.isfinite(gradient_norm)):
            self.skipped += 1
            self.skips_in_row += 1
            return "roll back" if self.skips_in_row >= _MOST_SKIPS else "skip"
        self.skips_in_row = 0
        self.smooth = loss if self.smooth is None else _SMOOTHING * self.smooth + (1 - _SMOOTHING) * loss
        self.best = self.smooth if self.best is None else min(self.best, self.smooth)
        self.far_in_row = self.far_in_row + 1 if loss > self.best + _FAR else 0
        return "roll back" if self.far_in_row >= _PATIENCE else "good"

    def rolled_back(self) -> None:
        """Start the watch anew after a return to the last good state."""
        self.rollbacks += 1
        self.skips_in_row = self.far_in_row = 0
        self.smooth = self.best = None

    @property
    def calm(self) -> bool:
        """Whether the present state is worth returning to."""
        return self.skips_in_row == 0 and self.far_in_row == 0
