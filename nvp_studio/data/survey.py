"""What a folder holds, found without reading its images: their number, splits, classes and sizes."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nvp_studio.data import cifar, idx
from nvp_studio.data.dataset import DataError
from nvp_studio.data.folders import outline
from nvp_studio.data.image_files import ImageFile
from nvp_studio.data.images import ImageError, find_images, image_header

_FIRST_HEADERS = 200
_HEADER_EVERY = 50
"""Sizes are read of the first files, and then of one in so many."""
_MOST_OUTLINED = 20_000
"""Splits and classes are told from as many names, spread over all, so that one step does not take long."""


@dataclass(frozen=True)
class FolderSurvey:
    """What is known of a folder.

    `train` is the number of images that a run learns from, about, where there are many; `smallest` and `largest` are
    (width, height) of those looked at, by area, None where none could be read; `alike` says that all of those have one
    size. `unreadable` of the `looked_at` files are no images. `arrays` says that the folder holds data files instead,
    such as CIFAR-10's, of which this tells no more.
    """

    images: int = 0
    train: int = 0
    classes: int = 0
    smallest: tuple[int, int] | None = None
    largest: tuple[int, int] | None = None
    alike: bool = True
    looked_at: int = 0
    unreadable: int = 0
    arrays: bool = False


def survey_folder(folder: Path, patience: float = 0.02) -> Iterator[int | FolderSurvey]:
    """Yield the number of images found so far each `patience` seconds, and at last the `FolderSurvey`.

    Raises `DataError` where there is no such folder, and `OSError` where it cannot be listed.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}")
    if idx.holds_idx(folder) or cifar.find_cifar(folder) is not None:
        yield FolderSurvey(arrays=True)
        return
    next(folder.iterdir(), None)  # says why where it cannot be listed
    files: list[ImageFile] = []
    sizes: Counter[tuple[int, int]] = Counter()
    looked_at = unreadable = 0
    until = time.monotonic() + patience
    for path in find_images([folder]):
        if len(files) < _FIRST_HEADERS or len(files) % _HEADER_EVERY == 0:
            looked_at += 1
            try:
                _, height, width = image_header(path)
                sizes[width, height] += 1
            except ImageError:
                unreadable += 1
        files.append(ImageFile(path, path.relative_to(folder).as_posix()))
        if time.monotonic() > until:
            yield len(files)
            until = time.monotonic() + patience
    by_area = sorted(sizes, key=lambda size: (size[0] * size[1], size))
    every = 1 + len(files) // _MOST_OUTLINED
    train, classes = outline(files[::every])
    yield FolderSurvey(
        images=len(files),
        train=min(train * every, len(files)),
        classes=classes,
        smallest=by_area[0] if by_area else None,
        largest=by_area[-1] if by_area else None,
        alike=len(sizes) <= 1,
        looked_at=looked_at,
        unreadable=unreadable,
    )
