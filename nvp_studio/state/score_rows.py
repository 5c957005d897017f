"""The rows of scored files, small in memory: numbers in arrays, the rest of a row encoded, pixels up to a bound."""

import math
from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, overload

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec.structs import astuple, replace

from nvp_studio.image_batch import ImageBatch
from nvp_studio.score_row import FAR, VERDICTS, ScoreNumbers, ScoreRow, reasons_at

THUMBNAIL_SIDE = 32
MAX_PIXEL_BYTES = 96 * 2**20
"""Exact pixels are kept for as many rows as fit, of the others a thumbnail; their pixels are read again when needed."""
MAX_THUMBNAIL_BYTES = 64 * 2**20
"""Thumbnails are kept for as many rows as fit, of the others none; theirs are read again when they are seen."""
MOST_READ = 1000
"""How many images that were read again are kept."""

Floats = npt.NDArray[np.float64]
Number = Literal["bits_per_dim", "percentile", "p_value", "log_tail", "standard_error", "likelihood_ratio"]
_OF_ROW: tuple[Number, ...] = ("bits_per_dim", "percentile", "p_value", "log_tail")
_NUMBERS: tuple[Number, ...] = (*_OF_ROW, "standard_error", "likelihood_ratio")
_ROW = ScoreRow.__struct_fields__
_DETAILS = ScoreNumbers.__struct_fields__
_encode, _decode = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder().decode


class RowStore:
    """Rows by their place, which is the order they came in, and by path."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Remove all rows."""
        self._paths: list[str] = []
        self._places: dict[str, int] = {}
        self._packed: list[bytes] = []
        self._numbers = {name: array("d") for name in _NUMBERS}
        self._labels: list[str] = []
        self._known_labels: dict[str, str] = {}
        self._pixels: dict[int, ImageBatch] = {}
        self._thumbnails: set[int] = set()
        self._read: dict[int, ImageBatch] = {}
        self._exact_bytes = self._thumbnail_bytes = 0

    def __len__(self) -> int:
        return len(self._packed)

    def place(self, path: str) -> int | None:
        """The place of a file's row; None when it has none."""
        return self._places.get(path)

    def paths(self) -> list[str]:
        """Of all rows, by place."""
        return self._paths

    @property
    def labels(self) -> list[str]:
        """Of all rows, by place."""
        return self._labels

    def distinct_labels(self) -> list[str]:
        """The labels that there are, sorted."""
        return sorted(self._known_labels)

    def numbers(self, name: Number, first: int = 0) -> Floats:
        """One number of all rows from the place `first` on, (n,), NaN where a row has none."""
        return np.array(self._numbers[name][first:], np.float64)

    def verdicts(self, rate: float, first: int = 0) -> npt.NDArray[np.int8]:
        """The verdicts of all rows from `first` on at a false-alarm rate, as indices of `VERDICTS`; -1 for none."""
        return verdict_codes(self.numbers("p_value", first), self.numbers("log_tail", first), rate)

    def add(self, row: ScoreRow, *, thumbnail: bool = False) -> None:
        """Put a row behind the others; `thumbnail`: its pixels stand for those that were scored."""
        place = len(self._packed)
        self._places[row.path] = place
        self._paths.append(row.path)
        self._packed.append(_pack(row))
        for name in _NUMBERS:
            self._numbers[name].append(_number(row, name))
        self._labels.append(self._label(row))
        if row.pixels is not None:
            self._keep(place, row.pixels, thumbnail=thumbnail)

    def replace(self, place: int, row: ScoreRow) -> None:
        """Let a row take another's place; its pixels stay where the new one has none."""
        self._packed[place] = _pack(row)
        for name in _NUMBERS:
            self._numbers[name][place] = _number(row, name)
        self._labels[place] = self._label(row)
        if row.pixels is not None:
            self._drop(place)
            self._keep(place, row.pixels, thumbnail=False)

    def relabel(self, label: Callable[[str], str]) -> None:
        """Give every file the label that `label` says for its path."""
        self._known_labels.clear()
        for place, path in enumerate(self._paths):
            row = replace(self.row(place), label_name=label(path))
            self._packed[place], self._labels[place] = _pack(row), self._label(row)

    def pixels(self, place: int) -> ImageBatch | None:
        """Pixels of a row, perhaps a thumbnail; None where there are none in memory."""
        kept = self._pixels.get(place)
        return self._read.get(place) if kept is None else kept

    def is_thumbnail(self, place: int) -> bool:
        """Whether the exact pixels of a row, if it has any, are not in memory."""
        return place in self._thumbnails or place not in self._pixels

    def keep_read(self, place: int, pixels: ImageBatch) -> None:
        """Keep an image that was read again, as a thumbnail, for a while."""
        self._read[place] = reduced(pixels)
        if len(self._read) > MOST_READ:
            del self._read[next(iter(self._read))]

    def rows(self, places: Sequence[int]) -> "Rows":
        """The rows at these places as they are now, without pixels."""
        return Rows([self._paths[place] for place in places], [self._packed[place] for place in places])

    def row(self, place: int) -> ScoreRow:
        """The row at a place, without pixels."""
        return _unpack(self._paths[place], self._packed[place])

    def remarks(self, rate: float) -> list[str]:
        """The `remark` of each row at a false-alarm rate."""
        unusual = self.verdicts(rate) > 0
        places = [_ROW.index(name) for name in ("error", "causes", "notes")]
        result = []
        for packed, reasoned in zip(self._packed, unusual.tolist(), strict=True):
            values = _decode(packed)
            error, causes, notes = (values[place] for place in places)
            result.append(remark(error, reasons_at(causes, rate) if reasoned else (), notes))
        return result

    def _label(self, row: ScoreRow) -> str:
        label = label_of(row)
        return self._known_labels.setdefault(label, label)

    def _drop(self, place: int) -> None:
        self._read.pop(place, None)
        kept = self._pixels.pop(place, None)
        if kept is not None and place in self._thumbnails:
            self._thumbnails.discard(place)
            self._thumbnail_bytes -= len(kept.pixels)
        elif kept is not None:
            self._exact_bytes -= len(kept.pixels)

    def _keep(self, place: int, pixels: ImageBatch, *, thumbnail: bool) -> None:
        """Keep pixels if there is room for them, else a thumbnail if there is room for that."""
        if not thumbnail and self._exact_bytes + len(pixels.pixels) <= MAX_PIXEL_BYTES:
            self._exact_bytes += len(pixels.pixels)
            self._pixels[place] = pixels
            return
        pixels = reduced(pixels)
        if self._thumbnail_bytes + len(pixels.pixels) <= MAX_THUMBNAIL_BYTES:
            self._thumbnail_bytes += len(pixels.pixels)
            self._thumbnails.add(place)
            self._pixels[place] = pixels


class Rows(Sequence[ScoreRow]):
    """Rows that are decoded when they are looked at; they stay as they were when others take their places."""

    def __init__(self, paths: list[str], packed: list[bytes], rate: float | None = None) -> None:
        self._paths, self._packed, self._rate = paths, packed, rate

    def judged(self, rate: float) -> "Rows":
        """The rows with verdicts and reasons at this false-alarm rate."""
        return Rows(self._paths, self._packed, rate)

    def __len__(self) -> int:
        return len(self._paths)

    @overload
    def __getitem__(self, index: int) -> ScoreRow: ...
    @overload
    def __getitem__(self, index: slice) -> "Rows": ...
    def __getitem__(self, index: int | slice) -> "ScoreRow | Rows":
        if isinstance(index, slice):
            return Rows(self._paths[index], self._packed[index], self._rate)
        row = _unpack(self._paths[index], self._packed[index])
        return row if self._rate is None else row.judged(self._rate)

    def __iter__(self) -> Iterator[ScoreRow]:
        return (self[index] for index in range(len(self)))


def remark(error: str, reasons: Sequence[str], notes: Sequence[str]) -> str:
    """What is to be said of a row: why it has no score, why it is unusual, or how its image was changed."""
    return error or "; ".join(reasons) or ", ".join(notes)


def label_of(row: ScoreRow) -> str:
    """The label of a row as a text."""
    return row.label_name or ("" if row.label is None else str(row.label))


def verdict_codes(p_values: Floats, log_tails: Floats, rate: float) -> npt.NDArray[np.int8]:
    """Which of `VERDICTS` each image gets at a rate, (n,); -1 where there is none. As `verdict_at` says of one."""
    codes = np.where(p_values <= rate * (1 + 1e-12), 1, 0)
    codes[(codes == 1) & (log_tails < math.log(FAR * rate))] = 2
    codes[np.isnan(p_values)] = -1
    assert len(VERDICTS) == 3
    return codes.astype(np.int8)


def reduced(batch: ImageBatch) -> ImageBatch:
    """Every n-th pixel, so that the thumbnail's size is not exceeded."""
    _, height, width, _ = batch.shape
    step = max(1, math.ceil(max(height, width) / THUMBNAIL_SIDE))
    return batch if step == 1 else ImageBatch.of(batch.array()[:, ::step, ::step])


def _number(row: ScoreRow, name: Number) -> float:
    value = getattr(row if name in _OF_ROW else row.numbers, name, None)
    return math.nan if value is None else value


def _pack(row: ScoreRow) -> bytes:
    """The row without path and pixels, without the names of its fields."""
    numbers = None if row.numbers is None else astuple(row.numbers)
    return _encode((*astuple(replace(row, path="", pixels=None, numbers=None)), numbers))


def _unpack(path: str, packed: bytes) -> ScoreRow:
    *values, numbers = _decode(packed)
    fields = dict(zip(_ROW, values, strict=True))
    fields["path"] = path
    fields["numbers"] = None if numbers is None else dict(zip(_DETAILS, numbers, strict=True))
    return msgspec.convert(fields, ScoreRow)
