"""The data sets that ship with the program, packed by xz in `resources/data/NAME`."""

import lzma
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nvp_studio.data.dataset import Attribute, DataError, DataSet, Images, Split
from nvp_studio.data.progress import Progress
from nvp_studio.resources import resource_path


@dataclass(frozen=True)
class Included:
    """A data set that ships with the program.

    `image_shape` is (C, H, W). `unpack` returns all images in the order training, validation, test, of which there are
    as many as the counts say. `digest` is `digest_of` the three splits, stored so that it need not be computed at each
    start; the tests compare it.
    """

    name: str
    title: str
    image_shape: tuple[int, int, int]
    train_images: int
    validation_images: int
    test_images: int
    licence: str
    credit: str
    digest: str
    unpack: Callable[[Progress | None], Split]
    label_names: tuple[str, ...] = ()
    attributes: tuple[Attribute, ...] = ()

    @property
    def images(self) -> int:
        """How many images there are."""
        return self.train_images + self.validation_images + self.test_images

    def load(self, progress: Progress | None = None) -> DataSet:
        """Return the set; raises `DataError` when the installation is damaged."""
        images = self.unpack(progress)
        held_out = self.train_images + self.validation_images
        return DataSet(
            name=self.name,
            title=self.title,
            train=images.part(slice(self.train_images)),
            validation=images.part(slice(self.train_images, held_out)),
            test=images.part(slice(held_out, self.images)),
            label_names=self.label_names,
            licence=self.licence,
            credit=self.credit,
            digest=self.digest,
            attributes=self.attributes,
        )


def unpacked(name: str, shape: tuple[int, ...]) -> Images:
    """Return the bytes in the xz file `resources/data/NAME` in this shape; raises `DataError`."""
    try:
        data = lzma.decompress(resource_path(f"data/{name}").read_bytes(), format=lzma.FORMAT_XZ)
        return np.frombuffer(bytearray(data), np.uint8).reshape(shape)
    except (OSError, lzma.LZMAError, ValueError) as error:
        raise DataError(f"the installation is damaged: {name}: {error}; reinstall NVP Studio") from None
