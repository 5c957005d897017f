"""What the page Lab shows in two dimensions: an experiment in the explorer, its training, and what is looked at."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from msgspec.structs import replace
from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QUndoCommand, QUndoStack

from nvp_studio.files import read_regular
from nvp_studio.lab.settings import MAX_POINTS, LabFile, LabSettings, read_settings
from nvp_studio.lab.stages import Points
from nvp_studio.state.engine import Engine
from nvp_studio.text import error_line
from nvp_studio.worker.channel import WorkerLost
from nvp_studio.worker.lab_messages import (
    LabBuild,
    LabBuilt,
    LabLook,
    LabPoints,
    LabPush,
    LabPushed,
    LabRead,
    LabTrain,
    LabView,
)
from nvp_studio.worker.messages import Answer, Failed

Floats = npt.NDArray[np.float32]
Pace = Literal["paused", "playing", "slow"]
NO_POINTS: Floats = np.empty((0, 2), np.float32)
_LIVE = LabLook(density=64, samples=1000)
_STILL = LabLook(density=200, samples=2000)
"""What is asked for once training pauses."""
_TRAIN_MILLISECONDS = 60
"""Between two views while it plays: with the view itself about a tenth of a second."""
_SLOW_MILLISECONDS = 250
"""Between two steps in slow motion."""
_MERGE_SECONDS = 1.0
"""Within it changes of one setting become one undo entry."""
_MOST_SHOTS = 300
_MOST_FILE = 32 * 2**20
"""Bytes of a file with settings."""
_EDGE_POINTS = 64
"""Of each side of a square that is led through the layers."""


class _Edit(QUndoCommand):
    """A change of the settings or the points."""

    def __init__(self, apply: Callable[[Choice], None], text: str, before: Choice, after: Choice, key: str) -> None:
        super().__init__(text)
        self._apply, self._before, self._after = apply, before, after
        self._key, self._when = key, time.monotonic()

    def id(self) -> int:
        return 2 if self._key else -1

    def mergeWith(self, other: QUndoCommand) -> bool:
        if not isinstance(other, _Edit) or other._key != self._key or other._when - self._when > _MERGE_SECONDS:
            return False
        self._after, self._when = other._after, other._when
        return True

    def undo(self) -> None:
        self._apply(self._before)

    def redo(self) -> None:
        self._apply(self._after)


Choice = tuple[LabSettings, Floats]
"""Settings, and a person's points (N, 2)."""


class Shot(NamedTuple):
    """What is kept of a view of the training."""

    steps: int
    loss: float
    """Mean since the view before, in nats."""
    samples: Points
    density_side: int
    density: bytes


class LabState(QObject):
    """Asks the explorer to build and train, and keeps what it answered."""

    changed = Signal()
    """Settings, points, pace, problem, or whether there is an experiment."""
    viewed = Signal()
    """There is another view: `view`, `losses`."""
    pushed = Signal()
    """`probe` has changed or was led through the layers."""
    pointed = Signal(object)
    """(x, y, log p) of the place that was asked for with `point_at`."""
    failed = Signal(str)
    noted = Signal(str)
    """What was left out of the points of a file."""

    def __init__(self, engine: Engine, undo: QUndoStack, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.engine = engine
        self.settings = LabSettings()
        self.points = NO_POINTS
        """A person's, (N, 2)."""
        self.built: LabBuilt | None = None
        self.problem = ""
        """Why there is no experiment of these settings."""
        self.pace: Pace = "paused"
        self.view: LabView | None = None
        self.losses: list[float] = []
        self.shots: list[Shot] = []
        """The training so far, at most `_MOST_SHOTS` of its views."""
        self._shot_every = 1
        self._views = 0
        self.from_noise = False
        self.probe: tuple[Floats, int] | None = None
        """Middle and outline (257, 2), or the middle alone (1, 2), and the stage that they were drawn at."""
        self.led: LabPushed | None = None
        """`probe` at every stage."""
        self._undo = undo
        self._number = 0
        self._wanted = False
        self._shown = False
        self._work = engine.explorer.channel("lab", self)
        self._pushing = engine.explorer.channel("lab push", self)
        self._cursor = engine.explorer.channel("lab cursor", self)
        self._reading = engine.explorer.channel("lab file", self)
        self._clock = QTimer(self, singleShot=True, interval=_SLOW_MILLISECONDS)
        self._clock.timeout.connect(self._go_on)
        engine.explorer.state_changed.connect(self._on_engine)

    @property
    def layers(self) -> int:
        """How many layers the flow has; 0 while there is none."""
        return 0 if self.built is None else len(self.built.layers)

    def set_shown(self, shown: bool) -> None:
        """Begin the first experiment once the page is shown; nothing is trained while it is hidden."""
        self._shown = shown
        if shown and not self._wanted:
            self.reset()
        elif shown:
            self._go_on()

    # Settings

    def choose(self, name: str, value: object, text: str) -> None:
        """Change one setting: an undo step `text`, and a new experiment."""
        if getattr(self.settings, name) != value:
            self._edit((replace(self.settings, **{name: value}), self.points), text, name)

    def take_points(self, points: Floats, text: str) -> None:
        """Train on these points from now on."""
        self._edit((replace(self.settings, data="points"), np.asarray(points, np.float32)[-MAX_POINTS:]), text)

    def take(self, settings: LabSettings, points: Floats, text: str) -> None:
        """Take a whole experiment's settings."""
        self._edit((settings, points), text)

    def read_points(self, path: Path) -> None:
        """Read points from a CSV file or a picture and take them."""
        self._reading.ask(LabRead(str(path)), self._on_read)

    def file(self) -> LabFile:
        """The experiment as it is kept in a file."""
        points: tuple[tuple[float, float], ...] = ()
        if self.settings.data == "points":
            points = tuple((float(x), float(y)) for x, y in self.points)
        return LabFile(settings=self.settings, points=points)

    def read_file(self, path: Path) -> None:
        """Take the experiment in a JSON file."""
        try:
            file = read_settings(read_regular(path, _MOST_FILE))
        except (OSError, ValueError) as error:
            self.failed.emit(f"{path.name}: {error_line(error)}")
            return
        points = np.array(file.points, np.float32).reshape(-1, 2)
        self.take(file.settings, points, self.tr("Open {0}").format(path.name))

    def _edit(self, after: Choice, text: str, key: str = "") -> None:
        self._undo.push(_Edit(self._apply, text, (self.settings, self.points), after, key))

    def _apply(self, choice: Choice) -> None:
        self.settings, self.points = choice
        self.reset()

    def _on_read(self, answer: Answer | WorkerLost) -> None:
        match answer:
            case LabPoints():
                self.take_points(answer.points.array(), self.tr("Points of {0}").format(Path(answer.path).name))
                if answer.note:
                    self.noted.emit(f"{Path(answer.path).name}: {answer.note}")
            case Failed(reason=reason):
                self.failed.emit(reason)

    # Training

    @property
    def building(self) -> bool:
        """Whether the first experiment is on its way; it is trained then at the pace that is set meanwhile."""
        no_points = self.settings.data == "points" and not len(self.points)
        return self.built is None and not self.problem and not no_points and self.engine.explorer.state == "ready"

    def reset(self) -> None:
        """Begin the experiment anew, as the settings are; the pace stays."""
        self._wanted = True
        self._number += 1
        self._clock.stop()
        self.problem = ""
        points = Points.of(self.points) if self.settings.data == "points" else Points()
        request = LabBuild(experiment=self._number, settings=self.settings, points=points)
        if self.engine.explorer.state != "restarting":
            self._work.ask(request, self._on_built)
        self.changed.emit()

    def set_pace(self, pace: Pace) -> None:
        """Train on, train slowly, or pause."""
        if pace != self.pace:
            self.pace = pace
            self._clock.stop()
            self._go_on()
            if pace == "paused":
                self._look()
            self.changed.emit()

    def step(self) -> None:
        """Take a single step, and pause."""
        self.set_pace("paused")
        self._ask(LabTrain(experiment=self._number, steps=1, look=self._look_of(_LIVE)))

    def show_grid_of(self, *, noise: bool) -> None:
        """Push a grid of latents to data, or one of data to latents."""
        if noise != self.from_noise:
            self.from_noise = noise
            self._look()
            self.changed.emit()

    def _look_of(self, look: LabLook) -> LabLook:
        return replace(look, from_noise=self.from_noise)

    def _look(self) -> None:
        """Ask for a view without training."""
        if self.built is not None:
            self._ask(LabTrain(experiment=self._number, steps=0, look=self._look_of(_STILL)))

    def _go_on(self) -> None:
        if self.built is None or not self._shown or self.pace == "paused" or self._clock.isActive():
            return
        one = self.pace == "slow"
        milliseconds, steps = (0, 1) if one else (_TRAIN_MILLISECONDS, 10_000)
        look = self._look_of(_LIVE)
        self._ask(LabTrain(experiment=self._number, milliseconds=milliseconds, steps=steps, look=look))

    def _ask(self, request: LabTrain) -> None:
        if self.built is not None and self.built.experiment == self._number:
            self._work.ask(request, self._on_view)

    def _on_built(self, answer: Answer | WorkerLost) -> None:
        match answer:
            case LabBuilt(experiment=self._number):
                if self.led is not None and self.layers != len(answer.layers):
                    self.probe = None if self.probe is None or self.probe[1] else self.probe
                self.built, self.view, self.losses, self.led = answer, None, [], None
                self.shots, self._shot_every, self._views = [], 1, 0
                if answer.note:
                    self.noted.emit(answer.note)
                self._look()
                self._lead()
                self.changed.emit()
            case Failed(reason=reason):
                self.built, self.view, self.losses, self.led = None, None, [], None
                self.problem, self.pace = reason, "paused"
                self.changed.emit()
                self.viewed.emit()

    def _on_view(self, answer: Answer | WorkerLost) -> None:
        match answer:
            case LabView(experiment=self._number):
                self.view = answer
                self.losses += answer.losses
                if self.pace == "slow":
                    self._clock.start()
                else:
                    self._go_on()  # it trains while this view is drawn
                self.viewed.emit()
                if answer.losses:
                    self._lead()
                    self._keep(answer)
            case Failed(reason=reason):
                self.set_pace("paused")
                self.failed.emit(reason)

    def _keep(self, view: LabView) -> None:
        """Keep a view of the training; of a long one every second, fourth and so on."""
        if self._views % self._shot_every == 0:
            loss = sum(view.losses) / len(view.losses)
            self.shots.append(Shot(view.steps, loss, view.samples, view.density_side, view.density))
        self._views += 1
        if len(self.shots) > _MOST_SHOTS:
            self.shots, self._shot_every = self.shots[::2], 2 * self._shot_every

    def _on_engine(self, state: str) -> None:
        if state == "ready" and self._wanted:
            self.reset()
        elif state in ("restarting", "failed", "stopped"):
            self.built = self.view = self.led = None
            self.losses = []
            self.changed.emit()
            self.viewed.emit()

    # Points and squares

    def draw_probe(self, middle: tuple[float, float], half: float, stage: int) -> None:
        """Lead a square of side 2 * `half`, or for 0 a point, of a stage through the layers."""
        points = [middle]
        if half > 0:
            along = np.arange(_EDGE_POINTS) / _EDGE_POINTS * 2 - 1
            one = np.ones(_EDGE_POINTS)
            sides = ((along, -one), (one, along), (-along, one), (-one, -along))
            points += [
                (middle[0] + half * x, middle[1] + half * y) for side in sides for x, y in zip(*side, strict=True)
            ]
        self.probe = np.array(points, np.float32), stage
        self._lead()
        self.pushed.emit()

    def move_probe(self, across: float, up: float) -> None:
        """Move the point or square at the stage that it was drawn at; without one, put a point into the middle."""
        if self.probe is None:
            self.draw_probe((0.0, 0.0), 0.0, 0)
            return
        points, stage = self.probe
        self.probe = points + np.array((across, up), np.float32), stage
        self._lead()
        self.pushed.emit()

    def clear_probe(self) -> None:
        """Remove the point or square."""
        self.probe = self.led = None
        self.pushed.emit()

    def probe_at(self, position: float) -> Floats | None:
        """Middle and outline at a position between data (0) and noise; None where there are none."""
        return None if self.led is None else self.led.stages.at(position)[0]

    def ratios(self, position: float) -> tuple[float | None, float] | None:
        """How much the square's area grows from data to a position (None for a point), and |det J| at its middle."""
        if self.led is None:
            return None
        (start, from_data), (end, here) = self.led.stages.at(0), self.led.stages.at(position)
        det = float(np.exp(np.float64(here[0]) - np.float64(from_data[0])))
        if len(start) == 1:
            return None, det
        return area(end[1:]) / max(area(start[1:]), 1e-30), det

    def _lead(self) -> None:
        if self.probe is not None and self.built is not None:
            points, stage = self.probe
            stage = min(stage, self.layers)
            self._pushing.ask(LabPush(experiment=self._number, points=Points.of(points), stage=stage), self._on_pushed)

    def _on_pushed(self, answer: Answer | WorkerLost) -> None:
        if isinstance(answer, LabPushed) and answer.experiment == self._number and self.probe is not None:
            self.led = answer
            self.pushed.emit()

    def point_at(self, x: float, y: float) -> None:
        """Ask for the density at a place of data space."""
        if self.built is not None:
            request = LabPush(experiment=self._number, points=Points.of([(x, y)]))
            self._cursor.ask(request, lambda answer: self._on_cursor(x, y, answer))

    def _on_cursor(self, x: float, y: float, answer: Answer | WorkerLost) -> None:
        if isinstance(answer, LabPushed):
            self.pointed.emit((x, y, answer.log_density[0]))


def area(outline: Floats) -> float:
    """The area within a closed outline (N, 2)."""
    x, y = np.asarray(outline, np.float64).T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2
