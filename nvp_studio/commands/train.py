"""`nvp-studio train` and `nvp-studio resume`: a training run in a folder that the window shows as well."""

from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import typer

from nvp_studio.commands.console import (
    CommandError,
    JsonOption,
    RunArgument,
    RunsOption,
    bits,
    find_model,
    may_ask,
    on_stop,
    print_result,
    say,
)
from nvp_studio.commands.on_ranks import command_ranks
from nvp_studio.commands.options import given_fields, options_of, with_options
from nvp_studio.commands.run_progress import RunPrinter, divergences
from nvp_studio.data.reading import Reading
from nvp_studio.data.report import DataReport, rows, suspicion_text
from nvp_studio.data.report import facts as report_facts
from nvp_studio.fields import BUDGET, DATA, PLACE
from nvp_studio.flow.config import PRESETS, FlowConfig
from nvp_studio.flow.settings import changed as changed_flow
from nvp_studio.runs.event_files import EventFollower
from nvp_studio.runs.listing import find_run
from nvp_studio.text import command_line, duration
from nvp_studio.training.config import DEFAULT_MINUTES, StopRules, TrainConfig, rate_warning, recommended
from nvp_studio.training.control import Control
from nvp_studio.training.events import RunEvent
from nvp_studio.training.runs import check_run_name, default_runs_folder, read_record

if TYPE_CHECKING:
    from nvp_studio.ranks import Ranks
    from nvp_studio.training.publisher import Report

_BUDGETS = ("minutes", "steps", "epochs")
_STOP = "stop_"
"""What the parameters of stop conditions begin with; `minutes` is both a budget and a condition."""

_READING = "reading_"
"""What the parameters of reading the data begin with."""

TensorBoardOption = Annotated[
    bool,
    typer.Option(
        "--tensorboard",
        help="Write TensorBoard's event files into the run folder as well (the extra tensorboard).",
        rich_help_panel=PLACE,
    ),
]


def _values_by_preset() -> dict[str, str]:
    """The values of each field for which presets recommend some, as text."""
    called = {"quick": "for quick", "pyramid": "for pyramid", "large": "for large", "paper": "for the paper's presets"}
    values = {preset: recommended(preset) for preset in called}
    texts = {}
    for field in msgspec.structs.fields(TrainConfig):
        values_of = [f"{called[name]} {values[name][field.name]}" for name in called if field.name in values[name]]
        if values_of:
            texts[field.name] = ", ".join((str(field.default), *values_of))
    return texts


@with_options(
    [
        *options_of(TrainConfig, without=_values_by_preset()),
        *options_of(StopRules, prefix=_STOP),
        *options_of(Reading, prefix=_READING),
    ]
)
def train(
    context: typer.Context,
    flow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Change one setting of the preset, such as scales=3 or width=48; may be repeated.",
            rich_help_panel=DATA,
        ),
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option(help="Take every setting that is not given from this run.", rich_help_panel=DATA),
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the run; without it date, data and number.")] = "",
    runs: RunsOption = None,
    tensorboard: TensorBoardOption = False,
    check: Annotated[
        bool, typer.Option("--check", help="Stop after printing what would be trained on; 1 where that is refused.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether to train on doubtful data.")] = False,
    json: JsonOption = False,
    **fields: Any,
) -> None:
    """Train a flow on images.

    Ctrl+C stops the run and keeps its work; `nvp-studio resume RUN` goes on from there. After the last step, Ctrl+C
    skips the rest of the scoring. A run is a folder with its configuration, metrics, samples and checkpoints; the
    window shows it while it goes.

    **Examples**

    `nvp-studio train --minutes 5`

    `nvp-studio train --data photos/ --image-size 32 --epochs 20 --name photos`

    `nvp-studio train --preset paper --steps 100000 --device cuda --flow blocks=2`

    `torchrun --nproc-per-node 8 -m nvp_studio train --preset paper-cifar10 --data cifar-10 --epochs 100`

    `nvp-studio train --like photos --learning-rate 1e-3 --name photos-slow`

    `nvp-studio train --from photos --data drawings/ --learning-rate 1e-3`

    `nvp-studio train --data photos/ --image-size 32 --check`
    """
    given = given_fields(context, fields)
    asked_preset = given.get("preset", "")
    for name_of, prefix in (("stop", _STOP), ("reading", _READING)):
        part = {key.removeprefix(prefix): given.pop(key) for key in list(given) if key.startswith(prefix)}
        given |= {name_of: part} if part else {}
    runs_folder = runs or default_runs_folder()
    if like is not None:
        given = _like(find_run(like, runs), given)
    elif not given.keys() & set(_BUDGETS):
        given["minutes"] = DEFAULT_MINUTES

    view = RunPrinter()

    def configured() -> tuple[TrainConfig, Callable[[FlowConfig], FlowConfig]]:
        change = _flow_change(flow or [])
        config = _begun_from_model(given, asked_preset, fields["preset"], runs)
        if advice := rate_warning(config.learning_rate):
            say(f"warning: {advice}")
        return config, change

    def approve(about: DataReport) -> None:
        serious = [one for one in about.suspicions if one.serious]
        if not serious or yes or not may_ask():
            return
        for one in serious:
            say(f"warning: {suspicion_text(one)}")
        if not view.ask("Train on these data as they are read?"):
            raise CommandError("nothing was trained; 'nvp-studio data show' shows how data are read")

    def start(control: Control, report: "Report", ranks: "Ranks") -> Path:
        from nvp_studio.training.elastic import earlier_run
        from nvp_studio.training.preparation import settled
        from nvp_studio.training.resume import resume_run
        from nvp_studio.training.start import start_run

        config, change = configured()
        earlier = earlier_run(runs_folder, settled(config))
        if earlier is None:
            return start_run(
                config,
                runs_folder,
                name,
                control=control,
                report=report,
                ranks=ranks,
                change_flow=change,
                approve=approve,
            )
        say("started again after a process was lost")
        return resume_run(earlier, control=control, report=report, ranks=ranks)

    if check:
        check_run_name(name)
        _print_check(configured, view, json)
    else:
        _follow(start, view, json, tensorboard)


def resume(
    run: RunArgument,
    minutes: Annotated[float | None, typer.Option(help="New total budget: minutes.", rich_help_panel=BUDGET)] = None,
    steps: Annotated[int | None, typer.Option(help="New total budget: steps.", rich_help_panel=BUDGET)] = None,
    epochs: Annotated[float | None, typer.Option(help="New total budget: epochs.", rich_help_panel=BUDGET)] = None,
    scoring_share: Annotated[
        float | None,
        typer.Option(help="Another share of time for scoring; 1 scores all images, also of a finished run."),
    ] = None,
    device: Annotated[str | None, typer.Option(help="Another device than before.", rich_help_panel=PLACE)] = None,
    threads: Annotated[int | None, typer.Option(help="Another number of CPU threads.", rich_help_panel=PLACE)] = None,
    memory: Annotated[
        Literal["fast", "constant"] | None, typer.Option(help="Another use of memory.", rich_help_panel=PLACE)
    ] = None,
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"] | None,
        typer.Option(help="Another precision of the networks.", rich_help_panel=PLACE),
    ] = None,
    data: Annotated[
        str,
        typer.Option(help="Where the run's data are now, if they were moved; it is recorded.", rich_help_panel=DATA),
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Go on although the data have changed.")] = False,
    runs: RunsOption = None,
    tensorboard: TensorBoardOption = False,
    json: JsonOption = False,
) -> None:
    """Go on with a run that was stopped or interrupted, exactly where its last checkpoint left it.

    When the last checkpoint is damaged, a warning is printed and the one before used. Data that have changed since the
    run was started are refused with what differs. Those that were moved are given by `--data`.

    A finished run goes on with a larger budget, which counts from the run's beginning: after `--epochs 10`, another
    ten are `--epochs 20`.

    **Examples**

    `nvp-studio resume 2026-11-24-fashion-mnist-1`

    `nvp-studio resume runs/photos --epochs 40`

    `nvp-studio resume runs/photos --data /mnt/photos`

    `nvp-studio resume runs/photos --scoring-share 1`
    """
    budgets = {"minutes": minutes, "steps": steps, "epochs": epochs}
    given = [name for name, value in budgets.items() if value is not None]
    if len(given) > 1:
        raise typer.BadParameter(f"give one budget, not {' and '.join(given)}")

    def start(control: Control, report: "Report", ranks: "Ranks") -> Path:
        from nvp_studio.training.resume import resume_run

        return resume_run(
            find_run(run, runs),
            control=control,
            report=report,
            data=data,
            minutes=minutes,
            steps=steps,
            epochs=epochs,
            scoring_share=scoring_share,
            device=device,
            threads=threads,
            memory=memory,
            precision=precision,
            ranks=ranks,
            force=force,
        )

    _follow(start, RunPrinter(), json, tensorboard)


def _like(folder: Path, given: dict[str, Any]) -> dict[str, Any]:
    """The settings of the run in `folder` with those that are given in their place."""
    fields: dict[str, Any] = msgspec.to_builtins(read_record(folder).config)
    if given.keys() & {"preset", "data", "image_size", "channels", "begin_from"}:
        fields.pop("flow", None)  # it belongs to the other run's images
    if given.get("begin_from"):
        for settled in ("preset", "image_size", "channels"):
            fields.pop(settled, None)  # they are the model's
    if "data" in given:
        for settled in ("horizontal_flip", "reading"):
            fields.pop(settled, None)  # a record has it settled, by what suits its own data
    if "reading" in given:
        given = given | {"reading": fields.get("reading", {}) | given["reading"]}
    if given.keys() & set(_BUDGETS):
        fields |= dict.fromkeys(_BUDGETS)
    return fields | given


def _begun_from_model(given: dict[str, Any], asked_preset: str, default_preset: str, runs: Path | None) -> TrainConfig:
    """The configuration of the settings `given`, as the model has it that the run begins from, if it does."""
    from nvp_studio.training.fine_tuning import read_parent

    if not given.get("begin_from"):
        preset = given.get("preset", default_preset)
        return _config(recommended(preset) | given | {"preset": preset, "begin_from": None})
    place = find_model(given["begin_from"], runs)
    model = read_parent(place)
    if asked_preset and model.preset and asked_preset != model.preset:
        raise CommandError(
            f"--preset {asked_preset} contradicts --from: {model.about.name} is a flow of the preset {model.preset}"
        )
    preset = model.preset or given.get("preset", default_preset)
    return model.settled(_config(recommended(preset) | given | {"preset": preset, "begin_from": place}))


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

    def changed(flow: FlowConfig) -> FlowConfig:
        try:
            return changed_flow(flow, values)
        except ValueError as error:
            raise typer.BadParameter(f"--flow: {error}") from error

    return changed


def _print_check(
    configured: Callable[[], tuple[TrainConfig, Callable[[FlowConfig], FlowConfig]]], view: RunPrinter, json: bool
) -> None:
    """Do what a run does before its first step, and print it; of several ranks the first does."""
    from nvp_studio.ranks import ALONE
    from nvp_studio.training.start import prepare_run

    control = Control()
    with command_ranks() as ranks:
        if not ranks.first:
            return
        with on_stop(lambda reason: control.stop(reason, at_once=True)), view.bar:
            config, change = configured()
            run = prepare_run(config, control, view.report, ALONE, change)
    parameters = sum(parameter.numel() for parameter in run.flow.parameters())
    facts = {
        **report_facts(run.about),
        "parameters": parameters,
        "parent": msgspec.to_builtins(run.parent),
        "config": msgspec.to_builtins(run.config),
    }
    table = [
        ("flow", f"{run.config.preset}, {parameters:,} parameters, on {run.flow.device}"),
        ("begins from", run.parent and run.parent.text),
        *rows(run.about),
    ]
    print_result(facts, json, table)


def _follow(
    start: Callable[[Control, "Report", "Ranks"], Path], view: RunPrinter, json: bool, tensorboard: bool
) -> None:
    """Run to the end with progress on stderr, then print what came of it; of several ranks the first does."""
    from nvp_studio.training.join import join_run

    control = Control()
    events = EventFollower() if tensorboard else None

    def report(event: RunEvent) -> None:
        if events is not None:
            events.report(event)
        view.report(event)

    with command_ranks() as ranks:

        def stop(reason: str) -> bool:
            if reason == "Ctrl+C" and ranks.world == 1 and view.scores and not control.skips_scoring:
                say("Skipping the rest of the scoring; once more stops the run, which can be resumed.")
                control.skip_scoring()
                return True
            if ranks.first:
                say("Stopping after this step and saving; once more ends at once, without saving.")
            control.stop("SIGINT (Ctrl+C)" if reason == "Ctrl+C" else reason, at_once=reason != "Ctrl+C")
            return False

        with on_stop(stop):
            if not ranks.first:
                join_run(ranks, control)
                return
            with view.bar, nullcontext() if events is None else closing(events):
                folder = start(control, report, ranks)
    result = view.result(folder)
    print_result(result, json, _result_rows(result))


def _result_rows(result: dict[str, Any]) -> list[tuple[str, object]]:
    folder = result["run"]
    state = f"{result['phase']} ({result['reason']})" if result["reason"] else result["phase"]
    validation, test = bits(result["validation_bits_per_dim"]), bits(result["test_bits_per_dim"])
    meaning = "exact code lengths" if result["exact_code_length"] else "an upper bound"
    return [
        ("run", folder),
        ("state", f"{state} after {result['step']} steps, {duration(result['seconds'])}"),
        ("diverged", divergences(result["skipped_steps"], result["rollbacks"]) or None),
        ("validation", validation and f"{validation} ({result['validation_images']} images, {meaning})"),
        ("test", test and f"{test} ({result['test_images']} images, {meaning})"),
        ("go on", result["go_on"]),
        ("sample", command_line("nvp-studio", "sample", "--model", folder, "-o", "sheet.png")),
    ]
