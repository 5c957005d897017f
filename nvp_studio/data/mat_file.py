"""MATLAB files: those up to version 7 are read by SciPy, later ones are HDF5."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy.typing as npt

from nvp_studio.data.array_reader import read_arrays
from nvp_studio.data.arrays import LoadedData
from nvp_studio.data.hdf5_file import is_hdf5, load_from
from nvp_studio.data.options import LoadOptions, Progress, no_progress


def read_mat(path: Path, names: Collection[str], progress: Progress = no_progress) -> dict[str, npt.NDArray[Any]]:
    """Return those arrays of `names` that the file holds, as it stores them; raises `DataError`."""
    return read_arrays(path, "scipy", names, progress)


def load_mat(path: Path, options: LoadOptions) -> LoadedData:
    """Load images and labels from a MATLAB file, which are found as in a .npz file; raises `DataError`."""
    if is_hdf5(path):  # where MATLAB's axes stand in the other order
        return load_from(path, "h5py", options, reverse=True)
    return load_from(path, "scipy", options)
