"""The tables of `nvp-studio runs`: what a run, a list of runs and a comparison look like as text and as JSON."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from nvp_studio.commands.console import bits
from nvp_studio.runs.listing import ListedRun
from nvp_studio.runs.names import Axis
from nvp_studio.text import duration, number_text
from nvp_studio.training.changes import RateChange, Restart, RunChange

if TYPE_CHECKING:
    from nvp_studio.runs.compare import ComparedRun

HEADINGS = ["run", "state", "data", "preset", "best", "steps", "time", "started", "tags"]
"""Of the columns of `list_row`."""


def run_facts(run: ListedRun) -> dict[str, Any]:
    """A run's summary and labels, ready for JSON."""
    labels = {"label": run.labels.name, "note": run.labels.note, "tags": list(run.labels.tags)}
    return {**msgspec.to_builtins(run.summary), **labels}


def list_row(run: ListedRun) -> list[str]:
    """One run in the list of runs."""
    one = run.summary
    return [
        run.name,
        one.activity,
        one.data_title,
        one.preset,
        _score(one.best),
        _steps(one.step, one.total_steps),
        duration(one.seconds),
        one.started[:16].replace("T", " "),
        ", ".join(run.labels.tags),
    ]


def shown_rows(run: "ComparedRun", changes: Sequence[RunChange]) -> list[tuple[str, object]]:
    """Names and values that `runs show` prints of one run; None for what it does not have."""
    summary, record, labels = run.summary, run.record, run.labels
    folder, status, config = Path(run.folder), record.status, record.config
    return [
        ("run", run.name if run.name == folder.name else f"{run.name} (folder {folder.name})"),
        ("folder", folder),
        ("state", f"{summary.activity} {summary.reason}".strip()),
        ("started", summary.started),
        ("data", f"{summary.data_title}, {record.data.train_images:,} training images"),
        ("begun from", record.parent and record.parent.text),
        ("flow", f"{summary.preset}, {record.parameters:,} parameters, on {record.device}"),
        ("steps", _steps(summary.step, summary.total_steps)),
        ("time", duration(summary.seconds)),
        ("best", bits(summary.best) and f"{bits(summary.best)} at step {summary.best_step}"),
        ("validation", _scored(status.validation, status.validation_images)),
        ("test", _scored(status.test, status.test_images)),
        ("batch", config.batch_size),
        ("learning rate", f"{number_text(config.learning_rate)}, {config.schedule}, {config.optimizer}"),
        ("seed", config.seed),
        ("tags", ", ".join(labels.tags) or None),
        ("note", " ".join(labels.note.split()) or None),
        *(("changed", _change_text(change)) for change in changes),
    ]


def _scored(score: float | None, images: int) -> str | None:
    """A final score and the number of images that it is the mean over, where that is recorded."""
    return f"{bits(score)} ({images:,} images)" if score is not None and images else bits(score)


def comparison_rows(
    runs: "Sequence[ComparedRun]",
    settings: Sequence[tuple[str, Sequence[Any]]],
    along: Sequence[tuple[float, Sequence[float | None]]],
    axis: Axis,
) -> list[list[str]]:
    """A column for each run: its outcome, the `settings` that differ, and the scores `along` the axis."""
    return [
        ["", *(run.name for run in runs)],
        *_outcome_rows(runs),
        *([name, *(_value(value) for value in values)] for name, values in settings),
        *([_place(place, axis), *(_score(score) for score in scores)] for place, scores in along),
    ]


def _outcome_rows(runs: "Sequence[ComparedRun]") -> list[list[str]]:
    cells: dict[str, Callable[[ComparedRun], str]] = {
        "state": lambda run: run.summary.state,
        "best": lambda run: _score(run.summary.best),
        "test": lambda run: _score(run.record.status.test),
        "steps": lambda run: f"{run.summary.step:,}",
        "time": lambda run: duration(run.summary.seconds),
        "parameters": lambda run: f"{run.record.parameters:,}",
    }
    return [[name, *(cell(run) for run in runs)] for name, cell in cells.items()]


def _steps(step: int, total: int | None) -> str:
    return f"{step:,}" if total is None else f"{step:,} / {total:,}"


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _value(value: Any) -> str:
    if isinstance(value, float):
        return number_text(value)
    return "–" if value is None else str(value)


def _place(place: float, axis: Axis) -> str:
    if axis == "seconds":
        return f"at {duration(place)}"
    return f"at step {place:,.0f}" if axis == "steps" else f"at epoch {place:.2f}"


def _change_text(change: RunChange) -> str:
    if isinstance(change, RateChange):
        return f"after step {change.step:,}: learning rate {number_text(change.learning_rate)}"
    if isinstance(change, Restart):
        return f"after step {change.step:,}: resumed at {change.at}"
    rules = {name: value for name, value in msgspec.to_builtins(change.rules).items() if value is not None}
    text = ", ".join(f"{name} {number_text(value)}" for name, value in rules.items())
    return f"after step {change.step:,}: stop at {text}" if text else f"after step {change.step:,}: no stop condition"
