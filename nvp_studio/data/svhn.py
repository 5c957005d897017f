"""Street View House Numbers: 32x32 colour images of digits, cropped, in the MATLAB files of their "format 2"."""

from pathlib import Path

import numpy as np

from nvp_studio.data.arrays import Parts, as_images, as_labels
from nvp_studio.data.dataset import DataError, Split
from nvp_studio.data.download import RemoteFile
from nvp_studio.data.mat_file import read_mat
from nvp_studio.data.published import Published, Wish

_URL = "http://ufldl.stanford.edu/housenumbers/"


def find_svhn(folder: Path) -> Path | None:
    """Return `folder` when it holds the training and test files."""
    return folder if all((folder / f"{part}_32x32.mat").is_file() for part in ("train", "test")) else None


def read_svhn(folder: Path, wish: Wish | None = None) -> Parts:
    """Return images and labels; the files number the digits from 1 to 10, which is zero."""
    train, test = (_split(folder / f"{part}_32x32.mat") for part in ("train", "test"))
    return Parts(train, test=test, label_names=tuple("0123456789"))


def _split(path: Path) -> Split:
    arrays = read_mat(path, ("X", "y"))
    pixels, labels = arrays.get("X"), arrays.get("y")
    if pixels is None or labels is None or pixels.ndim != 4 or pixels.shape[:3] != (32, 32, 3):
        raise DataError(f"{path.name} is not a file of SVHN: it needs the arrays X (32, 32, 3, N) and y")
    images, _ = as_images(pixels.transpose(3, 0, 1, 2), f"X in {path.name}")
    numbers = labels.astype(np.int64) if labels.dtype.kind == "f" else labels
    found = as_labels(numbers, len(images), f"y in {path.name}")
    if len(found) and not 1 <= found.min() <= found.max() <= 10:
        raise DataError(f"{path.name} is not a file of SVHN: its labels are not 1 to 10")
    return Split(images, found % 10)


SVHN = Published(
    name="svhn",
    title="SVHN",
    image_shape=(3, 32, 32),
    train_images=73_257,
    test_images=26_032,
    licence="for non-commercial use only",
    credit="Netzer, Wang, Coates, Bissacco, Wu and Ng: Reading Digits in Natural Images (2011)",
    homepage=_URL,
    find=find_svhn,
    read=read_svhn,
    label_names=tuple("0123456789"),
    files=(
        RemoteFile(_URL + "train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373", 182_040_794),
        RemoteFile(_URL + "test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3", 64_275_384),
    ),
    other_folders=("SVHN",),
    unmistakable=True,
)
