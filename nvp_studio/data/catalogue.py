"""The data sets a person can name, and `load_data`, which turns a name or a path into a data set."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nvp_studio.data import cifar, cifar_files, idx, numpy_files
from nvp_studio.data.arrays import Parts, check_size, reason_of
from nvp_studio.data.celeba import CELEBA
from nvp_studio.data.cifar import CIFAR10
from nvp_studio.data.cifar100 import CIFAR100
from nvp_studio.data.dataset import Attribute, DataError, DataSet, Images, digest_of
from nvp_studio.data.digits import DIGITS
from nvp_studio.data.fashion_mnist import FASHION_MNIST
from nvp_studio.data.fitting import fit, with_channels
from nvp_studio.data.folders import load_folder
from nvp_studio.data.hugging_face import PREFIX, is_hugging_face, load_hugging_face
from nvp_studio.data.idx_sets import EMNIST, KMNIST, MNIST
from nvp_studio.data.imagenet import IMAGENET
from nvp_studio.data.included import Included
from nvp_studio.data.partition import FRACTION, held_out
from nvp_studio.data.peeps import PEEPS
from nvp_studio.data.progress import Progress
from nvp_studio.data.published import LoadOptions, Published
from nvp_studio.data.svhn import SVHN

MAX_IMAGE_SIZE = 1024


@dataclass(frozen=True)
class CatalogueEntry:
    """What is known of a data set before it is loaded.

    `image_shape` is (C, H, W), `train_images` about how many will train. `mirror` says that mirrored images are as
    plausible as the others. `published` is None for a set that ships with the program.
    """

    name: str
    title: str
    images: int
    train_images: int
    image_shape: tuple[int, int, int]
    licence: str
    credit: str
    label_names: tuple[str, ...]
    load: Callable[[LoadOptions], DataSet]
    attributes: tuple[Attribute, ...] = ()
    mirror: bool = False
    published: Published | None = None

    @property
    def on_this_machine(self) -> bool:
        """Whether it can be loaded without a download."""
        return self.published is None or self.published.find_anywhere() is not None


PUBLISHED = (DIGITS, MNIST, KMNIST, *EMNIST, CIFAR10, CIFAR100, SVHN, *IMAGENET, CELEBA)
"""The data sets that do not ship; most of them are looked for in data folders."""


def entry_of(published: Published) -> CatalogueEntry:
    """The catalogue's entry of a set that does not ship."""

    def load(options: LoadOptions) -> DataSet:
        place, parts = published.load(options)
        data = _data_set(published.name, place, replace(parts, label_names=published.label_names))
        return replace(data, title=published.title, licence=published.licence, credit=published.credit)

    validation = published.validation_images
    held = published.held_out_images or round(FRACTION * published.train_images)
    train = published.train_images - (0 if validation else held)
    return CatalogueEntry(
        name=published.name,
        title=published.title,
        images=published.train_images + validation + published.test_images,
        train_images=train,
        image_shape=published.image_shape,
        licence=published.licence,
        credit=published.credit,
        label_names=published.label_names,
        load=load,
        mirror=published.mirror,
        published=published,
    )


def included_entry(included: Included) -> CatalogueEntry:
    """The catalogue's entry of a set that ships with the program."""
    return CatalogueEntry(
        name=included.name,
        title=included.title,
        images=included.images,
        train_images=included.train_images,
        image_shape=included.image_shape,
        licence=included.licence,
        credit=included.credit,
        label_names=included.label_names,
        load=lambda options: included.load(options.progress),
        attributes=included.attributes,
    )


CATALOGUE: dict[str, CatalogueEntry] = {
    **{included.name: included_entry(included) for included in (FASHION_MNIST, PEEPS)},
    **{published.name: entry_of(published) for published in PUBLISHED},
}


def load_data(
    spec: str,
    *,
    image_size: int | None = None,
    channels: int | None = None,
    data_root: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> DataSet:
    """Load the data set that `spec` names: an entry of `CATALOGUE`, "hf:NAME" of Hugging Face, or the path of

    - a folder of image files, with a class per sub-folder where there are some;
    - an IDX file, plain or gzipped, or a folder of MNIST's four;
    - a .npz or .npy file;
    - CIFAR-10's binary or Python batches or its PNG sheets, in a folder or a tar.gz file; or one such batch;
    - parquet files with a column of images, one or a folder of them.

    `image_size` makes all images that high and wide, `channels` makes them grey (1) or colour (3). Sets of the
    catalogue that do not ship are looked for in `data_root` first; nothing is ever downloaded here. `progress` is
    called with what is done, the total (0 while unknown) and a word; what it raises ends the loading. A source that
    names no validation images has about a tenth of its training images, by a stable hash, held out for it.

    Raises `DataError`, a `ValueError` whose message is one line.
    """
    if image_size is not None and not 1 <= image_size <= MAX_IMAGE_SIZE:
        raise DataError(f"an image size must be from 1 to {MAX_IMAGE_SIZE}, not {image_size}")
    if channels not in (None, 1, 3):
        raise DataError(f"images have 1 channel (grey) or 3 (colour), not {channels}")
    options = LoadOptions(image_size, channels, None if data_root is None else os.fspath(data_root), progress)
    try:
        entry = CATALOGUE.get(spec)
        if entry is not None:
            return _fitted(entry.load(options), image_size, channels, progress)
        if is_hugging_face(spec):
            parts = load_hugging_face(spec, options)
            return replace(_data_set(spec, Path(spec), parts), title=spec.removeprefix(PREFIX))
        return _load_path(spec, image_size, channels, progress)
    except OSError as error:
        raise DataError(f"{spec} cannot be read: {reason_of(error)}") from error
    except MemoryError as error:
        raise DataError(
            f"{spec} is too large for the free memory; choose a smaller image size or fewer images"
        ) from error


def _load_path(spec: str, image_size: int | None, channels: int | None, progress: Progress | None) -> DataSet:
    path = Path(os.path.expanduser(spec))
    if not spec or not os.path.exists(path):
        known = ", ".join(CATALOGUE)
        raise DataError(f"no data set and no file named {spec!r}; give a path, or one of: {known}")
    if progress is not None:
        progress(0, 0, f"opening {path.name}")
    parts = _load_arrays(path)
    if parts is not None:
        return _fitted(_data_set(spec, path, parts), image_size, channels, progress)
    return _data_set(spec, path, load_folder(path, image_size=image_size, channels=channels, progress=progress))


def _load_arrays(path: Path) -> Parts | None:
    """Return what an array file or a folder of them holds, None for a folder of other files."""
    if path.is_dir():
        if idx.holds_idx(path):
            return idx.load_idx(path)
        place = cifar.find_cifar(path)
        return None if place is None else cifar.load_cifar(place)
    if not path.is_file():
        raise DataError(f"{path.name} is neither a file nor a folder")
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return numpy_files.load_npz(path)
    if suffix == ".npy":
        return numpy_files.load_npy(path)
    if suffix == ".bin" or cifar_files.is_archive(path):
        return cifar.load_cifar(path)
    if idx.is_idx(path):
        return idx.load_idx(path)
    raise DataError(
        f"{path.name} is no data set: give a folder of images, an IDX, .npz, .npy or .parquet file, or CIFAR-10's .bin "
        "or .tar.gz"
    )


def _data_set(spec: str, path: Path, parts: Parts) -> DataSet:
    train, validation, digest = parts.train, parts.validation, parts.digest
    if validation is None:
        digest = ""
        if len(train) < 2:
            raise DataError(f"{path.name} has {len(train)} image; at least two are needed, to train and to validate")
        chosen = held_out([str(index) for index in range(len(train))])
        train, validation = train.part(~chosen), train.part(chosen)
    splits = (train, validation, parts.test)
    if len({split.images.shape[1:] for split in splits if split is not None}) > 1:
        raise DataError(f"the training, validation and test images of {path.name} differ in shape")
    name = os.path.abspath(path)
    return DataSet(
        name=spec,
        title=Path(name).name or name,
        train=train,
        validation=validation,
        test=parts.test,
        label_names=parts.label_names,
        licence="",
        credit="",
        digest=digest or digest_of(*splits),
        notes=parts.notes,
        attributes=parts.attributes,
    )


def _fitted(data: DataSet, image_size: int | None, channels: int | None, progress: Progress | None) -> DataSet:
    """Resize all images to the given size and channels, with a note of it and the digest of the result."""
    old_channels, height, width = data.image_shape
    size = (height, width) if image_size is None else (image_size, image_size)
    image_shape = (channels or old_channels, *size)
    if image_shape == data.image_shape:
        return data
    total = sum(map(len, data.splits))
    check_size(total * image_shape[0] * size[0] * size[1], data.title)
    notes = fit(data.train.images[0], image_shape)[1]
    done = 0
    splits = []
    for split in data.splits:
        images = np.empty((len(split), *size, image_shape[0]), np.uint8)
        for start, batch in _batches(split.images, 1000):
            images[start : start + len(batch)] = _fitted_batch(batch, image_shape)
            done += len(batch)
            if progress is not None:
                progress(done, total, f"resizing {data.title}")
        splits.append(replace(split, images=images))
    train, validation = splits[:2]
    test = splits[2] if data.test is not None else None
    digest = digest_of(train, validation, test)
    return replace(data, train=train, validation=validation, test=test, digest=digest).with_notes(notes)


def _batches(images: Images, size: int) -> Iterator[tuple[int, Images]]:
    for start in range(0, len(images), size):
        yield start, images[start : start + size]


def _fitted_batch(images: Images, image_shape: tuple[int, int, int]) -> Images:
    if images.shape[1:3] == image_shape[1:]:
        return with_channels(images, image_shape[0])
    return np.stack([fit(image, image_shape)[0] for image in images])
