"""Street View House Numbers: 32x32 colour images of digits, cropped, in the MATLAB files of their "format 2".

SciPy reads them: the published files, told by their MD5, in this process, others in one of their own (`mat_file.py`).
"""

from pathlib import Path

import numpy as np

from nvp_studio.data.arrays import Parts, as_images, as_labels, reason_of
from nvp_studio.data.dataset import DataError, Split
from nvp_studio.data.download import RemoteFile, has_published_digest
from nvp_studio.data.mat_file import read_mat_apart
from nvp_studio.data.progress import Progress
from nvp_studio.data.published import LoadOptions, Published

EXTRA = "pip install 'nvp-studio[mat]'"
_ARRAYS = ("X", "y")
_URL = "http://ufldl.stanford.edu/housenumbers/"
TRAIN = RemoteFile(_URL + "train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373", 182_040_794)
TEST = RemoteFile(_URL + "test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3", 64_275_384)


def find_svhn(folder: Path) -> Path | None:
    """Return `folder` when it holds the training and test files."""
    return folder if all((folder / file.name).is_file() for file in (TRAIN, TEST)) else None


def read_svhn(folder: Path, options: LoadOptions | None = None) -> Parts:
    """Return images and labels; the files number the digits from 1 to 10, which is zero. Raises `DataError`."""
    progress = options.progress if options is not None else None
    train, test = (_split(folder / file.name, file, progress) for file in (TRAIN, TEST))
    return Parts(train, test=test, label_names=tuple("0123456789"))


def _split(path: Path, file: RemoteFile, progress: Progress | None) -> Split:
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise DataError(f"{path.name} is read by the library scipy, which is not installed: {EXTRA}") from error
    try:
        if has_published_digest(path, file, progress):
            arrays = loadmat(path, variable_names=_ARRAYS)
        else:
            arrays = read_mat_apart(path, _ARRAYS, progress)
    except OSError as error:
        raise DataError(f"{path.name} cannot be read: {reason_of(error)}") from error
    pixels, labels = arrays.get("X"), arrays.get("y")
    if pixels is None or labels is None or pixels.ndim != 4 or pixels.shape[:3] != (32, 32, 3):
        raise DataError(f"{path.name} is not a file of SVHN: it needs the arrays X (32, 32, 3, N) and y")
    images, _ = as_images(pixels.transpose(3, 0, 1, 2), f"X in {path.name}")
    if labels.dtype.kind == "f" and np.array_equal(labels, np.rint(labels)):
        labels = labels.astype(np.int64)
    numbers = as_labels(labels, len(images), f"y in {path.name}")
    if not 1 <= numbers.min() <= numbers.max() <= 10:
        raise DataError(f"{path.name} is not a file of SVHN: its labels are not 1 to 10")
    return Split(images, numbers % 10)


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
    files=(TRAIN, TEST),
    other_folders=("SVHN",),
    unmistakable=True,
)
