"""Helpers of all readers of array files: arrays to images and labels, bounds for what headers promise, reasons."""

import io
import zipfile
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from nvp_studio.data.dataset import MAX_DATA_BYTES, Attribute, DataError, Images, Labels, Split
from nvp_studio.text import one_line

# Deflate cannot pack more than 1032 bytes into one.
MOST_DEFLATE_GAINS = 1032
ZIP_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""How files in a zip archive may be packed; other ways may ask for gigabytes merely to unpack."""


class Readable(Protocol):
    """A stream of bytes, however it is packed."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, none at the end."""
        ...


@dataclass(frozen=True)
class Parts:
    """The images of a source: `validation` and `test` are None where it has none.

    `digest` is `digest_of` the splits where that is known already. `unreadable` counts image files that were left out.
    """

    train: Split
    validation: Split | None = None
    test: Split | None = None
    label_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    digest: str = ""
    unreadable: int = 0


def as_images(values: npt.NDArray[Any], name: str) -> tuple[Images, tuple[str, ...]]:
    """Return `values` as uint8 `(N, H, W, C)`, with what was done; raises `DataError` when they are not images.

    `(N, H, W)` is grey, `(N, C, H, W)` with C 1 or 3 is turned. Numbers other than bytes must be whole in 0..255, or
    multiples of 1/255 in 0..1, because bits per dimension are defined for 8-bit pixels.
    """
    notes: list[str] = []
    if values.ndim == 3:
        values = values[..., None]
    if values.ndim == 4 and values.shape[3] not in (1, 3) and values.shape[1] in (1, 3):
        values = values.transpose(0, 2, 3, 1)
        notes.append("channels moved last")
    if values.ndim != 4 or values.shape[3] not in (1, 3) or 0 in values.shape:
        raise DataError(
            f"{name} has shape {values.shape}; images are (N, H, W), (N, H, W, C) or (N, C, H, W), C 1 or 3"
        )
    if values.dtype != np.uint8:
        values, note = _bytes_from(values, name)
        notes.append(note)
    return np.ascontiguousarray(values), tuple(notes)


def _bytes_from(values: npt.NDArray[Any], name: str) -> tuple[Images, str]:
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255), "true and false to white and black"
    if values.dtype.kind not in "iuf":
        raise DataError(f"{name} holds {values.dtype}, not pixels")
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= 255):  # also when there is a NaN
        raise DataError(f"{name} has values from {low} to {high}; pixels must be 0..255")
    if values.dtype.kind == "f" and high <= 1:
        pixels = np.rint(values * 255).astype(np.uint8)
        if np.abs(values * 255 - pixels).max() > 0.02:
            raise DataError(f"{name} is not 8-bit: its values in 0..1 are no multiples of 1/255")
        return pixels, "float 0..1 to 8-bit"
    pixels = values.astype(np.uint8)
    if not np.array_equal(pixels, values):
        raise DataError(f"{name} is not 8-bit: its values in 0..255 are not whole numbers")
    return pixels, f"{values.dtype} to 8-bit"


def as_labels(values: npt.NDArray[Any], count: int, name: str) -> Labels:
    """Return `values` as int64 `(count,)`, not negative; raises `DataError` when they are not such labels."""
    if values.shape not in ((count,), (count, 1)) or values.dtype.kind not in "iu":
        raise DataError(f"{name} is {values.dtype} {values.shape}, not one whole number for each of {count} images")
    labels = values.reshape(count).astype(np.int64)
    if count and labels.min() < 0:
        raise DataError(f"{name} has a negative label")
    return labels


def numbered(parts: Parts) -> Parts:
    """Name the labels by their numbers."""
    splits = (parts.train, parts.validation, parts.test)
    highest = max(
        (int(s.labels.max()) for s in splits if s is not None and s.labels is not None and len(s)), default=-1
    )
    if highest >= 10_000:
        raise DataError(f"there is a label {highest}; at most 10 000 classes are supported")
    names = tuple(str(label) for label in range(highest + 1))
    return replace(parts, label_names=names)


def read_into(file: Readable, target: npt.NDArray[np.uint8]) -> int:
    """Fill `target` from `file` in pieces, so that no second copy of it is in memory; return the bytes read."""
    done = 0
    while done < len(target):
        piece = file.read(min(io.DEFAULT_BUFFER_SIZE * 128, len(target) - done))
        if not piece:
            break
        target[done : done + len(piece)] = np.frombuffer(piece, np.uint8)
        done += len(piece)
    return done


def read_exactly(file: Readable, size: int) -> bytes:
    """Return the next `size` bytes; raises `EOFError` when there are fewer."""
    content = b""
    while len(content) < size:
        piece = file.read(size - len(content))
        if not piece:
            raise EOFError("cut short")
        content += piece
    return content


def check_size(size: int, name: str) -> None:
    """Refuse what would not fit `MAX_DATA_BYTES`."""
    if size > MAX_DATA_BYTES:
        raise DataError(f"{name} is too large: {size:,} bytes; at most {MAX_DATA_BYTES:,} are held in memory")


def reason_of(error: Exception) -> str:
    """The reason that an error gives, in one line and without the path."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return one_line(error, 200) or type(error).__name__
