"""The data sets a person can name, and `load_data`, which turns a name or a path into a data set."""

import os
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from nvp_studio.data import cifar, idx
from nvp_studio.data.arrays import LoadedData, check_size, reason_of
from nvp_studio.data.celeba import find_celeba, read_celeba
from nvp_studio.data.dataset import Attribute, DataError, DataSet, Images, digest_of
from nvp_studio.data.digits import find_digits, read_digits
from nvp_studio.data.download import RemoteFile
from nvp_studio.data.fitting import fit, with_channels
from nvp_studio.data.hugging_face import PREFIX, is_hugging_face, load_hugging_face
from nvp_studio.data.image_size import ImageSize
from nvp_studio.data.imagenet import find_imagenet, read_imagenet
from nvp_studio.data.option_checks import check_folders, check_options, check_published
from nvp_studio.data.options import LoadOptions, Progress, no_progress
from nvp_studio.data.partition import FRACTION, held_out
from nvp_studio.data.places import data_folder, data_roots
from nvp_studio.data.reading import UNDECIDED, Reading
from nvp_studio.data.shipped import read_fashion_mnist, read_peeps
from nvp_studio.data.sources import load_path
from nvp_studio.data.svhn import find_svhn, read_svhn
from nvp_studio.data.twins import doubts_about_twins
from nvp_studio.resources import resource_path

_MAX_UNREADABLE = 0.01
"""Fraction of a set's files that may be unreadable."""
_BATCH = 1000
"""Images that are resized between two reports."""


class _Format(NamedTuple):
    """How the files of a set are found and read; both functions take the set's `variant` first.

    `find` says where in a folder of a data root the set is, or None; `read` reads what was found.
    """

    find: Callable[[str, Path], Path | None]
    read: Callable[[str, Path, LoadOptions], LoadedData]


def _nowhere(variant: str, folder: Path) -> None:
    """Of a set that ships: no folder is looked into for it."""


FORMATS = {
    "fashion-mnist": _Format(_nowhere, read_fashion_mnist),
    "peeps": _Format(_nowhere, read_peeps),
    "digits": _Format(find_digits, read_digits),
    "mnist": _Format(idx.find_mnist, idx.read_mnist),
    "emnist": _Format(idx.find_emnist, idx.read_emnist),
    "cifar": _Format(cifar.find_cifar, cifar.read_cifar),
    "svhn": _Format(find_svhn, read_svhn),
    "imagenet": _Format(find_imagenet, read_imagenet),
    "celeba": _Format(find_celeba, read_celeba),
}


class CatalogueEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a data set before it is loaded: an entry of `resources/data/catalogue.toml`.

    A set that does not ship is looked for in the folders of a data root by its own name or `folder`, by the
    `other_folders` that other programs use, and, where its files cannot be those of another set (`unmistakable`), in
    the root itself.
    """

    name: str
    title: str
    format: str
    """Key of `FORMATS`."""
    variant: str = ""
    """Which of the sets of its format it is."""
    image_shape: tuple[int, int, int]
    """(C, H, W)."""
    counts: tuple[int, int, int]
    """Images that its files name for training, validation and test."""
    held_out: int | None = None
    """How many `held_out` takes of the training images, where that was counted; about a tenth otherwise."""
    label_names: tuple[str, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    mirror: bool = False
    """Whether mirrored images are as plausible as the others, so that training may mirror them."""
    licence: str
    credit: str
    homepage: str | None = None
    ships: bool = False
    """Whether it comes with the program."""
    digest: str = ""
    """`digest_of` a set that ships, so that it need not be computed at each start; the tests compare it."""
    files: tuple[RemoteFile, ...] = ()
    """What a download brings."""
    by_hand: str = ""
    """Where a person gets the files of a set that cannot be downloaded; {home} stands for the folder."""
    folder: str = ""
    """Folder of a data root that downloads go to; empty for one of the set's name."""
    other_folders: tuple[str, ...] = ()
    unmistakable: bool = False

    @property
    def images(self) -> int:
        """How many images there are."""
        return sum(self.counts)

    @property
    def train_images(self) -> int:
        """About how many images will train."""
        train, validation, _ = self.counts
        if validation:
            return train
        return train - (round(FRACTION * train) if self.held_out is None else self.held_out)

    @property
    def home(self) -> Path:
        """The folder that a download fills."""
        return data_folder() / (self.folder or self.name)

    @property
    def how_to_get(self) -> str:
        """How a person gets the files, as part of a sentence."""
        if not self.files:
            return self.by_hand.format(home=self.home)
        return (
            f"'nvp-studio data prepare {self.name} --download' downloads it, or put "
            f"{', '.join(file.name for file in self.files)} from {self.homepage} into {self.home}"
        )

    @property
    def on_this_machine(self) -> bool:
        """Whether it can be loaded without a download."""
        return self.ships or self.find_anywhere() is not None

    def find_anywhere(self, data_root: str | os.PathLike[str] | None = None) -> Path | None:
        """Where the set is on this machine, `data_root` first; None when it is nowhere."""
        if self.ships:
            return resource_path(f"data/{self.name}")
        return next((path for root in data_roots(data_root) if (path := self.find_in(root)) is not None), None)

    def find_in(self, root: Path) -> Path | None:
        """Where the set is below `root`, or None."""
        places = [root / (self.folder or self.name), *(root / other for other in self.other_folders)]
        if self.unmistakable or _plain(root.name) in (_plain(self.name), _plain(self.folder)):
            places.append(root)
        for place in places:
            try:
                path = FORMATS[self.format].find(self.variant, place)
            except OSError:
                continue
            if path is not None:
                return path
        return None

    def load(self, options: LoadOptions) -> DataSet:
        """Return the set; raises `DataError`, which says how to get it when it is nowhere."""
        place = self.find_anywhere(options.data_root)
        if place is None:
            raise DataError(f"{self.title} is not on this machine: {self.how_to_get}")
        options.progress(0, 0, f"opening {place.name}")
        loaded = FORMATS[self.format].read(self.variant, place, options)
        if self.ships:
            loaded = self._divided(loaded)
        self._check_counts(loaded, place)
        data = _data_set(self.name, place, replace(loaded, label_names=self.label_names), options.progress)
        return replace(data, title=self.title, licence=self.licence, credit=self.credit)

    def _divided(self, loaded: LoadedData) -> LoadedData:
        """Divide the images of a set that ships, which its files hold as one split."""
        train, validation, _ = self.counts
        return LoadedData(
            loaded.train.part(slice(train)),
            loaded.train.part(slice(train, train + validation)),
            loaded.train.part(slice(train + validation, None)),
            attributes=self.attributes,
            digest=self.digest,
        )

    def _check_counts(self, loaded: LoadedData, place: Path) -> None:
        """Raise `DataError` unless these are the images of the whole set, of which few files may be unreadable."""
        counts = [0 if split is None else len(split) for split in (loaded.train, loaded.validation, loaded.test)]
        no_more = all(count <= most for count, most in zip(counts, self.counts, strict=True))
        tolerable = loaded.unreadable <= _MAX_UNREADABLE * self.images
        if no_more and tolerable and sum(counts) + loaded.unreadable == self.images:
            return
        held = " and ".join(f"{count:,}" for count in counts if count)
        wanted = " and ".join(f"{count:,}" for count in self.counts if count)
        damage = f"; {loaded.unreadable:,} files are unreadable" if loaded.unreadable else ""
        raise DataError(f"{place} is not the whole of {self.title}: it holds {held} images, not {wanted}{damage}")


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


def _read_catalogue() -> dict[str, CatalogueEntry]:
    tables: dict[str, dict[str, Any]] = tomllib.loads(resource_path("data/catalogue.toml").read_text("utf-8"))
    entries = {}
    for name, table in tables.items():
        facts = tables.get(table.pop("like", ""), {}) | table | {"name": name}
        if classes := facts.pop("classes", 0):
            facts["label_names"] = [str(number) for number in range(1, classes + 1)]
        entries[name] = msgspec.convert(facts, CatalogueEntry)
    return entries


CATALOGUE = _read_catalogue()


def load_data(
    spec: str,
    *,
    image_size: ImageSize | None = None,
    channels: int | None = None,
    data_root: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    reading: Reading = UNDECIDED,
) -> DataSet:
    """Load the data set that `spec` names: an entry of `CATALOGUE`, "hf:NAME" of Hugging Face, or the path of

    - a folder of image files, with a class per sub-folder where there are some, or a zip, tar or tar.gz file of one;
    - a TIFF file of several pages;
    - an IDX file, plain or gzipped, or a folder of MNIST's four;
    - a .npz or .npy file, or a folder or archive of .npy files;
    - a .mat file of MATLAB or an HDF5 file, where the libraries for these are installed;
    - a .csv file with the pixels of an image in each row;
    - CIFAR-10's binary or Python batches or its PNG sheets, in a folder or a tar.gz file; or one such batch;
    - parquet files with a column of images, one or a folder of them.

    `image_size` makes all images squares of that side, or of that (width, height); `channels` makes them grey (1) or
    colour (3). Sets of the catalogue that do not ship are looked for in `data_root` first; nothing is ever
    downloaded here. `progress` is called with what is done, the total (0 while unknown) and a word; what it raises ends
    the loading. A source that names no validation images has about a tenth of its training images, by a stable hash,
    held out for it. `reading` says what files leave open; what it leaves to the program is decided and stands in the
    set's own `reading`.

    Raises `DataError`, a `ValueError` whose message is one line.
    """
    root = None if data_root is None else os.fspath(data_root)
    options = LoadOptions(image_size, channels, root, progress or no_progress, reading)
    check_options(options)
    try:
        if spec in CATALOGUE:
            check_published(spec, reading)
            return replace(_fitted(CATALOGUE[spec].load(options), options), reading=reading)
        if is_hugging_face(spec):
            check_folders(spec, reading, has_folders=False)
            loaded = load_hugging_face(spec, options)
            return replace(_data_set(spec, Path(spec), loaded, options.progress), title=spec.removeprefix(PREFIX))
        return _load_path(spec, options)
    except OSError as error:
        raise DataError(f"{spec} cannot be read: {reason_of(error)}") from error
    except MemoryError as error:
        raise DataError(
            f"{spec} is too large for the free memory; choose a smaller image size or fewer images"
        ) from error


def _load_path(spec: str, options: LoadOptions) -> DataSet:
    path = Path(os.path.expanduser(spec))
    if not spec or not os.path.exists(path):
        known = ", ".join(CATALOGUE)
        raise DataError(f"no data set and no file named {spec!r}; give a path, or one of: {known}")
    options.progress(0, 0, f"opening {path.name}")
    loaded = load_path(path, options, CATALOGUE["cifar-10"].label_names)
    return _fitted(_data_set(spec, path, loaded, options.progress), options)


TOO_FEW = "{0} has {1} image; at least two are needed, to train and to validate"
"""A reason to refuse data, of name and number."""


def _data_set(spec: str, path: Path, loaded: LoadedData, progress: Progress) -> DataSet:
    train, validation, digest = loaded.train, loaded.validation, loaded.digest
    if validation is None:
        digest = ""
        if len(train) < 2:
            raise DataError(TOO_FEW.format(path.name, len(train)))
        chosen = held_out([str(index) for index in range(len(train))])
        train, validation = train.part(~chosen), train.part(chosen)
    name = os.path.abspath(path)
    suspicions = loaded.suspicions
    if not digest:  # which stands for splits that were looked at already
        suspicions += doubts_about_twins((train, validation, loaded.test), progress)
    return DataSet(
        name=spec,
        title=Path(name).name or name,
        train=train,
        validation=validation,
        test=loaded.test,
        label_names=loaded.label_names,
        licence="",
        credit="",
        digest=digest or digest_of(train, validation, loaded.test, progress=progress),
        notes=loaded.notes,
        attributes=loaded.attributes,
        reading=loaded.reading,
        suspicions=suspicions,
        left_out=loaded.left_out,
    )


def _fitted(data: DataSet, options: LoadOptions) -> DataSet:
    """Resize all images to the size and channels asked for, with a note of it and the digest of the result."""
    old_channels, height, width = data.image_shape
    size = options.size or (height, width)
    image_shape = (options.channels or old_channels, *size)
    if image_shape == data.image_shape:
        return data
    total = sum(map(len, data.splits))
    check_size(total * image_shape[0] * size[0] * size[1], data.title)
    done = 0
    splits = []
    for split in data.splits:
        images = np.empty((len(split), *size, image_shape[0]), np.uint8)
        for start in range(0, len(split), _BATCH):
            batch = split.images[start : start + _BATCH]
            images[start : start + len(batch)] = _fitted_batch(batch, image_shape, options.reading)
            done += len(batch)
            options.progress(done, total, f"resizing {data.title}")
        splits.append(replace(split, images=images))
    train, validation = splits[:2]
    test = splits[2] if data.test is not None else None
    notes = (*data.notes, *fit(data.train.images[0], image_shape, options.reading)[1])
    digest = digest_of(train, validation, test, progress=options.progress)
    return replace(data, train=train, validation=validation, test=test, digest=digest, notes=notes)


def _fitted_batch(images: Images, image_shape: tuple[int, int, int], reading: Reading) -> Images:
    if images.shape[1:3] == image_shape[1:]:
        return with_channels(images, image_shape[0])
    return np.stack([fit(image, image_shape, reading)[0] for image in images])
