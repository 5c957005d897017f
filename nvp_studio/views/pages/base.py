"""What every page of the window is."""

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QWidget

if TYPE_CHECKING:
    from nvp_studio.views.main_window import MainWindow


class Page(QWidget):
    """One page of the rail. It is made with the window it lives in and takes what it needs from there: `window.engine`,
    `window.settings`, `window.actions`, `window.notify`, `window.open_in_explore`."""

    key = ""
    """Such as ``explore``; names the page in settings and action keys."""
    title = ""
    """Already translated, set in `__init__`."""
    icon_name = ""

    def __init__(self, window: "MainWindow") -> None:
        super().__init__(window)
        self.setObjectName(f"page_{self.key}")

    def activated(self) -> None:
        """The page has come to the front."""

    def drop_text(self, paths: list[Path]) -> str:
        """What dropping these files here would do, in a few words ("Score 12 files"); empty: nothing of this page's."""
        return ""

    def open_paths(self, paths: list[Path]) -> None:
        """Files were dropped for which `drop_text` gave words."""

    def save_state(self) -> None:
        """The window is closing: put what is to be remembered into `window.settings.values`."""
