"""The least and the most of each number of a run: what is checked wherever one is given, and what its field states."""

from typing import NamedTuple

from nvp_studio.text import grouped_number

_MANY = 10**18


class Bounds(NamedTuple):
    """An interval; `beyond` and `below` say that its least or most does not belong to it."""

    least: float
    most: float
    beyond: bool = False
    below: bool = False

    def problem(self, value: float) -> str:
        """What `value` must be and is not, such as "at most 10"; empty where it lies within."""
        if not (value > self.least if self.beyond else value >= self.least):
            if self.beyond:
                return f"more than {grouped_number(self.least)}"
            return f"at least {grouped_number(self.least)}"
        if not (value < self.most if self.below else value <= self.most):
            return f"{'less than' if self.below else 'at most'} {grouped_number(self.most)}"
        return ""


BOUNDS = {
    "minutes": Bounds(0, 1e9, beyond=True),
    "steps": Bounds(1, _MANY),
    "epochs": Bounds(0, 1e9, beyond=True),
    "target": Bounds(-100, 100, beyond=True, below=True),
    "patience": Bounds(1, _MANY),
    "batch_size": Bounds(1, 1_000_000),
    "accumulate": Bounds(1, 1_000_000),
    "learning_rate": Bounds(0, 10, beyond=True),
    "warmup_steps": Bounds(0, _MANY),
    "weight_decay": Bounds(0, 1000),
    "ema_decay": Bounds(0, 1, below=True),
    "gradient_clip": Bounds(0, 1e12, beyond=True),
    "noise_share": Bounds(0, 1, below=True),
    "match_samples": Bounds(0, 100),
    "scoring_share": Bounds(0, 1, beyond=True),
    "random_shift": Bounds(0, 1024),
    "validation_images": Bounds(1, 1_000_000_000),
    "validation_every": Bounds(1, _MANY),
    "checkpoint_minutes": Bounds(0, 1e9, beyond=True),
    "checkpoint_steps": Bounds(1, _MANY),
    "seed": Bounds(-(2**63), 2**63 - 1),
    "threads": Bounds(1, 1024),
}
"""By the names of `TrainConfig` and `StopRules`."""


def check_bounds(settings: object) -> None:
    """Raise `ValueError` for the first attribute of `settings` that lies out of the bounds of its name; None is not."""
    for name, bounds in BOUNDS.items():
        value = getattr(settings, name, None)
        if value is not None and (must := bounds.problem(value)):
            raise ValueError(f"{name} must be {must}, not {grouped_number(value)}")
