"""The reader for each path: folders, archives and files of images or of arrays."""

from dataclasses import replace
from pathlib import Path

from nvp_studio.data import cifar, cifar_files, hdf5_file, idx, mat_file, numpy_files, pixel_csv
from nvp_studio.data.advice import advice_about
from nvp_studio.data.archives import is_archive_name
from nvp_studio.data.array_images import with_range
from nvp_studio.data.arrays import LoadedData
from nvp_studio.data.background import while_told
from nvp_studio.data.dataset import DataError
from nvp_studio.data.folders import load_archive, load_folder
from nvp_studio.data.numpy_folder import array_files, find_arrays, load_arrays
from nvp_studio.data.option_checks import check_folders
from nvp_studio.data.options import LoadOptions
from nvp_studio.data.reading import Reading


def load_path(path: Path, options: LoadOptions, cifar_classes: tuple[str, ...]) -> LoadedData:
    """Return what is at `path`, image files in the shape of `options` and arrays as they are; raises `DataError`.

    `cifar_classes` names the classes of CIFAR-10.
    """
    if path.is_file() and not path.stat().st_size:
        raise DataError(f"the file {path.name} is empty")
    if is_image_archive(path):
        return load_archive(path, options)
    loaded = _load_arrays(path, options, cifar_classes)
    if loaded is not None:
        check_folders(path.name, options.reading, has_folders=path.is_dir() and bool(find_arrays(path)))
        return loaded.undivided() if options.reading.split == "none" else loaded
    return load_folder(path, options)


def is_image_archive(path: Path) -> bool:
    """Whether a file is an archive that is read like a folder of image files."""
    if not is_archive_name(path.name) or not path.is_file():
        return False
    return not (cifar_files.is_archive(path) and cifar_files.holds_batches(path))


def _load_arrays(path: Path, options: LoadOptions, cifar_classes: tuple[str, ...]) -> LoadedData | None:
    """Return what an array file or a folder of them holds, None for a folder of other files and a TIFF file."""
    reading = options.reading
    if path.is_dir():
        if idx.holds_idx(path):
            return with_range(idx.load_idx(path), reading)
        place = cifar.find_cifar("cifar-10", path)
        if place is not None:
            return with_range(_load_cifar(place, cifar_classes), reading)
        files = find_arrays(path)
        return load_arrays(path, array_files(path, files), options) if files else None
    if not path.is_file():
        raise DataError(f"{path.name} is neither a file nor a folder")
    suffix = path.suffix.lower()
    if suffix in (".tif", ".tiff"):  # a stack, which is read like a folder of its pages
        return None
    if suffix == ".mat":
        return mat_file.load_mat(path, options)
    if suffix in hdf5_file.SUFFIXES or hdf5_file.is_hdf5(path):
        return hdf5_file.load_hdf5(path, options)
    return while_told(lambda: _load_file(path, reading, cifar_classes), options.progress, f"reading {path.name}")


def _load_file(path: Path, reading: Reading, cifar_classes: tuple[str, ...]) -> LoadedData:
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return numpy_files.load_npz(path, reading)
    if suffix == ".npy":
        return numpy_files.load_npy(path, reading)
    if suffix in pixel_csv.SUFFIXES:
        return pixel_csv.load_csv(path, reading)
    if suffix == ".bin" or cifar_files.is_archive(path):
        return with_range(_load_cifar(path, cifar_classes), reading)
    if idx.is_idx(path):
        return with_range(idx.load_idx(path), reading)
    raise DataError(advice_about(path.name))


def _load_cifar(path: Path, classes: tuple[str, ...]) -> LoadedData:
    return replace(cifar.read_cifar("cifar-10", path), label_names=classes)
