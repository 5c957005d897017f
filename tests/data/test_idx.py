"""IDX files: read exactly, and believed no further than their bytes go."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from nvp_studio.data import load_data
from nvp_studio.data.dataset import DataError
from nvp_studio.data.idx import read_idx

RNG = np.random.default_rng(3)


def idx(values: np.ndarray, kind: int = 8) -> bytes:
    return struct.pack(f">HBB{values.ndim}I", 0, kind, values.ndim, *values.shape) + values.tobytes()


def images(count: int) -> np.ndarray:
    return RNG.integers(0, 256, (count, 6, 5), np.uint8)


def write_mnist(folder: Path, zipped: bool, train: np.ndarray, test: np.ndarray) -> None:
    for part, values in (("train", train), ("t10k", test)):
        labels = np.arange(len(values), dtype=np.uint8) % 4
        for name, array in ((f"{part}-images-idx3-ubyte", values), (f"{part}-labels-idx1-ubyte", labels)):
            data = idx(array)
            (folder / f"{name}{'.gz' if zipped else ''}").write_bytes(gzip.compress(data) if zipped else data)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=arrays(np.uint8, array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=6)), zipped=st.booleans())
def test_any_array_comes_back(tmp_path: Path, values: np.ndarray, zipped: bool) -> None:
    path = tmp_path / "values"
    path.write_bytes(gzip.compress(idx(values)) if zipped else idx(values))
    np.testing.assert_array_equal(read_idx(path), values)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_folder_of_four_files(tmp_path: Path, zipped: bool) -> None:
    train, test = images(40), images(8)
    write_mnist(tmp_path, zipped, train, test)
    data = load_data(str(tmp_path))
    assert data.test is not None
    np.testing.assert_array_equal(data.test.images[..., 0], test)
    np.testing.assert_array_equal(data.test.labels, np.arange(8) % 4)
    assert len(data.train) + len(data.validation) == 40
    assert len(data.validation) >= 1
    assert data.label_names == ("0", "1", "2", "3")
    assert data.image_shape == (1, 6, 5)
    for split in (data.train, data.validation):
        for image, label in zip(split.images, split.labels, strict=True):
            (place,) = np.flatnonzero((train == image[..., 0]).all(axis=(1, 2)))
            assert place % 4 == label


def test_one_file_finds_the_labels_beside_it(tmp_path: Path) -> None:
    write_mnist(tmp_path, True, images(20), images(4))
    data = load_data(str(tmp_path / "t10k-images-idx3-ubyte.gz"))
    assert len(data.train) + len(data.validation) == 4
    assert data.test is None
    assert data.train.labels is not None
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    assert load_data(str(tmp_path / "t10k-images-idx3-ubyte.gz")).train.labels is None


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (idx(images(4))[:-1], "cut short"),
        (idx(images(4))[:10], "cut short"),
        (idx(images(4)) + b"x", "longer than its header says"),
        (struct.pack(">HBB3I", 0, 8, 3, 2**32 - 1, 2**20, 2**20), "is too large"),
        (struct.pack(">HBB3I", 0, 8, 3, 60_000, 28, 28) + bytes(100), "cut short"),
        (idx(images(4), kind=0x0D), "unsigned bytes"),
        (struct.pack(">HBB", 0, 8, 200), "not an IDX file"),
        (b"", "not an IDX file"),
    ],
)
def test_broken_and_hostile_files_are_refused(tmp_path: Path, zipped: bool, content: bytes, reason: str) -> None:
    path = tmp_path / "values"
    path.write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(DataError, match=reason):
        read_idx(path)


def test_a_damaged_gzip_is_refused(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(idx(images(50))))
    content[-6] ^= 1  # its checksum
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match="CRC"):
        load_data(str(path))


def test_labels_that_do_not_belong_are_refused(tmp_path: Path) -> None:
    write_mnist(tmp_path, False, images(20), images(4))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(19, np.uint8)))
    with pytest.raises(DataError, match="each of 20 images"):
        load_data(str(tmp_path))


def test_a_file_of_labels_is_not_one_of_images(tmp_path: Path) -> None:
    write_mnist(tmp_path, False, images(20), images(4))
    with pytest.raises(DataError, match="choose the images file"):
        load_data(str(tmp_path / "train-labels-idx1-ubyte"))
