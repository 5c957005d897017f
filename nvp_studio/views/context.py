"""What all pages of the window share, made before any of them: a page knows this object and no other page."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoGroup
from PySide6.QtWidgets import QFileDialog, QWidget

from nvp_studio.state.engine import Engine
from nvp_studio.state.settings import SettingsStore
from nvp_studio.views.actions import ActionRegistry
from nvp_studio.views.widgets.run_strip import RunStrip

if TYPE_CHECKING:
    from nvp_studio.state.run import LiveRun
    from nvp_studio.state.runs import RunsModel


class WindowContext(QObject):
    """The engine, the live run, the list of runs, settings and actions; file dialogs; and requests between pages.

    A request is a signal: whoever can do it listens.
    """

    page_requested = Signal(str)
    """Bring the page with this key to the front."""
    open_requested = Signal(object)
    """`list[Path]`: open these models, run folders or images on Explore."""
    inspect_requested = Signal(object)
    """A `Recipe`, or the `Path` of an image file: show it on Inspect, whose page was asked for before."""
    settings_offered = Signal(object, str)
    """(`TrainConfig`, name): put these settings into the form of Train."""
    resume_requested = Signal(str, str)
    """(folder, data): resume the run in this folder of this machine, with its data there; empty: where they were."""
    fine_tune_requested = Signal(str, str, object)
    """(path of a model, its preset, its `FlowConfig`): let the next run begin from it."""
    runs_refreshed = Signal()
    """The folder of runs was read again."""
    closing = Signal()
    """The window was closed; its state is saved."""

    def __init__(self, engine: Engine, settings: SettingsStore, window: QWidget) -> None:
        """`window` is the parent of dialogs and holds the actions."""
        super().__init__(window)
        self.engine = engine
        self.settings = settings
        self.window = window
        self.registry = ActionRegistry(window)
        self.strip = RunStrip()
        self.undo = QUndoGroup(self)
        """The undo stacks of the pages; the active one is that of the page that is shown."""

    @cached_property
    def live(self) -> "LiveRun":
        """The run in the trainer; made on first use, as is `runs`: both import numpy, which takes long."""
        from nvp_studio.state.run import LiveRun

        return LiveRun(self.engine, self)

    @cached_property
    def runs(self) -> "RunsModel":
        """The runs of the chosen folder."""
        from nvp_studio.state.runs import RunsModel

        return RunsModel(self.runs_folder, self)

    @property
    def runs_folder(self) -> Path:
        """Where runs are kept."""
        from nvp_studio.training.runs import default_runs_folder

        chosen = self.settings.values.runs_folder
        return Path(chosen) if chosen else default_runs_folder()

    def refresh_runs(self) -> None:
        """Read the folder of runs again."""
        self.runs.refresh()
        self.live.refresh_name()
        self.runs_refreshed.emit()

    def inspect(self, what: object) -> None:
        """Show a `Recipe`, or the `Path` of an image file, on Inspect."""
        self.page_requested.emit("inspect")
        self.inspect_requested.emit(what)

    # File dialogs. Each remembers its last folder in the settings, under `name`.

    def ask_files(self, name: str, title: str, filters: str, *, many: bool = False) -> list[Path]:
        """Let a person choose existing files; empty when the dialog was cancelled."""
        start = self._last_folder(name)
        if many:
            chosen, _ = QFileDialog.getOpenFileNames(self.window, title, start, filters)
        else:
            one, _ = QFileDialog.getOpenFileName(self.window, title, start, filters)
            chosen = [one] if one else []
        if chosen:
            self._remember(name, Path(chosen[0]).parent)
        return [Path(text) for text in chosen]

    def ask_folder(self, name: str, title: str) -> Path | None:
        """Let a person choose a folder; None when the dialog was cancelled."""
        chosen = QFileDialog.getExistingDirectory(self.window, title, self._last_folder(name))
        if not chosen:
            return None
        self._remember(name, Path(chosen))
        return Path(chosen)

    def ask_save(self, name: str, title: str, proposal: str, filters: str) -> Path | None:
        """Let a person choose where to write a file; `proposal` is its name, whose suffix is added when left out."""
        start = str(Path(self._last_folder(name)) / proposal)
        chosen, _ = QFileDialog.getSaveFileName(self.window, title, start, filters)
        if not chosen:
            return None
        path = Path(chosen)
        if not path.suffix:
            path = path.with_suffix(Path(proposal).suffix)
        self._remember(name, path.parent)
        return path

    def _last_folder(self, name: str) -> str:
        """Where the dialog was last; at first the home folder, because the program may run from anywhere."""
        return self.settings.values.folders.get(name) or str(Path.home())

    def _remember(self, name: str, folder: Path) -> None:
        self.settings.values.folders[name] = str(folder)
        self.settings.save()
