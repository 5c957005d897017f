"""The trash of a runs folder: discarded runs stay there until they are put back or deleted for good."""

import os
import shutil
from pathlib import Path

from nvp_studio.training.errors import RunError
from nvp_studio.training.lock import is_locked
from nvp_studio.training.runs import RunSummary, list_runs

TRASH = ".trash"
"""Folder inside the runs folder; runs in it are not listed."""


def discard_run(folder: Path) -> Path:
    """Move a run folder to the trash beside it and return its place there; `RunError` while it is being trained."""
    if is_locked(folder):
        raise RunError(f"{folder.name} is being trained; stop it first")
    trash = folder.parent / TRASH
    try:
        trash.mkdir(exist_ok=True)
        place = trash / folder.name
        number = 1
        while place.exists():
            number += 1
            place = trash / f"{folder.name}-{number}"
        os.rename(folder, place)
    except OSError as error:
        raise RunError(f"{folder.name} cannot be moved to the trash: {error.strerror}") from error
    return place


def restore_run(place: Path, folder: Path) -> None:
    """Move a discarded run back; `RunError` when that is not possible."""
    try:
        if folder.exists():
            raise RunError(f"there is another {folder.name} by now; the discarded one stays in {place.parent}")
        shutil.move(place, folder)
    except OSError as error:
        raise RunError(f"{folder.name} cannot be moved back: {error.strerror}") from error


def discarded_runs(runs_folder: Path) -> list[RunSummary]:
    """The runs in the trash of `runs_folder`, the newest first."""
    return list_runs(runs_folder / TRASH)


def delete_for_good(place: Path) -> None:
    """Delete a run that is in the trash; `RunError` for any other path, as a safeguard."""
    if place.parent.name != TRASH or not (place / "run.json").is_file():
        raise RunError(f"{place} is not a run in the trash")
    try:
        shutil.rmtree(place)
    except OSError as error:
        raise RunError(f"{place.name} cannot be deleted: {error.strerror}") from error
