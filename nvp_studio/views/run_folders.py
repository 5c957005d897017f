"""What several pages do with run folders: show one in the file manager, discard some, restore them."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QUrl
from PySide6.QtGui import QDesktopServices

from nvp_studio.runs.labels import shown_name
from nvp_studio.runs.trash import discard_run, restore_run
from nvp_studio.state.paths import DATA_SUFFIXES
from nvp_studio.training.errors import RunError
from nvp_studio.training.runs import RunSummary, can_resume, read_record
from nvp_studio.views import notify
from nvp_studio.views.context import WindowContext
from nvp_studio.views.undo_offer import UndoOffer

_tr = partial(QCoreApplication.translate, "RunFolders")

RESUMABLE = ("stopped", "failed", "interrupted")

_DATA_FILES = frozenset((*DATA_SUFFIXES, ".csv", ".tif", ".tiff", ".zip", ".tar", ".h5", ".hdf5", ".mat"))

Changed = Callable[[str], object]
"""Told after the runs are others: the folder to show then, or nothing."""


def can_be_resumed(run: RunSummary) -> bool:
    """Whether a run ended before its budget was spent and has a checkpoint to go on from."""
    return run.state in RESUMABLE and can_resume(Path(run.folder))


def ask_data(context: WindowContext, folder: str) -> str:
    """Ask a person where the data of the run in `folder` are now; empty when the dialog was cancelled."""
    name = shown_name(Path(folder))
    try:
        recorded = read_record(Path(folder), for_training=False).config.data
    except RunError as error:
        notify.refuse(str(error), topic="run")
        return ""
    if Path(recorded).suffix.lower() not in _DATA_FILES and not Path(recorded).is_file():
        chosen = context.ask_folder("data", _tr("The folder with the data of {0}").format(name))
        return "" if chosen is None else str(chosen)
    files = context.ask_files("data", _tr("The file with the data of {0}").format(name), _tr("All files (*)"))
    return str(files[0]) if files else ""


def show_folder(folder: str) -> None:
    """Open a run's folder in the file manager."""
    QDesktopServices.openUrl(QUrl.fromLocalFile(folder))


def discard(folders: Sequence[str], undo: UndoOffer, changed: Changed) -> None:
    """Move runs to the trash, with a notification whose button restores them, as `undo` does."""
    topic = undo.topic
    moved: list[tuple[Path, Path]] = []
    for folder in map(Path, folders):
        try:
            moved.append((discard_run(folder), folder))
        except RunError as error:
            notify.refuse(str(error), topic=f"{topic}-trouble")
    if not moved:
        return
    place, folder = moved[0]
    text = _tr("{0} is in the trash.").format(shown_name(place, folder.name))
    if len(moved) > 1:
        text = _tr("{0} runs are in the trash.").format(len(moved))
    back = partial(put_back, moved, topic, changed)
    undo.offer(text, _tr("Restore"), _tr("Move to the trash"), back)
    changed("")


def put_back(moved: Sequence[tuple[Path, Path]], topic: str, changed: Changed) -> bool:
    """Move each run from the trash back to its folder; returns whether that was possible for all."""
    back: list[Path] = []
    for place, folder in moved:
        try:
            restore_run(place, folder)
            back.append(folder)
        except RunError as error:
            notify.refuse(str(error), topic=f"{topic}-trouble")
    if back:
        changed(str(back[0]))
    return len(back) == len(moved)
