"""The part of Lab with densities of two dimensions: data, density, grid and loss while a flow is trained."""

from functools import partial
from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QAction, QHideEvent, QShowEvent
from PySide6.QtWidgets import QWidget

from nvp_studio.state.lab import NO_POINTS, LabState, Pace
from nvp_studio.state.paths import image_filter, is_image_file
from nvp_studio.views import notify
from nvp_studio.views.actions import set_hindrance
from nvp_studio.views.page import Page
from nvp_studio.views.pages.lab.exports import KEYS, LabExports
from nvp_studio.views.pages.lab.settings_panel import SettingsPanel
from nvp_studio.views.pages.lab.views import LabViews
from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.layout import hbox
from nvp_studio.worker.lab_messages import DATA_HALF

_FRAME_MILLISECONDS = 33
_LAYERS_PER_SECOND = 1.5
_SPRAY, _SPRAYED = 0.07, 5
"""Deviation and number of the points that each move of the mouse draws."""
_TABLES = (".csv", ".tsv", ".txt", ".dat")
TOPIC = "lab"


class TwoDimensions(QWidget):
    """Settings at the left, views at the right; its actions belong to `page`."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self.state = LabState(page.context.engine, page.undo, self)
        self._chance = np.random.default_rng(0)
        self._clock = QTimer(self, interval=_FRAME_MILLISECONDS)
        self._clock.timeout.connect(self._play_on)
        self._add_actions()
        self._lay_out()
        self.state.changed.connect(self._show)
        self.state.pushed.connect(lambda: self._action("unmark").setEnabled(self.state.probe is not None))
        self.state.failed.connect(lambda reason: notify.refuse(reason, topic=TOPIC))
        self.state.noted.connect(lambda text: notify.info(text, topic=TOPIC))
        self._action("unmark").setEnabled(False)
        self._show()

    # Construction

    def _add_actions(self) -> None:
        add = partial(self.page.context.registry.add, page=self.page)
        tip = self.tr("Train, with a view ten times a second; pause")
        add("lab.play", self.tr("&Train"), self._toggle_training, "X", "play", tip=tip, separator=True)
        tip = self.tr("Train four steps a second")
        add(
            "lab.slow",
            self.tr("&Slow motion"),
            partial(self._toggle, "slow"),
            "Shift+X",
            "timer",
            tip=tip,
            checkable=True,
        )
        add("lab.step", self.tr("Si&ngle step"), self.state.step, "E", "skip-forward")
        add("lab.reset", self.tr("&Begin anew"), self.state.reset, "Shift+R", "rotate-ccw")
        tip = self.tr("Draw points into the first view with the mouse, and train on them")
        add(
            "lab.draw",
            self.tr("&Draw points"),
            self._set_drawing,
            "Shift+E",
            "pencil",
            tip=tip,
            checkable=True,
            separator=True,
        )
        tip = self.tr("Points from a CSV file, or from the dark pixels of a picture")
        add("lab.open", self.tr("O&pen points…"), self._ask_points, icon="folder-open", tip=tip)
        add("lab.clear", self.tr("&Clear the points"), self._clear_points, icon="trash-2")
        tip = self.tr("Lead the grid through the layers")
        add(
            "lab.layers",
            self.tr("Play the &layers"),
            self._toggle_layers,
            "Shift+T",
            "play",
            tip=tip,
            checkable=True,
            separator=True,
        )
        tip = self.tr("Push a grid of noise to data, instead of one of data to noise")
        add("lab.noise", self.tr("&Grid of noise"), self._set_grid, "Z", "grid-2x2", tip=tip, checkable=True)
        add("lab.unmark", self.tr("&Remove the drawn square"), self.state.clear_probe, icon="square")
        self._action("draw").setIconText(self.tr("Draw"))
        self._action("open").setIconText(self.tr("Open"))

    def _action(self, key: str) -> QAction:
        return self.page.context.registry[f"lab.{key}"]

    def _lay_out(self) -> None:
        registry = self.page.context.registry
        row = hbox(self, spacing=2 * SPACE)
        self.panel = SettingsPanel(self.state, registry)
        self.views = LabViews(self.state, registry)
        self.exports = LabExports(self.page, self.state, self.views)
        self.panel.add_menu(self.tr("Export"), "download", [registry[f"lab.{key}"] for key in KEYS])
        row.addWidget(self.panel)
        row.addWidget(self.views, 1)
        self.views.data_view.stroked.connect(self._on_stroke)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.state.set_shown(True)

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.state.set_shown(False)
        self._stop_layers()

    # Files

    def drop_text(self, paths: list[Path]) -> str:
        """What dropping these files would do; empty where it is nothing."""
        if len(paths) == 1 and paths[0].suffix.lower() == ".json":
            return self.tr("Open this experiment")
        if len(paths) == 1 and (is_image_file(paths[0]) or paths[0].suffix.lower() in _TABLES):
            return self.tr("Train a flow on these points")
        return ""

    def open_paths(self, paths: list[Path]) -> None:
        """Take the points of a file, or the experiment in it."""
        if paths[0].suffix.lower() == ".json":
            self.state.read_file(paths[0])
        else:
            self.state.read_points(paths[0])

    def _ask_points(self) -> None:
        self.page.context.page_requested.emit(self.page.key)
        tables = self.tr("Tables and pictures")
        filters = image_filter(tables).replace("(", "(" + " ".join(f"*{suffix}" for suffix in _TABLES) + " ", 1)
        for path in self.page.context.ask_files("lab", self.tr("Points to train on"), filters):
            self.state.read_points(path)

    # Changes of the state

    def _show(self) -> None:
        state = self.state
        built = state.built is not None
        for key in ("play", "slow", "step", "layers", "noise"):
            self._action(key).setEnabled(built or (key in ("play", "slow") and state.building))
            set_hindrance(self._action(key), "" if built else self._why_not())
        paused = state.pace == "paused"
        self._action("play").setText(self.tr("&Train") if paused else self.tr("Pause &training"))
        self._action("play").setIconText(self.tr("Train") if paused else self.tr("Pause"))
        self._action("slow").setChecked(state.pace == "slow")
        self._action("noise").setChecked(state.from_noise)
        self._action("clear").setEnabled(state.settings.data == "points" and len(state.points) > 0)
        if state.settings.data == "points" and not len(state.points) and not self._action("draw").isChecked():
            self._action("draw").setChecked(True)
            self._set_drawing()
        self.views.show_state(self._describe_empty())

    def _why_not(self) -> str:
        """Why nothing can be trained now, as a phrase."""
        if self.state.settings.data == "points" and not len(self.state.points):
            return self.tr("needs points to train on: draw some")
        return self.tr("the experiment is on its way") if self.state.building else ""

    def _describe_empty(self) -> str:
        state = self.state
        if state.settings.data == "points" and not len(state.points):
            return self.tr("Draw points into the first view with the mouse, or open a file with points.")
        if state.problem:
            return state.problem
        if state.built is None:
            ready = state.engine.explorer.state == "ready"
            wanted = self.tr("The experiment is on its way, and is trained then…")
            text = self.tr("The experiment is on its way…") if state.pace == "paused" else wanted
            return text if ready else state.engine.status
        return ""

    # Actions of a person

    def _toggle_training(self) -> None:
        """Pause what goes on, at whatever pace, or train."""
        self._toggle("playing" if self.state.pace == "paused" else self.state.pace)

    def _toggle(self, pace: Pace) -> None:
        self.state.set_pace("paused" if self.state.pace == pace else pace)

    def _set_grid(self) -> None:
        self.state.show_grid_of(noise=self._action("noise").isChecked())

    def _toggle_layers(self) -> None:
        if not self._action("layers").isChecked():
            self._stop_layers()
            return
        start, end = (self.state.layers, 0) if self.state.from_noise else (0, self.state.layers)
        if self.views.position == end:
            self.views.move_to(start)
        self._clock.start()

    def _play_on(self) -> None:
        way = _LAYERS_PER_SECOND * _FRAME_MILLISECONDS / 1000
        self.views.move_to(self.views.position + (-way if self.state.from_noise else way))
        if self.views.position in (0, self.state.layers):
            self._stop_layers()

    def _stop_layers(self) -> None:
        self._clock.stop()
        self._action("layers").setChecked(False)

    def _set_drawing(self) -> None:
        self.views.data_view.strokes = self._action("draw").isChecked()
        self.views.data_view.setCursor(
            Qt.CursorShape.CrossCursor if self.views.data_view.strokes else Qt.CursorShape.ArrowCursor
        )
        self.views.show_data()

    def _on_stroke(self, x: float, y: float, ended: bool) -> None:
        points = (x, y) + _SPRAY * self._chance.standard_normal((_SPRAYED, 2))
        self.views.stroke.append(np.clip(points, -DATA_HALF, DATA_HALF).astype(np.float32))
        if ended:
            own = self.state.points if self.state.settings.data == "points" else NO_POINTS
            drawn, self.views.stroke = np.concatenate((own, *self.views.stroke)), []
            self.state.take_points(drawn, self.tr("Draw points"))
        self.views.show_data()

    def _clear_points(self) -> None:
        self.state.take_points(NO_POINTS, self.tr("Clear the points"))
