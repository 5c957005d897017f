"""Fashion-MNIST as it ships with the program: all 70 000 images, packed without loss in one xz file per class.

`resources/data/fashion-mnist/labels.xz` holds the labels of the 60 000 training and then the 10 000 test images, one
byte each. The images of class k, in the order in which the labels name them, are in `images-k-rows.xz` or
`images-k-columns.xz`; the name says whether an image's pixels run along its rows or its columns. `docs/data.md` has
the measurements behind this choice; `benchmarks/pack_fashion_mnist.py` makes the files.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from nvp_studio.data.dataset import DataError, Images, Split
from nvp_studio.data.included import Included, unpacked
from nvp_studio.data.progress import Progress
from nvp_studio.resources import resource_path

LABEL_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_FOLDER = "fashion-mnist"
_SIDE = 28


def _unpack(progress: Progress | None) -> Split:
    count = FASHION_MNIST.images
    labels = unpacked(f"{_FOLDER}/labels.xz", (count,))
    images = np.empty((count, _SIDE, _SIDE, 1), np.uint8)

    def fill(label: int) -> None:
        # A separate part of `images` for each class, and lzma works without the interpreter's lock: threads pay.
        images[labels == label, :, :, 0] = _images_of_class(label, int(np.count_nonzero(labels == label)))

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for done, _ in enumerate(pool.map(fill, range(len(LABEL_NAMES))), start=1):
            if progress is not None:
                progress(done * count // len(LABEL_NAMES), count, f"unpacking {FASHION_MNIST.title}")
    return Split(images, labels.astype(np.int64))


def _images_of_class(label: int, count: int) -> Images:
    """Return the `(count, H, W)` images of one class, in the data set's order."""
    for order in ("rows", "columns"):
        name = f"images-{label}-{order}.xz"
        if (resource_path(f"data/{_FOLDER}") / name).exists():
            pixels = unpacked(f"{_FOLDER}/{name}", (count, _SIDE, _SIDE))
            return pixels if order == "rows" else pixels.transpose(0, 2, 1)
    raise DataError(f"the installation is incomplete: Fashion-MNIST has no class {label}; reinstall NVP Studio")


FASHION_MNIST = Included(
    name="fashion-mnist",
    title="Fashion-MNIST",
    image_shape=(1, _SIDE, _SIDE),
    train_images=55_000,
    validation_images=5_000,  # the last of the 60 000 published training images
    test_images=10_000,
    licence="MIT",
    credit="Zalando Research: Xiao, Rasul and Vollgraf, Fashion-MNIST (2017), arXiv:1708.07747",
    digest="7f51168e8429e4c8989654c8824d7cb8b17bead8c8a92785270e0d161e341a3a",
    unpack=_unpack,
    label_names=LABEL_NAMES,
)
