"""The training images of each step: order, mirroring and dequantization noise keyed by counters, not by history.

The same (seed, order, step) gives the same batch whatever happened before, so that a resumed run goes on exactly.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nvp_studio.flow.dequantization import unit_from_images
from nvp_studio.flow.noise import keyed_generator, step_noise


class Batches:
    """Batches of always `batch_size` images from a stream that passes over all images epoch after epoch.

    images: uint8 (N, H, W, C); they live on `device` when that has room for them.
    """

    def __init__(
        self, images: npt.NDArray[np.uint8], batch_size: int, seed: int, *, mirror: bool, device: torch.device
    ) -> None:
        self.count = len(images)
        self.batch_size = batch_size
        self.noise_count = max(1, batch_size // 16)
        """Images of noise that go with a batch: one for each sixteen of its images, at least one."""
        self._seed = seed
        self._mirror = mirror
        self._device = device
        self._images = torch.from_numpy(np.ascontiguousarray(images))
        if _fits(self._images, device):
            self._images = self._images.to(device)
        self._orders: dict[tuple[int, int], npt.NDArray[np.int64]] = {}

    def take(self, step: int, order: int = 0, places: tuple[int, int] | None = None) -> Tensor:
        """The batch of `step`, counted from 0: float (batch_size, C, H, W) in [0, 1], on the device.

        Another `order` gives other permutations, mirrorings and noise. With `places` (start, stop), those images of the
        batch alone, as they are in the whole.
        """
        start, stop = places or (0, self.batch_size)
        chosen = torch.from_numpy(self._indices(step, order)[start:stop])
        images = self._images[chosen.to(self._images.device)].to(self._device, non_blocking=True)
        if self._mirror:
            coins = keyed_generator(b"mirror", self._seed, order, step).random(self.batch_size)[start:stop] < 0.5
            mirrored = torch.from_numpy(coins).to(self._device).view(-1, 1, 1, 1)
            images = torch.where(mirrored, images.flip(2), images)
        noise = torch.from_numpy(step_noise(self._seed, step, tuple(images.shape), salt=order, first=start))
        return unit_from_images(images, noise.to(self._device, non_blocking=True))

    def noise(self, step: int, order: int = 0, places: tuple[int, int] | None = None) -> Tensor:
        """Images of uniform noise for `step`, `noise_count` or those at `places` of them: (n, C, H, W) in [0, 1]."""
        start, stop = places or (0, self.noise_count)
        _, height, width, channels = self._images.shape
        shape = (stop - start, channels, height, width)
        noise = step_noise(self._seed, step, shape, salt=order, kind=b"image", first=start)
        return torch.from_numpy(noise).to(self._device)

    def _indices(self, step: int, order: int) -> npt.NDArray[np.int64]:
        stream = np.arange(step * self.batch_size, (step + 1) * self.batch_size)
        epochs, places = np.divmod(stream, self.count)
        return np.concatenate([self._order(int(e), order)[places[epochs == e]] for e in np.unique(epochs)])

    def _order(self, epoch: int, order: int) -> npt.NDArray[np.int64]:
        key = (epoch, order)
        if key not in self._orders:
            if len(self._orders) > 4:
                self._orders.clear()
            self._orders[key] = keyed_generator(b"order", self._seed, order, epoch).permutation(self.count)
        return self._orders[key]


def _fits(images: Tensor, device: torch.device) -> bool:
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return images.numel() < free // 4
