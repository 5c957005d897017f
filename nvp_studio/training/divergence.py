"""Detects a training that diverges: which steps to skip, and when to return to an earlier state."""

import math
from typing import Literal

import msgspec

Verdict = Literal["good", "skip", "roll back"]

MAX_ROLLBACKS = 3
_MAX_SKIPS = 3
"""Non-finite steps in a row."""
_DIVERGED_BITS = 1.0
"""Bits/dim above the lowest running average from which on a loss counts as diverged."""
_PATIENCE = 50
"""Steps in a row that far above it."""
_SMOOTHING = 0.9


class DivergenceDetector(msgspec.Struct):
    """Judges the loss and gradient norm of each step.

    It is part of a checkpoint, under these names, so that a resumed run is judged as if it had not stopped.
    """

    skipped: int = 0
    """Steps skipped so far."""
    rollbacks: int = 0
    skips_in_row: int = 0
    far_in_row: int = 0
    smooth: float | None = None
    """Running average of the loss, in bits/dim."""
    best: float | None = None
    """Lowest running average since the last return to an earlier state."""

    def judge(self, loss: float, gradient_norm: float) -> Verdict:
        """What to do with a step of this loss (bits/dim) and gradient norm, before the weights change."""
        if not (math.isfinite(loss) and math.isfinite(gradient_norm)):
            self.skipped += 1
            self.skips_in_row += 1
            return "roll back" if self.skips_in_row >= _MAX_SKIPS else "skip"
        self.skips_in_row = 0
        self.smooth = loss if self.smooth is None else _SMOOTHING * self.smooth + (1 - _SMOOTHING) * loss
        self.best = self.smooth if self.best is None else min(self.best, self.smooth)
        self.far_in_row = self.far_in_row + 1 if loss > self.best + _DIVERGED_BITS else 0
        return "roll back" if self.far_in_row >= _PATIENCE else "good"

    def rolled_back(self) -> None:
        """Count a return to the last good state, and forget the losses before it."""
        self.rollbacks += 1
        self.skips_in_row = self.far_in_row = 0
        self.smooth = self.best = None

    @property
    def stable(self) -> bool:
        """Whether the present state is worth returning to."""
        return self.skips_in_row == 0 and self.far_in_row == 0
