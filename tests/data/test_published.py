"""Published data sets: small files in their true formats are read, and found where people and programs put them."""

import gzip
import struct
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from nvp_studio.data import array_reader, load_data
from nvp_studio.data.arrays import LoadedData
from nvp_studio.data.catalogue import CATALOGUE, FORMATS, CatalogueEntry
from nvp_studio.data.celeba import read_celeba
from nvp_studio.data.cifar import read_cifar
from nvp_studio.data.dataset import DataError
from nvp_studio.data.digits import read_digits
from nvp_studio.data.idx import read_emnist
from nvp_studio.data.imagenet import read_imagenet
from nvp_studio.data.options import LoadOptions
from nvp_studio.data.svhn import read_svhn
from tests.data.cifar_files import pickled, random_batch, write_archive, write_folder
from tests.data.published_files import write_celeba, write_idx_pair, write_imagenet, write_mnist
from tests.hostile import data_files as hostile

RNG = np.random.default_rng(11)
MNIST, KMNIST, DIGITS, CELEBA = (CATALOGUE[name] for name in ("mnist", "kmnist", "digits", "celeba"))
EMNIST = [entry for name, entry in CATALOGUE.items() if name.startswith("emnist-")]
PUBLISHED = [entry for entry in CATALOGUE.values() if not entry.ships]


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NVP_STUDIO_DATA", str(tmp_path / "data folder"))
    monkeypatch.setenv("NVP_STUDIO_CACHE", str(tmp_path / "cache"))


def greys(count: int) -> np.ndarray:
    return RNG.integers(0, 256, (count, 28, 28), np.uint8)


def shortened(entry: CatalogueEntry, train: int, test: int, validation: int = 0) -> CatalogueEntry:
    """The same set with other numbers of images, so that small files are the whole of it."""
    return replace(entry, counts=(train, validation, test))


def found(entry: CatalogueEntry, root: Path, image_size: int | None = None) -> tuple[Path, LoadedData]:
    """Where a set is, whose files must be the whole of it, and what they hold."""
    options = LoadOptions(image_size=image_size, data_root=str(root))
    data = entry.load(options)
    assert sum(map(len, data.splits)) == entry.images
    place = entry.find_anywhere(root)
    assert place is not None
    return place, FORMATS[entry.format].read(entry.variant, place, options)


def test_the_catalogue_is_consistent() -> None:
    assert list(CATALOGUE)[:2] == ["fashion-mnist", "peeps"]
    for published in PUBLISHED:
        assert published.format in FORMATS
        assert published.label_names == () or len(set(published.label_names)) == len(published.label_names)
        assert published.files or published.by_hand
        for file in published.files:
            assert file.url.startswith("http")
            assert file.md5 is not None
            assert len(file.md5) == 32
    fine = CATALOGUE["cifar-100"].label_names
    assert len(fine) == 100
    assert list(fine) == sorted(fine)
    assert CATALOGUE["imagenet64"].label_names == tuple(map(str, range(1, 1001)))
    sizes = {published.name: len(published.label_names) for published in EMNIST}
    assert sizes == {
        "emnist-balanced": 47,
        "emnist-byclass": 62,
        "emnist-bymerge": 47,
        "emnist-letters": 26,
        "emnist-digits": 10,
        "emnist-mnist": 10,
    }


def test_only_what_has_no_sides_may_be_mirrored() -> None:
    mirrored = {name for name, entry in CATALOGUE.items() if entry.mirror}
    assert mirrored == {"cifar-10", "cifar-100", "imagenet32", "imagenet64", "celeba"}


@pytest.mark.parametrize("published", PUBLISHED, ids=lambda published: published.name)
def test_a_set_that_is_nowhere_says_how_to_get_it(published: CatalogueEntry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nvp_studio.data.digits.find_spec", lambda name: None)
    assert not CATALOGUE[published.name].on_this_machine
    with pytest.raises(DataError, match="is not on this machine") as caught:
        load_data(published.name)
    assert "\n" not in str(caught.value)
    assert ("--download" in str(caught.value)) == bool(published.files)


@pytest.mark.parametrize(
    ("published", "folder"),
    [(MNIST, "mnist"), (MNIST, "MNIST/raw"), (KMNIST, "kmnist"), (KMNIST, "KMNIST/raw"), (KMNIST, "KMNIST")],
)
def test_mnist_and_its_like_are_found_below_a_data_root(published: CatalogueEntry, folder: str, tmp_path: Path) -> None:
    train, test, labels = greys(30), greys(10), np.arange(30) % 10
    write_idx_pair(tmp_path / folder, "train", train, labels)
    write_idx_pair(tmp_path / folder, "t10k", test, labels[:10])
    place, parts = found(shortened(published, 30, 10), tmp_path)
    assert place == tmp_path / folder
    np.testing.assert_array_equal(parts.train.images[..., 0], train)
    np.testing.assert_array_equal(parts.train.labels, labels)
    assert parts.test is not None
    np.testing.assert_array_equal(parts.test.images[..., 0], test)
    with pytest.raises(DataError, match=r"is not the whole of .*: it holds 30 and 10 images, not 60,000 and 10,000"):
        load_data(published.name, data_root=tmp_path)


def test_a_root_with_the_files_themselves_must_have_the_sets_name(tmp_path: Path) -> None:
    write_mnist(tmp_path / "KMNIST", greys(3), greys(3))
    assert KMNIST.find_in(tmp_path / "KMNIST") == tmp_path / "KMNIST"
    assert MNIST.find_in(tmp_path / "KMNIST") is None


def test_the_data_folder_comes_after_a_data_root(tmp_path: Path) -> None:
    for root in ("data folder", "root"):
        write_mnist(tmp_path / root / "mnist", greys(3), greys(3))
    assert MNIST.find_anywhere() == tmp_path / "data folder" / "mnist"
    assert MNIST.find_anywhere(tmp_path / "root") == tmp_path / "root" / "mnist"
    assert MNIST.find_anywhere(tmp_path / "missing") == tmp_path / "data folder" / "mnist"


def test_a_half_set_does_not_hide_a_whole_one(tmp_path: Path) -> None:
    for root in ("data folder", "root"):
        write_mnist(tmp_path / root / "mnist", greys(3), greys(3))
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        path = tmp_path / "root" / "mnist" / f"{name}-ubyte.gz"
        content = path.read_bytes()
        path.unlink()
        assert MNIST.find_anywhere(tmp_path / "root") == tmp_path / "data folder" / "mnist"
        path.with_suffix("").write_bytes(gzip.decompress(content))
        assert MNIST.find_anywhere(tmp_path / "root") == tmp_path / "root" / "mnist"


def test_an_emnist_folder_counts_with_all_four_files(tmp_path: Path) -> None:
    published = next(one for one in EMNIST if one.name == "emnist-digits")
    write_idx_pair(tmp_path / "emnist", "emnist-digits-train", greys(3), np.arange(3))
    assert published.find_in(tmp_path) is None
    write_idx_pair(tmp_path / "emnist", "emnist-digits-test", greys(3), np.arange(3))
    assert published.find_in(tmp_path) == tmp_path / "emnist"


def test_labels_are_found_whether_or_not_they_are_gzipped_like_the_images(tmp_path: Path) -> None:
    write_mnist(tmp_path / "mnist", greys(4), greys(3))
    path = tmp_path / "mnist" / "train-labels-idx1-ubyte.gz"
    path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
    path.unlink()
    _, parts = found(shortened(MNIST, 4, 3), tmp_path)
    np.testing.assert_array_equal(parts.train.labels, np.arange(4))


def test_system_folders_are_looked_into_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nvp_studio.data.places.SYSTEM_FOLDERS", (tmp_path / "datasets",))
    write_mnist(tmp_path / "datasets" / "kmnist", greys(3), greys(3))
    assert KMNIST.find_anywhere() == tmp_path / "datasets" / "kmnist"


@pytest.mark.parametrize("place", ["plain", "gzip folder", "zip"])
def test_emnist_is_turned_upright_and_numbered_from_zero(place: str, tmp_path: Path) -> None:
    train, test, labels = greys(40), greys(10), np.arange(40) % 26 + 1
    folder = tmp_path / "emnist"
    files = folder / "gzip" if place == "gzip folder" else folder
    for kind in ("letters", "digits"):
        write_idx_pair(files, f"emnist-{kind}-train", train.transpose(0, 2, 1), labels)
        write_idx_pair(files, f"emnist-{kind}-test", test.transpose(0, 2, 1), labels[:10])
    if place == "zip":
        with zipfile.ZipFile(folder / "gzip.zip", "w") as archive:
            for path in sorted(files.glob("*.gz")):
                archive.write(path, f"gzip/{path.name}")
                path.unlink()
    published = next(one for one in EMNIST if one.name == "emnist-letters")
    where, parts = found(shortened(published, 40, 10), tmp_path)
    assert where == {"plain": folder, "gzip folder": files, "zip": folder / "gzip.zip"}[place]
    np.testing.assert_array_equal(parts.train.images[..., 0], train)
    np.testing.assert_array_equal(parts.train.labels, labels - 1)
    assert parts.notes == ("turned upright",)
    assert parts.test is not None
    np.testing.assert_array_equal(parts.test.images[..., 0], test)


def test_only_the_four_files_of_an_emnist_archive_are_unpacked(tmp_path: Path) -> None:
    for part in ("train", "test"):
        write_idx_pair(tmp_path, f"emnist-digits-{part}", greys(3), np.arange(3))
    with zipfile.ZipFile(tmp_path / "gzip.zip", "w") as archive:
        for path in tmp_path.glob("*.gz"):
            archive.write(path, f"gzip/{path.name}")
        archive.writestr("gzip/emnist-digits-other-ubyte.gz", b"to be damaged")
    content = (tmp_path / "gzip.zip").read_bytes()
    (tmp_path / "gzip.zip").write_bytes(content.replace(b"to be damaged", b"to be Damaged"))
    parts = read_emnist("digits", tmp_path / "gzip.zip")
    assert len(parts.train) == 3


def test_an_emnist_archive_without_the_set_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "gzip.zip", "w") as archive:
        archive.writestr("gzip/other.txt", "")
    with pytest.raises(DataError, match="no emnist-balanced-train-images"):
        read_emnist("balanced", tmp_path / "gzip.zip")
    files = {f"emnist-balanced-{part}-labels-idx1-ubyte.gz": b"" for part in ("train", "test")}
    (tmp_path / "gzip.zip").write_bytes(hostile.packed(files, zipfile.ZIP_LZMA))
    with pytest.raises(DataError, match=r"labels-idx1-ubyte.gz in gzip.zip is neither stored nor deflated"):
        read_emnist("balanced", tmp_path / "gzip.zip")
    (tmp_path / "gzip.zip").write_bytes(b"PK\3\4 no archive")
    with pytest.raises(DataError, match=r"gzip.zip cannot be read"):
        read_emnist("balanced", tmp_path / "gzip.zip")


def cifar100_files(form: str, count: int = 12) -> tuple[dict[str, bytes], np.ndarray, np.ndarray]:
    images, _ = random_batch(count)
    labels = RNG.integers(0, 100, count)
    if form == "python":
        content = pickled((images, labels)).replace(b"U\x06labels", b"U\x0bfine_labels")
        return {"train": content, "test": content, "meta": b"(dp0."}, images, labels
    pairs = zip(images, labels, strict=True)
    records = [bytes((3, label)) + image.transpose(2, 0, 1).tobytes() for image, label in pairs]
    return {"train.bin": b"".join(records), "test.bin": b"".join(records[:4])}, images, labels


@pytest.mark.parametrize("form", ["binary", "python"])
@pytest.mark.parametrize("packed", [False, True])
def test_cifar100_in_its_forms(form: str, packed: bool, tmp_path: Path) -> None:
    files, images, labels = cifar100_files(form)
    name = f"cifar-100-{form}"
    if packed:
        expected = write_archive(tmp_path / f"{name}.tar.gz", files, name)
    else:
        expected = write_folder(tmp_path / name, files)
    place = CATALOGUE["cifar-100"].find_in(tmp_path)
    assert place == expected
    parts = read_cifar("cifar-100", place)
    np.testing.assert_array_equal(parts.train.images, images)
    np.testing.assert_array_equal(parts.train.labels, labels)
    assert parts.test is not None
    assert len(parts.test) == (12 if form == "python" else 4)


def test_what_is_not_cifar100_is_refused(tmp_path: Path) -> None:
    files, _, _ = cifar100_files("binary")
    for content in (b"", files["train.bin"][:-1], b"\0\xff" + files["train.bin"][2:]):
        folder = write_folder(tmp_path / "cifar-100", {"train.bin": content})
        with pytest.raises(DataError, match="is not a file of CIFAR-100"):
            read_cifar("cifar-100", folder)
    with pytest.raises(DataError, match="no training images of CIFAR-100"):
        read_cifar("cifar-100", write_folder(tmp_path / "other", {"test.bin": files["test.bin"]}))


def svhn_arrays(count: int) -> dict[str, np.ndarray]:
    images = RNG.integers(0, 256, (count, 32, 32, 3), np.uint8)
    return {"X": images.transpose(1, 2, 3, 0), "y": (np.arange(count) % 10 + 1).astype(np.uint8)[:, None]}


def write_svhn(folder: Path, arrays: dict[str, np.ndarray]) -> None:
    """Both files of SVHN with these arrays."""
    savemat = pytest.importorskip("scipy.io").savemat
    savemat(folder / "train_32x32.mat", arrays, do_compression=True)
    savemat(folder / "test_32x32.mat", arrays)


def test_svhn(tmp_path: Path) -> None:
    arrays = svhn_arrays(20)
    write_svhn(tmp_path, arrays)
    place, parts = found(shortened(CATALOGUE["svhn"], 20, 20), tmp_path)
    assert place == tmp_path
    assert parts.test is not None
    for split in (parts.train, parts.test):
        np.testing.assert_array_equal(split.images, arrays["X"].transpose(3, 0, 1, 2))
        np.testing.assert_array_equal(split.labels, np.arange(1, 21) % 10)


def test_svhn_as_matlab_and_others_save_it_again(tmp_path: Path) -> None:
    arrays = svhn_arrays(3)
    write_svhn(tmp_path, arrays | {"X": arrays["X"] / 255, "y": arrays["y"].astype(float), "other": {"field": 1}})
    parts = read_svhn("", tmp_path, LoadOptions())
    np.testing.assert_array_equal(parts.train.images, arrays["X"].transpose(3, 0, 1, 2))
    np.testing.assert_array_equal(parts.train.labels, [1, 2, 3])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"X": {"field": 1}}, "cannot be read: X is not an array of numbers"),
        ({"X": "text"}, "cannot be read: X is not an array of numbers"),
        ({"X": np.zeros((3, 32, 32, 2), np.uint8)}, r"is not a file of SVHN: it needs the arrays X \(32, 32, 3, N\)"),
        ({"X": None}, "is not a file of SVHN: it needs the arrays X"),
        ({"y": np.array([[0], [1]])}, "is not a file of SVHN: its labels are not 1 to 10"),
        ({"y": np.array([[0.5], [1]])}, "not one whole number for each of 2 images"),
    ],
)
def test_what_is_not_svhn_is_refused(change: dict[str, object], reason: str, tmp_path: Path) -> None:
    arrays = svhn_arrays(2) | change
    write_svhn(tmp_path, {name: value for name, value in arrays.items() if value is not None})
    with pytest.raises(DataError, match=reason) as caught:
        read_svhn("", tmp_path, LoadOptions())
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_damaged_files_of_svhn_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_svhn(tmp_path, svhn_arrays(2))
    path = tmp_path / "train_32x32.mat"  # which is read first
    whole = (tmp_path / "test_32x32.mat").read_bytes()
    pixels = whole.index(struct.pack("=II", 2, 32 * 32 * 3 * 2))  # of type 2, bytes
    crash = whole[:pixels] + struct.pack("=I", 1000) + whole[pixels + 4 :]  # ends the process with SciPy 1.17.1
    for content in (b"", whole[:-20], whole[:3000], whole + b"x", b"MATLAB 5.0" * 100, crash):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"^train_32x32\.mat cannot be read: .") as caught:
            read_svhn("", tmp_path, LoadOptions())
        assert "\n" not in str(caught.value)
    path.write_bytes(whole)
    monkeypatch.setattr(array_reader, "MAX_DATA_BYTES", 32 * 32 * 3 * 2 - 1)
    with pytest.raises(DataError, match=r"train_32x32\.mat cannot be read: X is too large"):
        read_svhn("", tmp_path, LoadOptions())


@pytest.mark.parametrize("scipy", ["import os; os.abort()", "import time; time.sleep(60)"])
def test_a_reader_of_svhn_that_crashes_or_never_ends_is_told(
    scipy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_svhn(tmp_path, svhn_arrays(2))
    monkeypatch.setattr(array_reader, "_CODE", scipy)
    monkeypatch.setattr(array_reader, "SECONDS", 60.0 if "abort" in scipy else 0.0)
    with pytest.raises(DataError, match=r"train_32x32\.mat cannot be read: scipy (crashed on it|did not finish)"):
        read_svhn("", tmp_path, LoadOptions())


def test_reading_svhn_can_be_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_svhn(tmp_path, svhn_arrays(2))
    monkeypatch.setattr(array_reader, "_CODE", "import time; time.sleep(60)")

    class Cancelled(Exception):  # noqa: N818 - it is no error
        pass

    def cancel(done: int, total: int, word: str) -> None:
        if word.startswith("reading"):
            raise Cancelled

    with pytest.raises(Cancelled):
        read_svhn("", tmp_path, LoadOptions(progress=cancel))


def test_without_scipy_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(DataError, match=r"scipy, which is not installed: pip install 'nvp-studio\[mat\]'"):
        read_svhn("", tmp_path, LoadOptions())


def test_imagenet_is_copied_batch_by_batch(tmp_path: Path) -> None:
    counts = [3, 300, 2, 1, 4, 2, 3, 2, 1, 2, 5]
    batches = write_imagenet(tmp_path / "root", 32, counts, RNG)
    place, parts = found(shortened(CATALOGUE["imagenet32"], sum(counts[:-1]), 0, 5), tmp_path / "root")
    assert place == tmp_path / "root"
    assert CATALOGUE["imagenet64"].find_in(tmp_path / "root") is None
    np.testing.assert_array_equal(parts.train.images, np.concatenate(batches[:-1]))
    assert parts.validation is not None
    np.testing.assert_array_equal(parts.validation.images, batches[-1])
    labels = np.load(tmp_path / "root" / "train_data_batch_2.npz")["labels"]
    np.testing.assert_array_equal(parts.train.labels[3:303], labels - 1)


def test_an_interrupted_imagenet_goes_on(tmp_path: Path) -> None:
    counts = [3, 300, 2, 1, 4, 2, 3, 2, 1, 2, 5]
    batches = write_imagenet(tmp_path / "root", 32, counts, RNG)

    class Cancelled(Exception):  # noqa: N818 - it is no error
        pass

    def cancel(done: int, total: int, word: str) -> None:
        if done == 290:
            raise Cancelled

    with pytest.raises(Cancelled):
        read_imagenet("32", tmp_path / "root", LoadOptions(progress=cancel))
    steps: list[int] = []
    parts = read_imagenet("32", tmp_path / "root", LoadOptions(progress=lambda done, total, word: steps.append(done)))
    assert min(step for step in steps if step) == 290
    np.testing.assert_array_equal(parts.train.images, np.concatenate(batches[:-1]))


def test_damaged_batches_of_imagenet_are_refused(tmp_path: Path) -> None:
    write_imagenet(tmp_path, 32, [2] * 11, RNG)
    np.savez(tmp_path / "train_data_batch_3.npz", data=np.zeros((2, 3072), np.uint8), labels=np.array([0, 1]))
    with pytest.raises(DataError, match=r"labels in train_data_batch_3.npz are not whole numbers from 1 to 1000"):
        read_imagenet("32", tmp_path, LoadOptions())
    np.savez(tmp_path / "train_data_batch_3.npz", data=np.zeros((2, 3071), np.uint8), labels=np.array([1, 2]))
    with pytest.raises(DataError, match=r"train_data_batch_3.npz holds uint8 \(2, 3071\), not images of 32x32"):
        read_imagenet("32", tmp_path, LoadOptions())
    np.savez(tmp_path / "train_data_batch_3.npz", data=np.zeros((3, 3072), np.uint8), labels=np.array([1, 2]))
    with pytest.raises(DataError, match=r"train_data_batch_3.npz has 2 labels for 3 images"):
        read_imagenet("32", tmp_path, LoadOptions())
    (tmp_path / "train_data_batch_3.npz").write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"train_data_batch_3.npz cannot be read"):
        read_imagenet("32", tmp_path, LoadOptions())


def test_a_damaged_first_batch_of_imagenet_is_none(tmp_path: Path) -> None:
    write_imagenet(tmp_path / "data folder", 32, [2] * 11, RNG)
    path = tmp_path / "data folder" / "train_data_batch_1.npz"
    whole = path.read_bytes()
    for content in (b"", whole[:1000], hostile.packed({"labels.npy": b""}), hostile.packed({"data.npy": b"no array"})):
        path.write_bytes(content)
        assert not CATALOGUE["imagenet32"].on_this_machine
    path.write_bytes(whole)
    assert CATALOGUE["imagenet32"].on_this_machine


def test_batches_of_imagenet_are_held_to_the_bounds_of_numpy_files(tmp_path: Path) -> None:
    write_imagenet(tmp_path, 32, [2] * 11, RNG)
    path = tmp_path / "train_data_batch_1.npz"
    images, labels = hostile.array_file(np.zeros((2, 3072), np.uint8)), hostile.array_file(np.array([1, 2]))
    for arrays, method in (
        ({"data.npy": images, "labels.npy": hostile.npy((2**40,), "<i8")}, zipfile.ZIP_STORED),
        ({"data.npy": images, "labels.npy": labels}, zipfile.ZIP_LZMA),
        ({"data.npy": hostile.npy((2**40, 3072)), "labels.npy": labels}, zipfile.ZIP_STORED),
    ):
        path.write_bytes(hostile.packed(arrays, method))
        with pytest.raises(DataError, match=r"header promises|packed in a way that is not read"):
            read_imagenet("32", tmp_path, LoadOptions())


@pytest.mark.parametrize("csv", [False, True])
def test_celeba(csv: bool, tmp_path: Path) -> None:
    parts_of = write_celeba(tmp_path / "celeba", csv=csv)
    place, parts = found(shortened(CELEBA, 13, 4, 3), tmp_path, 8)
    assert place == tmp_path / "celeba"
    assert parts.train.images.shape == (13, 8, 8, 3)
    shades = [split.images[:, 0, 0, 0].tolist() for split in (parts.train, parts.validation, parts.test) if split]
    expected = [[10 * number for number, part in enumerate(parts_of.values()) if part == k] for k in range(3)]
    assert np.abs(np.concatenate(shades) - np.concatenate(expected)).max() <= 2  # they are JPEG files
    assert [attribute.name for attribute in parts.attributes] == ["smiling", "wearing hat"]
    np.testing.assert_array_equal(parts.train.attributes, [[number % 2, 0] for number in range(13)])


def test_celeba_without_a_size_keeps_its_own(tmp_path: Path) -> None:
    write_celeba(tmp_path)
    (tmp_path / "list_attr_celeba.txt").unlink()
    (tmp_path / "img_align_celeba" / "000002.jpg").write_bytes(b"no image")
    parts = read_celeba("", tmp_path, LoadOptions())
    assert parts.train.images.shape == (12, 218, 178, 3)
    assert parts.train.attributes is None
    assert "1 unreadable file skipped (000002.jpg: not an image" in parts.notes[0]


def test_a_partly_unpacked_celeba_is_refused(tmp_path: Path) -> None:
    write_celeba(tmp_path)
    for number in (3, 14):
        (tmp_path / "img_align_celeba" / f"{number:06}.jpg").unlink()
    with pytest.raises(DataError, match=r"2 of the 20 images are not in .*img_align_celeba; unpack all of them"):
        shortened(CELEBA, 13, 4, 3).load(LoadOptions(image_size=8, data_root=str(tmp_path)))


def test_a_hundredth_of_a_set_may_be_unreadable(tmp_path: Path) -> None:
    parts_of = list(write_celeba(tmp_path, count=110).values())
    published = shortened(CELEBA, parts_of.count(0), parts_of.count(2), parts_of.count(1))
    (tmp_path / "img_align_celeba" / "000020.jpg").write_bytes(b"no image")
    data = published.load(LoadOptions(image_size=8, data_root=str(tmp_path)))
    assert data.test is not None
    assert len(data.test) == parts_of.count(2) - 1
    (tmp_path / "img_align_celeba" / "000030.jpg").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"it holds 13 and 3 and 92 images, not 13 and 3 and 94; 2 files are unread"):
        published.load(LoadOptions(image_size=8, data_root=str(tmp_path)))


def test_broken_lists_of_celeba_are_refused(tmp_path: Path) -> None:
    write_celeba(tmp_path)
    (tmp_path / "list_attr_celeba.txt").write_text("1\nSmiling\n000001.jpg 1\n")
    with pytest.raises(DataError, match=r"list_attr_celeba.txt says nothing of 000002.jpg"):
        read_celeba("", tmp_path, LoadOptions())
    for content in ("", "000001.jpg\n", "000001.jpg 7\n", "\xff"):
        (tmp_path / "list_eval_partition.txt").write_bytes(content.encode("latin-1"))
        with pytest.raises(DataError, match=r"list_eval_partition.txt"):
            read_celeba("", tmp_path, LoadOptions())


def test_digits_come_with_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    levels = RNG.integers(0, 17, (1797, 8, 8)).astype(float)
    found = types.SimpleNamespace(images=levels, target=np.arange(1797) % 10)
    package, module = types.ModuleType("sklearn"), types.ModuleType("sklearn.datasets")
    module.load_digits = lambda: found  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sklearn", package)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", module)
    monkeypatch.setattr("nvp_studio.data.digits.find_spec", lambda name: types.SimpleNamespace(origin="/x/__init__.py"))
    data = load_data("digits")
    assert data.image_shape == (1, 8, 8)
    assert sum(map(len, data.splits)) == 1797
    assert len(data.validation) > 100
    assert data.label_names == tuple("0123456789")
    parts = read_digits("", Path("/x"))
    np.testing.assert_array_equal(parts.train.images[..., 0], np.rint(levels * 15.9375))


def test_digits_of_the_real_scikit_learn() -> None:
    pytest.importorskip("sklearn")
    parts = read_digits("", Path())
    assert parts.train.images.shape == (1797, 8, 8, 1)
    assert (parts.train.images.min(), parts.train.images.max()) == (0, 255)
    assert len(np.unique(parts.train.images)) == 17
