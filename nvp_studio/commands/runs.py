"""`nvp-studio runs`: the runs of a folder listed, shown, compared, labelled, changed, exported and thrown away."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import msgspec
import typer

from nvp_studio.commands.console import CommandError, bits, duration, print_json, print_table, say
from nvp_studio.runs.export import FORMATS, Format, export_run
from nvp_studio.runs.labels import change_labels, read_labels, tidy_tags
from nvp_studio.runs.names import AXES, KINDS, Axis, Kind
from nvp_studio.runs.shelf import SORT_KEYS, ShelvedRun, find_run, list_shelf
from nvp_studio.runs.trash import TRASH, delete_for_good, discard_run, restore_run
from nvp_studio.training.changes import RateChange, Restart, Wish, leave_wish, read_changes
from nvp_studio.training.lock import is_locked
from nvp_studio.training.runs import default_runs_folder
from nvp_studio.training.stopping import StopRules

if TYPE_CHECKING:
    from nvp_studio.runs.compare import ComparedRun

app = typer.Typer(
    help="List, compare, label, export and throw away runs.", no_args_is_help=True, rich_markup_mode="markdown"
)

RunArgument = Annotated[Path, typer.Argument(help="The run's folder, or its name in the folder of runs.")]
RunsArgument = Annotated[list[Path], typer.Argument(help="Folders of runs, or their names in the folder of runs.")]
FolderOption = Annotated[
    Path | None,
    typer.Option("--runs", help="Folder of runs; without it $NVP_STUDIO_RUNS, else the program's data folder."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]


@app.command("list")
def list_(
    sort: Annotated[str, typer.Option(help=f"Order: {', '.join(SORT_KEYS)}.")] = "started",
    tag: Annotated[str, typer.Option(help="Only runs with this tag.")] = "",
    trash: Annotated[bool, typer.Option("--trash", help="The runs in the trash instead.")] = False,
    runs: FolderOption = None,
    json: JsonOption = False,
) -> None:
    """List the runs of a folder, the newest first.

    **Examples**

    `nvp-studio runs list --sort best`

    `nvp-studio runs list --tag paper --json`
    """
    _one_of("--sort", sort, tuple(SORT_KEYS))
    folder = runs or default_runs_folder()
    folder = folder / TRASH if trash else folder
    found = list_shelf(folder, sort=sort, tag=tag)
    if json:
        print_json([_facts(run) for run in found])
    elif not found:
        say(f"no runs in {folder}")
    else:
        _print_columns([_HEADINGS, *(_row(run) for run in found)])


@app.command()
def show(run: RunArgument, runs: FolderOption = None, json: JsonOption = False) -> None:
    """Show where a run stands, how it was set up, and what was changed on the way."""
    from nvp_studio.runs.compare import open_for_comparison
    from nvp_studio.runs.snapshots import snapshots

    folder = find_run(run, runs)
    one = open_for_comparison(folder)
    changes = read_changes(folder)
    if json:
        facts = _facts(ShelvedRun(one.summary, one.labels))
        print_json(
            facts
            | {
                "record": msgspec.to_builtins(one.record),
                "changes": msgspec.to_builtins(changes),
                "snapshots": [shot.step for shot in snapshots(folder)],
            }
        )
        return
    summary, status, config = one.summary, one.record.status, one.record.config
    print_table(
        [
            ("run", one.name if one.name == folder.name else f"{one.name} (folder {folder.name})"),
            ("folder", folder),
            ("state", f"{summary.state} {summary.reason}".strip()),
            ("started", summary.started),
            ("data", f"{summary.data_title}, {one.record.data.train_images:,} training images"),
            ("flow", f"{summary.preset}, {one.record.parameters:,} parameters, on {one.record.device}"),
            ("steps", _steps(summary.step, summary.total_steps)),
            ("time", duration(summary.seconds)),
            ("best", bits(summary.best) and f"{bits(summary.best)} at step {summary.best_step}"),
            ("validation", bits(status.validation)),
            ("test", bits(status.test)),
            ("batch", config.batch_size),
            ("learning rate", f"{config.learning_rate:g}, {config.schedule}, {config.optimizer}"),
            ("seed", config.seed),
            ("tags", ", ".join(one.labels.tags) or None),
            ("note", one.labels.note or None),
            *(("changed", _change_words(change)) for change in changes),
        ]
    )


@app.command()
def compare(
    names: RunsArgument,
    by: Annotated[str, typer.Option(help=f"Axis: {', '.join(AXES)} (of training).")] = "steps",
    csv: Annotated[Path | None, typer.Option(help="Write the curves as CSV instead; - is stdout.")] = None,
    quantity: Annotated[
        str, typer.Option(help="For --csv: a curve of the window, as validation or train.")
    ] = "validation",
    runs: FolderOption = None,
    json: JsonOption = False,
) -> None:
    """Compare runs: the settings in which they differ, what came of them, the lowest validation along the way.

    **Examples**

    `nvp-studio runs compare one two --by seconds`

    `nvp-studio runs compare one two three --csv curves.csv --quantity train`
    """
    from nvp_studio.runs.compare import comparison_csv, differences, open_for_comparison, scores_along
    from nvp_studio.runs.curves import QUANTITIES

    _one_of("--by", by, AXES)
    _one_of("--quantity", quantity, tuple(QUANTITIES))
    axis = cast(Axis, by)
    found = [open_for_comparison(find_run(name, runs)) for name in names]
    if csv is not None:
        _write_text(csv, comparison_csv(found, axis, quantity))
        return
    settings = differences([run.record for run in found])
    along = scores_along([run.history for run in found], axis)
    if json:
        print_json(
            {
                "runs": [_facts(ShelvedRun(run.summary, run.labels)) for run in found],
                "differences": dict(settings),
                "axis": axis,
                "validation": [{"at": place, "lowest": scores} for place, scores in along],
            }
        )
        return
    rows = [["", *(run.name for run in found)]]
    rows += _outcome_rows(found)
    rows += [[name, *(_value(value) for value in values)] for name, values in settings]
    rows += [[_place(place, axis), *(_score(score) for score in scores)] for place, scores in along]
    _print_columns(rows)


@app.command()
def export(
    names: RunsArgument,
    form: Annotated[str, typer.Option("--format", help=f"{', '.join(FORMATS)}.")] = "csv",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File, or for several runs and tensorboard a folder; - is stdout for csv."),
    ] = None,
    runs: FolderOption = None,
) -> None:
    """Write the metrics of runs for other programs; without an output into each run's folder.

    parquet and tensorboard need the extras of these names.

    **Examples**

    `nvp-studio runs export mine --format csv -o -`

    `nvp-studio runs export one two --format tensorboard -o logs && tensorboard --logdir logs`
    """
    _one_of("--format", form, FORMATS)
    for name in names:
        folder = find_run(name, runs)
        if output is not None and str(output) == "-":
            _export_to_stdout(folder, form)
            continue
        place = output
        if output is not None and (len(names) > 1 or form == "tensorboard"):
            place = output / (folder.name if form == "tensorboard" else f"{folder.name}.{form}")
        typer.echo(str(export_run(folder, cast(Format, form), place)))


@app.command()
def timelapse(
    run: RunArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="A .gif or .webp file.")],
    kind: Annotated[str, typer.Option(help=f"{' or '.join(KINDS)}.")] = "samples",
    fps: Annotated[float, typer.Option(min=0.5, max=50, help="Frames per second.")] = 6.0,
    runs: FolderOption = None,
) -> None:
    """Write the samples of a run, from the same noise at every validation, as a film."""
    from nvp_studio.runs.timelapse import write_film

    _one_of("--kind", kind, KINDS)
    frames = write_film(find_run(run, runs), output, cast(Kind, kind), fps)
    say(f"{output}: {frames} frames")


@app.command()
def rename(
    run: RunArgument,
    name: Annotated[str, typer.Argument(help="The new name; '' brings back the first one.")],
    runs: FolderOption = None,
) -> None:
    """Give a run another name; its folder keeps its own, so that a run can be renamed while it goes."""
    change_labels(find_run(run, runs), name=name)


@app.command()
def note(
    run: RunArgument,
    text: Annotated[str | None, typer.Argument(help="The note; '' takes it away; without it it is shown.")] = None,
    runs: FolderOption = None,
) -> None:
    """Write a note on a run, or show it."""
    folder = find_run(run, runs)
    if text is None:
        typer.echo(read_labels(folder).note)
    else:
        change_labels(folder, note=text)


@app.command()
def tag(
    run: RunArgument,
    tags: Annotated[list[str] | None, typer.Argument(help="Tags to add; without any they are shown.")] = None,
    remove: Annotated[list[str] | None, typer.Option(help="A tag to take away; may be repeated.")] = None,
    runs: FolderOption = None,
) -> None:
    """Tag a run, and show its tags."""
    folder = find_run(run, runs)
    labels = read_labels(folder)
    if tags or remove:
        kept = [one for one in labels.tags if one not in (remove or [])]
        labels = change_labels(folder, tags=tidy_tags([*kept, *(tags or [])]))
    typer.echo(", ".join(labels.tags))


@app.command()
def change(
    run: RunArgument,
    learning_rate: Annotated[float | None, typer.Option(help="The highest learning rate of the schedule.")] = None,
    target: Annotated[float | None, typer.Option(help="End at this validation bits/dim.")] = None,
    patience: Annotated[int | None, typer.Option(help="End after so many validations without a gain.")] = None,
    minutes: Annotated[float | None, typer.Option(help="End after so many minutes of training in all.")] = None,
    no_stop: Annotated[bool, typer.Option("--no-stop", help="Lift all stop conditions.")] = False,
    runs: FolderOption = None,
) -> None:
    """Change learning rate or stop conditions of a run while it goes; one that does not go changes when it goes on.

    The conditions given take the place of all that held before.

    **Examples**

    `nvp-studio runs change mine --learning-rate 5e-4`

    `nvp-studio runs change mine --patience 10 --minutes 600`
    """
    rules = None
    if no_stop or not (target is None and patience is None and minutes is None):
        rules = StopRules() if no_stop else StopRules(target=target, patience=patience, minutes=minutes)
    if rules is None and learning_rate is None:
        raise typer.BadParameter("say what is to be changed: a learning rate or a stop condition")
    folder = find_run(run, runs)
    leave_wish(folder, Wish(learning_rate=learning_rate, stop=rules))
    say("the run takes it after its present step" if is_locked(folder) else "the run takes it when it goes on")


@app.command()
def rm(
    names: RunsArgument,
    forever: Annotated[bool, typer.Option("--forever", help="Delete runs that are in the trash already.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before deleting for good.")] = False,
    runs: FolderOption = None,
) -> None:
    """Move runs to the trash of the runs folder; `runs restore` brings them back.

    **Examples**

    `nvp-studio runs rm one two`

    `nvp-studio runs rm --forever one`
    """
    if not forever:
        for folder in [find_run(name, runs) for name in names]:
            typer.echo(str(discard_run(folder)))
        return
    places = [_in_trash(name, runs) for name in names]
    if not yes and not typer.confirm(f"Delete {', '.join(place.name for place in places)} for good?", err=True):
        raise CommandError("nothing was deleted")
    for place in places:
        delete_for_good(place)


@app.command()
def restore(names: RunsArgument, runs: FolderOption = None) -> None:
    """Bring runs back from the trash."""
    for place in [_in_trash(name, runs) for name in names]:
        folder = place.parent.parent / place.name
        restore_run(place, folder)
        typer.echo(str(folder))


def _in_trash(name: Path, runs: Path | None) -> Path:
    trash = (runs or default_runs_folder()) / TRASH
    for place in (trash / name.name, name):
        if (place / "run.json").is_file() and place.parent.name == TRASH:
            return place
    raise CommandError(f"no run {name} in {trash}")


def _one_of(option: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise typer.BadParameter(f"{option} is one of {', '.join(choices)}, not {value}")


def _facts(run: ShelvedRun) -> dict[str, Any]:
    return msgspec.to_builtins(run.summary) | {
        "label": run.labels.name,
        "note": run.labels.note,
        "tags": list(run.labels.tags),
    }


_HEADINGS = ["run", "state", "data", "preset", "best", "steps", "time", "started", "tags"]


def _row(run: ShelvedRun) -> list[str]:
    one = run.summary
    return [
        run.name,
        one.state,
        one.data_title,
        one.preset,
        _score(one.best),
        _steps(one.step, one.total_steps),
        duration(one.seconds),
        one.started[:16].replace("T", " "),
        ", ".join(run.labels.tags),
    ]


def _outcome_rows(found: "list[ComparedRun]") -> list[list[str]]:
    cells: dict[str, Callable[[ComparedRun], str]] = {
        "state": lambda run: run.summary.state,
        "best": lambda run: _score(run.summary.best),
        "test": lambda run: _score(run.record.status.test),
        "steps": lambda run: f"{run.summary.step:,}",
        "time": lambda run: duration(run.summary.seconds),
        "parameters": lambda run: f"{run.record.parameters:,}",
    }
    return [[name, *(cell(run) for run in found)] for name, cell in cells.items()]


def _print_columns(rows: list[list[str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        typer.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def _steps(step: int, total: int | None) -> str:
    return f"{step:,}" if total is None else f"{step:,} / {total:,}"


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return "–" if value is None else str(value)


def _place(place: float, axis: Axis) -> str:
    if axis == "seconds":
        return f"at {duration(place)}"
    return f"at step {place:,.0f}" if axis == "steps" else f"at epoch {place:.2f}"


def _change_words(change: Any) -> str:
    if isinstance(change, RateChange):
        return f"after step {change.step:,}: learning rate {change.learning_rate:g}"
    if isinstance(change, Restart):
        return f"after step {change.step:,}: went on at {change.at}"
    rules = {name: value for name, value in msgspec.to_builtins(change.rules).items() if value is not None}
    words = ", ".join(f"{name} {value:g}" for name, value in rules.items())
    return f"after step {change.step:,}: stop at {words}" if words else f"after step {change.step:,}: no stop condition"


def _write_text(path: Path, text: str) -> None:
    if str(path) == "-":
        typer.echo(text, nl=False)
        return
    from nvp_studio.files import write_whole

    write_whole(path, text.encode())


def _export_to_stdout(folder: Path, form: str) -> None:
    if form != "csv":
        raise CommandError(f"{form} is not for a terminal; give a file or folder")
    import tempfile

    with tempfile.TemporaryDirectory() as temporary:
        typer.echo(export_run(folder, "csv", Path(temporary) / "metrics.csv").read_text(), nl=False)
