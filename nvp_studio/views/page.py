"""What every page of the window is."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QTimer
from PySide6.QtGui import QUndoStack
from PySide6.QtWidgets import QSplitter, QWidget

from nvp_studio.views.context import WindowContext


class Page(QWidget):
    """One page of the window. It gets what it needs from `context` and knows neither the window nor other pages."""

    key = ""
    """Such as ``explore``; names the page in settings and in the keys of its actions."""

    def __init__(self, context: WindowContext) -> None:
        super().__init__(context.window)
        self.context = context
        self.undo = QUndoStack(self)
        """What *Undo* takes back while this page is shown; a page puts its own here while it is made."""
        self.setObjectName(f"page_{self.key}")

    def activated(self) -> None:
        """Called when the page has come to the front."""

    def drop_text(self, paths: list[Path]) -> str:
        """What dropping these files here would do, in a few words ("Score 12 files"); empty if this page cannot."""
        return ""

    def open_paths(self, paths: list[Path]) -> None:
        """Open files for which `drop_text` returned a text."""

    def repeat_while_visible(self, milliseconds: int, slot: Callable[[], object]) -> None:
        """Call `slot` again and again while the page is visible."""
        timer = QTimer(self)
        timer.timeout.connect(lambda: slot() if self.isVisible() else None)
        timer.start(milliseconds)

    def restore_sizes(self, name: str, splitter: QSplitter, sizes: list[int] | None = None) -> None:
        """Give the parts of `splitter` the sizes remembered under `name`, or `sizes`; remember those a person sets."""
        stored = self.context.settings.values.splitters
        wanted = stored.get(name, sizes)
        if wanted is not None:
            splitter.setSizes(wanted)
        splitter.splitterMoved.connect(lambda: stored.update({name: splitter.sizes()}))

    def save_state(self) -> None:
        """Called when the window closes: write what has to be remembered into `context.settings.values`."""
