"""Imports modules after the first paint: what is free of Qt on a thread, the rest in the window's own.

PySide6 makes a type when its name is first asked for. Two threads that do so at the same time end the process with a
segmentation fault, so that a module which imports Qt must never be imported on a second thread.
"""

import importlib
import threading
from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

_FREE_OF_QT = ("numpy", "nvp_studio.data.catalogue")
"""Slow imports of the pages that do not import Qt."""


class Importer(QObject):
    """Imports modules one by one and emits `imported` for each."""

    imported = Signal(str)
    """The name given to `start`."""

    _prepared = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._loads: dict[str, Callable[[], object]] = {}
        self._prepared.connect(self._on_prepared)

    def start(self, name: str, load: Callable[[], object]) -> None:
        """Call `load`, which imports and does nothing else, once what it needs besides Qt is there."""
        self._loads[name] = load
        threading.Thread(target=self._prepare, args=(name,), name=f"import {name}").start()

    def _prepare(self, name: str) -> None:
        for module in _FREE_OF_QT:
            importlib.import_module(module)
        self._prepared.emit(name)

    def _on_prepared(self, name: str) -> None:
        self._loads.pop(name)()
        self.imported.emit(name)
