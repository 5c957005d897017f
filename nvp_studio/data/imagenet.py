"""ImageNet made small, 32x32 or 64x64: the npz batches, copied image by image to where they are mapped from."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np

from nvp_studio.data.arrays import LoadedData, read_into
from nvp_studio.data.dataset import SPLITS, DataError, Images, Labels
from nvp_studio.data.fitting import fit
from nvp_studio.data.image_files import ImageFile, listing_key
from nvp_studio.data.numpy_files import open_archive, open_member, read_arrays, read_header
from nvp_studio.data.options import LoadOptions
from nvp_studio.data.prepared import load_prepared
from nvp_studio.data.reading import Reading
from nvp_studio.data.row_writer import Plan, Row

_TRAIN = tuple(f"train_data_batch_{number}.npz" for number in range(1, 11))
_VALIDATION = "val_data.npz"
_CLASSES = 1000
_PIECE_ROWS = 256


def find_imagenet(variant: str, folder: Path) -> Path | None:
    """Return `folder` when it holds the batches of the size `variant`, in itself or in the folders of its archives.

    The first batch tells the size; a damaged one is none. Damage in another is told by its name when it is read.
    """
    side = int(variant)
    try:
        with _opened(_batches(folder, side)[0].path, side):
            return folder
    except DataError:
        return None


def read_imagenet(variant: str, folder: Path, options: LoadOptions) -> LoadedData:
    """Return the training images and the published validation images; there are no test images with labels."""
    side = int(variant)
    files = _batches(folder, side)
    settings = (side, options.image_size, options.channels)
    image_shape = (options.channels or 3, *(options.size or (side, side)))

    def make_plan() -> Plan:
        labels = [_labels(file.path) for file in files]
        splits = [SPLITS.index("validation" if file.path.name == _VALIDATION else "train") for file in files]
        return Plan(
            title=f"ImageNet, {side}x{side}",
            image_shape=image_shape,
            splits=np.repeat(np.array(splits, np.uint8), [len(one) for one in labels]),
            rows=partial(_rows, files, [len(one) for one in labels], side, image_shape, options.reading),
            labels=np.concatenate(labels),
            reading=options.reading,
        )

    return load_prepared(folder, settings, listing_key(files, *settings), make_plan, options.progress, options.reading)


def _batches(folder: Path, side: int) -> list[ImageFile]:
    train = (folder, folder / f"Imagenet{side}_train_npz", folder / f"Imagenet{side}_train")
    validation = (folder, folder / f"Imagenet{side}_val_npz", folder / f"Imagenet{side}_val")
    files = []
    for name in (*_TRAIN, _VALIDATION):
        places = validation if name == _VALIDATION else train
        path = next((place / name for place in places if (place / name).is_file()), None)
        if path is None:
            raise DataError(f"no {name} in {folder}")
        files.append(ImageFile(path, path.relative_to(folder).as_posix()))
    return files


def _labels(path: Path) -> Labels:
    """The labels of a batch, which are from 1 to 1000 in the file, from 0 on."""
    labels = read_arrays(path, ("labels",))["labels"]
    whole = labels.ndim == 1 and len(labels) and labels.dtype.kind in "iu"
    if not whole or not 1 <= labels.min() <= labels.max() <= _CLASSES:
        raise DataError(f"the labels in {path.name} are not whole numbers from 1 to {_CLASSES}")
    numbers: Labels = labels.astype(np.int64) - 1
    return numbers


def _rows(
    files: Sequence[ImageFile],
    counts: Sequence[int],
    side: int,
    image_shape: tuple[int, int, int],
    reading: Reading,
    first: int,
) -> Generator[Row, None, None]:
    """Yield the images from number `first` on, fitted to `image_shape`."""
    for file, count in zip(files, counts, strict=True):
        if first >= count:
            first -= count
            continue
        for planes in _planes(file.path, count, side, first):
            for image in planes.transpose(0, 2, 3, 1):
                yield Row(fit(image, image_shape, reading)[0])
        first = 0


def _planes(path: Path, count: int, side: int, first: int) -> Iterator[Images]:
    """Yield the images of a batch from number `first` on, (n, 3, side, side), some at a time."""
    row_bytes = 3 * side * side
    with _opened(path, side) as (member, held):
        if held != count:
            raise DataError(f"{path.name} has {count:,} labels for {held:,} images")
        member.seek(first * row_bytes, 1)
        while first < count:
            rows = min(_PIECE_ROWS, count - first)
            piece = np.empty(rows * row_bytes, np.uint8)
            read_into(member, piece, path.name)
            yield piece.reshape(rows, 3, side, side)
            first += rows


@contextmanager
def _opened(path: Path, side: int) -> Iterator[tuple[IO[bytes], int]]:
    """The images of a batch as bytes, and how many; what is wrong with it, here or in the body, is a `DataError`."""
    with open_archive(path) as (archive, members):
        if "data" not in members:
            raise DataError(f"there is no array data in {path.name}")
        item = members["data"]
        with open_member(archive, item, path.name) as member:
            shape, fortran_order, dtype = read_header(member, item.file_size, path.name, "u")
            if dtype != np.uint8 or fortran_order or len(shape) != 2 or shape[1] != 3 * side * side:
                raise DataError(f"{path.name} holds {dtype} {shape}, not images of {side}x{side}")
            yield member, shape[0]
