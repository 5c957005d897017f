"""A folder of image files as a data set: labels from sub-folders, unreadable files skipped and counted."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nvp_studio.data.arrays import Parts, check_size
from nvp_studio.data.dataset import DataError, Split
from nvp_studio.data.images import ImageError, find_images, image_header, read_image
from nvp_studio.data.partition import held_out

Progress = Callable[[int, int, str], None]

# Sub-folders by these names are splits when there is one of training images among them.
_SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
_REASONS_SHOWN = 3


@dataclass(frozen=True)
class _Found:
    """One readable image file: where it is below the folder, which split it is in, and the class it shows, if any."""

    path: Path
    relative: str
    part: str
    label: str | None


def load_folder(
    folder: Path,
    *,
    image_size: int | None = None,
    channels: int | None = None,
    progress: Progress | None = None,
) -> Parts:
    """Load all image files in `folder` and below.

    A sub-folder of the top (or of `train`, `test`, ... where there are such) is a class. All images come to
    `image_size` (both height and width), or must have one size where that is None; and to `channels`, or to colour
    if any image has it. About a tenth, chosen by `held_out`, is for validation unless a sub-folder is. Raises
    `DataError`.
    """
    skipped: list[str] = []
    files, shapes = _scan(folder, skipped, progress)
    if not files:
        reason = f" that can be read ({skipped[0]})" if skipped else ""
        raise DataError(f"no image files{reason} in {folder}")
    image_shape = _common_shape(shapes, image_size, channels)
    found = sorted(_labelled(_divided(files)), key=lambda file: file.part)  # each split in one piece
    return _read_all(folder, found, image_shape, skipped, progress)


def _scan(
    folder: Path, skipped: list[str], progress: Progress | None
) -> tuple[list[tuple[Path, str]], Counter[tuple[int, int, int]]]:
    """Return the files whose header can be read, with their names below `folder`, and a count of their shapes."""
    files: list[tuple[Path, str]] = []
    shapes: Counter[tuple[int, int, int]] = Counter()
    for path in find_images([folder]):
        relative = path.relative_to(folder).as_posix()
        try:
            shapes[image_header(path)] += 1
        except ImageError as error:
            skipped.append(f"{relative}: {error}")
            continue
        files.append((path, relative))
        if progress is not None and len(files) % 500 == 0:
            progress(0, 0, f"{len(files):,} images found")
    return files, shapes


def _common_shape(
    shapes: Counter[tuple[int, int, int]], image_size: int | None, channels: int | None
) -> tuple[int, int, int]:
    channels = channels or max(shape[0] for shape in shapes)
    if image_size is not None:
        return channels, image_size, image_size
    sizes = Counter[tuple[int, int]]()
    for (_, height, width), count in shapes.items():
        sizes[height, width] += count
    if len(sizes) > 1:
        height, width = sizes.most_common(1)[0][0]
        raise DataError(
            f"the images have {len(sizes)} different sizes, most often {width}x{height}; "
            "choose an image size, such as 32"
        )
    return channels, *next(iter(sizes))


def _divided(files: Sequence[tuple[Path, str]]) -> list[_Found]:
    """Give each file its split and its class: by folders where they say so, otherwise validation by `held_out`."""
    tops = {relative.split("/")[0] for _, relative in files if "/" in relative}
    by_folder = "train" in {_SPLIT_FOLDERS.get(top.lower()) for top in tops} and all(
        relative.split("/")[0].lower() in _SPLIT_FOLDERS for _, relative in files
    )
    found = []
    for path, relative in files:
        below = relative.split("/")
        part = _SPLIT_FOLDERS[below.pop(0).lower()] if by_folder else "train"
        found.append(_Found(path, relative, part, below[0] if len(below) > 1 else None))
    if any(file.part == "validation" for file in found):
        return found
    train = [index for index, file in enumerate(found) if file.part == "train"]
    for index, chosen in zip(train, held_out([found[index].relative for index in train]), strict=True):
        if chosen:
            file = found[index]
            found[index] = _Found(file.path, file.relative, "validation", file.label)
    return found


def _labelled(files: list[_Found]) -> list[_Found]:
    """Drop labels that are no classes: those of fewer than two sub-folders, or with files beside the sub-folders."""
    labels = {file.label for file in files}
    if None not in labels and len(labels) > 1:
        return files
    return [_Found(file.path, file.relative, file.part, None) for file in files]


def _read_all(
    folder: Path,
    files: list[_Found],
    image_shape: tuple[int, int, int],
    skipped: list[str],
    progress: Progress | None,
) -> Parts:
    channels, height, width = image_shape
    check_size(len(files) * channels * height * width, str(folder))
    names = tuple(sorted({file.label for file in files if file.label is not None}))
    number = {name: index for index, name in enumerate(names)}
    pixels = np.empty((len(files), height, width, channels), np.uint8)
    conversions: Counter[str] = Counter()
    kept: list[_Found] = []
    for done, file in enumerate(files, start=1):
        try:
            image = read_image(file.path, image_shape)
        except ImageError as error:
            skipped.append(f"{file.relative}: {error}")
        else:
            pixels[len(kept)] = image.pixels
            conversions.update(_without_sizes(note) for note in image.notes)
            kept.append(file)
        if progress is not None:
            progress(done, len(files), f"reading {folder.name}")

    def split(part: str) -> Split | None:
        chosen = [index for index, file in enumerate(kept) if file.part == part]
        if not chosen:
            return None
        labels = [number[label] for index in chosen if (label := kept[index].label) is not None]
        return Split(pixels[chosen[0] : chosen[-1] + 1], np.array(labels, np.int64) if names else None)

    train = split("train")
    if train is None:
        raise DataError(
            f"no training images that can be read in {folder} ({skipped[0]})"
            if skipped
            else f"no training images in {folder}"
        )
    notes = [f"{count:,} images {note}" for note, count in conversions.most_common()]
    if skipped:
        notes.append(f"{len(skipped):,} unreadable files skipped ({'; '.join(skipped[:_REASONS_SHOWN])})")
    return Parts(train, split("validation"), split("test"), names, tuple(notes))


def _without_sizes(note: str) -> str:
    """Turn "resized from 640x480" to "resized", so that a folder's notes can be counted."""
    return note.partition(" from ")[0]
