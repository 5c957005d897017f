"""What a folder or a data file holds: the number of its images, their splits, classes and sizes.

Images of a folder are not read for it, but for the headers of some.
"""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from nvp_studio.data import cifar, idx
from nvp_studio.data.catalogue import load_data
from nvp_studio.data.data_survey import DataSurvey
from nvp_studio.data.dataset import DataError
from nvp_studio.data.folders import outline
from nvp_studio.data.hugging_face import is_hugging_face
from nvp_studio.data.image_files import ImageFile
from nvp_studio.data.images import ImageError, find_images, image_header

_FIRST_HEADERS = 200
_HEADER_EVERY = 50
"""Headers are read of the first files, and then of every n-th."""
_MAX_FILE_BYTES = 256 * 2**20
"""Larger data files are left unread until a run needs them."""
_MAX_OUTLINED = 20_000
"""Splits and classes are estimated from this many names, spread evenly, so that no step takes long."""


def survey_data(path: Path, patience: float = 0.02) -> Iterator[int | DataSurvey]:
    """Yield the number of images found so far each `patience` seconds, and at last the `DataSurvey`.

    Raises `DataError` where there is no such folder or file, or the file is no data set, and `OSError` where a folder
    cannot be listed.
    """
    if not path.exists():
        raise DataError(f"there is no folder and no file {path}")
    if path.is_file() or is_hugging_face(str(path)) or idx.holds_idx(path) or cifar.find_cifar("cifar-10", path):
        yield _survey_files(path)
    else:
        yield from _survey_images(path, patience)


def _survey_files(path: Path) -> DataSurvey:
    """Survey a data file, or a folder of them, by reading it, unless it is large."""
    files = [path] if path.is_file() else [file for file in path.iterdir() if file.is_file()]
    if is_hugging_face(str(path)) or sum(file.stat().st_size for file in files) > _MAX_FILE_BYTES:
        return DataSurvey(unread=True)
    data = load_data(str(path))
    _, height, width = data.image_shape
    return DataSurvey(
        images=sum(len(split) for split in (data.train, data.validation, data.test) if split is not None),
        train=len(data.train),
        classes=len(data.label_names),
        smallest=(width, height),
        largest=(width, height),
    )


def _survey_images(folder: Path, patience: float) -> Iterator[int | DataSurvey]:
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
    every = 1 + len(files) // _MAX_OUTLINED
    train, classes = outline(files[::every])
    yield DataSurvey(
        images=len(files),
        train=min(train * every, len(files)),
        classes=classes,
        smallest=by_area[0] if by_area else None,
        largest=by_area[-1] if by_area else None,
        alike=len(sizes) <= 1,
        looked_at=looked_at,
        unreadable=unreadable,
    )
