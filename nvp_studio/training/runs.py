"""The run folder: its record, its history of metrics, and the list of runs; neither torch nor Qt behind it.

A folder holds ``run.json`` (a `RunRecord`), ``data.json`` (a `DataReport`) and ``data.png`` with its samples,
``metrics.jsonl`` (a `StepMetrics` on each line), ``checkpoints/`` with ``last``, ``previous``, ``best`` and
``step-<number>`` (``.safetensors``), ``samples/`` with ``step-<number>.png`` and ``reconstructions-<number>.png``,
``log.txt``, ``changes.jsonl`` and ``wish.json`` (`changes`), ``labels.json``, and ``run.lock`` while someone trains in
it.
"""

import itertools
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
import platformdirs

from nvp_studio.data.report import DataReport
from nvp_studio.files import open_regular, read_regular, write_whole
from nvp_studio.parent import Parent
from nvp_studio.removed_options import RemovedOptionError, refuse_removed_options
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.errors import RunError
from nvp_studio.training.events import RunPhase, SheetKind, StepMetrics
from nvp_studio.training.lock import is_locked

RECORD = "run.json"
METRICS = "metrics.jsonl"
LOG = "log.txt"
MODEL_FILES = ("best.safetensors", "last.safetensors", "previous.safetensors")
"""Checkpoints of a run that can be opened, the first of them that is there before the others."""
DATA_REPORT = "data.json"
"""The `DataReport` of what a run trains on, without its samples; `DATA_SHEET` has those."""
DATA_SHEET = "data.png"
MAX_RECORD_BYTES = 2_000_000
_MAX_LINE_BYTES = 100_000
MAX_NAME = 80
"""Characters of the name of a run."""
"""Of the history, which grows with the run and is read line by line."""

SHEET_COLUMNS = 8
"""Images in a row of a sheet."""
MAX_SHEET_BYTES = 100_000_000
"""Size of the largest file that is read as a sheet."""
MAX_SHEET_IMAGES = 256
"""Most images of a sheet that is read."""
_SHEET = re.compile(r"(step|reconstructions)-([0-9]{1,18})\.png")

Record = TypeVar("Record")
SummaryState = RunPhase | Literal["interrupted"]


class RunData(msgspec.Struct, frozen=True, kw_only=True):
    """The data set of a run."""

    title: str
    digest: str = ""
    train_images: int = 0
    validation_images: int = 0


class RunStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run stood when its record was last written: at its start and end, and with each checkpoint."""

    phase: RunPhase = "preparing"
    reason: str = ""
    step: int = 0
    total_steps: int | None = None
    epoch: float = 0.0
    seconds: float = 0.0
    images: int = 0
    best: float | None = None
    """Best validation bits/dim."""
    best_step: int | None = None
    validation: float | None = None
    """Bits/dim of the best weights on validation images; only of a finished run."""
    validation_images: int = 0
    """How many that were, 0 in records of earlier versions, which took all."""
    test: float | None = None
    """Bits/dim of the best weights on images of the test set; only of a finished run."""
    test_images: int = 0
    """Likewise."""
    scoring: bool = False
    """Whether the budget is spent and the best model is being scored; the phase is still "training" then."""
    scoring_skipped: bool = False
    """Whether a person ended the final scores before all images were scored that were to be."""
    skipped: int = 0
    """Steps skipped because of a non-finite loss or gradient."""
    rollbacks: int = 0
    """Returns to the last good state."""


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The content of ``run.json``."""

    name: str
    created: str
    """When the run was started, ISO 8601 with time zone."""
    config: TrainConfig
    """With `flow` filled in."""
    data: RunData
    versions: dict[str, str]
    """Of the programs and libraries that started the run."""
    device: str
    parameters: int
    parent: Parent | None = None
    """The model whose weights the run began from; None where they were drawn at random."""
    launch: str = ""
    """What the launcher that trains in it calls itself (`elastic.launch_key`); empty without one."""
    status: RunStatus = RunStatus()
    format_version: int = 1


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A row in the list of runs."""

    name: str
    folder: str
    state: SummaryState
    """The phase of the run; `interrupted` when its process ended without recording an end."""
    reason: str
    data_title: str
    preset: str
    step: int
    total_steps: int | None
    best: float | None
    best_step: int | None
    seconds: float
    started: str
    """ISO 8601 with time zone."""
    scoring: bool = False
    """Whether it trains no more and its best model is being scored."""
    begun_from: str = ""
    """Name of the model whose weights it began from; empty where they were drawn at random."""

    @property
    def activity(self) -> str:
        """The state in a word, in which the final scoring has a name of its own."""
        return "scoring" if self.scoring else self.state


def default_runs_folder() -> Path:
    """Where runs live: the folder that the environment names in NVP_STUDIO_RUNS, else in the user's data folder."""
    named = os.environ.get("NVP_STUDIO_RUNS")
    return Path(named) if named else platformdirs.user_data_path("nvp-studio") / "runs"


def create_run_folder(runs_folder: Path, name: str, data: str) -> Path:
    """Make a new run folder called `name`, or for an empty name after today's date and the data set.

    A name that is taken gets a number. Raises `RunError` when the folder cannot be made, and for too long a name.
    """
    check_run_name(name)
    today = datetime.now().astimezone().date().isoformat()
    own = folder_name(name)
    stem = own or f"{today}-{folder_name(Path(data).stem) or 'run'}"
    try:
        runs_folder.mkdir(parents=True, exist_ok=True)
        for number in itertools.count(1):
            folder = runs_folder / (stem if own and number == 1 else f"{stem}-{number}")
            with suppress(FileExistsError):
                folder.mkdir()
                break
        for part in ("checkpoints", "samples"):
            (folder / part).mkdir()
    except OSError as error:
        raise RunError(f"no run can be made in {runs_folder}: {error.strerror}; choose another runs folder") from error
    return folder


def check_run_name(name: str) -> None:
    """Raise `RunError` for a name that no run can have."""
    if len(name) > MAX_NAME:
        raise RunError(f"a name has at most {MAX_NAME} characters, not {len(name)}")


def can_resume(run_folder: Path) -> bool:
    """Whether the run has a checkpoint to go on from."""
    return any((run_folder / "checkpoints" / name).exists() for name in MODEL_FILES[1:])


def write_record(folder: Path, record: RunRecord) -> None:
    """Write ``run.json`` whole."""
    write_whole(folder / RECORD, msgspec.json.format(msgspec.json.encode(record), indent=1))


def read_record(folder: Path, *, for_training: bool = True) -> RunRecord:
    """Read ``run.json``; raises `RunError`.

    A flow with an option that this version no longer has is refused, unless the record is not `for_training`: then it
    has no `config.flow`.
    """

    def decode(content: bytes) -> RunRecord:
        fields = msgspec.json.decode(content)
        try:
            refuse_removed_options(fields)
        except RemovedOptionError:
            if for_training:
                raise
            fields["config"]["flow"] = None
        return msgspec.convert(fields, RunRecord)

    return _read(folder, decode)


def encode_report(report: DataReport) -> bytes:
    """The content of ``data.json``."""
    bare = msgspec.structs.replace(report, samples=None, sample_names=())
    return msgspec.json.format(msgspec.json.encode(bare), indent=1)


def read_report(folder: Path) -> DataReport | None:
    """What the run in `folder` trains on; None where the run is of an earlier version, or the file cannot be read."""
    try:
        return msgspec.json.decode(read_regular(folder / DATA_REPORT, MAX_RECORD_BYTES), type=DataReport)
    except (OSError, msgspec.MsgspecError, RecursionError):
        return None


def open_run(folder: str | os.PathLike[str]) -> RunSummary:
    """Summarize the run in `folder`; raises `RunError`."""
    path = Path(folder)
    brief = _read(path, msgspec.json.Decoder(_BriefRecord).decode)
    status = brief.status
    over = status.phase in ("finished", "stopped", "failed")
    state: SummaryState = status.phase if over or is_locked(path) else "interrupted"
    return RunSummary(
        name=brief.name,
        folder=str(path),
        state=state,
        reason=status.reason,
        data_title=brief.data.title,
        preset=brief.config.preset,
        step=status.step,
        total_steps=status.total_steps,
        best=status.best,
        best_step=status.best_step,
        seconds=status.seconds,
        started=brief.created,
        scoring=status.scoring and state == "training",
        begun_from="" if brief.parent is None else brief.parent.name,
    )


def list_runs(runs_folder: Path | None = None) -> list[RunSummary]:
    """The runs under `runs_folder`, the newest first; folders that are no runs are skipped."""
    runs: list[RunSummary] = []
    for folder in _subfolders(default_runs_folder() if runs_folder is None else runs_folder):
        try:
            runs.append(open_run(folder))
        except RunError:
            continue
    return sorted(runs, key=lambda run: (run.started, run.name), reverse=True)


def has_model(folder: str | os.PathLike[str]) -> bool:
    """Whether the run in `folder` has a checkpoint that can be opened, as `checkpoints.find_checkpoint` finds it."""
    return any((Path(folder) / "checkpoints" / name).is_file() for name in MODEL_FILES)


def sheet_name(kind: SheetKind, step: int) -> str:
    """What the sheet of this kind that was made after `step` is called, in the folder ``samples``."""
    return f"{'step' if kind == 'samples' else kind}-{step:08d}.png"


def sheet_of(name: str) -> tuple[SheetKind, int] | None:
    """Kind and step of the sheet that is called `name`; None for what is no sheet."""
    match = _SHEET.fullmatch(name)
    return None if match is None else ("samples" if match[1] == "step" else "reconstructions", int(match[2]))


def read_metrics(folder: str | os.PathLike[str]) -> list[StepMetrics]:
    """The history in ``metrics.jsonl``; a last line that was cut short is left out. A run without one has none."""
    return [metrics for _, metrics in _metrics_lines(Path(folder) / METRICS)]


def cut_metrics(folder: Path, last_step: int) -> None:
    """Drop what the history says of steps after `last_step`, which a resumed run is about to take again."""
    path = folder / METRICS
    if path.exists():
        kept = [line for line, metrics in _metrics_lines(path) if metrics.step <= last_step]
        write_whole(path, b"".join(line + b"\n" for line in kept))


class _BriefConfig(msgspec.Struct):
    preset: str = ""


class _BriefRecord(msgspec.Struct):
    """The part of a record that a list shows; the configuration of the flow is not looked at."""

    name: str
    created: str
    config: _BriefConfig
    data: RunData
    status: RunStatus
    parent: Parent | None = None


def _read(folder: Path, decode: Callable[[bytes], Record]) -> Record:
    """Read ``run.json``; raises `RunError`."""
    try:
        return decode(read_regular(folder / RECORD, MAX_RECORD_BYTES))
    except RemovedOptionError as error:
        raise RunError(f"the run in {folder} cannot be opened: {error}") from error
    except FileNotFoundError as error:
        raise RunError(f"{folder} is not a run folder: it has no {RECORD}") from error
    except OSError as error:
        raise RunError(f"{folder / RECORD} cannot be read: {error.strerror}") from error
    except (msgspec.MsgspecError, RecursionError, LookupError, TypeError) as error:
        raise RunError(f"{folder / RECORD} is damaged: {error}") from error


def _metrics_lines(path: Path) -> Iterator[tuple[bytes, StepMetrics]]:
    decoder = msgspec.json.Decoder(StepMetrics)
    try:
        with open_regular(path) as file:
            while line := file.readline(_MAX_LINE_BYTES):
                with suppress(msgspec.MsgspecError, RecursionError):
                    yield line.rstrip(b"\n"), decoder.decode(line)
    except OSError:
        return


def _subfolders(folder: Path) -> list[Path]:
    try:
        return [entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
    except OSError:
        return []


def folder_name(text: str) -> str:
    """The text as a folder name that every system takes; empty if nothing of it is left."""
    return re.sub(r"[^\w.-]+", "-", text).strip("-.")[:MAX_NAME]
