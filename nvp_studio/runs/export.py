"""A run's metrics for other programs: CSV, Parquet (with pyarrow) and TensorBoard's event files (with tensorboard)."""

import io
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import msgspec

from nvp_studio.csv_file import csv_text
from nvp_studio.files import read_regular, write_whole
from nvp_studio.runs.event_files import FOLDER, EventFiles
from nvp_studio.runs.snapshots import snapshots
from nvp_studio.training.errors import RunError
from nvp_studio.training.events import SHEET_KINDS, StepMetrics
from nvp_studio.training.lock import is_locked
from nvp_studio.training.runs import MAX_RECORD_BYTES, MAX_SHEET_BYTES, RECORD, read_metrics, read_record

Format = Literal["csv", "parquet", "tensorboard"]
_WHOLE_NUMBERS = ("step", "images", "skipped", "rollbacks")


def missing_package(form: Format) -> str:
    """The package without which `export_run` cannot write that format; empty when it can."""
    package = {"csv": "", "parquet": "pyarrow", "tensorboard": "tensorboard"}[form]
    return package if package and find_spec(package) is None else ""


def export_run(folder: Path, form: Format, place: Path | None = None) -> Path:
    """Write the metrics of the run in `folder` and return where: `place`, or by default a name in the run's folder.

    A table has a row for each step, in which missing values are empty, and a column for each scale. TensorBoard
    gets a folder with scalars and the sheets of samples. Raises `RunError` for a run without metrics and for a missing
    optional package, `OSError` when the file cannot be written.
    """
    metrics = read_metrics(folder)
    if not metrics:
        raise RunError(f"{folder.name} has no metrics to export yet")
    if form == "tensorboard":
        return _write_events(folder, metrics, place or folder / FOLDER)
    target = place or folder / f"metrics.{form}"
    target.parent.mkdir(parents=True, exist_ok=True)
    columns = table(metrics)
    if form == "csv":
        content = csv_text(columns, zip(*columns.values(), strict=True)).encode()
    else:
        content = _parquet(columns, folder)
    write_whole(target, content, devices=place is not None)
    return target


def table(metrics: list[StepMetrics]) -> dict[str, list[Any]]:
    """The metrics as columns of equal length; None where a step has no such value."""
    fields = [field.name for field in msgspec.structs.fields(StepMetrics) if field.name != "scale_bits"]
    columns: dict[str, list[Any]] = {name: [getattr(one, name) for one in metrics] for name in fields}
    scales = max(len(one.scale_bits) for one in metrics)
    for scale in range(scales):
        columns[f"scale_{scale}_bits"] = [
            one.scale_bits[scale] if scale < len(one.scale_bits) else None for one in metrics
        ]
    return columns


def _parquet(columns: dict[str, list[Any]], folder: Path) -> bytes:
    try:
        import pyarrow as arrow
        import pyarrow.parquet
    except ImportError as error:
        raise RunError("Parquet needs pyarrow: pip install 'nvp-studio[parquet]'") from error
    types = {name: arrow.int64() if name in _WHOLE_NUMBERS else arrow.float64() for name in columns}
    about = {"nvp-studio.run": read_regular(folder / RECORD, MAX_RECORD_BYTES)}
    schema = arrow.schema(list(types.items()), metadata=about)
    file = io.BytesIO()
    pyarrow.parquet.write_table(arrow.table(columns, schema=schema), file, compression="zstd")
    return file.getvalue()


def _write_events(folder: Path, metrics: list[StepMetrics], place: Path) -> Path:
    """Write event files in place of those of an earlier export, which TensorBoard would draw as well."""
    if place.resolve() == (folder / FOLDER).resolve() and is_locked(folder):
        raise RunError(
            f"{folder.name} is being trained and may write event files there itself; "
            "give another folder, or export once it has ended"
        )
    created = read_record(folder, for_training=False).created
    for old in place.glob("events.out.tfevents.*"):
        old.unlink()
    with closing(EventFiles(place, created)) as events:
        for one in metrics:
            events.step(one)
        for shot in snapshots(folder):
            for kind in SHEET_KINDS:
                if (path := shot.path(kind)) is not None:
                    events.sheet(kind, shot.step, read_regular(path, MAX_SHEET_BYTES))
    return place
