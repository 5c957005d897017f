"""Which arrays of a file are images and which are their labels: told by their names, else by their shapes."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nvp_studio.data.array_images import RawSplit, images_of
from nvp_studio.data.arrays import LoadedData
from nvp_studio.data.dataset import DataError
from nvp_studio.data.reading import Reading
from nvp_studio.text import one_line

Shapes = Mapping[str, tuple[int, ...]]
Read = Callable[[str, str], npt.NDArray[Any]]
"""Gives the array with this name, whose numbers must be of these kinds."""

_MIN_FLAT = 64
"""Least length of rows that are taken for flattened images."""
_NAMES = {
    "train": (
        *(("x_train", "y_train"), ("train_images", "train_labels"), ("train_x", "train_y"), ("images", "labels")),
        ("x", "y"),
    ),
    "validation": (
        *(("x_val", "y_val"), ("val_images", "val_labels"), ("x_valid", "y_valid"), ("val_x", "val_y")),
        *(("validation_images", "validation_labels"), ("valid_images", "valid_labels")),
    ),
    "test": (("x_test", "y_test"), ("test_images", "test_labels"), ("test_x", "test_y")),
}
"""The names in use: those of Keras, MedMNIST and others, and plain ones."""


@dataclass(frozen=True)
class Chosen:
    """The names of the images and the labels of each split, the latter empty where there are none."""

    pairs: dict[str, tuple[str, str]]
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """All of them."""
        return [name for pair in self.pairs.values() for name in pair if name]


def choose_arrays(names: Collection[str], shapes: Callable[[], Shapes], title: str) -> Chosen:
    """Choose among the arrays with these `names` in the file `title`; raises `DataError`.

    `shapes` gives the shapes of those that may be images or labels, where the names do not tell. Small and large
    letters are the same, and the groups of HDF5 are parts of the names: train/images is train_images.
    """
    plain = {_plain(name): name for name in reversed(list(names))}
    pairs = {}
    for split, known in _NAMES.items():
        found = next((pair for pair in known if pair[0] in plain), None)
        if found is not None:
            pairs[split] = plain[found[0]], plain.get(found[1], "")
    if "train" in pairs:
        return Chosen(pairs)
    pairs["train"] = _by_shape(names, shapes, title)
    words = " and labels from ".join(filter(None, pairs["train"]))
    return Chosen(pairs, (one_line(f"images from the array {words}"),))


def load_chosen(chosen: Chosen, read: Read, title: str, options: Reading) -> LoadedData:
    """The images and labels of the arrays that were chosen; labels that cannot be read are left out with a note."""
    raw = {}
    notes = list(chosen.notes)
    for split, (images, labels_name) in chosen.pairs.items():
        values = read(images, "biuf")
        labels = None
        if labels_name and options.labels != "none":
            try:
                labels = _as_column(read(labels_name, "biufUS"))
            except DataError as error:
                notes.append(f"labels left out: {error}")
        raw[split] = RawSplit(values, f"{images} in {title}", labels, labels_name)
    return images_of(raw, options, tuple(notes))


def _plain(name: str) -> str:
    return name.lower().replace("/", "_").replace("_set_", "_")


def _as_column(labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Labels in a row, as MATLAB has them, as others do."""
    return labels.reshape(-1) if labels.ndim == 2 and labels.shape[0] == 1 else labels


def _by_shape(names: Collection[str], shapes: Callable[[], Shapes], title: str) -> tuple[str, str]:
    """The names of the arrays that look like the images and, if there are such, like their labels."""
    if len(names) == 1:
        return next(iter(names)), ""
    found = shapes()
    images = [name for name, shape in found.items() if len(shape) in (3, 4)]
    images = images or [name for name, shape in found.items() if len(shape) == 2 and shape[1] >= _MIN_FLAT]
    if len(images) != 1:
        there = ", ".join(f"{name} {found.get(name, '')}".strip() for name in sorted(names)[:8]) or "nothing"
        raise DataError(f"no images found in {title}: name the array x_train or images (there: {there})")
    for count in (found[images[0]][0], found[images[0]][-1]):
        labels = [name for name, shape in found.items() if np.prod(shape) == max(shape, default=0) == count]
        if len(labels) == 1:
            return images[0], labels[0]
    return images[0], ""
