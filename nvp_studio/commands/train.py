"""`nvp-studio train` and `nvp-studio resume`: a training run in a folder that the window shows as well."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import msgspec
import typer

from nvp_studio.commands.console import bits, duration, on_stop, print_json, print_table, say
from nvp_studio.commands.on_ranks import command_ranks
from nvp_studio.commands.run_progress import RunView, astray
from nvp_studio.flow.config import PRESETS, FlowConfig
from nvp_studio.runs.event_files import EventFollower
from nvp_studio.runs.shelf import find_run
from nvp_studio.training.config import TrainConfig, recommended
from nvp_studio.training.control import Control
from nvp_studio.training.runs import default_runs_folder, read_record

if TYPE_CHECKING:
    from nvp_studio.ranks import Ranks

_DEFAULT: dict[str, Any] = {field.name: field.default for field in msgspec.structs.fields(TrainConfig)}
DEFAULT_MINUTES = 5.0
_BUDGETS = ("minutes", "steps", "epochs")

_BUDGET = "Budget (give one)"
_OPTIMIZER = "Optimization"
_DATA = "Data and architecture"
_PLACE = "Where"

RunsOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder of runs; without it $NVP_STUDIO_RUNS, else the program's data folder.", rich_help_panel=_PLACE
    ),
]
TensorBoardOption = Annotated[
    bool,
    typer.Option(
        "--tensorboard",
        help="Write TensorBoard's event files into the run folder as well (the extra tensorboard).",
        rich_help_panel=_PLACE,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]


def _by_preset(name: str) -> str:
    """What field `name` is when it is not given, for a line of help."""
    others = {"quick": "for quick", "large": "for large", "paper": "for the paper's presets"}
    told = [f"{words} {recommended(preset)[name]}" for preset, words in others.items() if name in recommended(preset)]
    return ", ".join((str(_DEFAULT[name]), *told))


def train(
    context: typer.Context,
    data: Annotated[
        str,
        typer.Option(
            help="A name of 'nvp-studio data list', 'hf:NAME' of Hugging Face, a folder of images, or a file of many.",
            rich_help_panel=_DATA,
        ),
    ] = _DEFAULT["data"],
    preset: Annotated[
        str,
        typer.Option(
            help="Architecture: studio (for a CPU), quick, large (for a GPU), paper, paper-cifar10.",
            rich_help_panel=_DATA,
        ),
    ] = _DEFAULT["preset"],
    flow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Change one setting of the preset, such as scales=3 or width=48; may be repeated.",
            rich_help_panel=_DATA,
        ),
    ] = None,
    image_size: Annotated[
        int | None, typer.Option(help="Side in pixels that a folder's images are brought to.", rich_help_panel=_DATA)
    ] = None,
    channels: Annotated[
        int | None, typer.Option(help="1 for grey, 3 for colour; without it as the data are.", rich_help_panel=_DATA)
    ] = None,
    data_root: Annotated[
        str | None,
        typer.Option(
            help="Folder in which a data set of the catalogue ('nvp-studio data list') is looked for first.",
            rich_help_panel=_DATA,
        ),
    ] = _DEFAULT["data_root"],
    minutes: Annotated[
        float | None,
        typer.Option(help=f"Minutes of training; {DEFAULT_MINUTES:g} without any budget.", rich_help_panel=_BUDGET),
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Optimizer steps; repeatable.", rich_help_panel=_BUDGET)] = None,
    epochs: Annotated[
        float | None, typer.Option(help="Passes over the training images; repeatable.", rich_help_panel=_BUDGET)
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            help=f"Images per optimizer step; without it {_by_preset('batch_size')}.", rich_help_panel=_OPTIMIZER
        ),
    ] = None,
    accumulate: Annotated[
        int,
        typer.Option(
            help="Parts that a batch is computed in, one after the other, to take less memory.",
            rich_help_panel=_OPTIMIZER,
        ),
    ] = _DEFAULT["accumulate"],
    learning_rate: Annotated[
        float | None,
        typer.Option(
            help=f"Highest learning rate; without it {_by_preset('learning_rate')}.", rich_help_panel=_OPTIMIZER
        ),
    ] = None,
    optimizer: Annotated[
        str | None,
        typer.Option(help=f"muon or adam; without it {_by_preset('optimizer')}.", rich_help_panel=_OPTIMIZER),
    ] = None,
    schedule: Annotated[
        str, typer.Option(help="Learning rate after the warm-up: cosine or constant.", rich_help_panel=_OPTIMIZER)
    ] = _DEFAULT["schedule"],
    warmup_steps: Annotated[
        int, typer.Option(help="Steps over which the learning rate rises.", rich_help_panel=_OPTIMIZER)
    ] = _DEFAULT["warmup_steps"],
    weight_decay: Annotated[
        float | None,
        typer.Option(
            help=f"L2 penalty on weight-normalization scales; without it {_by_preset('weight_decay')}.",
            rich_help_panel=_OPTIMIZER,
        ),
    ] = None,
    ema_decay: Annotated[
        float, typer.Option(help="Decay of the moving average of the weights.", rich_help_panel=_OPTIMIZER)
    ] = _DEFAULT["ema_decay"],
    gradient_clip: Annotated[float, typer.Option(help="Largest gradient norm.", rich_help_panel=_OPTIMIZER)] = _DEFAULT[
        "gradient_clip"
    ],
    noise_share: Annotated[
        float | None,
        typer.Option(
            help=f"Share of noise images to learn from; without it {_by_preset('noise_share')}.",
            rich_help_panel=_OPTIMIZER,
        ),
    ] = None,
    horizontal_flip: Annotated[
        bool | None,
        typer.Option(
            "--flip/--no-flip",
            help="Mirror training images at random; without it as suits the data: photographs yes, digits no.",
            rich_help_panel=_OPTIMIZER,
        ),
    ] = _DEFAULT["horizontal_flip"],
    random_shift: Annotated[
        int,
        typer.Option(
            "--shift",
            help="Pixels by which training images are moved at random, at most; reflections fill the edges.",
            rich_help_panel=_OPTIMIZER,
        ),
    ] = _DEFAULT["random_shift"],
    validation_images: Annotated[
        int, typer.Option(help="Images scored at each validation.", rich_help_panel=_OPTIMIZER)
    ] = _DEFAULT["validation_images"],
    validation_every: Annotated[
        int | None, typer.Option(help="Steps between validations.", rich_help_panel=_OPTIMIZER)
    ] = _DEFAULT["validation_every"],
    checkpoint_minutes: Annotated[
        float, typer.Option(help="Longest time between checkpoints, in minutes.", rich_help_panel=_OPTIMIZER)
    ] = _DEFAULT["checkpoint_minutes"],
    checkpoint_steps: Annotated[
        int | None, typer.Option(help="Steps between checkpoints, besides the minutes.", rich_help_panel=_OPTIMIZER)
    ] = _DEFAULT["checkpoint_steps"],
    memory: Annotated[
        str,
        typer.Option(
            help="fast, or constant: slower, in memory that does not grow with the number of couplings.",
            rich_help_panel=_OPTIMIZER,
        ),
    ] = _DEFAULT["memory"],
    precision: Annotated[
        str,
        typer.Option(
            help="What the networks compute in while training: float32, bfloat16, or auto: bfloat16 on CUDA GPUs that "
            "multiply in it, else float32. All else, and every score and sample, is float32.",
            rich_help_panel=_OPTIMIZER,
        ),
    ] = _DEFAULT["precision"],
    deterministic: Annotated[
        bool,
        typer.Option(
            "--deterministic",
            help="Hold a CUDA GPU to algorithms with one result, for a resume to the bit; slower.",
            rich_help_panel=_PLACE,
        ),
    ] = _DEFAULT["deterministic"],
    seed: Annotated[int, typer.Option(help="Seed of everything random.", rich_help_panel=_OPTIMIZER)] = _DEFAULT[
        "seed"
    ],
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.", rich_help_panel=_PLACE)] = _DEFAULT[
        "device"
    ],
    threads: Annotated[
        int | None, typer.Option(help="CPU threads; without it one less than the cores.", rich_help_panel=_PLACE)
    ] = _DEFAULT["threads"],
    target: Annotated[
        float | None, typer.Option(help="End once a validation scores this many bits/dim.", rich_help_panel=_BUDGET)
    ] = None,
    patience: Annotated[
        int | None, typer.Option(help="End after so many validations without a gain.", rich_help_panel=_BUDGET)
    ] = None,
    at_most_minutes: Annotated[
        float | None, typer.Option(help="End after so many minutes of training in all.", rich_help_panel=_BUDGET)
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option(help="Take every setting that is not given from this run.", rich_help_panel=_DATA),
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the run; without it date, data and number.")] = "",
    runs: RunsOption = None,
    tensorboard: TensorBoardOption = False,
    json: JsonOption = False,
) -> None:
    """Train a flow on images.

    Ctrl+C stops the run and keeps its work; `nvp-studio resume RUN` goes on from there. A run is a folder with its
    configuration, metrics, samples and checkpoints; the window shows it while it goes.

    **Examples**

    `nvp-studio train --minutes 5`

    `nvp-studio train --data photos/ --image-size 32 --epochs 20 --name photos`

    `nvp-studio train --preset paper --steps 100000 --device cuda --flow blocks=2`

    `torchrun --nproc-per-node 8 -m nvp_studio train --preset paper-cifar10 --data cifar-10 --epochs 100`

    `nvp-studio train --like photos --learning-rate 1e-3 --name photos-slow`
    """
    given = {key: value for key, value in locals().items() if key in _DEFAULT and key != "flow" and value is not None}
    runs_folder = runs or default_runs_folder()
    stop = {"target": target, "patience": patience, "minutes": at_most_minutes}
    given |= {"stop": stop} if any(value is not None for value in stop.values()) else {}
    if like is not None:
        given = _like(
            find_run(like, runs), {key: given[key] for key in given if key == "stop" or _was_given(context, key)}
        )
    elif not given.keys() & set(_BUDGETS):
        given["minutes"] = DEFAULT_MINUTES

    def start(control: Control, view: RunView, ranks: "Ranks") -> Path:
        from nvp_studio.training.elastic import earlier_run
        from nvp_studio.training.preparation import settled
        from nvp_studio.training.resume import resume_run
        from nvp_studio.training.start import start_run

        config = _config(recommended(given.get("preset", preset)) | given)
        change = _flow_change(flow or [])
        earlier = earlier_run(runs_folder, settled(config))
        if earlier is None:
            return start_run(
                config, runs_folder, name, control=control, report=view.report, ranks=ranks, change_flow=change
            )
        say("started again after a process was lost")
        return resume_run(earlier, control=control, report=view.report, ranks=ranks)

    _follow(start, json, tensorboard)


def resume(
    run: Annotated[Path, typer.Argument(help="The run's folder, or its name in the folder of runs.")],
    minutes: Annotated[float | None, typer.Option(help="New total budget: minutes.", rich_help_panel=_BUDGET)] = None,
    steps: Annotated[int | None, typer.Option(help="New total budget: steps.", rich_help_panel=_BUDGET)] = None,
    epochs: Annotated[float | None, typer.Option(help="New total budget: epochs.", rich_help_panel=_BUDGET)] = None,
    device: Annotated[str | None, typer.Option(help="Another device than before.", rich_help_panel=_PLACE)] = None,
    threads: Annotated[int | None, typer.Option(help="Another number of CPU threads.", rich_help_panel=_PLACE)] = None,
    memory: Annotated[
        str | None, typer.Option(help="Another use of memory: fast or constant.", rich_help_panel=_PLACE)
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(help="Another precision of the networks: auto, float32 or bfloat16.", rich_help_panel=_PLACE),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Go on although the data have changed.")] = False,
    runs: RunsOption = None,
    tensorboard: TensorBoardOption = False,
    json: JsonOption = False,
) -> None:
    """Go on with a run that was stopped or interrupted, exactly where its last checkpoint left it.

    A damaged last checkpoint is told, and the one before taken. Data that have changed since the run was started are
    refused with both digests.

    A finished run goes on with a larger budget, which counts from the run's beginning: after `--epochs 10`, another
    ten are `--epochs 20`.

    **Examples**

    `nvp-studio resume 2026-11-24-fashion-mnist-1`

    `nvp-studio resume runs/photos --epochs 40`
    """
    budgets = {"minutes": minutes, "steps": steps, "epochs": epochs}
    given = [name for name, value in budgets.items() if value is not None]
    if len(given) > 1:
        raise typer.BadParameter(f"give one budget, not {' and '.join(given)}")
    if memory not in (None, "fast", "constant"):
        raise typer.BadParameter(f"memory is fast or constant, not {memory}")
    if precision not in (None, "auto", "float32", "bfloat16"):
        raise typer.BadParameter(f"precision is auto, float32 or bfloat16, not {precision}")

    def start(control: Control, view: RunView, ranks: "Ranks") -> Path:
        from nvp_studio.training.resume import resume_run

        return resume_run(
            find_run(run, runs),
            control=control,
            report=view.report,
            minutes=minutes,
            steps=steps,
            epochs=epochs,
            device=device,
            threads=threads,
            memory=cast(Literal["fast", "constant"] | None, memory),
            precision=cast(Literal["auto", "float32", "bfloat16"] | None, precision),
            ranks=ranks,
            force=force,
        )

    _follow(start, json, tensorboard)


def _was_given(context: typer.Context, name: str) -> bool:
    """Whether an option stood on the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _like(folder: Path, given: dict[str, Any]) -> dict[str, Any]:
    """The settings of the run in `folder` with those that are given in their place."""
    fields: dict[str, Any] = msgspec.to_builtins(read_record(folder).config)
    if given.keys() & {"preset", "data", "image_size", "channels"}:
        fields.pop("flow", None)  # it belongs to the other run's images
    if "data" in given:
        fields.pop("horizontal_flip", None)  # a record has it settled, by what suits its own data
    if given.keys() & set(_BUDGETS):
        fields |= dict.fromkeys(_BUDGETS)
    return fields | given


def _config(fields: dict[str, Any]) -> TrainConfig:
    """The validated configuration; wrong values are wrong usage."""
    if fields["preset"] not in PRESETS:
        raise typer.BadParameter(f"no preset {fields['preset']!r}; there are {', '.join(PRESETS)}")
    try:
        return msgspec.convert(fields, TrainConfig)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _flow_change(changes: list[str]) -> Callable[[FlowConfig], FlowConfig]:
    """What makes `changes` of the form name=value to a flow."""
    names = {field.name for field in msgspec.structs.fields(FlowConfig)} - {"image_shape"}
    values = {}
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals or key not in names:
            known = ", ".join(sorted(names))
            raise typer.BadParameter(f"--flow takes NAME=VALUE with a name of {known}; not {change!r}")
        values[key] = value

    def change(flow: FlowConfig) -> FlowConfig:
        try:
            return msgspec.convert(msgspec.to_builtins(flow) | values, FlowConfig, strict=False)
        except ValueError as error:
            raise typer.BadParameter(f"--flow: {error}") from error

    return change


def _follow(start: Callable[[Control, RunView, "Ranks"], Path], json: bool, tensorboard: bool) -> None:
    """Run to the end with progress on stderr, then print what came of it; of several ranks the first does."""
    from nvp_studio.training.join import join_run

    control = Control()
    events = EventFollower() if tensorboard else None
    with command_ranks() as ranks:

        def stop(reason: str) -> None:
            if ranks.first:
                say("Stopping after this step and saving; once more ends at once, without saving.")
            control.stop("SIGINT (Ctrl+C)" if reason == "Ctrl+C" else reason, hurry=reason != "Ctrl+C")

        with on_stop(stop):
            if not ranks.first:
                join_run(ranks, control)
                return
            with RunView(events.report if events else None) as view:
                try:
                    folder = start(control, view, ranks)
                finally:
                    if events is not None:
                        events.close()
    result = view.result(folder)
    if json:
        print_json(result)
    else:
        _print_result(result)


def _print_result(result: dict[str, Any]) -> None:
    folder = result["run"]
    state = f"{result['phase']} ({result['reason']})" if result["reason"] else result["phase"]
    validation, test = bits(result["validation_bits_per_dim"]), bits(result["test_bits_per_dim"])
    print_table(
        [
            ("run", folder),
            ("state", f"{state} after {result['step']} steps, {duration(result['seconds'])}"),
            ("went astray", astray(result["skipped_steps"], result["rollbacks"]) or None),
            ("validation", validation and f"{validation} ({result['validation_images']} images, an upper bound)"),
            ("test", test and f"{test} ({result['test_images']} images, an upper bound)"),
            ("go on", result["go_on"]),
            ("sample", f"nvp-studio sample --model {folder} -o sheet.png"),
        ]
    )
