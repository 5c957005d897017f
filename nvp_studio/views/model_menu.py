"""The menu of models that can be opened: the included ones, the best of each run, the recent ones."""

from pathlib import Path

from PySide6.QtWidgets import QWidget

from nvp_studio.resources import INCLUDED_MODELS
from nvp_studio.runs.listing import list_labelled
from nvp_studio.text import escaped
from nvp_studio.views.context import WindowContext
from nvp_studio.views.menus import MnemonicMenu
from nvp_studio.views.widgets.labels import plain_tip

_MAX_RUNS = 12


class ModelMenu(MnemonicMenu):
    """Filled anew each time it opens."""

    def __init__(self, context: WindowContext, parent: QWidget) -> None:
        super().__init__(parent)
        self._context = context
        self.setToolTipsVisible(True)
        self.aboutToShow.connect(self._fill)

    def _fill(self) -> None:
        self.empty()
        registry = self._context.registry
        for name in INCLUDED_MODELS:
            self.addAction(registry[f"file.open-{name}"])
        if "explore.follow" in registry and registry["explore.follow"].isEnabled():
            self.addSection(self.tr("The run that is trained"))
            self.addAction(registry["explore.follow"])
        runs = [run for run in list_labelled(self._context.runs_folder) if run.summary.best is not None]
        self._add_models(
            self.tr("Runs"), [(run.folder, f"{run.name}   {run.summary.best:.3f} bits/dim") for run in runs[:_MAX_RUNS]]
        )
        known = {run.folder for run in runs}
        recent = self._context.settings.values.recent_models
        recent = [path for path in recent if path not in known and Path(path).exists()]
        self._add_models(self.tr("Recent"), [(path, Path(path).name) for path in recent])
        self.addSeparator()
        self.addAction(registry["file.open-model"])
        self.addAction(registry["file.open-run"])
        if "run.fine-tune" in registry:  # Train may be built later
            self.addSeparator()
            self.addAction(registry["run.fine-tune"])

    def _add_models(self, title: str, models: list[tuple[str, str]]) -> None:
        if not models:
            return
        self.addSection(title)
        for path, text in models:
            action = self.addAction(escaped(text).replace("&", "&&"))
            action.setToolTip(plain_tip(path))
            action.triggered.connect(lambda _=False, path=path: self._context.engine.open_model(path))
