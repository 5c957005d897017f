"""Imports modules on a thread, so that the window goes on meanwhile."""

import threading
from collections.abc import Callable

from PySide6.QtCore import QObject, Signal


class Importer(QObject):
    """Runs what imports, then says so in the window's thread."""

    imported = Signal(str)
    """The name given to `start`."""

    def start(self, name: str, load: Callable[[], object]) -> None:
        """Call `load`, which imports and does nothing else, on a thread of its own."""
        threading.Thread(target=self._load, args=(name, load), name=f"import {name}").start()

    def _load(self, name: str, load: Callable[[], object]) -> None:
        load()
        self.imported.emit(name)
