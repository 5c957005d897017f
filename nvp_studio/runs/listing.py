"""The runs of a folder with their labels: found by name, sorted and filtered."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nvp_studio.runs.labels import Labels, read_labels
from nvp_studio.training.errors import RunError
from nvp_studio.training.runs import RunSummary, default_runs_folder, list_runs


class NoSuchRunError(RunError):
    """No run has this path or name."""


@dataclass(frozen=True)
class ListedRun:
    """A run: the summary of its record, and its labels."""

    summary: RunSummary
    labels: Labels

    @property
    def name(self) -> str:
        """The name of its labels, else the one that it was started with."""
        return self.labels.name or self.summary.name

    @property
    def folder(self) -> str:
        """Path of its folder."""
        return self.summary.folder

    def matches(self, text: str) -> bool:
        """Whether every word of `text` is somewhere in its name, data, preset, state, tags or note."""
        run = self.summary
        own = " ".join((self.name, run.name, run.data_title, run.preset, run.activity, *self.labels.tags))
        searched = f"{own} {self.labels.note}".lower()
        return all(word in searched for word in text.lower().split())


SortKey = Literal["started", "name", "best", "steps", "time", "data", "preset", "state"]
_LAST = float("inf")
SORT_KEYS: dict[str, Callable[[ListedRun], Any]] = {
    "started": lambda run: run.summary.started,
    "name": lambda run: run.name.lower(),
    "best": lambda run: (_LAST if run.summary.best is None else run.summary.best, run.summary.started),
    "steps": lambda run: (run.summary.step, run.summary.started),
    "time": lambda run: (run.summary.seconds, run.summary.started),
    "data": lambda run: run.summary.data_title.lower(),
    "preset": lambda run: run.summary.preset,
    "state": lambda run: run.summary.activity,
}
"""What runs can be sorted by; a run without a validation counts as the worst."""
NEWEST_OR_LARGEST_FIRST = frozenset(("started", "steps", "time"))


def list_labelled(runs_folder: Path | None = None, *, sort: SortKey = "started", tag: str = "") -> list[ListedRun]:
    """The runs of `runs_folder` in the order of `sort`, only those with `tag` if one is given."""
    runs = [ListedRun(summary, read_labels(Path(summary.folder))) for summary in list_runs(runs_folder)]
    if tag:
        runs = [run for run in runs if tag in run.labels.tags]
    return sort_runs(runs, sort)


def sort_runs(runs: Iterable[ListedRun], sort: SortKey) -> list[ListedRun]:
    """The runs in the order of `sort`; by time of start, steps and seconds in descending order."""
    return sorted(runs, key=SORT_KEYS[sort], reverse=sort in NEWEST_OR_LARGEST_FIRST)


def find_run(run: Path, runs_folder: Path | None = None) -> Path:
    """The folder of the run at path `run`, or of that name in `runs_folder`.

    Raises `NoSuchRunError` when there is none, and `RunError` when several have that name.
    """
    folder = default_runs_folder() if runs_folder is None else runs_folder
    for candidate in (run, folder / run):
        if (candidate / "run.json").is_file():
            return candidate
    named = [one for one in list_labelled(folder) if one.labels.name == str(run)]
    if len(named) > 1:
        places = ", ".join(Path(one.folder).name for one in named)
        raise RunError(f"{len(named)} runs are called {run}: {places}; name one of these folders")
    if not named:
        raise NoSuchRunError(f"no run {run}, neither here nor in {folder}")
    return Path(named[0].folder)
