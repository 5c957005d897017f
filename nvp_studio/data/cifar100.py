"""CIFAR-100 in its binary and its Python version, unpacked or in a tar file, with the 100 fine classes as labels."""

import re
from pathlib import Path

from nvp_studio.data.arrays import Parts
from nvp_studio.data.cifar import VALIDATION_IMAGES
from nvp_studio.data.cifar_files import CifarFormat
from nvp_studio.data.cifar_pickle import read_python_batch
from nvp_studio.data.dataset import DataError, Split
from nvp_studio.data.download import RemoteFile
from nvp_studio.data.published import LoadOptions, Published

# fmt: off
LABEL_NAMES = (
    "apple", "aquarium fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle", "bowl", "boy",
    "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle", "chair", "chimpanzee",
    "clock", "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant",
    "flatfish", "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn mower",
    "leopard", "lion", "lizard", "lobster", "man", "maple tree", "motorcycle", "mountain", "mouse", "mushroom",
    "oak tree", "orange", "orchid", "otter", "palm tree", "pear", "pickup truck", "pine tree", "plain", "plate",
    "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray", "road", "rocket", "rose", "sea", "seal", "shark",
    "shrew", "skunk", "skyscraper", "snail", "snake", "spider", "squirrel", "streetcar", "sunflower",
    "sweet pepper", "table", "tank", "telephone", "television", "tiger", "tractor", "train", "trout", "tulip",
    "turtle", "wardrobe", "whale", "willow tree", "wolf", "woman", "worm",
)
# fmt: on

_FORMAT = CifarFormat(
    "CIFAR-100",
    label_bytes=2,  # a coarse label, then a fine one
    classes=len(LABEL_NAMES),
    names=re.compile(r"(train|test)(\.bin)?"),
    most_bytes=160 * 2**20,
    most_binary_bytes=160 * 2**20,
)
_FOLDERS = ("", "cifar-100-binary", "cifar-100-python")
_ARCHIVES = ("cifar-100-binary.tar.gz", "cifar-100-python.tar.gz")


def find_cifar100(folder: Path) -> Path | None:
    """Return where CIFAR-100 is in `folder`: itself, a folder or an archive in it by its published name, or None."""
    for place in (folder / name for name in _FOLDERS):
        if _holds_records(place) or ((place / "meta").is_file() and (place / "train").is_file()):
            return place
    return next((folder / name for name in _ARCHIVES if (folder / name).is_file()), None)


def _holds_records(folder: Path) -> bool:
    path = folder / "train.bin"
    return path.is_file() and path.stat().st_size > 0 and path.stat().st_size % _FORMAT.record_bytes == 0


def read_cifar100(place: Path, options: LoadOptions | None = None) -> Parts:
    """Return the images and fine labels in a folder or archive; raises `DataError`."""
    splits: dict[str, Split] = {}
    for name, content in _FORMAT.read_files(place):
        if name.endswith(".bin"):
            splits[name.removesuffix(".bin")] = _FORMAT.binary_split(content, name)
        else:
            splits[name] = _FORMAT.split(*read_python_batch(content, name, "fine_labels"), name)
    if "train" not in splits:
        raise DataError(f"no training images of CIFAR-100 in {place.name}")
    return Parts(splits["train"], test=splits.get("test"), label_names=LABEL_NAMES)


CIFAR100 = Published(
    name="cifar-100",
    title="CIFAR-100",
    image_shape=(3, 32, 32),
    train_images=50_000,
    test_images=10_000,
    held_out_images=VALIDATION_IMAGES,
    licence="not stated by its authors",
    credit="Krizhevsky: Learning Multiple Layers of Features from Tiny Images (2009)",
    homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
    find=find_cifar100,
    read=read_cifar100,
    label_names=LABEL_NAMES,
    files=(
        RemoteFile(
            "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8", 168_513_733
        ),
    ),
    unmistakable=True,
    mirror=True,
)
