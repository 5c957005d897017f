"""A trained flow opened for exploring, with what its checkpoint holds about the data it was trained on."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nvp_studio.checkpoints import Checkpoint, CheckpointInfo, build_flow, find_checkpoint, read_checkpoint
from nvp_studio.data.reading import UNDECIDED, Reading, recorded_reading
from nvp_studio.flow.engine.inference import Inference
from nvp_studio.recipe import Image, Seed


@dataclass(frozen=True)
class Directions:
    """Directions among the training images' latents: principal ones, widest first, then named ones."""

    components: Tensor
    """(K, D), rows of length 1; the principal ones are orthogonal to each other."""
    mean: Tensor
    """(D,), mean of the latents."""
    deviation: Tensor
    """(K,), standard deviation of the latents along each direction."""
    explained_variance: tuple[float, ...]
    """K fractions of the latents' whole variance, one along each direction."""
    names: tuple[str, ...]
    """K names; empty for a principal direction."""

    def __len__(self) -> int:
        return len(self.explained_variance)


@dataclass(frozen=True)
class OpenedModel:
    """A flow with the averaged weights, and the facts that came with it."""

    flow: Inference = field(repr=False)
    path: str
    """The checkpoint file it was read from."""
    digest: str
    """SHA-256 of the checkpoint's content, hexadecimal."""
    info: CheckpointInfo = field(repr=False)
    directions: Directions | None = field(repr=False)
    reference: npt.NDArray[np.float64] = field(repr=False)
    """Bits/dim of the reference (validation) images, sorted; empty when the file has none."""
    reading: Reading = UNDECIDED
    """How numbers of more than 8 bits become levels, as when the model was trained."""
    base_latents: dict[tuple[Seed | Image, bool], Tensor] = field(default_factory=dict, repr=False)
    """Latents (1, D) of the bases used last, kept by `explore.render`: a slider moves, its base stays."""
    enlargement: int = 1
    """How many times as long as when it was trained the sides of its images are; see `explore.larger`."""
    larger: "dict[int, OpenedModel]" = field(default_factory=dict, repr=False)
    """The model at the larger size that was used last, kept by `explore.larger`."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return self.flow.config.image_shape

    @property
    def pixel_shape(self) -> tuple[int, int, int]:
        """(H, W, C), the order of 8-bit images."""
        channels, height, width = self.flow.config.image_shape
        return height, width, channels

    @property
    def parameters(self) -> int:
        """Number of trained parameters."""
        return sum(parameter.numel() for parameter in self.flow.flow.parameters())

    def percentile(self, bits_per_dim: float) -> float | None:
        """Percentage of the reference images that score lower; None when there is no reference."""
        if not len(self.reference):
            return None
        return 100.0 * float(np.searchsorted(self.reference, bits_per_dim, side="left")) / len(self.reference)


def open_model(path: str | os.PathLike[str] = "", device: str | torch.device = "cpu") -> OpenedModel:
    """Open a checkpoint file, or of a run folder its best; an empty path is the included model.

    Raises `CheckpointError` with one line when the file is not a sound checkpoint.
    """
    file = find_checkpoint(path)
    checkpoint = read_checkpoint(file)
    flow = build_flow(checkpoint, device)
    return OpenedModel(
        flow=flow,
        path=str(Path(file).absolute()),
        digest=checkpoint.digest,
        info=checkpoint.info,
        directions=_directions(checkpoint, flow),
        reference=_reference(checkpoint),
        reading=UNDECIDED.after(recorded_reading(checkpoint.info.train_config)),
    )


def with_directions_of(model: OpenedModel, before: OpenedModel) -> OpenedModel:
    """A model that has no directions, with those of other weights of the same flow: the checkpoints that a run writes
    to go on from hold none.
    """
    if model.directions is not None or model.flow.config != before.flow.config:
        return model
    return replace(model, directions=before.directions)


def _directions(checkpoint: Checkpoint, flow: Inference) -> Directions | None:
    tensors = checkpoint.group("directions")
    if not tensors or not len(tensors["components"]):
        return None
    count = len(tensors["components"])
    contrasts = checkpoint.info.data.contrasts
    if len(contrasts) > count:
        contrasts = ()
    return Directions(
        components=tensors["components"].to(flow.device, flow.latent_dtype),
        mean=tensors["mean"].to(flow.device, flow.latent_dtype),
        deviation=tensors["deviation"].to(flow.device, flow.latent_dtype),
        explained_variance=tuple(tensors["shares"].tolist()),
        names=("",) * (count - len(contrasts)) + contrasts,
    )


def _reference(checkpoint: Checkpoint) -> npt.NDArray[np.float64]:
    scores = checkpoint.group("reference").get("bits_per_dim", torch.empty(0, dtype=torch.float64))
    return np.sort(scores.to("cpu", torch.float64).numpy())
