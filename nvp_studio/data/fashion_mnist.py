"""Fashion-MNIST as it ships with the program: all 70 000 images, packed without loss in one xz file per class.

`resources/data/fashion-mnist/labels.xz` holds the labels of the 60 000 training and then the 10 000 test images, one
byte each. The images of class k, in the order in which the labels name them, are in `images-k-rows.xz` or
`images-k-columns.xz`; the name says whether an image's pixels run along its rows or its columns. `docs/data.md` has
the measurements behind this choice; `benchmarks/pack_fashion_mnist.py` makes the files.
"""

import lzma
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from nvp_studio.data.dataset import DataError, DataSet, Images, Split
from nvp_studio.data.progress import Progress
from nvp_studio.resources import resource_path

NAME = "fashion-mnist"
TITLE = "Fashion-MNIST"
LICENCE = "MIT"
CREDIT = "Zalando Research: Xiao, Rasul and Vollgraf, Fashion-MNIST (2017), arXiv:1708.07747"
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
TRAIN_IMAGES, VALIDATION_IMAGES, TEST_IMAGES = 55_000, 5_000, 10_000
SIDE = 28
# `digest_of` the three splits; stored because the files carry their own checksums, and verified by the tests.
DIGEST = "7f51168e8429e4c8989654c8824d7cb8b17bead8c8a92785270e0d161e341a3a"


def load_fashion_mnist(progress: Progress | None = None) -> DataSet:
    """Return Fashion-MNIST: of its 60 000 images the first 55 000 train and the rest validate; 10 000 test."""
    folder = resource_path(f"data/{NAME}")
    count = TRAIN_IMAGES + VALIDATION_IMAGES + TEST_IMAGES
    labels = np.frombuffer(_unpacked(folder / "labels.xz", count), np.uint8)
    images = np.empty((count, SIDE, SIDE, 1), np.uint8)

    def fill(label: int) -> None:
        # A separate part of `images` for each class, and lzma works without the interpreter's lock: threads pay.
        images[labels == label, :, :, 0] = _images_of_class(folder, label, int(np.count_nonzero(labels == label)))

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for done, _ in enumerate(pool.map(fill, range(len(LABEL_NAMES))), start=1):
            if progress is not None:
                progress(done * count // len(LABEL_NAMES), count, f"unpacking {TITLE}")

    def split(start: int, stop: int) -> Split:
        return Split(images[start:stop], labels[start:stop].astype(np.int64))

    held_out = TRAIN_IMAGES + VALIDATION_IMAGES
    return DataSet(
        name=NAME,
        title=TITLE,
        train=split(0, TRAIN_IMAGES),
        validation=split(TRAIN_IMAGES, held_out),
        test=split(held_out, count),
        label_names=LABEL_NAMES,
        licence=LICENCE,
        credit=CREDIT,
        digest=DIGEST,
    )


def _images_of_class(folder: Path, label: int, count: int) -> Images:
    """Return the `(count, H, W)` images of one class, in the data set's order."""
    for order in ("rows", "columns"):
        path = folder / f"images-{label}-{order}.xz"
        if path.exists():
            pixels = np.frombuffer(_unpacked(path, count * SIDE * SIDE), np.uint8).reshape(count, SIDE, SIDE)
            return pixels if order == "rows" else pixels.transpose(0, 2, 1)
    raise DataError(
        f"the installation is incomplete: images of {TITLE}'s class {label} are missing; reinstall NVP Studio"
    )


def _unpacked(path: Path, size: int) -> bytes:
    try:
        data = lzma.decompress(path.read_bytes(), format=lzma.FORMAT_XZ)
    except (OSError, lzma.LZMAError) as error:
        raise DataError(f"the installation is damaged: {path.name} of {TITLE}: {error}; reinstall NVP Studio") from None
    if len(data) != size:
        raise DataError(f"the installation is damaged: {path.name} of {TITLE} has the wrong size; reinstall NVP Studio")
    return data
