"""The training images of each step: order, augmentation and dequantization noise keyed by counters, not by history.

The same (seed, order, step) gives the same batch whatever happened before, so that a resumed run goes on exactly.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nvp_studio.device import pinned
from nvp_studio.flow.dequantization import unit_from_images
from nvp_studio.flow.noise import keyed_generator, step_noise
from nvp_studio.training.augmentation import NO_AUGMENTATION, Augmentation

_PIECE = 4096
"""Images that are copied to a device at a time, so that a mapped file need not fit into memory."""
_ORDERS = 4
"""Permutations of all images that are kept; a batch takes from those of two epochs at most, if it is no larger."""

Range = tuple[int, int]
"""Places in a batch: start, and stop (exclusive)."""


def noise_count(batch_size: int) -> int:
    """Images of noise that go with a batch: one for each sixteen of its images, at least one."""
    return max(1, batch_size // 16)


class MicroBatch(NamedTuple):
    """The part of a batch that is computed at once: float (n, C, H, W) in [0, 1]."""

    images: Tensor
    noise: Tensor
    """Images of uniform noise, of which there may be none."""


class OwnSamples(NamedTuple):
    """What some of the flow's own samples are made of (`training/own_samples.py`)."""

    latents: Tensor
    """(n, D), from the prior."""
    noise: Tensor
    """(n, H, W, C) in [0, 1), for dequantization."""


class Draw(NamedTuple):
    """What to draw: images of a step's batch, and of its images of noise."""

    step: int
    order: int
    images: Range
    noise: Range


class Prefetcher:
    """Calls `draw`, and in its thread calls it for the same places of the next step as well.

    What is drawn depends on the key alone, so prefetching changes only when it is computed. A draw that was not
    prefetched, because training returned to an earlier state or divided its batch differently, is made when asked for.
    """

    def __init__(self, draw: Callable[[Draw], list[Tensor]]) -> None:
        self._draw = draw
        self._thread = ThreadPoolExecutor(1, "next batch")
        self._coming: dict[Draw, Future[list[Tensor]]] = {}

    def __call__(self, wanted: Draw) -> list[Tensor]:
        """The result of `draw`; an error in the thread is raised here."""
        for draw in list(self._coming):  # what belongs neither to this step nor to the next
            if draw.order != wanted.order or not wanted.step <= draw.step <= wanted.step + 1:
                self._coming.pop(draw).cancel()
        coming = self._coming.pop(wanted, None)
        following = wanted._replace(step=wanted.step + 1)
        if following not in self._coming:
            self._coming[following] = self._thread.submit(self._draw, following)
        return self._draw(wanted) if coming is None else coming.result()


class Batches:
    """Batches of `batch_size` images each, from a stream that passes over all images epoch after epoch.

    images: uint8 (N, H, W, C); they are copied to a CUDA `device` that has room for them, else they stay
    where they are: an array that is mapped from a file is read image by image, so that it may be larger than memory.
    For a CUDA device the host's part of the next batch is made in a thread meanwhile, in pinned memory.
    Neither changes a bit of a batch.
    """

    def __init__(
        self,
        images: npt.NDArray[np.uint8],
        batch_size: int,
        seed: int,
        *,
        augmentation: Augmentation = NO_AUGMENTATION,
        device: torch.device,
    ) -> None:
        self.count = len(images)
        self.batch_size = batch_size
        self.noise_count = noise_count(batch_size)
        self._seed = seed
        self._augmentation = augmentation
        self._device = device
        self._images = images
        self._on_device = _sent(images, device) if _fits(images, device) else None
        self._order = lru_cache(_ORDERS)(partial(_permutation, seed, len(images)))
        prefetches = _gains_by_a_thread(device)
        self._drawn: Callable[[Draw], list[Tensor]] = Prefetcher(self._draw) if prefetches else self._draw

    def take(self, step: int, order: int = 0, places: Range | None = None) -> Tensor:
        """The batch of `step`, counted from 0: float (batch_size, C, H, W) in [0, 1], on the device.

        Another `order` gives other permutations, augmentation and noise. With `places`, those images of the batch
        alone, as they are in the whole.
        """
        return self.micro_batch(step, order, places or (0, self.batch_size), (0, 0)).images

    def micro_batch(self, step: int, order: int, images: Range, noise: Range) -> MicroBatch:
        """The images of `take` at these places, and of the `noise_count` images of noise those at these places."""
        x, dequantization, uniform = map(self._move, self._drawn(Draw(step, order, images, noise)))
        if self._on_device is not None:
            x = self._on_device[x]
        x = self._augmentation.apply(x, self._seed, order, step, self.batch_size, images[0])
        return MicroBatch(unit_from_images(x, dequantization), uniform)

    def micro_batches(
        self, step: int, order: int, ranges: Iterable[Range], noise_ranges: Iterable[Range]
    ) -> Iterator[MicroBatch]:
        """The batch of `step` at these `ranges` of its images and of its images of noise, one after the other."""
        for images, noise in zip(ranges, noise_ranges, strict=True):
            yield self.micro_batch(step, order, images, noise)

    def own_samples(self, step: int, order: int, places: Range) -> OwnSamples:
        """What the samples at these places of the samples of `step` are made of, on the device."""
        _, height, width, channels = self._images.shape
        start, stop = places
        size = height * width * channels
        latents = keyed_generator(b"own latents", self._seed, order, step).standard_normal((stop, size), np.float32)
        noise = step_noise(
            self._seed, step, (stop - start, height, width, channels), salt=order, first=start, kind=b"own noise"
        )
        return OwnSamples(
            *(self._move(pinned(torch.from_numpy(part), self._device)) for part in (latents[start:], noise))
        )

    def _draw(self, draw: Draw) -> list[Tensor]:
        """The host's part: images, or their numbers where the device has them; their noise; images of noise."""
        _, height, width, channels = self._images.shape
        (start, stop), (first, last) = draw.images, draw.noise
        numbers = self._indices(draw.step, draw.order)[start:stop]
        images = self._images[numbers] if self._on_device is None else numbers
        noise_of = partial(step_noise, self._seed, draw.step, salt=draw.order)
        dequantization = noise_of((stop - start, height, width, channels), first=start)
        uniform = noise_of((last - first, channels, height, width), first=first, kind=b"image")
        return [pinned(torch.from_numpy(part), self._device) for part in (images, dequantization, uniform)]

    def _move(self, part: Tensor) -> Tensor:
        return part.to(self._device, non_blocking=True)

    def _indices(self, step: int, order: int) -> npt.NDArray[np.int64]:
        stream = np.arange(step * self.batch_size, (step + 1) * self.batch_size)
        epochs, places = np.divmod(stream, self.count)
        return np.concatenate([self._order(order, int(e))[places[epochs == e]] for e in np.unique(epochs)])


def _permutation(seed: int, count: int, order: int, epoch: int) -> npt.NDArray[np.int64]:
    return keyed_generator(b"order", seed, order, epoch).permutation(count)


def _fits(images: npt.NDArray[np.uint8], device: torch.device) -> bool:
    if device.type != "cuda":
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return images.nbytes <= free // 4


def _sent(images: npt.NDArray[np.uint8], device: torch.device) -> Tensor:
    there = torch.empty(images.shape, dtype=torch.uint8, device=device)
    for start in range(0, len(images), _PIECE):
        there[start : start + _PIECE] = torch.from_numpy(np.array(images[start : start + _PIECE]))
    return there


def _gains_by_a_thread(device: torch.device) -> bool:
    """On a CPU the thread would take time from training itself."""
    return device.type == "cuda"
