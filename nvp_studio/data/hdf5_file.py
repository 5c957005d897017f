"""HDF5 files of images and labels, read by h5py in a process of its own."""

from pathlib import Path
from typing import Any

import numpy.typing as npt

from nvp_studio.data.array_reader import Library, list_arrays, read_arrays
from nvp_studio.data.arrays import LoadedData
from nvp_studio.data.dataset import DataError
from nvp_studio.data.named_arrays import choose_arrays, load_chosen
from nvp_studio.data.options import LoadOptions

SUFFIXES = (".h5", ".hdf5")
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_PLACES = (0, 512, 1024, 2048)
"""Where it may stand; MATLAB puts a header of its own before it."""

Numbers = npt.NDArray[Any]


def is_hdf5(path: Path) -> bool:
    """Whether the file is one of HDF5, whatever its name."""
    with open(path, "rb") as file:
        start = file.read(_PLACES[-1] + len(_SIGNATURE))
    return any(start.startswith(_SIGNATURE, place) for place in _PLACES)


def load_hdf5(path: Path, options: LoadOptions) -> LoadedData:
    """Load images and labels from an HDF5 file, which are found as in a .npz file; raises `DataError`."""
    return load_from(path, "h5py", options)


def load_from(path: Path, library: Library, options: LoadOptions, *, reverse: bool = False) -> LoadedData:
    """As `load_hdf5`, by this library; with `reverse` the axes of each array stand in the other order."""
    found = list_arrays(path, library, options.progress)
    shapes = {one.name: one.shape[::-1] if reverse else one.shape for one in found if not one.refused}
    refused = [f"{one.name} {one.refused}" for one in found if one.refused]
    try:
        chosen = choose_arrays(shapes, lambda: shapes, path.name)
    except DataError as error:
        raise DataError("; ".join([str(error), *refused[:3]])) from error
    arrays = read_arrays(path, library, chosen.names, options.progress)

    def read(name: str, kinds: str) -> Numbers:
        values = arrays.pop(name)
        if values.dtype.kind not in kinds:
            raise DataError(f"{name} in {path.name} holds {values.dtype}, not plain numbers")
        return values.T if reverse else values

    return load_chosen(chosen, read, path.name, options.reading)
