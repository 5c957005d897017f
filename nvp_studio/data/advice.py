"""What to do with a file that no reader takes."""

import os

from nvp_studio.data.images import EXTENSIONS
from nvp_studio.data.left_out import why_unread
from nvp_studio.text import one_line

_SAVE = "save the images as numbers with numpy.savez('images.npz', images=array)"
_PICKLES = (".joblib", ".pickle", ".pkl", ".pt", ".pth")
_ARRAYS = (
    ".arrow",
    ".ckpt",
    ".hdf",
    ".lmdb",
    ".mdb",
    ".nc",
    ".rds",
    ".safetensors",
    ".tfrecord",
    ".tfrecords",
    ".zarr",
)


def advice_about(name: str) -> str:
    """A clause about the file `name`, which is no data set, and what to do with it."""
    extension = os.path.splitext(name.lower())[1]
    if extension in EXTENSIONS:
        return f"{name} is one image file; give the folder in which it and others are"
    if extension in _PICKLES:
        return f"{name} may hold code that runs when it is read, so it is not; {_SAVE}"
    if extension in _ARRAYS:
        return f"files with the extension {extension} are not read; {_SAVE}"
    if ": " in (why := why_unread(name)):
        return f"{one_line(name)} is no data set: {why}"
    return (
        f"{one_line(name)} is no data set: give a folder of images or of .npy files, a zip or tar file of one, an IDX, "
        ".npz, .npy, .csv or .parquet file, or CIFAR-10's .bin or .tar.gz"
    )
