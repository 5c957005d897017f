"""The same 24 images of 3 classes in every source that is read: the same pixels, labels and splits come out."""

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nvp_studio.data import load_data
from nvp_studio.data.dataset import SPLITS, DataSet
from nvp_studio.data.options import LoadOptions
from nvp_studio.data.report import DataReport
from nvp_studio.data.survey import survey_data
from tests.small_model import random_images

IMAGES = random_images(24)
LABELS = np.arange(24) % 3
PARTS = {"train": slice(0, 12), "val": slice(12, 18), "test": slice(18, 24)}
Write = Callable[[Path], Path]

SOURCES: dict[str, Write] = {}
"""What writes them into a folder, and returns the path to load."""
WITHOUT_SPLITS = ("csv",)
"""Sources that name no splits."""
SLOW = ("hdf5_sets", "mat", "mat_of_axes_reversed", "mat_7_3")
"""Sources that start processes as another does, or libraries that take seconds."""


def source(write: Write) -> Write:
    SOURCES[write.__name__] = write
    return write


def encoded(image: np.ndarray, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(image[..., 0]).save(file, form)
    return file.getvalue()


def named(extension: str = "png", form: str = "PNG") -> dict[str, bytes]:
    """The images as files, by their paths."""
    return {
        f"{split}/{LABELS[number]}/{number:02}.{extension}": encoded(IMAGES[number], form)
        for split, part in PARTS.items()
        for number in range(part.start, part.stop)
    }


def write_files(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def write_zip(path: Path, files: dict[str, bytes], packing: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix in (".gz", ".tgz") else "w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def npy(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def stacks() -> dict[str, bytes]:
    """A TIFF file of several pages for each split and class."""
    files = {}
    for split, part in PARTS.items():
        for label in range(3):
            pages = [Image.fromarray(one[..., 0]) for one in IMAGES[part][LABELS[part] == label]]
            file = io.BytesIO()
            pages[0].save(file, "TIFF", save_all=True, append_images=pages[1:])
            files[f"{split}/{label}/stack.tif"] = file.getvalue()
    return files


def arrays() -> dict[str, np.ndarray]:
    return {
        f"{letter}_{split}": values[part]
        for split, part in PARTS.items()
        for letter, values in (("x", IMAGES[..., 0]), ("y", LABELS))
    }


@source
def folder(place: Path) -> Path:
    return write_files(place / "photos", named())


@source
def folder_of_tga(place: Path) -> Path:
    return write_files(place / "photos", named("tga", "TGA"))


@source
def folder_of_stacks(place: Path) -> Path:
    return write_files(place / "photos", stacks())


@source
def folder_of_npy(place: Path) -> Path:
    files = {name.replace(".png", ".npy"): one for name, one in zip(named(), map(npy, IMAGES[..., 0]), strict=True)}
    return write_files(place / "arrays", files)


@source
def zipped(place: Path) -> Path:
    return write_zip(place / "photos.zip", named(), zipfile.ZIP_DEFLATED)


@source
def zipped_folder(place: Path) -> Path:
    return write_zip(place / "Photos (1).ZIP", {f"photos/{name}": content for name, content in named().items()})


@source
def zipped_tga(place: Path) -> Path:
    return write_zip(place / "photos.zip", named("tga", "TGA"))


@source
def zipped_stacks(place: Path) -> Path:
    return write_zip(place / "photos.zip", stacks(), zipfile.ZIP_DEFLATED)


@source
def zipped_npy(place: Path) -> Path:
    files = {name.replace(".png", ".npy"): one for name, one in zip(named(), map(npy, IMAGES[..., 0]), strict=True)}
    return write_zip(place / "arrays.zip", files)


@source
def tar(place: Path) -> Path:
    return write_tar(place / "photos.tar", dict(reversed(named().items())))


@source
def tar_gz(place: Path) -> Path:
    return write_tar(place / "photos.tar.gz", {f"./photos/{name}": content for name, content in named().items()})


@source
def tar_gz_of_npy(place: Path) -> Path:
    files = {name.replace(".png", ".npy"): one for name, one in zip(named(), map(npy, IMAGES[..., 0]), strict=True)}
    return write_tar(place / "arrays.tgz", files)


@source
def npz(place: Path) -> Path:
    np.savez(place / "set.npz", **arrays())
    return place / "set.npz"


@source
def csv(place: Path) -> Path:
    rows = [",".join(map(str, [label, *image.ravel()])) for label, image in zip(LABELS, IMAGES, strict=True)]
    (place / "set.csv").write_text("\n".join(rows))
    return place / "set.csv"


@source
def csv_of_one_column(place: Path) -> Path:
    usage = {"train": "Training", "val": "PublicTest", "test": "PrivateTest"}
    rows = ["emotion,pixels,Usage"]
    for split, part in PARTS.items():
        for label, image in zip(LABELS[part], IMAGES[part], strict=True):
            rows.append(f"{label},{' '.join(map(str, image.ravel()))},{usage[split]}")
    (place / "fer.csv").write_text("\n".join(rows))
    return place / "fer.csv"


def hdf5(place: Path, values: dict[str, np.ndarray], name: str = "set.h5") -> Path:
    h5py = pytest.importorskip("h5py", reason="HDF5 files need the extra hdf5")
    with h5py.File(place / name, "w", userblock_size=512 if name.endswith(".mat") else 0) as file:
        for key, one in values.items():
            file.create_dataset(key, data=one, compression="gzip")
    return place / name


@source
def hdf5_groups(place: Path) -> Path:
    keys = {"x": "images", "y": "labels"}
    return hdf5(place, {f"{name[2:]}/{keys[name[0]]}": one for name, one in arrays().items()})


@source
def hdf5_sets(place: Path) -> Path:
    return hdf5(place, {f"{name[2:]}_set_{name[0]}": one for name, one in arrays().items()}, "set.data")


@source
def mat(place: Path) -> Path:
    savemat = pytest.importorskip("scipy.io", reason="MATLAB files need the extra mat").savemat
    savemat(place / "set.mat", {name.title(): one for name, one in arrays().items()}, do_compression=True)
    return place / "set.mat"


@source
def mat_of_axes_reversed(place: Path) -> Path:
    savemat = pytest.importorskip("scipy.io", reason="MATLAB files need the extra mat").savemat
    turned = {name: np.moveaxis(one, 0, -1) if name[0] == "x" else one for name, one in arrays().items()}
    savemat(place / "set.mat", turned)
    return place / "set.mat"


@source
def mat_7_3(place: Path) -> Path:
    turned = {name: one.transpose(0, 2, 1) if name[0] == "x" else one[:, None] for name, one in arrays().items()}
    return hdf5(place, turned, "set.mat")  # whose axes stand in the other order: N counts last


def contents(data: DataSet) -> dict[str, dict[bytes, str]]:
    """The label of each image, by its pixels, for each split."""
    found = {}
    for name, split in zip(SPLITS, data.splits, strict=False):
        assert split.labels is not None
        names = [data.label_names[label] for label in split.labels]
        found[name] = dict(zip(map(bytes, split.images), names, strict=True))
    return found


WANTED = {
    name: {bytes(image): str(label) for image, label in zip(IMAGES[part], LABELS[part], strict=True)}
    for name, part in zip(SPLITS, PARTS.values(), strict=True)
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in SOURCES]
)
def test_each_source_gives_the_same_set(tmp_path: Path, name: str) -> None:
    path = SOURCES[name](tmp_path)
    data = load_data(str(path))
    found, wanted = contents(data), WANTED
    if name in WITHOUT_SPLITS:
        found = {"all": {image: label for split in found.values() for image, label in split.items()}}
        wanted = {"all": {image: label for split in WANTED.values() for image, label in split.items()}}
    assert found == wanted
    assert data.label_names == ("0", "1", "2")
    assert (data.image_shape, data.left_out, data.suspicions) == ((1, 8, 8), (), ())
    assert load_data(str(path), reading=data.reading).digest == data.digest

    *_, report = survey_data(str(path), LoadOptions())
    assert isinstance(report, DataReport)
    assert [one.images for one in report.splits] == [len(split) for split in data.splits]
    assert (report.class_count, report.image_shape, report.problem) == (3, (1, 8, 8), "")
    assert (report.left_out, report.suspicions) == ((), ())
    assert len(report.sample_names) == 24
