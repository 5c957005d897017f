"""What several pages do with run folders: show one in the file manager, discard some, restore them."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QUrl
from PySide6.QtGui import QDesktopServices

from nvp_studio.runs.trash import discard_run, restore_run
from nvp_studio.training.errors import RunError
from nvp_studio.views import notify

_tr = partial(QCoreApplication.translate, "RunFolders")

RESUMABLE = ("stopped", "failed", "interrupted")

Changed = Callable[[str], object]
"""Told after the runs are others: the folder to show then, or nothing."""


def show_folder(folder: str) -> None:
    """Open a run's folder in the file manager."""
    QDesktopServices.openUrl(QUrl.fromLocalFile(folder))


def discard(folders: Sequence[str], topic: str, changed: Changed) -> None:
    """Move runs to the trash, with a notification whose button restores them."""
    moved: list[tuple[Path, Path]] = []
    for folder in map(Path, folders):
        try:
            moved.append((discard_run(folder), folder))
        except RunError as error:
            notify.error(str(error), topic=f"{topic}-trouble")
    if not moved:
        return
    text = _tr("{0} is in the trash.").format(moved[0][1].name)
    if len(moved) > 1:
        text = _tr("{0} runs are in the trash.").format(len(moved))
    back = partial(put_back, moved, topic, changed)
    notify.info(text, topic=topic, actions=[(_tr("Restore"), back)])
    changed("")


def put_back(moved: Sequence[tuple[Path, Path]], topic: str, changed: Changed) -> bool:
    """Move each run from the trash back to its folder; returns whether that was possible for all."""
    back: list[Path] = []
    for place, folder in moved:
        try:
            restore_run(place, folder)
            back.append(folder)
        except RunError as error:
            notify.error(str(error), topic=f"{topic}-trouble")
    if back:
        changed(str(back[0]))
    return len(back) == len(moved)
