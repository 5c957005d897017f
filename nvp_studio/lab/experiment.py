"""An experiment of Lab: a flow of points that is trained step by step and can be looked at between steps."""

import copy
import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim import Adam, Optimizer

from nvp_studio.lab.model import PointFlow
from nvp_studio.lab.points import usable
from nvp_studio.lab.settings import LabSettings
from nvp_studio.lab.stages import Points, Stages
from nvp_studio.lab.toys import draw_toy
from nvp_studio.training.muon import Muon, matrices_of
from nvp_studio.training.train_state import tensors_of, update_average

Floats = npt.NDArray[np.float64]
_FIRST = 4096
"""Points by which the first layer is initialized."""
_AHEAD = 64
"""Batches of toy data that are drawn at once."""
_CLIP = 5.0
_AVERAGE = 0.99
_WARM_UP = 50
"""Steps in which the learning rate rises."""
_HALF_LIFE = 1500.0
"""Steps until the rate has fallen to half; it goes on as 1 / (1 + steps / half-life)."""


class Experiment:
    """Flow, optimizers and moving average of the weights; all questions are answered with the average, in float64."""

    def __init__(self, settings: LabSettings, points: Floats | None = None) -> None:
        """`points` (N, 2) where the settings' data are `points`; raises `PointsError` where they cannot be used."""
        self.settings = settings
        self.note = ""
        """What was left out of the points."""
        self._chance = np.random.default_rng(settings.seed)
        self._points: Floats | None = None
        if settings.data == "points":
            given = np.empty((0, 2)) if points is None else points
            self._points, self.note = usable(given, self._chance)
        self._batches: list[Tensor] = []
        devices: list[int] = []
        with torch.random.fork_rng(devices):
            torch.manual_seed(settings.seed)
            self.flow = PointFlow(settings)
        self.flow.initialize(torch.from_numpy(self.data(_FIRST).astype(np.float32)))
        self.averaged = copy.deepcopy(self.flow).requires_grad_(False)
        matrices = [matrix for matrix in matrices_of(self.flow) if min(matrix.shape) > 1]
        taken = set(matrices)
        others = [parameter for parameter in self.flow.parameters() if parameter not in taken]
        self._optimizers: list[Optimizer] = [Muon(matrices, settings.learning_rate)]
        self._optimizers.append(Adam(others, lr=settings.learning_rate, fused=True))
        self._parameters = list(self.flow.parameters())
        self._averages, self._values = tensors_of(self.averaged), tensors_of(self.flow)
        self._wide: PointFlow | None = None
        self.steps = 0

    @property
    def layers(self) -> int:
        """How many layers the flow has."""
        return len(self.flow.names)

    def data(self, count: int, chance: np.random.Generator | None = None) -> Floats:
        """`count` points of the data, (count, 2)."""
        chance = chance or self._chance
        if self._points is None:
            return draw_toy(self.settings.data, count, chance)
        return np.asarray(self._points[chance.integers(0, len(self._points), count)])

    def step(self) -> float:
        """Take a training step; returns the mean of -log p over its batch, in nats.

        A step whose loss is not finite changes nothing.
        """
        if not self._batches:
            drawn = self.data(_AHEAD * self.settings.batch).astype(np.float32)
            self._batches = list(torch.from_numpy(drawn).view(_AHEAD, -1, 2))
        loss = -self.flow(self._batches.pop()).mean()
        value = float(loss.item())
        self.steps += 1
        for optimizer in self._optimizers:
            optimizer.zero_grad()
        loss.backward()
        norm = clip_grad_norm_(self._parameters, _CLIP)
        if not math.isfinite(value) or not math.isfinite(norm.item()):
            return value
        rate = self.settings.learning_rate * min(1.0, self.steps / _WARM_UP) / (1 + self.steps / _HALF_LIFE)
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
        update_average(self._averages, self._values, _AVERAGE, self.steps)
        self._wide = None
        return value

    # Questions

    @property
    def wide(self) -> PointFlow:
        """The flow of the averaged weights, in float64."""
        if self._wide is None:
            self._wide = copy.deepcopy(self.averaged).double()
        return self._wide

    @torch.no_grad()
    def log_density(self, points: Floats) -> Floats:
        """log p of points (N, 2), in nats: (N,)."""
        result: Floats = self.wide(torch.from_numpy(points)).numpy()
        return result

    @torch.no_grad()
    def stages(self, values: Floats, *, backwards: bool = False) -> tuple[Floats, Floats]:
        """As `PointFlow.stages`."""
        places, log_dets = self.wide.stages(torch.from_numpy(values), backwards=backwards)
        return places.numpy(), log_dets.numpy()

    @torch.no_grad()
    def through(self, values: Floats, origin: int) -> Stages:
        """Points (N, 2) of stage `origin` at every stage."""
        places, log_dets = self.wide.through(torch.from_numpy(values), origin)
        traces, signs = self.wide.traces(log_dets)
        return Stages(
            layers=len(places) - 1,
            origin=origin,
            places=Points.of(places.numpy()),
            log_dets=log_dets.float().numpy().tobytes(),
            traces=traces.float().numpy().tobytes(),
            signs=tuple(signs),
        )

    @torch.no_grad()
    def samples(self, count: int, seed: int = 0) -> Floats:
        """`count` samples (count, 2), from the same latents for each seed."""
        latents = np.random.default_rng(seed).standard_normal((count, 2))
        result: Floats = self.wide.inverse(torch.from_numpy(latents)).numpy()
        return result
