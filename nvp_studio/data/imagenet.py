"""ImageNet made small, 32x32 or 64x64: the npz batches, copied image by image to where they are mapped from."""

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np

from nvp_studio.data.arrays import Parts, read_exactly, reason_of
from nvp_studio.data.dataset import DataError, Images, Labels
from nvp_studio.data.fitting import fit
from nvp_studio.data.image_files import ImageFile, listing_key, prepared_folder
from nvp_studio.data.numpy_files import BROKEN_ARCHIVE, open_member, read_arrays, read_header
from nvp_studio.data.prepared import load_prepared
from nvp_studio.data.published import LoadOptions, Published
from nvp_studio.data.row_writer import PARTS, Plan, Row

_TRAIN = tuple(f"train_data_batch_{number}.npz" for number in range(1, 11))
_VALIDATION = "val_data.npz"
_CLASSES = 1000
_PIECE_ROWS = 256


def find_imagenet(side: int, folder: Path) -> Path | None:
    """Return `folder` when it holds the batches of this size, in itself or in the folders that the archives make.

    The first batch tells the size; a damaged one is none. Damage in another is told by its name when it is read.
    """
    try:
        with _opened(_batches(folder, side)[0].path, side):
            return folder
    except DataError:
        return None


def read_imagenet(side: int, folder: Path, options: LoadOptions) -> Parts:
    """Return the training images and the published validation images; there are no test images with labels."""
    files = _batches(folder, side)
    settings = (side, options.image_size, options.channels)
    size = options.image_size or side
    image_shape = (options.channels or 3, size, size)

    def make_plan() -> Plan:
        labels = [_labels(file.path) for file in files]
        parts = [PARTS.index("validation" if file.path.name == _VALIDATION else "train") for file in files]
        return Plan(
            title=f"ImageNet, {side}x{side}",
            image_shape=image_shape,
            parts=np.repeat(np.array(parts, np.uint8), [len(one) for one in labels]),
            rows=partial(_rows, files, [len(one) for one in labels], side, image_shape),
            labels=np.concatenate(labels),
            label_names=tuple(str(number) for number in range(1, _CLASSES + 1)),
        )

    return load_prepared(
        prepared_folder(folder, *settings), listing_key(files, *settings), str(folder), make_plan, options.progress
    )


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
    files: Sequence[ImageFile], counts: Sequence[int], side: int, image_shape: tuple[int, int, int], first: int
) -> Iterator[Row]:
    """Yield the images from number `first` on, fitted to `image_shape`."""
    for file, count in zip(files, counts, strict=True):
        if first >= count:
            first -= count
            continue
        for planes in _planes(file.path, count, side, first):
            for image in planes.transpose(0, 2, 3, 1):
                yield Row(fit(image, image_shape)[0])
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
            content = read_exactly(member, rows * row_bytes)
            yield np.frombuffer(content, np.uint8).reshape(rows, 3, side, side)
            first += rows


@contextmanager
def _opened(path: Path, side: int) -> Iterator[tuple[IO[bytes], int]]:
    """The images of a batch as bytes, and how many; what is wrong with it, here or in the body, is a `DataError`."""
    try:
        with zipfile.ZipFile(path) as archive:
            item = archive.getinfo("data.npy")
            with open_member(archive, item, path.name) as member:
                shape, fortran_order, dtype = read_header(member, item.file_size, path.name, "u")
                if dtype != np.uint8 or fortran_order or len(shape) != 2 or shape[1] != 3 * side * side:
                    raise DataError(f"{path.name} holds {dtype} {shape}, not images of {side}x{side}")
                yield member, shape[0]
    except (*BROKEN_ARCHIVE, KeyError) as error:
        raise DataError(f"{path.name} cannot be read: {reason_of(error)}") from error


def _published(side: int) -> Published:
    return Published(
        name=f"imagenet{side}",
        title=f"ImageNet, {side}x{side}",
        image_shape=(3, side, side),
        train_images=1_281_167,
        validation_images=50_000,
        test_images=0,
        licence="for non-commercial research and education, on terms to be agreed to on image-net.org",
        credit="Chrabaszcz, Loshchilov and Hutter: A Downsampled Variant of ImageNet (2017), arXiv:1707.08819",
        homepage="https://image-net.org/download-images",
        find=partial(find_imagenet, side),
        read=partial(read_imagenet, side),
        label_names=tuple(str(number) for number in range(1, _CLASSES + 1)),
        by_hand=(
            "it needs an account: log in on image-net.org, download the npz files of the "
            f"{side}x{side} images for training and validation, and unpack them"
        ),
        other_folders=("ImageNet", "imagenet"),
        unmistakable=True,
        mirror=True,
    )


IMAGENET = (_published(32), _published(64))
