"""Labels of any form as one number for each image, or a word why they are left out: they never stop a set."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from nvp_studio.data.dataset import Labels
from nvp_studio.text import one_line

MAX_CLASSES = 10_000


class _LeftOutError(ValueError):
    """Labels that cannot be used; the message says why, as the end of a sentence."""


def usable_labels(
    found: Mapping[str, tuple[npt.NDArray[Any], int]],
) -> tuple[dict[str, Labels], tuple[str, ...], tuple[str, ...]]:
    """Return the labels of each part of a set that can be used, the names of all classes, and a note for each other.

    `found` has, by the name of the array, what was found and the number of images it belongs to. Whole numbers from 0
    stay as they are; so do such floats and truth values. Rows with a single 1 (one-hot) become its place. Text is
    numbered in sorted order over all parts. All others, such as several labels for an image, are left out.
    """
    labels: dict[str, npt.NDArray[Any]] = {}
    notes = []
    for name, (values, count) in found.items():
        try:
            labels[name] = _one_each(values, count)
        except _LeftOutError as reason:
            notes.append(f"{name} left out: {reason}")
    texts = [name for name, values in labels.items() if values.dtype.kind == "U"]
    if texts and len(texts) < len(labels):
        notes += [f"{name} left out: text, where others are numbers" for name in texts]
        labels = {name: values for name, values in labels.items() if name not in texts}
        texts = []
    if texts:
        names, numbers = np.unique(np.concatenate(list(labels.values())), return_inverse=True)
        if len(names) > MAX_CLASSES:
            return {}, (), (*notes, f"{' and '.join(labels)} left out: {len(names):,} different texts")
        stops = np.cumsum([len(values) for values in labels.values()])[:-1]
        parts = np.split(numbers.reshape(-1).astype(np.int64), stops)
        return dict(zip(labels, parts, strict=True)), tuple(one_line(name, 100) for name in names), tuple(notes)
    highest = max((int(values.max()) for values in labels.values() if len(values)), default=-1)
    return labels, tuple(map(str, range(highest + 1))), tuple(notes)


def _one_each(values: npt.NDArray[Any], count: int) -> npt.NDArray[Any]:
    """The labels as int64 or text `(count,)`."""
    if values.ndim == 0 or len(values) != count:
        raise _LeftOutError(f"there are {len(values) if values.ndim else 1:,} for {count:,} images")
    if values.ndim == 2 and values.shape[1] > 1:
        return _places_of_ones(values)
    if values.size != count:
        raise _LeftOutError(f"they have shape {values.shape}")
    values = values.reshape(count)
    if values.dtype.kind == "U":
        return values
    if values.dtype.kind == "S":
        return np.char.decode(values, "utf-8", "replace")
    if values.dtype.kind not in "biuf":
        raise _LeftOutError(f"they are {values.dtype}")
    if values.dtype.kind == "f" and not (np.isfinite(values) & (values == np.rint(values))).all():
        raise _LeftOutError("they are no whole numbers")
    if count and values.min() < 0:
        raise _LeftOutError(f"{int((values < 0).sum()):,} images have none (below zero)")
    if count and values.max() >= MAX_CLASSES:
        raise _LeftOutError(f"there is a label {int(values.max())}; at most {MAX_CLASSES:,} classes are supported")
    return values.astype(np.int64)


def _places_of_ones(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    numbers = values.dtype.kind in "biuf"
    if not numbers or not (((values == 0) | (values == 1)).all() and (values.sum(axis=1) == 1).all()):
        raise _LeftOutError(f"{values.shape[1]} for each image")
    places: Labels = values.argmax(axis=1).astype(np.int64)
    return places
