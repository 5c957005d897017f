"""The images that pictures are compared with: those that a model was trained on, or others, with their latents."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from nvp_studio.data.catalogue import load_data
from nvp_studio.data.dataset import DataError, Images
from nvp_studio.data.image_size import size_of
from nvp_studio.data.options import Progress, no_progress
from nvp_studio.explore.latent_file import LatentFile
from nvp_studio.explore.model import OpenedModel
from nvp_studio.flow.dequantization import unit_from_images
from nvp_studio.recipe import Space
from nvp_studio.scores.reference import NoReferenceError
from nvp_studio.scores.reference_data import training_data
from nvp_studio.text import shape_text

MAX_LATENTS = 60_000
"""Most training images whose latents are computed; of more, so many at random."""
HELD_IMAGES = 500
"""Most images that were not trained on whose distances are the scale for others."""
_CPU_BATCH, _GPU_BATCH = 2, 256
"""Images that are encoded in one step, between which others are served."""


@dataclass(frozen=True, eq=False)
class KnownImages:
    """Training images, and some of the same data that were not trained on."""

    title: str
    digest: str
    """That of the data set."""
    train: Images
    """(N, H, W, C), at the model's size."""
    held: Images
    """(M, H, W, C): at most `HELD_IMAGES` test images, or validation images where there are none of these."""
    tested: bool
    """Whether `held` are test images."""
    order: npt.NDArray[np.int64]
    """The numbers of the images of `train` that have latents, in the order of the latents, which is a random one."""
    latents: LatentFile = field(repr=False)
    held_distances: dict[Space, npt.NDArray[np.float64]] = field(default_factory=dict, repr=False)
    """How far each of `held` is from the nearest of `train`, once it was asked for."""

    @property
    def missing(self) -> int:
        """How many latents are not computed yet."""
        return len(self.order) - self.latents.count


def known_images(model: OpenedModel, data: str = "", *, progress: Progress = no_progress) -> KnownImages:
    """Load the images of `data`, the name of a data set or a path, at the model's size; empty: the model's own data.

    Raises `DataError`, a `ValueError`, where they cannot be had.
    """
    channels, height, width = model.image_shape
    if data:
        size = size_of(width, height)
        loaded = load_data(data, image_size=size, channels=channels, reading=model.reading, progress=progress)
    else:
        try:
            loaded = training_data(model.info, progress)
        except NoReferenceError as error:
            title = model.info.data.title or model.info.data.name
            reason = error.__cause__ or error
            raise DataError(f"the model's own data, {title}, are not here; choose other data ({reason})") from error
        if loaded.image_shape != model.image_shape:
            raise DataError(
                f"the images of {loaded.title} are {shape_text(*loaded.image_shape)}, "
                f"those of the model {shape_text(*model.image_shape)}; choose other data"
            )
    tested = loaded.test is not None and len(loaded.test) > 0
    held = loaded.test.images if loaded.test is not None and tested else loaded.validation.images
    chosen = np.linspace(0, len(held) - 1, min(HELD_IMAGES, len(held))).round().astype(np.int64)
    order = _random_order(len(loaded.train))[:MAX_LATENTS]
    return KnownImages(
        title=loaded.title,
        digest=loaded.digest,
        train=loaded.train.images,
        held=np.ascontiguousarray(held[chosen]),
        tested=tested,
        order=order,
        latents=LatentFile(f"{model.digest[:16]}-{loaded.digest[:16]}", model.flow.config.dimensions, len(order)),
    )


def encoding(model: OpenedModel, known: KnownImages, count: int | None = None) -> Iterator[tuple[int, int]]:
    """Compute the latents of the first `count` images of `known.order`, of all by default, that have none yet.

    Yields how many are there of how many after each step, which is as short as a few pictures.
    """
    batch = _CPU_BATCH if model.flow.device.type == "cpu" else _GPU_BATCH
    wanted = len(known.order) if count is None else min(count, len(known.order))
    while known.latents.count < wanted:
        start = known.latents.count
        numbers = known.order[start : min(start + batch, wanted)]
        known.latents.add(latents_of(model, known.train[numbers]))
        yield known.latents.count, wanted


def latents_of(model: OpenedModel, images: Images) -> npt.NDArray[np.float32]:
    """The latents (n, D) of 8-bit images (n, H, W, C), each dequantized at the middle of its grey levels."""
    with torch.inference_mode():
        x = unit_from_images(torch.from_numpy(np.ascontiguousarray(images)), 0.5)
        z = model.flow.encode(x.to(model.flow.device, model.flow.dtype))[0]
        found: npt.NDArray[np.float32] = z.to("cpu", torch.float32).numpy()
    return found


def _random_order(count: int) -> npt.NDArray[np.int64]:
    """0 to count - 1 in an order that is random and yet always the same (splitmix64): its beginning is a fair choice.

    Files of latents are in this order, so no generator of a library decides it.
    """
    with np.errstate(over="ignore"):
        keys = (np.arange(count, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.argsort(keys ^ (keys >> np.uint64(31)), kind="stable").astype(np.int64)
