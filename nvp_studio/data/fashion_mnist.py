"""Fashion-MNIST as it ships with the program: all 70 000 images, packed without loss in one xz file per class.

`resources/data/fashion-mnist/labels.xz` holds the labels of the 60 000 training and then the 10 000 test images, one
byte each. The images of class k, in the order in which the labels name them, are in `images-k-rows.xz` or
`images-k-columns.xz`; the name says whether an image's pixels run along its rows or its columns. `docs/data.md` has
the measurements behind this choice; `benchmarks/pack_fashion_mnist.py` makes the files.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from nvp_studio.data.arrays import LoadedData
from nvp_studio.data.dataset import DataError, Images, Split
from nvp_studio.data.options import LoadOptions
from nvp_studio.data.xz import read_xz

_CLASSES = 10
_SIDE = 28


def read_fashion_mnist(variant: str, folder: Path, options: LoadOptions) -> LoadedData:
    """Return all images as one split, training images first; raises `DataError`."""
    labels = read_xz(folder / "labels.xz", (-1,))
    images = np.empty((len(labels), _SIDE, _SIDE, 1), np.uint8)

    def fill(label: int) -> None:
        # A separate part of `images` for each class, and lzma works without the interpreter's lock: threads pay.
        images[labels == label, :, :, 0] = _images_of_class(folder, label, int(np.count_nonzero(labels == label)))

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for done, _ in enumerate(pool.map(fill, range(_CLASSES)), start=1):
            options.progress(done * len(labels) // _CLASSES, len(labels), "unpacking Fashion-MNIST")
    return LoadedData(Split(images, labels.astype(np.int64)))


def _images_of_class(folder: Path, label: int, count: int) -> Images:
    """Return the `(count, H, W)` images of one class, in the data set's order."""
    for order in ("rows", "columns"):
        path = folder / f"images-{label}-{order}.xz"
        if path.exists():
            pixels = read_xz(path, (count, _SIDE, _SIDE))
            return pixels if order == "rows" else pixels.transpose(0, 2, 1)
    raise DataError(f"the installation is incomplete: Fashion-MNIST has no class {label}; reinstall NVP Studio")
