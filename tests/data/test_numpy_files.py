"""NumPy files: found by the names in use or by shape, with the range and labels they have, and never unpickled."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from nvp_studio.data import load_data
from nvp_studio.data.dataset import DataError, DataSet
from nvp_studio.data.reading import Reading

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
    assert "axes NCHW: 20 images of 6x8" in data.notes
    assert data.reading.axes == "NCHW"
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
        (np.full((4, 3, 3), np.nan), "no image whose numbers are all finite"),
        (np.zeros((4, 3), np.uint8), "shape"),
        (np.zeros((6, 5, 7, 5), np.uint8), "shape"),
        (np.zeros((0, 3, 3), np.uint8), "shape"),
        (np.zeros((4, 0, 3), np.uint8), "shape"),
        (np.zeros((), np.uint8), "shape"),
        (np.zeros((1, 3, 3), np.uint8), "at least two"),
        (np.zeros((4, 3, 3), complex), "not plain numbers"),
        (np.full((4, 3, 3), "a"), "not plain numbers"),
        (np.zeros((4, 3, 3), [("r", "u1"), ("g", "u1")]), "not plain numbers"),
    ],
)
def test_what_are_no_images_is_refused(tmp_path: Path, values: np.ndarray, reason: str) -> None:
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
        (b"", "not a NumPy array file|the file a.npy is empty"),
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
        (np.zeros(9, np.int64), "there are 9 for 10 images"),
        (np.full(10, 0.5), "no whole numbers"),
        (np.full(10, -1), "10 images have none"),
        (np.full(10, 2**40), "at most 10,000 classes"),
        (np.zeros((10, 14)), "14 for each image"),
        (np.array([Bomb()] * 10, dtype=object), "Python objects"),
    ],
)
def test_labels_that_cannot_be_used_are_left_out(tmp_path: Path, labels: np.ndarray, reason: str) -> None:
    np.savez(tmp_path / "a.npz", images=images(10, 4, 4), labels=labels)
    data = load_data(str(tmp_path / "a.npz"))
    assert data.train.labels is None
    assert data.label_names == ()
    assert any(reason in note for note in data.notes)


def test_labels_in_other_forms_are_used(tmp_path: Path) -> None:
    numbers = np.arange(12) % 3
    np.savez(tmp_path / "a.npz", x_train=images(12, 4, 4), y_train=np.eye(3)[numbers])
    np.savez(tmp_path / "b.npz", x_train=images(12, 4, 4), y_train=np.array(["b", "c", "d"])[numbers])
    for name, names in (("a.npz", ("0", "1", "2")), ("b.npz", ("b", "c", "d"))):
        data = load_data(str(tmp_path / name))
        labels = [split.labels for split in data.splits]
        assert sorted(np.concatenate(labels).tolist()) == sorted(numbers.tolist())
        assert data.label_names == names
        assert load_data(str(tmp_path / name), reading=Reading(labels="none")).train.labels is None


def test_arrays_of_other_names_are_found_by_their_shape(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", data=images(12, 4, 4), target=np.arange(12), mean=np.zeros(4))
    data = load_data(str(tmp_path / "a.npz"))
    assert sum(map(len, data.splits)) == 12
    assert len(data.label_names) == 12
    assert "images from the array data and labels from target" in data.notes


def test_several_arrays_that_may_be_the_images_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", one=images(12, 4, 4), other=images(12, 4, 4))
    with pytest.raises(DataError, match=r"there: one \(12, 4, 4\), other \(12, 4, 4\)"):
        load_data(str(tmp_path / "a.npz"))


def test_images_with_numbers_that_are_not_finite_are_left_out_with_their_labels(tmp_path: Path) -> None:
    values = images(20, 4, 4) / 255
    values[[3, 7], 1, 1] = np.nan, np.inf
    np.savez(tmp_path / "a.npz", images=values, labels=np.arange(20))
    data = load_data(str(tmp_path / "a.npz"))
    labels = np.concatenate([split.labels for split in data.splits])
    assert sorted(labels.tolist()) == [number for number in range(20) if number not in (3, 7)]
    assert [one.kind for one in data.suspicions] == ["not finite"]


def test_alpha_is_laid_over_white(tmp_path: Path) -> None:
    values = images(20, 9, 9, 4)
    values[..., 3] = 255 * (values[..., 3] > 127)
    data = load_array(tmp_path, values)
    assert "alpha over white" in data.notes
    expected = np.where(values[..., 3:] == 0, 255, values[..., :3]).reshape(20, -1)
    np.testing.assert_array_equal(together(data), expected[np.lexsort(expected.T)])


def test_range_is_one_for_all_splits(tmp_path: Path) -> None:
    train, test = RNG.integers(0, 900, (12, 4, 4)), RNG.integers(0, 4096, (12, 4, 4))
    train[0, 0, 0], test[0, 0, 0] = 900, 4095
    np.savez(tmp_path / "a.npz", x_train=train.astype(np.uint16), x_test=test.astype(np.uint16))
    data = load_data(str(tmp_path / "a.npz"))
    assert data.reading.values == "16-bit:0..4095"
    assert data.test is not None
    assert data.test.images.max() == 255
    assert max(split.images.max() for split in (data.train, data.validation)) == round(900 * 255 / 4095)
    again = load_data(str(tmp_path / "a.npz"), reading=data.reading)
    assert again.digest == data.digest
    assert again.suspicions == ()


def test_an_archive_without_images_names_what_it_has(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", weights=np.zeros(3), bias=np.zeros(3))
    with pytest.raises(DataError, match=r"bias \(3,\), weights \(3,\)"):
        load_data(str(tmp_path / "a.npz"))


def test_splits_of_different_shapes_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x_train=images(10, 4, 4), x_test=images(10, 5, 5))
    with pytest.raises(DataError, match="differ in shape"):
        load_data(str(tmp_path / "a.npz"))


def test_names_of_arrays_are_told_without_control_characters(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, **{"\x1b[2Jmine": images(30, 6, 4, 3)})
    (note,) = [note for note in load_data(str(path)).notes if "the array" in note]
    assert note.isprintable()
    assert "mine" in note
