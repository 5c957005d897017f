"""Random changes of training images that leave them plausible: mirroring and small shifts, keyed by counters.

The same (seed, order, step) draws the same changes, so that a resumed run sees what it would have seen.
"""

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor

from nvp_studio.device import pinned
from nvp_studio.flow.noise import keyed_generator
from nvp_studio.training.config import TrainConfig


@dataclass(frozen=True)
class Augmentation:
    """What is done to the images of a batch at random.

    `mirror` turns left and right about, for half of them. `shift` moves each by up to so many pixels across and down;
    what enters at an edge is the image reflected there, which is padding and cropping in one.
    """

    mirror: bool = False
    shift: int = 0

    @classmethod
    def of(cls, config: TrainConfig) -> "Augmentation":
        """What `config` asks for."""
        return cls(bool(config.horizontal_flip), config.random_shift)

    def apply(self, images: Tensor, seed: int, order: int, step: int, batch_size: int, first: int = 0) -> Tensor:
        """Change images, uint8 (N, H, W, C): numbers `first` to `first` + N of the batch of `batch_size` in `step`."""
        chosen = slice(first, first + len(images))
        if self.shift:
            draws = keyed_generator(b"shift", seed, order, step)
            moves = draws.integers(-self.shift, self.shift, (batch_size, 2), endpoint=True)[chosen]
            images = _shifted(images, _sent(moves, images.device))
        if self.mirror:
            coins = keyed_generator(b"mirror", seed, order, step).random(batch_size)[chosen] < 0.5
            mirrored = _sent(coins, images.device).view(-1, 1, 1, 1)
            images = torch.where(mirrored, images.flip(2), images)
        return images


NO_AUGMENTATION = Augmentation()


def _sent(drawn: npt.NDArray[Any], device: torch.device) -> Tensor:
    """What was drawn, on the device; the host does not wait for the copy."""
    return pinned(torch.from_numpy(drawn), device).to(device, non_blocking=True)


def _shifted(images: Tensor, moves: Tensor) -> Tensor:
    """Move each of the images (N, H, W, C) by its row of moves (N, 2), down and across, reflected at the edges."""
    count, height, width, _ = images.shape
    rows = _reflected(torch.arange(height, device=images.device) - moves[:, :1], height)
    columns = _reflected(torch.arange(width, device=images.device) - moves[:, 1:], width)
    numbers = torch.arange(count, device=images.device)
    return images[numbers.view(-1, 1, 1), rows.unsqueeze(2), columns.unsqueeze(1)]


def _reflected(places: Tensor, size: int) -> Tensor:
    """Bring places outside 0..size-1 back inside as a mirror at each edge does; the edge itself is not repeated."""
    if size == 1:
        return torch.zeros_like(places)
    places = torch.remainder(places, 2 * (size - 1))
    return torch.minimum(places, 2 * (size - 1) - places)
