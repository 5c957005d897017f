"""Several runs side by side: the settings in which they differ, their results, and their scores during training."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from nvp_studio.runs.curves import QUANTITIES, axis_limits, curve, curves_csv
from nvp_studio.runs.history import RunHistory, read_history
from nvp_studio.runs.labels import read_labels
from nvp_studio.runs.listing import ListedRun
from nvp_studio.runs.names import Axis
from nvp_studio.training.runs import RunRecord, open_run, read_record

_ROWS = 8
"""Number of places on the axis at which the scores of several runs are given."""


@dataclass(frozen=True)
class ComparedRun(ListedRun):
    """One run with all that a comparison needs."""

    record: RunRecord
    history: RunHistory


def open_for_comparison(folder: Path) -> ComparedRun:
    """Read a run's record, labels and history; raises `RunError`."""
    record = read_record(folder, for_training=False)
    return ComparedRun(open_run(folder), read_labels(folder), record, read_history(folder))


def differences(records: Sequence[RunRecord]) -> list[tuple[str, list[Any]]]:
    """The settings in which the runs differ: (name, the value of each), the data's content included.

    Names are those of the configuration, such as ``learning_rate`` and ``flow.width``.
    """
    flat = [_flat(msgspec.to_builtins(record.config)) | {"data digest": record.data.digest[:12]} for record in records]
    names = list(dict.fromkeys(name for settings in flat for name in settings))
    rows = [(name, [settings.get(name) for settings in flat]) for name in names]
    return [(name, values) for name, values in rows if any(value != values[0] for value in values)]


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = tuple(value) if isinstance(value, list) else value
    return flat


def scores_along(histories: Sequence[RunHistory], axis: Axis) -> list[tuple[float, list[float | None]]]:
    """The lowest validation that each run had reached at places evenly spread over `axis`; None before its first
    validation and after its end."""
    curves = [curve(history, QUANTITIES["validation"], axis) for history in histories]
    limits = axis_limits(curves)
    if limits is None:
        return []
    rows: list[tuple[float, list[float | None]]] = []
    for place in np.linspace(0.0, limits[1], _ROWS + 1)[1:]:
        scores: list[float | None] = []
        for points in curves:
            known = int(np.searchsorted(points.x, place + 1e-9 * abs(place), side="right"))
            over = not len(points.x) or place > points.x[-1] * (1 + 1e-9)
            scores.append(None if over or not known else float(points.y[:known].min()))
        rows.append((float(place), scores))
    return rows


def comparison_csv(runs: Sequence[ComparedRun], axis: Axis, quantity: str) -> str:
    """The curves of one quantity of several runs, a line for each point."""
    return curves_csv(axis, quantity, [(run.name, curve(run.history, QUANTITIES[quantity], axis)) for run in runs])
