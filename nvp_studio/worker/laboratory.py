"""Answers to requests of the page Lab: the experiment that was built last, trained in short steps."""

import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nvp_studio.data.archive_paths import Archives
from nvp_studio.data.decoding import decoders
from nvp_studio.data.images import EXTENSIONS, ImageError
from nvp_studio.data.reading import UNDECIDED
from nvp_studio.lab.points import centred, content_of, from_picture, read_csv, usable
from nvp_studio.lab.stages import Points, Stages
from nvp_studio.worker.lab_messages import (
    DATA_HALF,
    NOISE_HALF,
    LabBuild,
    LabBuilt,
    LabPoints,
    LabPush,
    LabPushed,
    LabRead,
    LabRequest,
    LabTrain,
    LabView,
)
from nvp_studio.worker.messages import Answer
from nvp_studio.worker.stepped import stepped

if TYPE_CHECKING:
    from nvp_studio.lab.experiment import Experiment

Steps = Iterator[Answer | None]
Floats = npt.NDArray[np.float64]
_STEP_SECONDS = 0.012
"""How long training goes on before other requests are looked at."""
_AT_ONCE = 8192
"""Points that are computed before other requests are looked at."""
_SHOWN = 2000
"""Points of the data that are shown."""
_MOST_LOSSES = 10_000
"""Of a view."""
_PICTURE = (1, 128, 128)
"""(channels, height, width) at which a picture is read."""


class Laboratory:
    """Keeps the experiment."""

    def __init__(self) -> None:
        self._experiment: Experiment | None = None
        self._number = -1
        self._losses: list[float] = []
        """Since the last view."""

    def steps(self, request: LabRequest) -> Steps:
        """The answers to a request; raises `ValueError` for one about an experiment that is there no more."""
        match request:
            case LabBuild():
                return self._build(request)
            case LabTrain():
                return self._train(request, self._kept(request.experiment))
            case LabPush():
                return self._push(request, self._kept(request.experiment))
            case LabRead():
                return _read(request)

    def _kept(self, number: int) -> "Experiment":
        if self._experiment is None or number != self._number:
            raise ValueError("this experiment is there no more; begin it anew")
        return self._experiment

    def _build(self, request: LabBuild) -> Steps:
        from nvp_studio.lab.experiment import Experiment  # parts of training: not needed by an explorer's start

        experiment = Experiment(request.settings, request.points.array().astype(np.float64))
        self._experiment, self._number, self._losses = experiment, request.experiment, []
        yield LabBuilt(
            experiment=self._number,
            note=experiment.note,
            parameters=sum(parameter.numel() for parameter in experiment.flow.parameters()),
            layers=tuple(experiment.flow.names),
            data=Points.of(experiment.data(_SHOWN, np.random.default_rng(request.settings.seed))),
        )

    def _train(self, request: LabTrain, experiment: "Experiment") -> Steps:
        end = time.monotonic() + request.milliseconds / 1000
        taken = 0
        while taken < request.steps and (taken == 0 or time.monotonic() < end):
            pause = min(end, time.monotonic() + _STEP_SECONDS)
            while taken < request.steps:
                self._losses.append(experiment.step())
                taken += 1
                if time.monotonic() >= pause:
                    break
            yield None
        look, density = request.look, []
        if look.density:
            for part in _parts(cell_middles(DATA_HALF, look.density)):
                density.append(experiment.log_density(part).astype(np.float32).tobytes())
                yield None
        grid: Stages | None = None
        cloud: Stages | None = None
        origin = experiment.layers if look.from_noise else 0
        if look.grid:
            grid = experiment.through(grid_corners(NOISE_HALF if look.from_noise else DATA_HALF, look.grid), origin)
            yield None
        if look.cloud:
            chance = np.random.default_rng(experiment.settings.seed)
            points = chance.standard_normal((look.cloud, 2)) if origin else experiment.data(look.cloud, chance)
            cloud = experiment.through(points, origin)
        samples = Points.of(experiment.samples(look.samples)) if look.samples else Points()
        losses, self._losses = self._losses[-_MOST_LOSSES:], []
        yield LabView(
            experiment=request.experiment,
            steps=experiment.steps,
            losses=tuple(losses),
            samples=samples,
            density_side=look.density,
            density=b"".join(density),
            grid=grid,
            cloud=cloud,
        )

    def _push(self, request: LabPush, experiment: "Experiment") -> Steps:
        if request.stage > experiment.layers:
            raise ValueError(f"there is no stage {request.stage} of {experiment.layers}")
        stages = experiment.through(request.points.array().astype(np.float64), request.stage)
        at_data = stages.arrays()[0][0].astype(np.float64)
        yield LabPushed(
            experiment=request.experiment,
            stages=stages,
            log_density=tuple(experiment.log_density(at_data).tolist()),
        )


def cell_middles(half: float, side: int) -> Floats:
    """The middles (side^2, 2) of the cells of a square from -half to half, row by row, lowest y first."""
    middles = (np.arange(side) + 0.5) / side * 2 * half - half
    return np.stack(np.meshgrid(middles, middles), -1).reshape(-1, 2)


def grid_corners(half: float, side: int) -> Floats:
    """The corners ((side + 1)^2, 2) of the cells of such a square, row by row, lowest y first."""
    corners = np.linspace(-half, half, side + 1)
    return np.stack(np.meshgrid(corners, corners), -1).reshape(-1, 2)


def _parts(points: Floats) -> list[Floats]:
    return np.array_split(points, -(-len(points) // _AT_ONCE))


def _read(request: LabRead) -> Steps:
    path = Path(request.path)
    chance = np.random.default_rng(0)
    if path.suffix.lower() in EXTENSIONS:
        with Archives() as archives:
            source = archives.source(path)
        if isinstance(source, ImageError):
            raise source
        image = yield from decoders().read_one(source, _PICTURE, UNDECIDED)
        points, notes = from_picture(image.pixels, chance), list(image.notes)
    else:
        with closing(stepped(partial(read_csv, content_of(path)))) as reading:
            while True:
                try:
                    next(reading)
                except StopIteration as end:
                    points, note = end.value
                    break
                yield None
        notes = [note]
        points, note = usable(centred(points), chance)
        notes.append(note)
    yield LabPoints(path=request.path, points=Points.of(points), note="; ".join(note for note in notes if note))
