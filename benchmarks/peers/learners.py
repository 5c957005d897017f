"""One way to train, score and decode for NVP Studio and the other libraries."""

import copy
import math
import sys
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from types import SimpleNamespace
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from benchmarks.ablation import Trial
from benchmarks.peers.models import PEERS, STUDIO, BehindLogit, Peer, PeerFlow, Shape
from benchmarks.throughput import _machine
from nvp_studio.data.dataset import DataSet
from nvp_studio.flow.config import preset_config
from nvp_studio.flow.dequantization import unit_from_images
from nvp_studio.flow.flow import bits_per_dim_from_log_prob
from nvp_studio.training.config import TrainConfig, recommended

INITIAL_IMAGES = 256
"""Images from which scales are initialized where a library does that."""
PRESET = "studio"
LOGIT = ", logit"
"""What is added to the name of a model behind NVP Studio's logit."""
Images = npt.NDArray[np.uint8]


class Model(Protocol):
    """A flow that is no longer trained, between images (N, C, H, W) in [0, 1] and latents (N, D)."""

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]: ...
    def decode(self, z: Tensor) -> Tensor: ...
    def log_prob(self, x: Tensor) -> Tensor: ...


class Learner(Protocol):
    """A flow that is trained."""

    parameters: int
    rate: float
    batch: int

    def step(self, fraction: float) -> float:
        """Take a step with `fraction` of the budget used up; its loss in bits/dim."""

    def model(self) -> Model:
        """The flow as it is now, ready to score and decode."""


class StudioLearner:
    """NVP Studio's preset with its own defaults: Muon, averaged weights, noise images, cosine."""

    def __init__(self, images: Images, rate: float | None = None, batch: int | None = None) -> None:
        given = {"learning_rate": rate, "batch_size": batch}
        fields = recommended(PRESET) | {name: value for name, value in given.items() if value is not None}
        flow = preset_config(PRESET, _shape_of(images))
        config = TrainConfig(**fields, preset=PRESET, flow=flow, steps=1, threads=1, device="cpu")
        data = cast(DataSet, SimpleNamespace(train=SimpleNamespace(images=images)))
        self._trial = Trial(config, data)
        self._steps = 0
        self.rate, self.batch = config.learning_rate, config.batch_size
        self.parameters = sum(parameter.numel() for parameter in self._trial.state.parameters)

    def step(self, fraction: float) -> float:
        loss = self._trial.step(self._steps, fraction)
        self._steps += 1
        return loss

    def model(self) -> Model:
        averaged = self._trial.state.averaged
        averaged.compile()
        return averaged


class PeerLearner:
    """Another library's flow with its own optimizer.

    The rate follows a cosine to zero, and the gradient of the bits/dim is clipped to norm 1, as for NVP Studio; a step
    whose loss or gradient is not finite changes nothing. What a library initializes from data, it initializes from 256
    images.
    """

    def __init__(
        self,
        peer: Peer,
        images: Images,
        rate: float | None,
        batch: int,
        device: str = "cpu",
        *,
        logit: bool = False,
    ) -> None:
        self.rate, self.batch = rate or peer.rate, batch
        self._images, self._device = images, device
        self._generator = torch.Generator().manual_seed(0)
        torch.manual_seed(0)
        flow, shape = peer.flow(_shape_of(images)), _shape_of(images)
        self.flow: PeerFlow = (BehindLogit(flow, shape) if logit else flow).to(device).train()
        first = self._take(min(INITIAL_IMAGES, len(images)))
        if hasattr(self.flow, "initialize"):
            self.flow.initialize(first)
        with torch.no_grad():
            self.flow(first)
        self._optimizer = peer.optimizer(self.flow.parameters(), lr=self.rate, **peer.options)
        self.parameters = sum(one.numel() for one in self.flow.parameters() if one.requires_grad)

    def _take(self, count: int) -> Tensor:
        chosen = torch.randint(len(self._images), (count,), generator=self._generator)
        images = torch.from_numpy(self._images[chosen.numpy()])
        return in_order(unit_from_images(images, torch.rand(images.shape, generator=self._generator))).to(self._device)

    def step(self, fraction: float) -> float:
        for group in self._optimizer.param_groups:
            group["lr"] = self.rate * 0.5 * (1 + math.cos(math.pi * fraction))
        return self.update(self._take(self.batch)).item()

    def update(self, x: Tensor) -> Tensor:
        """Learn from images x (N, C, H, W); the loss in bits/dim."""
        self._optimizer.zero_grad()
        loss = bits_per_dim_from_log_prob(self.flow(x), x[0].numel()).mean()
        loss.backward()
        norm = clip_grad_norm_(self.flow.parameters(), 1.0)
        if torch.isfinite(norm) and torch.isfinite(loss):
            self._optimizer.step()
        return loss.detach()

    def model(self) -> Model:
        return copy.deepcopy(self.flow).eval()


def learner(name: str, images: Images, rate: float | None, batch: int | None, peers_batch: int) -> Learner:
    """The model `name` before its first step; without `rate` and `batch` with NVP Studio's and this project's own.

    A name that ends with `LOGIT` is that of a library's model behind NVP Studio's logit.
    """
    if name == STUDIO:
        return StudioLearner(images, rate, batch)
    peer = PEERS[name.removesuffix(LOGIT)]
    return PeerLearner(peer, images, rate, batch or peers_batch, logit=name.endswith(LOGIT))


@torch.no_grad()
def bits_per_dim(model: Model, images: Images, batch: int = 100) -> float:
    """Mean bits/dim of 8-bit images under uniform dequantization: the same noise and formula for every model."""
    generator = torch.Generator().manual_seed(1)
    scores = []
    for part in torch.split(torch.from_numpy(images.copy()), batch):
        x = in_order(unit_from_images(part, torch.rand(part.shape, generator=generator)))
        scores.append(bits_per_dim_from_log_prob(model.log_prob(x).double(), x[0].numel()))
    return torch.cat(scores).mean().item()


def in_order(x: Tensor) -> Tensor:
    """x with the strides of its shape: with one channel torch may take it for channels-last, which FrEIA does not."""
    return x.contiguous().flatten().view(x.shape)


def _shape_of(images: Images) -> Shape:
    _, height, width, channels = images.shape
    return channels, height, width


def context() -> dict[str, Any]:
    """Machine, versions, date and command, for a row of results."""
    versions = {}
    for package in ("normflows", "nflows", "FrEIA", "torchflows"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    command = "python -m benchmarks.peers " + " ".join(sys.argv[1:])
    return {
        "machine": _machine("cpu").replace(" for both", ""),
        "versions": versions,
        "date": str(date.today()),
        "command": command,
    }
