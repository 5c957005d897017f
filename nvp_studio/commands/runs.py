"""`nvp-studio runs`: the runs of a folder listed, shown, compared, labelled, changed, exported and deleted."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from nvp_studio.commands.console import (
    CommandError,
    JsonOption,
    RunArgument,
    RunsOption,
    confirm,
    out,
    print_columns,
    print_json,
    print_result,
    say,
)
from nvp_studio.commands.run_tables import HEADINGS, comparison_rows, list_row, run_facts, shown_rows
from nvp_studio.data.report import facts as report_facts
from nvp_studio.data.report import rows
from nvp_studio.runs.export import Format, export_run
from nvp_studio.runs.labels import change_labels, read_labels, tidy_tags
from nvp_studio.runs.listing import SortKey, find_run, list_labelled
from nvp_studio.runs.names import Axis
from nvp_studio.runs.trash import TRASH, delete_for_good, discard_run, restore_run
from nvp_studio.training.changes import ChangeRequest, read_changes, request_change
from nvp_studio.training.config import StopRules, rate_warning
from nvp_studio.training.events import SheetKind
from nvp_studio.training.lock import is_locked
from nvp_studio.training.runs import default_runs_folder, read_report

app = typer.Typer(
    help="List, compare, label, export and delete runs.", no_args_is_help=True, rich_markup_mode="markdown"
)

RunsArgument = Annotated[list[Path], typer.Argument(help="Folders of runs, or their names in the folder of runs.")]


@app.command("list")
def list_(
    sort: Annotated[SortKey, typer.Option(help="Column; by started, steps and time in descending order.")] = "started",
    tag: Annotated[str, typer.Option(help="Only runs with this tag.")] = "",
    trash: Annotated[bool, typer.Option("--trash", help="The runs in the trash instead.")] = False,
    runs: RunsOption = None,
    json: JsonOption = False,
) -> None:
    """List the runs of a folder, the newest first unless they are sorted by something else.

    **Examples**

    `nvp-studio runs list --sort best`

    `nvp-studio runs list --tag paper --json`
    """
    folder = runs or default_runs_folder()
    folder = folder / TRASH if trash else folder
    listed = list_labelled(folder, sort=sort, tag=tag)
    if json:
        print_json([run_facts(run) for run in listed])
    elif not listed:
        say(f"no runs in {folder}")
    else:
        print_columns([HEADINGS, *(list_row(run) for run in listed)])


@app.command()
def show(run: RunArgument, runs: RunsOption = None, json: JsonOption = False) -> None:
    """Show the state of a run, its settings, and what was changed while it ran."""
    from nvp_studio.runs.compare import open_for_comparison
    from nvp_studio.runs.snapshots import snapshots

    folder = find_run(run, runs)
    one = open_for_comparison(folder)
    changes, about = read_changes(folder), read_report(folder)
    facts = {
        **run_facts(one),
        "record": msgspec.to_builtins(one.record),
        "data": None if about is None else report_facts(about),
        "changes": msgspec.to_builtins(changes),
        "snapshots": [shot.step for shot in snapshots(folder)],
    }
    data_rows = [] if about is None else [(f"data {name}", text) for name, text in rows(about)]
    print_result(facts, json, [*shown_rows(one, changes), *data_rows])


@app.command()
def compare(
    names: RunsArgument,
    by: Annotated[Axis, typer.Option(help="Axis; seconds are those of training.")] = "steps",
    csv: Annotated[Path | None, typer.Option(help="Write the curves as CSV instead; - is stdout.")] = None,
    quantity: Annotated[
        str, typer.Option(help="For --csv: a curve of the window, as validation or train.")
    ] = "validation",
    runs: RunsOption = None,
    json: JsonOption = False,
) -> None:
    """Compare runs: the settings in which they differ, their results, the lowest validation during training.

    **Examples**

    `nvp-studio runs compare one two --by seconds`

    `nvp-studio runs compare one two three --csv curves.csv --quantity train`
    """
    from nvp_studio.runs.compare import comparison_csv, differences, open_for_comparison, scores_along
    from nvp_studio.runs.curves import QUANTITIES

    if quantity not in QUANTITIES:
        raise typer.BadParameter(f"--quantity is one of {', '.join(QUANTITIES)}, not {quantity}")
    compared = [open_for_comparison(find_run(name, runs)) for name in names]
    if csv is not None:
        _write_text(csv, comparison_csv(compared, by, quantity))
        return
    settings = differences([run.record for run in compared])
    along = scores_along([run.history for run in compared], by)
    if json:
        print_json(
            {
                "runs": [run_facts(run) for run in compared],
                "differences": dict(settings),
                "axis": by,
                "validation": [{"at": place, "lowest": scores} for place, scores in along],
            }
        )
        return
    print_columns(comparison_rows(compared, settings, along, by))


@app.command()
def export(
    names: RunsArgument,
    form: Annotated[Format, typer.Option("--format", help="Kind of file.")] = "csv",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File, or for several runs and tensorboard a folder; - is stdout for csv."),
    ] = None,
    runs: RunsOption = None,
) -> None:
    """Write the metrics of runs for other programs; without an output into each run's folder.

    parquet and tensorboard need the extras of these names.

    **Examples**

    `nvp-studio runs export mine --format csv -o -`

    `nvp-studio runs export one two --format tensorboard -o logs && tensorboard --logdir logs`
    """
    for name in names:
        folder = find_run(name, runs)
        if output is not None and str(output) == "-":
            _export_to_stdout(folder, form)
            continue
        place = output
        if output is not None and (len(names) > 1 or form == "tensorboard"):
            place = output / (folder.name if form == "tensorboard" else f"{folder.name}.{form}")
        out(str(export_run(folder, form, place)))


@app.command()
def timelapse(
    run: RunArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="A .gif or .webp file.")],
    kind: Annotated[SheetKind, typer.Option(help="Which images.")] = "samples",
    fps: Annotated[float, typer.Option(min=0.5, max=50, help="Frames per second.")] = 6.0,
    runs: RunsOption = None,
) -> None:
    """Write the samples of a run, from the same noise at every validation, as a film."""
    from nvp_studio.runs.timelapse import write_film

    frames = write_film(find_run(run, runs), output, kind, fps)
    say(f"{output}: {frames} frames")


@app.command()
def rename(
    run: RunArgument,
    name: Annotated[str, typer.Argument(help="The new name; '' restores the first one.")],
    runs: RunsOption = None,
) -> None:
    """Give a run another name; its folder keeps its own, so that a run can be renamed while it is trained."""
    change_labels(find_run(run, runs), name=name)


@app.command()
def note(
    run: RunArgument,
    text: Annotated[
        str | None, typer.Argument(help="The note; '' deletes it; without a text the note is shown.")
    ] = None,
    runs: RunsOption = None,
) -> None:
    """Write a note on a run, or show it."""
    folder = find_run(run, runs)
    if text is None:
        out(*(read_labels(folder).note.splitlines() or [""]))
    else:
        change_labels(folder, note=text)


@app.command()
def tag(
    run: RunArgument,
    tags: Annotated[list[str] | None, typer.Argument(help="Tags to add; without any they are shown.")] = None,
    remove: Annotated[list[str] | None, typer.Option(help="A tag to remove; may be repeated.")] = None,
    runs: RunsOption = None,
) -> None:
    """Tag a run, and show its tags."""
    folder = find_run(run, runs)
    labels = read_labels(folder)
    if tags or remove:
        kept = [one for one in labels.tags if one not in (remove or [])]
        labels = change_labels(folder, tags=tidy_tags([*kept, *(tags or [])]))
    out(", ".join(labels.tags))


@app.command()
def change(
    run: RunArgument,
    learning_rate: Annotated[float | None, typer.Option(help="The highest learning rate of the schedule.")] = None,
    target: Annotated[float | None, typer.Option(help="End at this validation bits/dim.")] = None,
    patience: Annotated[int | None, typer.Option(help="End after so many validations without a gain.")] = None,
    minutes: Annotated[float | None, typer.Option(help="End after so many minutes of training in all.")] = None,
    no_stop: Annotated[bool, typer.Option("--no-stop", help="Lift all stop conditions.")] = False,
    runs: RunsOption = None,
) -> None:
    """Change learning rate or stop conditions of a run while it is trained, else when it is resumed.

    The conditions given replace all earlier ones.

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
    request_change(folder, ChangeRequest(learning_rate=learning_rate, stop=rules))
    if advice := rate_warning(learning_rate or 0.0):
        say(f"warning: {advice}")
    say("it takes effect after the present step" if is_locked(folder) else "it takes effect when the run is resumed")


@app.command()
def rm(
    names: RunsArgument,
    forever: Annotated[bool, typer.Option("--forever", help="Delete runs that are in the trash already.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before deleting for good.")] = False,
    runs: RunsOption = None,
) -> None:
    """Move runs to the trash of the runs folder; `runs restore` moves them back.

    **Examples**

    `nvp-studio runs rm one two`

    `nvp-studio runs rm --forever one`
    """
    if not forever:
        for folder in [find_run(name, runs) for name in names]:
            out(str(discard_run(folder)))
        return
    places = [_in_trash(name, runs) for name in names]
    if not yes and not confirm(f"Delete {', '.join(place.name for place in places)} for good?"):
        raise CommandError("nothing was deleted")
    for place in places:
        delete_for_good(place)


@app.command()
def restore(names: RunsArgument, runs: RunsOption = None) -> None:
    """Move runs back from the trash."""
    for place in [_in_trash(name, runs) for name in names]:
        folder = place.parent.parent / place.name
        restore_run(place, folder)
        out(str(folder))


def _in_trash(name: Path, runs: Path | None) -> Path:
    trash = (runs or default_runs_folder()) / TRASH
    for place in (trash / name.name, name):
        if (place / "run.json").is_file() and place.parent.name == TRASH:
            return place
    raise CommandError(f"no run {name} in {trash}")


def _write_text(path: Path, text: str) -> None:
    if str(path) == "-":
        out(*text.splitlines())
        return
    from nvp_studio.files import write_whole

    write_whole(path, text.encode(), devices=True)


def _export_to_stdout(folder: Path, form: str) -> None:
    if form != "csv":
        raise CommandError(f"{form} is not for a terminal; give a file or folder")
    import tempfile

    with tempfile.TemporaryDirectory() as temporary:
        out(*export_run(folder, "csv", Path(temporary) / "metrics.csv").read_text("utf-8").splitlines())
