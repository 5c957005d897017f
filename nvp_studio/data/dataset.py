"""A data set: uint8 images in named splits, in memory or mapped from a file, with what a person should know of it."""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nvp_studio.data.options import Progress, no_progress
from nvp_studio.data.reading import UNDECIDED, Reading, Suspicion
from nvp_studio.data.report import LeftOut
from nvp_studio.text import one_line

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]

SPLITS = ("train", "validation", "test")
SPLIT_BY_NAME = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
"""The split that a folder or file of this name (in small letters) stands for."""

MAX_DATA_BYTES = 8 * 2**30
"""More pixels than this (in bytes) are refused where a source is held in memory whole."""


_HASHED_BYTES = 64 * 2**20
"""Pixels that the digest takes at once."""


class DataError(ValueError):
    """Data that cannot be used; the message is one line that says what is wrong and what to do, whatever they hold."""

    def __init__(self, reason: str) -> None:
        super().__init__(one_line(reason, 5000))


@dataclass(frozen=True)
class Attribute:
    """A property of every image of a set: `values[k]` names value k, where "none" means that it is absent."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Split:
    """Images of one purpose.

    `images` is uint8 `(N, H, W, C)` with C 1 or 3; `labels` is int64 `(N,)`, or None where there are none;
    `attributes` is uint8 `(N, A)`, for each image the number of its value of each of the set's attributes, or None.
    """

    images: Images
    labels: Labels | None = None
    attributes: npt.NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        images, labels, attributes = self.images, self.labels, self.attributes
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3):
            raise ValueError(f"images must be uint8 (N, H, W, C) with C 1 or 3, not {images.dtype} {images.shape}")
        if labels is not None and (labels.dtype != np.int64 or labels.shape != images.shape[:1]):
            raise ValueError(f"labels must be int64 ({len(images)},), not {labels.dtype} {labels.shape}")
        if attributes is None:
            return
        if attributes.dtype != np.uint8 or attributes.ndim != 2 or len(attributes) != len(images):
            raise ValueError(f"attributes must be uint8 ({len(images)}, A), not {attributes.dtype} {attributes.shape}")

    def __len__(self) -> int:
        return len(self.images)

    def part(self, chosen: slice | npt.NDArray[np.bool_]) -> "Split":
        """Return the chosen images with what is known of them."""
        labels = None if self.labels is None else self.labels[chosen]
        attributes = None if self.attributes is None else self.attributes[chosen]
        return Split(self.images[chosen], labels, attributes)


@dataclass(frozen=True, eq=False)
class DataSet:
    """Images to train on, to choose by and, where there are any, to test on.

    `name` is what `load_data` was asked for, `title` is for people, `label_names[k]` names label k, `attributes[a]`
    says what column a of the splits' attributes means, and `notes` tell how the images were converted.
    `digest` is `digest_of` the splits: equal digests mean equal data. `reading` reads the same images again, and
    `suspicions` are the doubts whether they are read as they are meant, `left_out` the files that are not used because
    of their names.
    """

    name: str
    title: str
    train: Split
    validation: Split
    test: Split | None
    label_names: tuple[str, ...]
    licence: str
    credit: str
    digest: str
    notes: tuple[str, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    reading: Reading = UNDECIDED
    suspicions: tuple[Suspicion, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    def __post_init__(self) -> None:
        shapes = {split.images.shape[1:] for split in self.splits}
        if len(shapes) > 1:
            raise DataError(f"the training, validation and test images of {self.name} differ in shape")
        values = np.array([len(attribute.values) for attribute in self.attributes])
        for table in (split.attributes for split in self.splits):
            columns = 0 if table is None else table.shape[1]
            if columns != len(values) or (table is not None and (table >= values).any()):
                raise ValueError(f"the splits of {self.name} have other attributes than its {len(values)}")

    @property
    def splits(self) -> tuple[Split, ...]:
        """The splits there are: train, validation and perhaps test."""
        return (self.train, self.validation) if self.test is None else (self.train, self.validation, self.test)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """The shape (C, H, W) of every image, in the order that a flow's configuration has it."""
        height, width, channels = self.train.images.shape[1:]
        return channels, height, width


def digest_of(*splits: Split | None, progress: Progress = no_progress) -> str:
    """Return the SHA-256 (hexadecimal) over the shapes, pixels, labels and attributes of `splits`, in this order."""
    digest = hashlib.sha256()
    total, done = sum(len(split) for split in splits if split is not None), 0
    for split in splits:
        if split is None:
            digest.update(b"none\n")
            continue
        labelled = split.labels is not None
        digest.update(f"{'x'.join(map(str, split.images.shape))} {'labelled' if labelled else 'plain'}\n".encode())
        rows = max(1, _HASHED_BYTES // max(1, split.images[:1].nbytes))
        for start in range(0, len(split), rows):
            progress(done + start, total, "checking the images")
            digest.update(np.ascontiguousarray(split.images[start : start + rows]).data)
        done += len(split)
        if split.labels is not None:
            digest.update(np.ascontiguousarray(split.labels, dtype="<i8").data)
        if split.attributes is not None:
            digest.update(f"{split.attributes.shape[1]} attributes\n".encode())
            digest.update(np.ascontiguousarray(split.attributes).data)
    progress(total, total, "checking the images")
    return digest.hexdigest()
