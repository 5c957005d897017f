"""The description of a training run: one frozen structure, validated once."""

from typing import Any, Literal

import msgspec

from nvp_studio.flow.config import FlowConfig
from nvp_studio.training.errors import RunError
from nvp_studio.training.stopping import StopRules


class TrainConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that determines a run besides the data's content.

    Exactly one of `steps`, `epochs` and `minutes` is its budget; the learning-rate schedule is tied to it. A run with
    a budget in minutes follows the clock and is therefore not repeatable to the bit; the other two are.
    """

    data: str = "fashion-mnist"
    """Catalogue name, or the path of a folder or file."""
    image_size: int | None = None
    """Side in pixels that images of a folder are brought to; None keeps theirs."""
    channels: Literal[1, 3] | None = None
    """Channels that images are brought to; None keeps theirs."""
    flow: FlowConfig | None = None
    """The architecture; None takes `preset` for the data's image shape."""
    preset: str = "studio"
    """Name of the preset that `flow` came from, or is to come from."""
    steps: int | None = None
    epochs: float | None = None
    minutes: float | None = None
    stop: StopRules = StopRules()
    """What ends the run before its budget is spent."""
    batch_size: int = 16
    """Images per optimizer step, over all processes."""
    accumulate: int = 1
    """Parts that a batch is computed in, one after the other, to take less memory; the step is the same."""
    optimizer: Literal["muon", "adam", "adamax"] = "muon"
    """`muon` for the matrices of the networks s and t and Adam for all else, or `adam` for all parameters. `adamax` is
    read in records of earlier versions only: `check_trainable` refuses it."""
    learning_rate: float = 4e-3
    """The highest learning rate of the schedule."""
    warmup_steps: int = 200
    """Steps over which the learning rate rises linearly from zero, at most a tenth of the budget."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """After the warm-up: a cosine down to 2 % over the budget, or constant."""
    weight_decay: float = 0.0
    """L2 penalty on weight-normalization scales (paper: 5e-5); 0 for none."""
    ema_decay: float = 0.999
    """Decay of the exponential moving average of the weights, per step."""
    gradient_clip: float = 1.0
    """Largest norm of the gradient of the loss, which is in bits per dimension."""
    horizontal_flip: bool | None = None
    """Whether training images are mirrored at random; None leaves it to what the data show (not digits, for one)."""
    random_shift: int = 0
    """Pixels by which training images are moved at random, at most; reflections fill the edges."""
    data_root: str | None = None
    """Folder in which a data set of the catalogue is looked for first."""
    validation_images: int = 2000
    """Validation images scored at each validation; the last one of a run uses all."""
    validation_every: int | None = None
    """Steps between validations; None chooses from the budget."""
    checkpoint_minutes: float = 2.0
    """Longest time between two checkpoints, in minutes."""
    noise_share: float = 0.01
    """The flow learns the density of data that are images of uniform noise so often. At best that costs images
    -log2(1 - share) / D bits/dim, and it bounds how unlikely noise becomes, so that float32 inverts the flow there."""
    checkpoint_steps: int | None = None
    """Steps between two checkpoints; None leaves it to the minutes."""
    memory: Literal["fast", "constant"] = "fast"
    """`constant` recomputes activations by the inverse instead of keeping them: slower, in memory that does not grow
    with the number of couplings."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """What the networks s and t compute in while training; everything else, and all that is validated, scored or
    sampled, is float32. `auto` is bfloat16 on CUDA devices that multiply in it and float32 elsewhere; the record of a
    run says which."""
    deterministic: bool = False
    """Whether a CUDA device is held to algorithms that have one result, so that a resume is exact there too; slower.
    A CPU is exact without."""
    seed: int = 0
    device: str = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:1`, `mps`."""
    threads: int | None = None
    """CPU threads; None for one less than the cores, at least 1."""

    def __post_init__(self) -> None:
        budgets = [name for name in ("steps", "epochs", "minutes") if getattr(self, name) is not None]
        if len(budgets) != 1:
            raise ValueError(f"give exactly one of steps, epochs and minutes, not {' and '.join(budgets) or 'none'}")
        for name in (
            *budgets,
            "batch_size",
            "learning_rate",
            "gradient_clip",
            "checkpoint_minutes",
            "validation_images",
        ):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)}")
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"ema_decay must lie in [0, 1), not {self.ema_decay}")
        if not 0 <= self.noise_share < 1:
            raise ValueError(f"noise_share must lie in [0, 1), not {self.noise_share}")
        if not 0 <= self.random_shift <= 1024:
            raise ValueError(f"random_shift must lie in 0..1024, not {self.random_shift}")
        if not 1 <= self.accumulate <= self.batch_size:
            raise ValueError(f"accumulate must lie between 1 and batch_size ({self.batch_size}), not {self.accumulate}")
        if self.checkpoint_steps is not None and self.checkpoint_steps < 1:
            raise ValueError(f"checkpoint_steps must be positive, not {self.checkpoint_steps}")
        if self.warmup_steps < 0:
            raise ValueError(f"warmup_steps must not be negative, not {self.warmup_steps}")


def check_trainable(config: TrainConfig) -> None:
    """Raise `RunError` for a configuration of an earlier version that can be read but not trained any more."""
    if config.optimizer == "adamax":
        raise RunError("the optimizer adamax was removed from this program; take muon or adam")


def recommended(preset: str) -> dict[str, Any]:
    """The fields of `TrainConfig` that differ from their defaults for `preset`: the paper has its own (section 4.1).

    Many small and quick steps are what a budget of a minute is best spent on.
    """
    if preset.startswith("paper"):
        return {
            "batch_size": 64,
            "optimizer": "adam",
            "learning_rate": 1e-3,
            "weight_decay": 5e-5,
            "noise_share": 0.0,
        }
    return {
        "quick": {"batch_size": 8, "learning_rate": 8e-3},
        "large": {"batch_size": 128, "learning_rate": 1e-3},
    }.get(preset, {})
