"""HDF5 files: what is in them is found, and what would read other files or much memory is refused."""

import sys
from pathlib import Path

import numpy as np
import pytest

from nvp_studio.data import load_data
from nvp_studio.data.array_reader import list_arrays
from nvp_studio.data.dataset import DataError
from nvp_studio.data.hdf5_file import is_hdf5
from tests.small_model import random_images

h5py = pytest.importorskip("h5py", reason="HDF5 files need the extra hdf5")

IMAGES = random_images(12, (3, 8, 8))


def test_arrays_that_lead_elsewhere_or_promise_too_much_are_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(10_000))
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["images"] = IMAGES
    layout = h5py.VirtualLayout((12, 8, 8, 3), np.uint8)
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "images", (12, 8, 8, 3))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["linked"] = h5py.ExternalLink("other.h5", "/images")
        file["soft"] = h5py.SoftLink("/virtual")
        file.create_virtual_dataset("virtual", layout)
        outside = [(str(tmp_path / "secret"), 0, 10_000)]
        file.create_dataset("outside", (10, 10, 10), np.uint8, external=outside)
        file.create_dataset("unwritten", (100_000, 100, 100), np.uint8, chunks=(10, 100, 100))
        large = (2, 2**14, 2**14)
        chunks = file.create_dataset("group/chunks", large, np.uint8, chunks=large, compression="gzip")
        chunks.id.write_direct_chunk((0, 0, 0), bytes(600_000))
        file.create_dataset("records", data=np.zeros(3, [("a", "i4")]))
        file.create_dataset("nothing", data=h5py.Empty("f4"))
        file.create_dataset("texts", data=np.array(["a", "bc"], object), dtype=h5py.string_dtype())
        file.create_dataset("numbers", data=np.arange(3.0))
    found = {one.name: one.refused for one in list_arrays(tmp_path / "a.h5", "h5py")}
    assert found == {
        "virtual": "is in another file",
        "outside": "is in another file",
        "unwritten": "promises more than its bytes can hold",
        "group/chunks": "has too large chunks",
        "records": "is not an array of numbers",
        "nothing": "is not an array of numbers",
        "texts": "",
        "numbers": "",
    }
    with pytest.raises(
        DataError, match=r"no images found in a\.h5: .*there: numbers \(3,\), texts .*is in another file"
    ):
        load_data(str(tmp_path / "a.h5"))


def test_images_under_any_name_with_classes_in_words(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.nc", "w") as file:  # known by its content
        file.create_dataset("faces/pixels", data=IMAGES.transpose(0, 3, 1, 2), dtype=">f4", chunks=(5, 3, 8, 8))
        file.create_dataset("faces/names", data=np.array(["cat", "dog"] * 6, object), dtype=h5py.string_dtype())
    data = load_data(str(tmp_path / "a.nc"))
    images = np.concatenate([split.images for split in data.splits])
    assert sorted(map(bytes, images)) == sorted(map(bytes, IMAGES))
    assert data.label_names == ("cat", "dog")
    assert data.notes[0] == "images from the array faces/pixels and labels from faces/names"


def test_damaged_files_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("images", data=IMAGES, compression="gzip")
    whole = path.read_bytes()
    assert is_hdf5(path)
    for content, reason in ((b"", r"the file a\.h5 is empty$"), (whole[:3000], r"^a\.h5 cannot be read: .")):
        path.write_bytes(content)
        with pytest.raises(DataError, match=reason) as refused:
            load_data(str(path))
        assert "\n" not in str(refused.value)


def test_without_the_library_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(DataError, match=r"h5py, which is not installed: pip install 'nvp-studio\[hdf5\]'"):
        load_data(str(tmp_path / "a.h5"))
