"""MNIST, KMNIST and the six sets of EMNIST: grey 28x28 images in IDX files, and where these come from."""

import shutil
import string
import tempfile
import zipfile
import zlib
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from nvp_studio.data.arrays import ZIP_PACKINGS, Parts, reason_of
from nvp_studio.data.dataset import DataError, Split
from nvp_studio.data.download import RemoteFile
from nvp_studio.data.idx import holds_pairs, idx_file, load_idx, load_idx_pair
from nvp_studio.data.published import LoadOptions, Published

_SHAPE = (1, 28, 28)
_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_KMNIST = "http://codh.rois.ac.jp/kmnist/dataset/kmnist/"
_NAMES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
_EMNIST_ARCHIVES = ("gzip.zip", "emnist-gzip.zip")
_EMNIST_PARTS = ("train", "test")
_MOST_MEMBER_BYTES = 1 << 30

_MERGED = frozenset("cijklmopsuvwxyz")
"""Small letters that count as their capitals in the sets by merge."""
_BY_CLASS = tuple(string.digits + string.ascii_uppercase + string.ascii_lowercase)
_BY_MERGE = tuple(name for name in _BY_CLASS if name not in _MERGED)

_EMNIST_SETS = {
    "balanced": (112_800, 18_800, _BY_MERGE),
    "byclass": (697_932, 116_323, _BY_CLASS),
    "bymerge": (697_932, 116_323, _BY_MERGE),
    "letters": (124_800, 20_800, tuple(string.ascii_lowercase)),
    "digits": (240_000, 40_000, tuple(string.digits)),
    "mnist": (60_000, 10_000, tuple(string.digits)),
}


def _find_idx(folder: Path) -> Path | None:
    """Return `folder` when all four files are in it: a download may have been interrupted between them."""
    return folder if holds_pairs(folder, "train", "t10k") else None


def _read_idx(folder: Path, options: LoadOptions) -> Parts:
    return load_idx(folder)


def _find_emnist(kind: str, folder: Path) -> Path | None:
    """Where the files of one set are: a folder, or the zip file that holds all six."""
    for place in (folder, folder / "gzip"):
        if holds_pairs(place, *(_start(kind, part) for part in _EMNIST_PARTS)):
            return place
    return next((folder / name for name in _EMNIST_ARCHIVES if (folder / name).is_file()), None)


def _start(kind: str, part: str) -> str:
    """What the names of the files of one part of a set begin with."""
    return f"emnist-{kind}-{part}"


def read_emnist(kind: str, place: Path, options: LoadOptions) -> Parts:
    """Return one of EMNIST's sets, upright: its files hold every image turned and mirrored.

    The letters are numbered from 1 in their files, here from 0 as everywhere.
    """
    if place.is_dir():
        return _read_emnist_folder(kind, place)
    with tempfile.TemporaryDirectory(prefix="nvp-studio-") as folder:
        _unzip(place, kind, Path(folder))
        return _read_emnist_folder(kind, Path(folder))


def _unzip(path: Path, kind: str, folder: Path) -> None:
    """Unpack the four files of one set from the published archive."""
    contents = ("images-idx3", "labels-idx1")
    wanted = {f"{_start(kind, part)}-{content}-ubyte.gz" for part in _EMNIST_PARTS for content in contents}
    try:
        with zipfile.ZipFile(path) as archive:
            members = {item.filename.rpartition("/")[2]: item for item in archive.infolist()}
            for name in sorted(wanted & members.keys()):
                item = members[name]
                if item.compress_type not in ZIP_PACKINGS:
                    raise DataError(f"{name} in {path.name} is neither stored nor deflated")
                if item.file_size > _MOST_MEMBER_BYTES:
                    raise DataError(f"{name} in {path.name} is too large to be a part of EMNIST")
                with archive.open(item) as source, open(folder / name, "wb") as target:
                    shutil.copyfileobj(source, target)
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise DataError(f"{path.name} cannot be unpacked: {reason_of(error)}") from error


def _read_emnist_folder(kind: str, folder: Path) -> Parts:
    splits = []
    for part in _EMNIST_PARTS:
        images = idx_file(folder, _start(kind, part), "images")
        if images is None:
            raise DataError(f"no {_start(kind, part)}-images-idx3-ubyte in {folder}")
        splits.append(_upright(load_idx_pair(images), kind))
    return Parts(splits[0], test=splits[1], notes=("turned upright",))


def _upright(split: Split, kind: str) -> Split:
    labels = split.labels
    if labels is not None and kind == "letters":
        if len(labels) and labels.min() < 1:
            raise DataError("a label of EMNIST's letters is below 1")
        labels = labels - 1
    return Split(np.ascontiguousarray(split.images.transpose(0, 2, 1, 3)), labels)


def _emnist(kind: str) -> Published:
    train, test, label_names = _EMNIST_SETS[kind]
    return Published(
        name=f"emnist-{kind}",
        title=f"EMNIST, {kind}",
        image_shape=_SHAPE,
        train_images=train,
        test_images=test,
        licence="not stated by its authors; a work of a US federal agency in its origin (NIST Special Database 19)",
        credit="Cohen, Afshar, Tapson and van Schaik: EMNIST (2017), arXiv:1702.05373",
        homepage="https://www.nist.gov/itl/products-and-services/emnist-dataset",
        find=partial(_find_emnist, kind),
        read=partial(read_emnist, kind),
        label_names=label_names,
        files=(
            RemoteFile(
                "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip", "58c8d27c78d21e728a6bc7b3cc06412e", 561_753_746
            ),
        ),
        folder="emnist",
        other_folders=("EMNIST/raw", "EMNIST"),
    )


MNIST = Published(
    name="mnist",
    title="MNIST",
    image_shape=_SHAPE,
    train_images=60_000,
    test_images=10_000,
    licence="not stated by its authors",
    credit="LeCun, Cortes and Burges: The MNIST database of handwritten digits (1998)",
    homepage="http://yann.lecun.com/exdb/mnist/",
    find=_find_idx,
    read=_read_idx,
    label_names=tuple(string.digits),
    files=tuple(
        RemoteFile(_MNIST + name, md5, size)
        for name, md5, size in zip(
            _NAMES,
            (
                "f68b3c2dcbeaaa9fbdd348bbdeb94873",
                "d53e105ee54ea40749a09fcbcd1e9432",
                "9fb629c4189551a2d022fa330f9573f3",
                "ec29112dd5afa0611ce80d1b7f02629c",
            ),
            (9_912_422, 28_881, 1_648_877, 4_542),
            strict=True,
        )
    ),
    other_folders=("MNIST/raw", "MNIST"),
)

KMNIST = replace(
    MNIST,
    name="kmnist",
    title="Kuzushiji-MNIST",
    licence="CC BY-SA 4.0",
    credit="Clanuwat, Bober-Irizar, Kitamoto, Lamb, Yamamoto and Ha: Kuzushiji-MNIST (2018), arXiv:1812.01718",
    homepage="http://codh.rois.ac.jp/kmnist/",
    label_names=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    files=tuple(
        RemoteFile(_KMNIST + name, md5)
        for name, md5 in zip(
            _NAMES,
            (
                "bdb82020997e1d708af4cf47b453dcf7",
                "e144d726b3acfaa3e44228e80efcd344",
                "5c965bf0a639b31b8f53240b1b52f4d7",
                "7320c461ea6c1c855c0b718fb2a4b134",
            ),
            strict=True,
        )
    ),
    other_folders=("KMNIST/raw", "KMNIST"),
)

EMNIST = tuple(_emnist(kind) for kind in _EMNIST_SETS)
