"""8-bit images as they travel between window and worker."""

import math
from typing import TYPE_CHECKING

import msgspec

from nvp_studio.limits import BatchBytes

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class ImageBatch(msgspec.Struct, frozen=True):
    """uint8 images as raw bytes in (N, H, W, C) order."""

    shape: tuple[int, int, int, int]
    pixels: BatchBytes

    def __post_init__(self) -> None:
        if min(self.shape) < 0 or math.prod(self.shape) != len(self.pixels):
            raise ValueError(f"images of shape {self.shape} do not have {len(self.pixels)} bytes")

    @staticmethod
    def of(images: "npt.NDArray[np.uint8]") -> "ImageBatch":
        """The batch of an array (N, H, W, C)."""
        count, height, width, channels = images.shape
        return ImageBatch((count, height, width, channels), images.tobytes())

    def one(self, index: int) -> "ImageBatch":
        """One of the images, as a batch."""
        _, height, width, channels = self.shape
        size = height * width * channels
        return ImageBatch((1, height, width, channels), self.pixels[index * size : (index + 1) * size])

    def singles(self) -> list["ImageBatch"]:
        """Each image as a batch of one."""
        count, height, width, channels = self.shape
        size = height * width * channels
        return [
            ImageBatch((1, height, width, channels), self.pixels[index * size : (index + 1) * size])
            for index in range(count)
        ]

    def array(self) -> "npt.NDArray[np.uint8]":
        """The images as an array (N, H, W, C) that cannot be written to."""
        import numpy as np  # not at the top: configurations and messages are imported without it

        return np.frombuffer(self.pixels, np.uint8).reshape(self.shape)
