"""Helpers of all readers of array files: arrays to images and labels, bounds for what headers promise, reasons."""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from nvp_studio.data.dataset import MAX_DATA_BYTES, Attribute, DataError, Images, Labels, Split
from nvp_studio.data.reading import UNDECIDED, Reading, Suspicion
from nvp_studio.data.report import LeftOut
from nvp_studio.data.values import apply, choose, facts_of, kind_of
from nvp_studio.text import one_line

ZIP_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""How files in a zip archive may be packed; other ways may ask for gigabytes merely to unpack."""

# What reading a damaged file or archive raises; unpacking is of the kinds above, but its directory may name any.
_DAMAGE = (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, UnicodeError, struct.error)


@dataclass(frozen=True)
class LoadedData:
    """What a reader gives: the images of a source, `validation` and `test` None where it has none.

    `digest` is `digest_of` the splits where that is known already. `unreadable` counts image files that were left out.
    `reading` is as it was decided, and `suspicions` are the doubts about it; `left_out` are the files that are not
    used because of their names.
    """

    train: Split
    validation: Split | None = None
    test: Split | None = None
    label_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    digest: str = ""
    unreadable: int = 0
    reading: Reading = UNDECIDED
    suspicions: tuple[Suspicion, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    def undivided(self) -> "LoadedData":
        """All images as those for training; labels and attributes only where all splits have them."""
        splits = [split for split in (self.train, self.validation, self.test) if split is not None]
        if len(splits) == 1:
            return self
        if len({split.images.shape[1:] for split in splits}) > 1:
            raise DataError("the training, validation and test images differ in shape, so they cannot be one split")
        labels = [split.labels for split in splits if split.labels is not None]
        attributes = [split.attributes for split in splits if split.attributes is not None]
        train = Split(
            np.concatenate([split.images for split in splits]),
            np.concatenate(labels) if len(labels) == len(splits) else None,
            np.concatenate(attributes) if len(attributes) == len(splits) else None,
        )
        return replace(self, train=train, validation=None, test=None, digest="")


def as_images(values: npt.NDArray[Any], name: str) -> Images:
    """Return numbers of a published set as images `(N, H, W, C)`; raises `DataError` when they are none."""
    if values.ndim == 3:
        values = values[..., None]
    if values.ndim != 4 or values.shape[3] not in (1, 3) or 0 in values.shape:
        raise DataError(f"{name} has shape {values.shape}; images are (N, H, W) or (N, H, W, C), C 1 or 3")
    facts = facts_of(values, kind_of(values.dtype, name))
    return np.ascontiguousarray(apply(values, choose(facts, Reading(values="type"))[0])[0])


def as_labels(values: npt.NDArray[Any], count: int, name: str) -> Labels:
    """Return `values` as int64 `(count,)`, not negative; raises `DataError` when they are not such labels."""
    if values.shape not in ((count,), (count, 1)) or values.dtype.kind not in "iu":
        raise DataError(f"{name} is {values.dtype} {values.shape}, not one whole number for each of {count} images")
    labels = values.reshape(count).astype(np.int64)
    if count and labels.min() < 0:
        raise DataError(f"{name} has a negative label")
    return labels


def numbered(data: LoadedData) -> LoadedData:
    """Name the labels by their numbers."""
    labels = [split.labels for split in (data.train, data.validation, data.test) if split is not None]
    highest = max((int(one.max()) for one in labels if one is not None and len(one)), default=-1)
    if highest >= 10_000:
        raise DataError(f"there is a label {highest}; at most 10 000 classes are supported")
    return replace(data, label_names=tuple(map(str, range(highest + 1))))


def read_into(file: IO[bytes], target: npt.NDArray[np.uint8], name: str) -> None:
    """Fill `target` from `file` in pieces, so that no second copy of it is in memory; `DataError` when it ends."""
    done = 0
    while done < len(target):
        piece = file.read(min(io.DEFAULT_BUFFER_SIZE * 128, len(target) - done))
        if not piece:
            raise DataError(f"{name} is cut short: its header promises more bytes than it has")
        target[done : done + len(piece)] = np.frombuffer(piece, np.uint8)
        done += len(piece)


def check_size(size: int, name: str) -> None:
    """Refuse what would not fit `MAX_DATA_BYTES`."""
    if size > MAX_DATA_BYTES:
        raise DataError(f"{name} is too large: {size:,} bytes; at most {MAX_DATA_BYTES:,} are held in memory")


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Make a `DataError` of what a file or archive `name` raises that is damaged or cannot be read."""
    try:
        yield
    except _DAMAGE as error:
        raise DataError(f"{name} cannot be read: {reason_of(error)}") from error


def reason_of(error: Exception) -> str:
    """The reason that an error gives, in one line and without the path."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return one_line(error, 200) or "damaged or of an unsupported kind"
