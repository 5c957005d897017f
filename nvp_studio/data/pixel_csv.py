"""Tables of pixels as text: a row for each image, whose pixels have a column each, or one column for all.

The former is how MNIST is often passed on, with the label first or last; the latter is how FER-2013 is published, with
the numbers between blanks and the split of each image in a column `Usage`.
"""

import csv
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

from nvp_studio.data.array_images import RawSplit, images_of
from nvp_studio.data.arrays import LoadedData, reading, reason_of
from nvp_studio.data.dataset import SPLIT_BY_NAME, SPLITS, DataError
from nvp_studio.data.reading import UNDECIDED, Reading
from nvp_studio.text import counted, one_line

Floats = npt.NDArray[np.float32]

SUFFIXES = (".csv", ".tsv")
_MAX_FILE_BYTES = 2 * 2**30
_ROWS = 2000
"""Rows that are read at once."""
_LABEL_NAMES = frozenset({"category", "class", "classes", "digit", "emotion", "label", "labels", "target", "y"})
_PIXELS_NAME = "pixels"
_SPLIT_NAMES = frozenset({"set", "split", "subset", "usage"})
_SPLIT_OF = SPLIT_BY_NAME | {"publictest": "validation", "privatetest": "test"}
_MAX_FIELD = 2**24
"""Characters of the column of all pixels."""
_MIN_PIXELS = 16
_TABLE = (
    "a row has the pixels of one image, each in a column or all between blanks in a column named pixels, and perhaps a "
    "label before or behind them"
)


def load_csv(path: Path, options: Reading = UNDECIDED) -> LoadedData:
    """Load images and labels from a table of numbers; raises `DataError`.

    Names of columns in the first row are optional. A column named `label` or the like has the labels; without names
    it is the first one, where the number of the others is that of the pixels of a square image. Rows may be images of
    another shape where `options` say so. A column `pixels` has all of them, and then one named `Usage` or the like the
    splits.
    """
    with reading(path.name), open(path, encoding="utf-8-sig", errors="replace", newline=None) as file:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise DataError(f"{path.name} is too large for a table; save the numbers with numpy.savez as .npz")
        first = file.readline()
        separator = next((one for one in "\t;" if first.count(one) > first.count(",")), ",")
        fields = [field.strip().strip('"') for field in first.split(separator)]
        if _PIXELS_NAME in (one.lower() for one in fields):
            return _load_column(file, [one.lower() for one in fields], separator, path.name, options)
        named = not all(map(_is_number, fields[1:-1]))
        place = _label_place(fields, named, path.name)
        labels: list[str] = []
        with _explained(path.name):
            blocks = list(_blocks(file, "" if named else first, separator, place, labels))
    if not blocks:
        raise DataError(f"{path.name} has no rows of pixels: {_TABLE}")
    raw = RawSplit(_joined(blocks, path.name), path.name, _label_values(labels), "labels" if labels else "")
    return images_of({"train": raw}, options)


@dataclass
class _Rows:
    """The images of a split, and their labels as text."""

    blocks: list[Floats] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    """Pixels that are not numbers yet."""

    def take(self) -> None:
        """Make numbers of the texts."""
        if self.texts:
            self.blocks.append(np.loadtxt(self.texts, np.float32, comments=None, ndmin=2))
            self.texts.clear()


def _load_column(file: TextIO, columns: list[str], separator: str, name: str, options: Reading) -> LoadedData:
    """Load a table with all pixels of an image in one of these `columns`, from its second row on."""
    pixels = columns.index(_PIXELS_NAME)
    usage = next((place for place, column in enumerate(columns) if column in _SPLIT_NAMES), None)
    others = [place for place in range(len(columns)) if place not in (pixels, usage)]
    places = [place for place in others if columns[place] in _LABEL_NAMES] or others
    label = places[0] if len(places) == 1 else None
    notes = []
    if label is None and others:
        notes.append(one_line(f"labels left out: no column label, but {', '.join(columns[place] for place in others)}"))
    rows = {split: _Rows() for split in SPLITS}
    unknown: Counter[str] = Counter()
    with _explained(name), _long_fields():
        for row in csv.reader(file, delimiter=separator, skipinitialspace=True):
            if not row:
                continue
            if len(row) != len(columns):
                raise ValueError(f"a row has {counted(len(row), 'column')}, not {len(columns)}")
            word = "train" if usage is None else row[usage].strip()
            part = rows.get(_SPLIT_OF.get(word.lower(), ""))
            if part is None:
                unknown[word] += 1
                continue
            part.texts.append(row[pixels])
            if label is not None:
                part.labels.append(row[label].strip())
            if len(part.texts) == _ROWS:
                part.take()
        for part in rows.values():
            part.take()
    if not rows["train"].blocks:
        raise DataError(f"{name} has no rows of pixels to train on")
    if unknown:
        words = ", ".join(f"{word or 'nothing'} {count:,}" for word, count in unknown.most_common(4))
        notes.append(one_line(f"{counted(unknown.total(), 'row')} left out, which are for none of the splits: {words}"))
    raw = {
        split: RawSplit(
            _joined(part.blocks, name), f"{split} in {name}", _label_values(part.labels), f"labels of {split}"
        )
        for split, part in rows.items()
        if part.blocks
    }
    return images_of(raw, options, tuple(notes))


@contextmanager
def _long_fields() -> Iterator[None]:
    before = csv.field_size_limit(_MAX_FIELD)
    try:
        yield
    except csv.Error as error:
        raise ValueError(str(error)) from error
    finally:
        csv.field_size_limit(before)


def _joined(blocks: Sequence[Floats], name: str) -> npt.NDArray[Any]:
    """All rows of pixels, as narrow integers where they are such."""
    if len({block.shape[1] for block in blocks}) > 1:
        raise DataError(f"the rows of {name} have different lengths; {_TABLE}")
    return _narrow(np.concatenate(blocks))


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
