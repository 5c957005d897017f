"""Peeps as they ship with the program: 20 000 drawn faces in colour, 32x32, each with what it shows in nine attributes.

`resources/data/peeps/images.xz` holds the pixels, `attributes.xz` a byte for each face and attribute, both with the
training faces first. `benchmarks/peeps/render.mjs` draws the faces and `benchmarks/pack_peeps.py` packs them;
`docs/data.md` has the measurements behind the choice of the packing.
"""

import lzma

import numpy as np
import numpy.typing as npt

from nvp_studio.data.dataset import Attribute, DataError, DataSet, Split
from nvp_studio.data.progress import Progress
from nvp_studio.resources import resource_path

NAME = "peeps"
TITLE = "Peeps"
LICENCE = "CC0 1.0"
CREDIT = "Pablo Stanley: Open Peeps (2020), openpeeps.com, drawn with DiceBear"
ATTRIBUTES = (
    Attribute(
        "glasses",
        (
            "none",
            "thin wide",
            "thin round",
            "browline",
            "white",
            "round",
            "sunglasses",
            "round sunglasses",
        ),
    ),
    Attribute(
        "beard",
        (
            "none",
            "chin",
            "full",
            "full with moustache",
            "long",
            "outlined",
            "goatee",
            "round goatee",
            "horseshoe",
            "walrus",
            "moustache",
        ),
    ),
    Attribute("mask", ("none", "white", "teal")),
    Attribute(
        "hair style",
        (
            "bald",
            "afro",
            "bangs",
            "bob",
            "buns",
            "dreadlocks",
            "flat top",
            "bun",
            "knot",
            "combed",
            "long",
            "chin-length",
            "shoulder",
            "long bangs",
            "parted bangs",
            "mohawk",
            "pompadour",
            "cropped",
            "wavy",
            "quiff",
            "short",
            "twists",
            "beanie",
            "hijab",
            "turban",
        ),
    ),
    Attribute("hair colour", ("none", "black", "dark brown", "brown", "red", "blond", "grey")),
    Attribute("skin tone", ("very light", "light", "medium", "dark", "very dark")),
    Attribute(
        "expression",
        (
            "smile",
            "grin",
            "laugh",
            "calm",
            "cheeky",
            "cute",
            "talking",
            "serious",
            "driven",
            "concerned",
            "solemn",
            "suspicious",
            "tired",
            "angry",
        ),
    ),
    Attribute("clothing", ("red", "yellow", "green", "blue", "pink", "white")),
    Attribute("background", ("blue", "lilac", "pink", "peach", "green")),
)
TRAIN_IMAGES, VALIDATION_IMAGES, TEST_IMAGES = 16_500, 1_500, 2_000
SIDE = 32
# `digest_of` the three splits; stored because the files carry their own checksums, and verified by the tests.
DIGEST = "217fc4ef47233a5c66e5565295d70e123b6cb0438bad8f4b7ee6d2524f9a9e14"


def load_peeps(progress: Progress | None = None) -> DataSet:
    """Return Peeps: of its 18 000 training faces the first 16 500 train and the rest validate; 2 000 test."""
    held_out = TRAIN_IMAGES + VALIDATION_IMAGES
    count = held_out + TEST_IMAGES
    images = _unpacked("images.xz", (count, SIDE, SIDE, 3))
    faces = Split(images, attributes=_unpacked("attributes.xz", (count, len(ATTRIBUTES))))
    if progress is not None:
        progress(count, count, f"unpacking {TITLE}")
    return DataSet(
        name=NAME,
        title=TITLE,
        train=faces.part(slice(TRAIN_IMAGES)),
        validation=faces.part(slice(TRAIN_IMAGES, held_out)),
        test=faces.part(slice(held_out, count)),
        label_names=(),
        licence=LICENCE,
        credit=CREDIT,
        digest=DIGEST,
        attributes=ATTRIBUTES,
    )


def _unpacked(name: str, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    try:
        data = lzma.decompress(resource_path(f"data/{NAME}/{name}").read_bytes(), format=lzma.FORMAT_XZ)
        return np.frombuffer(bytearray(data), np.uint8).reshape(shape)
    except (OSError, lzma.LZMAError, ValueError) as error:
        raise DataError(f"the installation is damaged: {name} of {TITLE}: {error}; reinstall NVP Studio") from None
