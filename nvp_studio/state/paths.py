"""What a path given by a person may be, judged by its name and, for folders, by what a run leaves in it."""

import os
from collections.abc import Sequence
from pathlib import Path

from nvp_studio.data.archive_paths import split_archive
from nvp_studio.data.archives import SUFFIXES as ARCHIVE_SUFFIXES
from nvp_studio.data.archives import is_archive_name
from nvp_studio.data.images import EXTENSIONS as IMAGE_SUFFIXES
from nvp_studio.resources import INCLUDED_MODELS

DATA_SUFFIXES = (
    *(".npz", ".npy", ".csv", ".tsv", ".mat", ".h5", ".hdf5", ".zip", ".tar", ".gz", ".tgz"),
    *(".bin", ".idx", ".parquet", ".tif", ".tiff"),
)
"""Of files with many images to train on."""
MODEL_SUFFIX = ".safetensors"


def is_image_file(path: Path) -> bool:
    """Whether the name is that of an image file, perhaps in an archive."""
    return path.suffix.lower() in IMAGE_SUFFIXES and (path.is_file() or split_archive(path) is not None)


def is_archive(path: Path) -> bool:
    """Whether it may be an archive of images."""
    return is_archive_name(path.name) and path.is_file()


def is_run_folder(path: Path) -> bool:
    """Whether the folder is a run's."""
    return (path / "run.json").is_file()


def is_model(path: Path) -> bool:
    """Whether Explore can open it as a model: a checkpoint file or a run folder."""
    return (path.suffix.lower() == MODEL_SUFFIX and path.is_file()) or is_run_folder(path)


def is_of_run(path: str) -> bool:
    """Whether a model is a run's: its folder, or a file among its checkpoints."""
    place = Path(path)
    return is_run_folder(place) or (place.parent.name == "checkpoints" and is_run_folder(place.parent.parent))


def model_name(path: str) -> str:
    """What a model is called: an included one by its title, that of a run by the run, another by its file."""
    if path in INCLUDED_MODELS:
        return INCLUDED_MODELS[path]
    place = Path(path)
    return place.parent.parent.name if place.parent.name == "checkpoints" else place.name.removesuffix(MODEL_SUFFIX)


def image_filter(title: str, *, archives: bool = False) -> str:
    """The filter of a file dialog for images, and archives of them if asked for, such as "Images (*.png *.jpg)"."""
    suffixes = (*sorted(IMAGE_SUFFIXES), *(ARCHIVE_SUFFIXES if archives else ()))
    return f"{title} ({' '.join(f'*{suffix}' for suffix in suffixes)})"


def is_below(folder: str, paths: set[str]) -> bool:
    """Whether `folder` is one of `paths` or in one of them."""
    while folder not in paths:
        if os.path.dirname(folder) in (folder, ""):
            return False
        folder = os.path.dirname(folder)
    return True


def without_overlap(paths: Sequence[str]) -> bool:
    """Whether no path is there twice, or in another one."""
    distinct = set(map(Path, paths))
    return len(distinct) == len(paths) and distinct.isdisjoint(one for path in distinct for one in path.parents)
