"""The data of a run that is resumed: where they are now, and how they differ from what the run has recorded."""

import os
from pathlib import Path

import msgspec

from nvp_studio.data.catalogue import CATALOGUE
from nvp_studio.data.report import DataReport, rows
from nvp_studio.training.config import TrainConfig

_COMPARED = frozenset(("images", "size", "values", "read with", "left out"))
"""Rows of a report that are compared, beside those of classes. Notes and doubts are not: they are about decisions,
which a run that is resumed has made."""


def with_data(config: TrainConfig, data: str) -> TrainConfig:
    """The configuration with its data at `data`, which is what `TrainConfig.data` may be.

    For a set of the catalogue `data` may also be the data root in which it is looked for.
    """
    entry, path = CATALOGUE.get(config.data), Path(os.path.expanduser(data))
    if entry is not None and not entry.ships and path.is_dir() and entry.find_in(path) is not None:
        return msgspec.structs.replace(config, data_root=str(path))
    return msgspec.structs.replace(config, data=data)


def differences(recorded: DataReport, found: DataReport) -> tuple[str, ...]:
    """How the data `found` differ from those `recorded`, a clause for each fact; empty when they do not."""
    before, now = _facts(recorded), _facts(found)
    return tuple(
        f"{name}: {now.get(name, 'none')} (before: {before.get(name, 'none')})"
        for name in dict.fromkeys((*now, *before))
        if now.get(name) != before.get(name)
    )


def _facts(report: DataReport) -> dict[str, str]:
    facts: dict[str, str] = {}
    for name, text in rows(report):
        if name in _COMPARED or name.endswith("classes"):
            facts[name] = f"{facts[name]}; {text}" if name in facts else text
    return facts
