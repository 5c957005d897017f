"""The data sets that ship with the program, Fashion-MNIST and Peeps, packed by xz in `resources/data/NAME`.

All images of Fashion-MNIST are in one file per class. `labels.xz` holds the labels of the 60 000 training and then the
10 000 test images, one byte each. The images of class k, in the order in which the labels name them, are in
`images-k-rows.xz` or `images-k-columns.xz`; the name says whether an image's pixels run along its rows or its columns.

Peeps are 20 000 drawn faces in colour. `images.xz` holds the pixels, `attributes.xz` a byte for each face and
attribute, both with the training faces first. `benchmarks/peeps/render.mjs` draws the faces.

`docs/data.md` has the measurements behind these choices; `benchmarks/pack_fashion_mnist.py` and
`benchmarks/pack_peeps.py` make the files.
"""

import lzma
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from nvp_studio.data.arrays import LoadedData
from nvp_studio.data.dataset import DataError, Images, Split
from nvp_studio.data.options import LoadOptions


def read_fashion_mnist(variant: str, folder: Path, options: LoadOptions) -> LoadedData:
    """Return all images as one split, training images first; raises `DataError`."""
    labels = _unpacked(folder / "labels.xz", (-1,))
    classes = int(labels.max()) + 1
    images = np.empty((len(labels), 28, 28, 1), np.uint8)

    def fill(label: int) -> None:
        # A separate part of `images` for each class, and lzma works without the interpreter's lock: threads pay.
        images[labels == label, :, :, 0] = _images_of_class(folder, label, int((labels == label).sum()))

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for done, _ in enumerate(pool.map(fill, range(classes)), start=1):
            options.progress(done * len(labels) // classes, len(labels), "unpacking Fashion-MNIST")
    return LoadedData(Split(images, labels.astype(np.int64)))


def _images_of_class(folder: Path, label: int, count: int) -> Images:
    """Return the `(count, H, W)` images of one class, in the data set's order."""
    columns = folder / f"images-{label}-columns.xz"
    if columns.exists():
        return _unpacked(columns, (count, 28, 28)).transpose(0, 2, 1)
    return _unpacked(folder / f"images-{label}-rows.xz", (count, 28, 28))


def read_peeps(variant: str, folder: Path, options: LoadOptions) -> LoadedData:
    """Return all faces as one split, training faces first; raises `DataError`."""
    images = _unpacked(folder / "images.xz", (-1, 32, 32, 3))
    attributes = _unpacked(folder / "attributes.xz", (len(images), -1))
    options.progress(len(images), len(images), "unpacking Peeps")
    return LoadedData(Split(images, attributes=attributes))


def _unpacked(path: Path, shape: tuple[int, ...]) -> Images:
    """Return the bytes in the file as an array of this shape; raises `DataError` when the installation is damaged."""
    try:
        data = lzma.decompress(path.read_bytes(), format=lzma.FORMAT_XZ)
        return np.frombuffer(bytearray(data), np.uint8).reshape(shape)
    except (OSError, lzma.LZMAError, ValueError) as error:
        raise DataError(f"the installation is damaged: {path.name}: {error}; reinstall NVP Studio") from None
