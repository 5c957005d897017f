"""Peeps as they ship with the program: 20 000 drawn faces in colour, 32x32, each with what it shows in nine attributes.

`resources/data/peeps/images.xz` holds the pixels, `attributes.xz` a byte for each face and attribute, both with the
training faces first. `benchmarks/peeps/render.mjs` draws the faces and `benchmarks/pack_peeps.py` packs them;
`docs/data.md` has the measurements behind the choice of the packing.
"""

from pathlib import Path

from nvp_studio.data.arrays import LoadedData
from nvp_studio.data.dataset import Split
from nvp_studio.data.options import LoadOptions
from nvp_studio.data.xz import read_xz

_SIDE = 32


def read_peeps(variant: str, folder: Path, options: LoadOptions) -> LoadedData:
    """Return all faces as one split, training faces first; raises `DataError`."""
    images = read_xz(folder / "images.xz", (-1, _SIDE, _SIDE, 3))
    attributes = read_xz(folder / "attributes.xz", (len(images), -1))
    options.progress(len(images), len(images), "unpacking Peeps")
    return LoadedData(Split(images, attributes=attributes))
