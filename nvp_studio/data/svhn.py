"""Street View House Numbers: 32x32 colour images of digits, cropped, in the MATLAB files of their "format 2"."""

from pathlib import Path

import numpy as np

from nvp_studio.data.arrays import LoadedData, as_images, as_labels
from nvp_studio.data.dataset import DataError, Split
from nvp_studio.data.mat_file import read_mat
from nvp_studio.data.options import LoadOptions, Progress

_FILES = ("train_32x32.mat", "test_32x32.mat")


def find_svhn(variant: str, folder: Path) -> Path | None:
    """Return `folder` when it holds the training and test files."""
    return folder if all((folder / name).is_file() for name in _FILES) else None


def read_svhn(variant: str, folder: Path, options: LoadOptions) -> LoadedData:
    """Return images and labels; the files number the digits from 1 to 10, which is zero. Raises `DataError`."""
    train, test = (_split(folder / name, options.progress) for name in _FILES)
    return LoadedData(train, test=test)


def _split(path: Path, progress: Progress) -> Split:
    arrays = read_mat(path, ("X", "y"), progress)
    pixels, labels = arrays.get("X"), arrays.get("y")
    if pixels is None or labels is None or pixels.ndim != 4 or pixels.shape[:3] != (32, 32, 3):
        raise DataError(f"{path.name} is not a file of SVHN: it needs the arrays X (32, 32, 3, N) and y")
    images = as_images(pixels.transpose(3, 0, 1, 2), f"X in {path.name}")
    if labels.dtype.kind == "f" and np.array_equal(labels, np.rint(labels)):
        labels = labels.astype(np.int64)
    numbers = as_labels(labels, len(images), f"y in {path.name}")
    if not 1 <= numbers.min() <= numbers.max() <= 10:
        raise DataError(f"{path.name} is not a file of SVHN: its labels are not 1 to 10")
    return Split(images, numbers % 10)
