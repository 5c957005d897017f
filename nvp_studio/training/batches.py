"""The training images of each step: order, augmentation and dequantization noise keyed by counters, not by history.

The same (seed, order, step) gives the same batch whatever happened before, so that a resumed run goes on exactly.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nvp_studio.flow.dequantization import unit_from_images
from nvp_studio.flow.noise import keyed_generator, step_noise
from nvp_studio.training.augmentation import NO_AUGMENTATION, Augmentation


class Batches:
    """Batches of always `batch_size` images from a stream that passes over all images epoch after epoch.

    images: uint8 (N, H, W, C); they live on a CUDA `device` when that has room for them, else where they are: an array
    that is mapped from a file is read image by image, so that it may be larger than memory.
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
        self.noise_count = max(1, batch_size // 16)
        """Images of noise that go with a batch: one for each sixteen of its images, at least one."""
        self._seed = seed
        self._augmentation = augmentation
        self._device = device
        self._images = images
        self._on_device = torch.from_numpy(np.array(images)).to(device) if _fits(images, device) else None
        self._orders: dict[tuple[int, int], npt.NDArray[np.int64]] = {}

    def take(self, step: int, order: int = 0, places: tuple[int, int] | None = None) -> Tensor:
        """The batch of `step`, counted from 0: float (batch_size, C, H, W) in [0, 1], on the device.

        Another `order` gives other permutations, augmentation and noise. With `places` (start, stop), those images of
        the batch alone, as they are in the whole.
        """
        start, stop = places or (0, self.batch_size)
        images = self._gather(self._indices(step, order)[start:stop])
        images = self._augmentation.apply(images, self._seed, order, step, self.batch_size, start)
        noise = torch.from_numpy(step_noise(self._seed, step, tuple(images.shape), salt=order, first=start))
        return unit_from_images(images, noise.to(self._device, non_blocking=True))

    def noise(self, step: int, order: int = 0, places: tuple[int, int] | None = None) -> Tensor:
        """Images of uniform noise for `step`, `noise_count` or those at `places` of them: (n, C, H, W) in [0, 1]."""
        start, stop = places or (0, self.noise_count)
        _, height, width, channels = self._images.shape
        shape = (stop - start, channels, height, width)
        noise = step_noise(self._seed, step, shape, salt=order, kind=b"image", first=start)
        return torch.from_numpy(noise).to(self._device)

    def _gather(self, indices: npt.NDArray[np.int64]) -> Tensor:
        if self._on_device is not None:
            return self._on_device[torch.from_numpy(indices).to(self._device)]
        return torch.from_numpy(self._images[indices]).to(self._device, non_blocking=True)

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


def _fits(images: npt.NDArray[np.uint8], device: torch.device) -> bool:
    if device.type != "cuda":
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return images.nbytes < free // 4
