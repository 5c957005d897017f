"""What to do with a file that no reader takes."""

import os
from collections.abc import Sequence

from nvp_studio.data.archives import is_archive_name
from nvp_studio.data.images import EXTENSIONS
from nvp_studio.data.left_out import why_unread
from nvp_studio.data.report import LeftOut
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


def no_images_in(unread: Sequence[LeftOut]) -> str:
    """What to do with a folder that has no images that are read, but archives of them; empty without any."""
    names = [name for one in unread for name in one.examples if is_archive_name(name)]
    if not names:
        return ""
    several = " each into a folder of its name, such as train and test," if len(names) > 1 else ""
    return f"give the archive itself, such as {names[0]}, or unpack them here,{several} and give this folder again"


def advice_about(name: str) -> str:
    """A clause about the file `name`, which is no data set, and what to do with it."""
    extension = os.path.splitext(name.lower())[1]
    if extension in EXTENSIONS:
        return f"{name} is one image file; give the folder in which it and others are"
    if extension in _PICKLES:
        return f"{name} may hold code that runs when it is read, so it is not; {_SAVE}"
    if extension in _ARRAYS:
        return f"files with the extension {extension} are not read; {_SAVE}"
    if extension == ".pdf":
        return f"{one_line(name)} is no data set: save its pages or pictures as images"
    if ": " in (why := why_unread(name)):
        return f"{one_line(name)} is no data set: {why}"
    return (
        f"{one_line(name)} is no data set: give a folder of images or of .npy files, a zip or tar file of one, an IDX, "
        ".npz, .npy, .csv or .parquet file, or CIFAR-10's .bin or .tar.gz"
    )
