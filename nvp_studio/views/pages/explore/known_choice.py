"""What the tools that compare with training images share: asking for the data, and saying how far the work is."""

from functools import partial
from pathlib import Path

from PySide6.QtCore import QCoreApplication

from nvp_studio.state.paths import DATA_SUFFIXES
from nvp_studio.text import grouped_number
from nvp_studio.views.context import WindowContext
from nvp_studio.views.widgets.labels import SEPARATOR
from nvp_studio.worker.neighbour_messages import Comparing

_tr = partial(QCoreApplication.translate, "KnownChoice")


def ask_known_folder(context: WindowContext) -> Path | None:
    """Let a person choose a folder of training images; None when the dialog was cancelled."""
    return context.ask_folder("data", _tr("A folder of training images"))


def ask_known_file(context: WindowContext) -> Path | None:
    """Let a person choose a file of training images; None when the dialog was cancelled."""
    names = " ".join(f"*{ending}" for ending in (*DATA_SUFFIXES, "ubyte"))
    filters = f"{_tr('Data files')} ({names});;{_tr('All files')} (*)"
    return next(iter(context.ask_files("data", _tr("A file of training images"), filters)), None)


def progress_text(progress: Comparing) -> str:
    """How far the work is, as a line."""
    texts = {
        "loading": _tr("Reading the images"),
        "encoding": _tr("Computing latents, once for this model and these data"),
        "comparing": _tr("Comparing held-out images with the training images"),
        "searching": _tr("Comparing"),
        "projecting": _tr("Finding the principal components"),
    }
    if progress.work == "arranging":
        return _tr("UMAP arranges the images, {0} s so far").format(progress.done)
    text = texts.get(progress.work, texts["searching"])
    if not progress.total:
        return f"{text}…"
    numbers = grouped_number(progress.done), grouped_number(progress.total)
    return SEPARATOR.join((text, _tr("{0} of {1}").format(*numbers)))
