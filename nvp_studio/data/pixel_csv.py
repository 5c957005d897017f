"""Tables of pixels as text: a row for each image, with its label first or last, as MNIST is often passed on."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

from nvp_studio.data.array_images import RawSplit, images_of
from nvp_studio.data.arrays import LoadedData, reading, reason_of
from nvp_studio.data.dataset import DataError
from nvp_studio.data.reading import UNDECIDED, Reading

Floats = npt.NDArray[np.float32]

SUFFIXES = (".csv", ".tsv")
_MAX_FILE_BYTES = 2 * 2**30
_ROWS = 2000
"""Rows that are read at once."""
_LABEL_NAMES = frozenset({"class", "classes", "digit", "label", "labels", "target", "y"})
_MIN_PIXELS = 16
_TABLE = "a row has the pixels of one image, all between commas, and perhaps a label before or behind them"


def load_csv(path: Path, options: Reading = UNDECIDED) -> LoadedData:
    """Load images and labels from a table of numbers; raises `DataError`.

    Names of columns in the first row are optional. A column named `label` or the like has the labels; without names
    it is the first one, where the number of the others is that of the pixels of a square image. Rows may be images of
    another shape where `options` say so.
    """
    with reading(path.name), open(path, encoding="utf-8-sig", errors="replace", newline=None) as file:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise DataError(f"{path.name} is too large for a table; save the numbers with numpy.savez as .npz")
        first = file.readline()
        separator = next((one for one in "\t;" if first.count(one) > first.count(",")), ",")
        fields = [field.strip().strip('"') for field in first.split(separator)]
        named = not all(map(_is_number, fields[1:-1]))
        place = _label_place(fields, named, path.name)
        labels: list[str] = []
        with _explained(path.name):
            blocks = list(_blocks(file, "" if named else first, separator, place, labels))
    if not blocks:
        raise DataError(f"{path.name} has no rows of pixels: {_TABLE}")
    if len({block.shape[1] for block in blocks}) > 1:
        raise DataError(f"the rows of {path.name} have different lengths; {_TABLE}")
    values = np.concatenate(blocks)
    raw = RawSplit(_narrow(values), path.name, _label_values(labels), "labels" if labels else "")
    return images_of({"train": raw}, options)


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Say in one sentence what is wrong with rows that are no numbers."""
    try:
        yield
    except ValueError as error:
        raise DataError(f"{name} is no table of pixels ({reason_of(error)}); {_TABLE}") from error


def _label_place(fields: list[str], named: bool, name: str) -> int | None:
    """The column of the labels, 0 or -1; None where there is none."""
    if len(fields) < _MIN_PIXELS:
        raise DataError(f"{name} has {len(fields)} columns, which are no pixels; {_TABLE}")
    places = [place for place, field in enumerate(fields) if named and field.lower() in _LABEL_NAMES]
    if places:
        if places[0] not in (0, len(fields) - 1):
            raise DataError(f"the labels of {name} are in column {places[0] + 1}; make it the first or the last one")
        return 0 if places[0] == 0 else -1
    if not _may_be_image(len(fields)) and _may_be_image(len(fields) - 1):
        return 0
    return None


def _may_be_image(count: int) -> bool:
    """Whether so many numbers are the pixels of a square image, grey or in colour."""
    return any(count % channels == 0 and math.isqrt(count // channels) ** 2 == count // channels for channels in (1, 3))


def _blocks(file: TextIO, first: str, separator: str, place: int | None, labels: list[str]) -> Iterator[Floats]:
    """Yield the pixels of some rows at a time, and add their labels to `labels`."""
    lines = [first] if first else []
    while True:
        lines += islice(file, _ROWS - len(lines))
        rows = [line for line in lines if line.strip()]
        if not lines:
            return
        if place is not None:
            parts = [row.partition(separator) if place == 0 else row.rpartition(separator) for row in rows]
            labels += [part[0 if place == 0 else 2].strip().strip('"') for part in parts]
            rows = [part[2 if place == 0 else 0] for part in parts]
        if rows:
            yield np.loadtxt(rows, np.float32, delimiter=separator, comments=None, ndmin=2)
        lines = []


def _narrow(values: Floats) -> npt.NDArray[Any]:
    """The same numbers as integers, where all are such, of one byte or two."""
    if not (values.min() >= 0 and values.max() <= 65535):
        return values
    type_ = np.uint8 if values.max() <= 255 else np.uint16
    whole = values.astype(type_)
    return whole if (whole == values).all() else values


def _label_values(labels: list[str]) -> npt.NDArray[np.float64] | npt.NDArray[np.str_] | None:
    """Labels as numbers where all are, else as text; None where there are none."""
    if not labels:
        return None
    return np.array(labels, np.float64) if all(map(_is_number, set(labels))) else np.array(labels, np.str_)


def _is_number(field: str) -> bool:
    try:
        return math.isfinite(float(field))
    except ValueError:
        return False
