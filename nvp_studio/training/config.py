"""The description of a training run: one frozen structure, validated once."""

from typing import Annotated, Any, Literal

import msgspec

from nvp_studio.data.image_size import ImageSize, check_image_size
from nvp_studio.data.reading import UNDECIDED, Reading
from nvp_studio.fields import BUDGET, DATA, OPTIMIZATION, PLACE, Described
from nvp_studio.flow.config import FlowConfig
from nvp_studio.limits import Name, PathText
from nvp_studio.training.bounds import check_bounds
from nvp_studio.training.errors import RunError

DEFAULT_MINUTES = 5.0
"""Budget of a run that is given none on the command line."""
DIVERGING_RATE = 0.03
"""From this learning rate on, the loss of a usual flow diverges within a few hundred steps, with either optimizer."""


class StopRules(msgspec.Struct, frozen=True, kw_only=True):
    """Conditions of which any ends a run; None for none. The run then finishes as if its budget were spent."""

    target: Annotated[float | None, Described("End once a validation scores this many bits/dim.", BUDGET)] = None
    patience: Annotated[int | None, Described("End after so many validations without a gain.", BUDGET)] = None
    minutes: Annotated[
        float | None, Described("End after so many minutes of training in all.", BUDGET, "--at-most-minutes")
    ] = None
    """Over all sessions of the run; by the clock, so the one rule that is not repeatable."""

    def __post_init__(self) -> None:
        check_bounds(self)

    @property
    def empty(self) -> bool:
        """Whether the budget alone ends the run."""
        return self.target is None and self.patience is None and self.minutes is None


class TrainConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that determines a run besides the data's content.

    Exactly one of `steps`, `epochs` and `minutes` is its budget; the learning-rate schedule is tied to it. A run with
    a budget in minutes follows the clock and is therefore not repeatable to the bit; the other two are. A field's
    description is the help of its option on the command line.
    """

    data: Annotated[
        PathText,
        Described(
            "A name of 'nvp-studio data list', 'hf:NAME' of Hugging Face, a folder of images, or a file of many.", DATA
        ),
    ] = "fashion-mnist"
    preset: Annotated[
        Name,
        Described(
            "Architecture: studio (for a CPU), quick, pyramid (for drawings and flat colours), large (for a GPU), "
            "paper, paper-cifar10.",
            DATA,
        ),
    ] = "studio"
    """Name of the preset that `flow` came from, or is to come from."""
    flow: FlowConfig | None = None
    """The architecture; None takes `preset` for the data's image shape."""
    begin_from: Annotated[
        PathText | None,
        Described(
            "Begin from the weights of this model (a run, a .safetensors file, or an included model) and keep its "
            "architecture and image size.",
            DATA,
            "--from",
        ),
    ] = None
    """None draws weights from the seed. The run takes `preset` and `flow` from the model, and needs it at its start
    alone."""
    image_size: Annotated[
        ImageSize | None,
        Described("Size in pixels that images are brought to: 32 for squares, or width x height such as 32x48.", DATA),
    ] = None
    """None keeps theirs."""
    channels: Annotated[
        Literal[1, 3] | None, Described("1 for grey, 3 for colour; without it as the data are.", DATA)
    ] = None
    data_root: Annotated[
        PathText | None,
        Described("Folder in which a data set of the catalogue ('nvp-studio data list') is looked for first.", DATA),
    ] = None
    reading: Reading = UNDECIDED
    """How the data are read; a record has it as it was decided when the run started."""
    minutes: Annotated[
        float | None, Described(f"Minutes of training; {DEFAULT_MINUTES:g} without any budget.", BUDGET)
    ] = None
    steps: Annotated[int | None, Described("Optimizer steps; repeatable.", BUDGET)] = None
    epochs: Annotated[float | None, Described("Passes over the training images; repeatable.", BUDGET)] = None
    stop: StopRules = StopRules()
    """What ends the run before its budget is spent."""
    batch_size: Annotated[int, Described("Images per optimizer step.")] = 16
    """Over all processes."""
    accumulate: Annotated[
        int, Described("Micro-batches that a batch is computed in, one after the other, to take less memory.")
    ] = 1
    """The step is the same."""
    learning_rate: Annotated[float, Described("Highest learning rate.")] = 4e-3
    optimizer: Annotated[Literal["muon", "adam", "adamax"], Described("muon or adam.")] = "muon"
    """`muon` for the matrices of the networks s and t and Adam for all else, or `adam` for all parameters. `adamax` is
    read in records of earlier versions only: `check_trainable` refuses it."""
    schedule: Annotated[
        Literal["cosine", "constant"], Described("Learning rate after the warm-up: cosine or constant.")
    ] = "cosine"
    """The cosine falls to 2 % over the budget."""
    warmup_steps: Annotated[int, Described("Steps over which the learning rate rises.")] = 200
    """Linearly from zero, over at most a tenth of the budget."""
    weight_decay: Annotated[float, Described("L2 penalty on weight-normalization scales.")] = 0.0
    """The paper takes 5e-5 (section 4.1); 0 for none."""
    ema_decay: Annotated[float, Described("Decay of the moving average of the weights.")] = 0.999
    """Per step."""
    gradient_clip: Annotated[float, Described("Largest gradient norm.")] = 1.0
    """Of the loss in bits per dimension."""
    noise_share: Annotated[float, Described("Share of noise images to learn from.")] = 0.01
    """The flow learns the density of data that are images of uniform noise so often. At best that costs images
    -log2(1 - share) / D bits/dim, and it bounds how unlikely noise becomes, so that float32 inverts the flow there."""
    match_samples: Annotated[
        float, Described("Weight of making the model's own samples score as images do, late in a run; 0 for none.")
    ] = 0.0
    """Without it a flow spreads its density more widely than the data, and its samples score worse than images. A step
    with it, in the last 30 % of a run, takes half as much time again."""
    horizontal_flip: Annotated[
        bool | None,
        Described(
            "Mirror training images at random; without it as suits the data: photographs yes, digits no.",
            OPTIMIZATION,
            "--flip/--no-flip",
        ),
    ] = None
    random_shift: Annotated[
        int,
        Described(
            "Pixels by which training images are moved at random, at most; reflections fill the edges.",
            OPTIMIZATION,
            "--shift",
        ),
    ] = 0
    validation_images: Annotated[int, Described("Most images scored at each validation.")] = 2000
    """The last validation of a run may use more."""
    scoring_share: Annotated[
        float,
        Described(
            "Share of a run's time that validations and the final scores may take; fewer images are scored where it "
            "does not suffice. 1 to score all."
        ),
    ] = 0.1
    validation_every: Annotated[int | None, Described("Steps between validations.")] = None
    """None chooses from the budget."""
    checkpoint_minutes: Annotated[float, Described("Longest time between checkpoints, in minutes.")] = 2.0
    checkpoint_steps: Annotated[int | None, Described("Steps between checkpoints, besides the minutes.")] = None
    memory: Annotated[
        Literal["fast", "constant"],
        Described("fast, or constant: slower, in memory that does not grow with the number of couplings."),
    ] = "fast"
    """`constant` recomputes activations by the inverse instead of keeping them."""
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"],
        Described(
            "What the networks compute in while training: float32, bfloat16, or auto: bfloat16 on CUDA GPUs that "
            "multiply in it, else float32. All else, and every score and sample, is float32."
        ),
    ] = "auto"
    """The record of a run says which `auto` came to."""
    seed: Annotated[int, Described("Seed of everything random.")] = 0
    deterministic: Annotated[
        bool,
        Described(
            "Hold a CUDA GPU to algorithms with one result, for a resume to the bit; slower.", PLACE, "--deterministic"
        ),
    ] = False
    """A CPU is exact without."""
    device: Annotated[Name, Described("auto, cpu, cuda, cuda:1 or mps.", PLACE)] = "auto"
    threads: Annotated[int | None, Described("CPU threads; without it one less than the cores.", PLACE)] = None
    """At least 1."""

    def __post_init__(self) -> None:
        budgets = [name for name in ("steps", "epochs", "minutes") if getattr(self, name) is not None]
        if len(budgets) != 1:
            raise ValueError(f"give exactly one of steps, epochs and minutes, not {' and '.join(budgets) or 'none'}")
        check_bounds(self)
        if self.image_size is not None:
            check_image_size(self.image_size)
        if self.accumulate > self.batch_size:
            raise ValueError(f"accumulate must be at most batch_size ({self.batch_size}), not {self.accumulate}")


def rate_warning(rate: float) -> str:
    """What a learning rate will most probably lead to; empty for a usual one."""
    if rate < DIVERGING_RATE:
        return ""
    return f"rates from {DIVERGING_RATE:g} on usually diverge: training then goes back and halves the rate"


def check_trainable(config: TrainConfig) -> None:
    """Raise `RunError` for a configuration of an earlier version that can be read but not trained any more."""
    if config.optimizer == "adamax":
        raise RunError("the optimizer adamax was removed from this program; start a new run with muon or adam")


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
        # The probability of a level is bounded from below, which is what noise images are for in other flows.
        "pyramid": {"learning_rate": 3e-3, "noise_share": 0.0},
        "large": {"batch_size": 128, "learning_rate": 1e-3},
    }.get(preset, {})
