"""Peeps as they ship with the program: 20 000 drawn faces in colour, 32x32, each with what it shows in nine attributes.

`resources/data/peeps/images.xz` holds the pixels, `attributes.xz` a byte for each face and attribute, both with the
training faces first. `benchmarks/peeps/render.mjs` draws the faces and `benchmarks/pack_peeps.py` packs them;
`docs/data.md` has the measurements behind the choice of the packing.
"""

from nvp_studio.data.dataset import Attribute, Split
from nvp_studio.data.included import Included, unpacked
from nvp_studio.data.progress import Progress

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
SIDE = 32


def _unpack(progress: Progress | None) -> Split:
    count = PEEPS.images
    images = unpacked("peeps/images.xz", (count, SIDE, SIDE, 3))
    faces = Split(images, attributes=unpacked("peeps/attributes.xz", (count, len(ATTRIBUTES))))
    if progress is not None:
        progress(count, count, f"unpacking {PEEPS.title}")
    return faces


PEEPS = Included(
    name="peeps",
    title="Peeps",
    image_shape=(3, SIDE, SIDE),
    train_images=16_500,
    validation_images=1_500,
    test_images=2_000,
    licence="CC0 1.0",
    credit="Pablo Stanley: Open Peeps (2020), openpeeps.com, drawn with DiceBear",
    digest="217fc4ef47233a5c66e5565295d70e123b6cb0438bad8f4b7ee6d2524f9a9e14",
    unpack=_unpack,
    attributes=ATTRIBUTES,
)
