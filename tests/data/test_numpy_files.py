"""NumPy files: found by the names in use, 8-bit or refused, and never unpickled."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from nvp_studio.data import load_data
from nvp_studio.data.dataset import DataError, DataSet

RNG = np.random.default_rng(4)


def images(count: int, *shape: int) -> np.ndarray:
    return RNG.integers(0, 256, (count, *shape), np.uint8)


def load_array(tmp_path: Path, values: np.ndarray) -> DataSet:
    np.save(tmp_path / "values.npy", values)
    return load_data(str(tmp_path / "values.npy"))


def together(data: DataSet) -> np.ndarray:
    """All pixels of training and validation, in an order of their own."""
    pixels = np.concatenate([data.train.images, data.validation.images]).reshape(-1, np.prod(data.image_shape))
    return pixels[np.lexsort(pixels.T)]


@pytest.mark.parametrize(
    ("names", "has_validation", "has_test"),
    [
        (("x_train", "y_train", "x_test", "y_test"), False, True),
        (("train_images", "train_labels", "val_images", "val_labels", "test_images", "test_labels"), True, True),
        (("images", "labels"), False, False),
    ],
)
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_names_in_use(
    tmp_path: Path, names: tuple[str, ...], has_validation: bool, has_test: bool, save: object
) -> None:
    arrays = {}
    for images_key, labels_key in zip(names[::2], names[1::2], strict=True):
        arrays[images_key], arrays[labels_key] = images(30, 6, 4, 3), RNG.integers(0, 5, (30, 1))
    save(tmp_path / "a.npz", **arrays)
    data = load_data(str(tmp_path / "a.npz"))
    assert data.image_shape == (3, 6, 4)
    assert (data.test is not None) == has_test
    assert len(data.validation) == 30 if has_validation else 0 < len(data.validation) < 15
    assert data.train.labels is not None
    assert data.train.labels.dtype == np.int64
    if has_test:
        np.testing.assert_array_equal(data.test.images, arrays[names[-2]])
        np.testing.assert_array_equal(data.test.labels, arrays[names[-1]][:, 0])


@pytest.mark.parametrize("order", ["C", "F"])
def test_one_array_needs_no_name(tmp_path: Path, order: str) -> None:
    values = np.array(images(20, 5, 5), order=order)
    np.savez(tmp_path / "a.npz", values)
    data = load_data(str(tmp_path / "a.npz"))
    expected = values.reshape(20, 25)
    np.testing.assert_array_equal(together(data), expected[np.lexsort(expected.T)])
    assert data.train.labels is None
    assert data.label_names == ()


def test_channels_first_is_turned_and_told(tmp_path: Path) -> None:
    values = images(20, 3, 8, 6)
    data = load_array(tmp_path, values)
    assert data.image_shape == (3, 8, 6)
    assert "channels moved last" in data.notes
    expected = values.transpose(0, 2, 3, 1).reshape(20, -1)
    np.testing.assert_array_equal(together(data), expected[np.lexsort(expected.T)])


@pytest.mark.parametrize("dtype", ["f4", "f8", ">f4", "f2"])
def test_floats_that_are_bytes_by_255_are_exact(tmp_path: Path, dtype: str) -> None:
    values = np.concatenate([np.arange(256), np.arange(144)]).astype(np.uint8).reshape(4, 10, 10)
    data = load_array(tmp_path, (values / 255).astype(dtype))
    if dtype != "f2":
        assert "float 0..1 to 8-bit" in data.notes
    expected = values.reshape(4, 100)
    np.testing.assert_array_equal(together(data), expected[np.lexsort(expected.T)])


@pytest.mark.parametrize("dtype", ["i8", ">u2", "f4"])
def test_whole_numbers_of_another_type(tmp_path: Path, dtype: str) -> None:
    values = images(4, 3, 3)
    values[0, 0, 0] = 255
    data = load_array(tmp_path, values.astype(dtype))
    expected = values.reshape(4, 9)
    np.testing.assert_array_equal(together(data), expected[np.lexsort(expected.T)])
    assert data.notes


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (RNG.random((4, 3, 3)), "not 8-bit"),
        (RNG.random((4, 3, 3)) * 200, "not 8-bit"),
        (np.full((4, 3, 3), np.nan), "pixels must be 0..255"),
        (np.full((4, 3, 3), 256), "pixels must be 0..255"),
        (np.full((4, 3, 3), -1), "pixels must be 0..255"),
        (np.zeros((4, 3), np.uint8), "shape"),
        (np.zeros((4, 2, 3, 2), np.uint8), "shape"),
        (np.zeros((0, 3, 3), np.uint8), "shape"),
        (np.zeros((4, 0, 3), np.uint8), "shape"),
        (np.zeros((), np.uint8), "shape"),
        (np.zeros((1, 3, 3), np.uint8), "at least two"),
        (np.zeros((4, 3, 3), complex), "not plain numbers"),
        (np.full((4, 3, 3), "a"), "not plain numbers"),
        (np.zeros((4, 3, 3), [("r", "u1"), ("g", "u1")]), "not plain numbers"),
    ],
)
def test_what_is_no_8_bit_image_is_refused(tmp_path: Path, values: np.ndarray, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        load_array(tmp_path, values)


class Bomb:
    """An object whose unpickling would be seen."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (_explode, ("unpickled",))


def _explode(word: str) -> None:
    raise AssertionError(word)


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_objects_are_never_unpickled(tmp_path: Path, name: str) -> None:
    values = np.array([Bomb(), Bomb()], dtype=object)
    if name == "a.npz":
        np.savez(tmp_path / name, images=values)
    else:
        np.save(tmp_path / name, values, allow_pickle=True)
    with pytest.raises(DataError, match="Python objects, which are not loaded"):
        load_data(str(tmp_path / name))


def npy(header: str, data: bytes = b"") -> bytes:
    """A .npy file with this header, whatever it promises."""
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


TERABYTES = "{'descr': '|u1', 'fortran_order': False, 'shape': (1099511627776, 28, 28)}"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (npy(TERABYTES, bytes(100)), "cut short: its header promises"),
        (npy("{'descr': '|u1', 'fortran_order': False, 'shape': (4, 28, 28)}", bytes(3135)), "cut short"),
        (npy("{'descr': '|u1', 'fortran_order': False, 'shape': (-4, -28, 28)}", bytes(4000)), "negative"),
        (npy("__import__('os').system('true')"), "not a NumPy array file"),
        (npy("{'descr': 'nonsense', 'fortran_order': False, 'shape': (4, 28, 28)}"), "not a NumPy array file"),
        (npy("((((" * 29), "not a NumPy array file"),
        (b"\x93NUMPY\x09\x00" + bytes(100), "version"),
        (b"plain text", "not a NumPy array file"),
        (b"", "not a NumPy array file"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_hostile_headers_are_refused(tmp_path: Path, content: bytes, reason: str, packed: bool) -> None:
    path = tmp_path / ("a.npz" if packed else "a.npy")
    if packed:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("images.npy", content)
    else:
        path.write_bytes(content)
    with pytest.raises(DataError, match=reason):
        load_data(str(path))


def test_an_archive_that_lies_about_its_sizes_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", npy(TERABYTES))
    content = bytearray(buffer.getvalue())
    entry = content.index(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = (2**32 - 2).to_bytes(4, "little")  # its uncompressed size
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataError, match="more than its bytes can hold"):
        load_data(str(tmp_path / "a.npz"))


@pytest.mark.parametrize(("damage", "reason"), [("cut", "not a zip"), ("flipped", "CRC"), ("text", "not a zip")])
def test_damaged_archives_are_refused(tmp_path: Path, damage: str, reason: str) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, images=images(10, 8, 8))
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 1
    path.write_bytes({"cut": content[:-50], "flipped": content, "text": b"not a zip"}[damage])
    with pytest.raises(DataError, match=rf"a\.npz.*{reason}"):
        load_data(str(path))


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (np.zeros(9, np.int64), "each of 10 images"),
        (np.zeros(10), "each of 10 images"),
        (np.full(10, -1), "negative label"),
        (np.full(10, 2**40), "at most 10 000 classes"),
    ],
)
def test_labels_that_are_none_are_refused(tmp_path: Path, labels: np.ndarray, reason: str) -> None:
    np.savez(tmp_path / "a.npz", images=images(10, 4, 4), labels=labels)
    with pytest.raises(DataError, match=reason):
        load_data(str(tmp_path / "a.npz"))


def test_an_archive_without_images_names_what_it_has(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", weights=np.zeros(3), bias=np.zeros(3))
    with pytest.raises(DataError, match="bias, weights"):
        load_data(str(tmp_path / "a.npz"))


def test_splits_of_different_shapes_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x_train=images(10, 4, 4), x_test=images(10, 5, 5))
    with pytest.raises(DataError, match="differ in shape"):
        load_data(str(tmp_path / "a.npz"))
