"""Tables of pixels, folders of .npy files, and what is said about files that are no data set."""

from pathlib import Path

import numpy as np
import pytest

from nvp_studio.data import load_data
from nvp_studio.data.advice import advice_about
from nvp_studio.data.dataset import DataError, DataSet
from nvp_studio.data.options import LoadOptions
from nvp_studio.data.report import DataReport
from nvp_studio.data.survey import survey_data
from tests.small_model import random_images

GREY = random_images(20)
COLOUR = random_images(20, (3, 8, 8))
LABELS = np.arange(20) % 3


def all_images(data: DataSet) -> np.ndarray:
    return np.concatenate([split.images for split in data.splits])


def same_set(found: np.ndarray, wanted: np.ndarray) -> bool:
    """Whether these are the same images in any order."""
    return sorted(map(bytes, found)) == sorted(map(bytes, wanted))


def write_csv(path: Path, images: np.ndarray, header: str = "", labels: str = "first", separator: str = ",") -> None:
    rows = [header] if header else []
    for image, label in zip(images.reshape(len(images), -1), LABELS, strict=True):
        fields = [*map(str, image)]
        fields = [str(label), *fields] if labels == "first" else [*fields, str(label)] if labels == "last" else fields
        rows.append(separator.join(fields))
    path.write_text("\n".join(rows) + "\n")


NAMES = ",".join(f"pixel{number}" for number in range(64))


@pytest.mark.parametrize(
    ("header", "labels", "separator"),
    [
        ("", "first", ","),
        (f"label,{NAMES}", "first", ","),
        (f"{NAMES},class", "last", ","),
        (NAMES, "", ","),
        ("", "", ";"),
    ],
)
def test_a_table_of_pixels(tmp_path: Path, header: str, labels: str, separator: str) -> None:
    write_csv(tmp_path / "set.csv", GREY, header, labels, separator)
    data = load_data(str(tmp_path / "set.csv"))
    assert data.image_shape == (1, 8, 8)
    assert same_set(all_images(data), GREY)
    assert data.label_names == (("0", "1", "2") if labels else ())
    if labels:
        wanted = {bytes(image): label for image, label in zip(GREY, LABELS, strict=True)}
        assert data.train.labels is not None
        assert [wanted[bytes(image)] for image in data.train.images] == data.train.labels.tolist()


def test_a_table_with_classes_in_words_and_fractions(tmp_path: Path) -> None:
    pixels = [",".join(f"{value / 255:.6f}" for value in image.ravel()) for image in GREY]
    rows = [f"{('cat', 'dog')[number % 2]},{row}" for number, row in enumerate(pixels)]
    (tmp_path / "set.csv").write_text("\n".join([f"label,{NAMES}", *rows]))
    data = load_data(str(tmp_path / "set.csv"))
    assert data.label_names == ("cat", "dog")
    assert same_set(all_images(data), GREY)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("image,label\na.png,cat\n", "2 columns, which are no pixels"),
        (f"{NAMES}\n", "has no rows of pixels"),
        (f"{NAMES}\n" + ",".join(["1"] * 64) + "\n1,2\n", "number of columns changed"),
        (f"{NAMES}\n" + ",".join(["one"] * 64) + "\n", "is no table of pixels"),
        (NAMES.replace("pixel5,", "label,") + "\n", "in column 6; make it the first or the last one"),
    ],
)
def test_other_tables_are_refused_with_what_they_should_be(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "set.csv").write_text(text)
    with pytest.raises(DataError, match=reason):
        load_data(str(tmp_path / "set.csv"))


def test_a_table_with_all_pixels_in_one_column(tmp_path: Path) -> None:
    pixels = [" ".join(map(str, image.ravel())) for image in GREY]
    words = [("dev" if index == 7 else "train", "ab"[index % 2]) for index in range(20)]
    rows = [f'{split}, {label}, "{one}"' for (split, label), one in zip(words, pixels, strict=True)]
    (tmp_path / "set.csv").write_text("\n".join(["Split,label, pixels", *rows, ""]))
    data = load_data(str(tmp_path / "set.csv"))
    assert same_set(all_images(data), np.delete(GREY, 7, 0))
    assert data.label_names == ("a", "b")
    assert data.notes[0] == "1 row left out, which are for none of the splits: dev 1"

    rows = [f"{index % 5},{index % 2},{one}" for index, one in enumerate(pixels)]
    (tmp_path / "set.csv").write_text("\n".join(["age,gender,pixels", *rows]))
    data = load_data(str(tmp_path / "set.csv"))
    assert (data.label_names, data.notes[0]) == ((), "labels left out: no column label, but age, gender")
    for text, reason in (
        ("age,pixels\n1,2,3\n", "a row has 3 columns, not 2"),
        ("age,pixels\n1,a b\n", "is no table of pixels"),
        ("age,pixels\n1,1 2 3\n2,1 2\n", "number of columns changed"),
        ("age,pixels,usage\n1,1 2 3,test\n", "has no rows of pixels to train on"),
    ):
        (tmp_path / "set.csv").write_text(text)
        with pytest.raises(DataError, match=reason):
            load_data(str(tmp_path / "set.csv"))


@pytest.mark.parametrize("images", [GREY, COLOUR, GREY[..., 0], COLOUR.transpose(0, 3, 1, 2)])
def test_a_folder_of_arrays_with_one_image_each(tmp_path: Path, images: np.ndarray) -> None:
    for number, (image, label) in enumerate(zip(images, LABELS, strict=True)):
        (tmp_path / str(label)).mkdir(exist_ok=True)
        np.save(tmp_path / str(label) / f"{number}.npy", image)
    data = load_data(str(tmp_path))
    assert data.label_names == ("0", "1", "2")
    assert same_set(all_images(data), COLOUR if 3 in images.shape[1:] else GREY)
    *_, found = survey_data(str(tmp_path), LoadOptions())
    assert isinstance(found, DataReport)
    assert (found.images, found.train, found.class_count) == (20, len(data.train), 3)


def test_a_folder_of_arrays_with_many_images_each(tmp_path: Path) -> None:
    for split, part in (("train", GREY[:14]), ("test", GREY[14:])):
        (tmp_path / split).mkdir()
        for number, some in enumerate(np.array_split(part, 2)):
            np.save(tmp_path / split / f"{number}.npy", some[..., 0])
    np.save(tmp_path / "other.npy", GREY[..., 0])
    data = load_data(str(tmp_path))
    assert (len(data.train) + len(data.validation), len(data.train) > len(data.validation)) == (14, True)
    assert data.test is not None
    assert same_set(data.test.images, GREY[14:])
    assert [one.examples for one in data.left_out] == [("other.npy",)]


def test_arrays_of_different_shapes_are_refused(tmp_path: Path) -> None:
    for number in range(2):
        np.save(tmp_path / f"{number}.npy", np.zeros((8, 8 + number)))
    with pytest.raises(DataError, match=r"differ in shape \(\(8, 8\), \(8, 9\)\)"):
        load_data(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.png", "is one image file; give the folder"),
        ("a.pt", "may hold code that runs"),
        ("a.tfrecord", "numpy.savez"),
        ("a.rar", "unpack them"),
        ("a.heic", "convert them"),
        ("a.xyz", "give a folder of images"),
    ],
)
def test_what_to_do_with_files_that_are_no_data_set(tmp_path: Path, name: str, words: str) -> None:
    assert words in advice_about(name)
    (tmp_path / name).write_bytes(b"something")
    with pytest.raises(DataError) as refused:
        load_data(str(tmp_path / name))
    assert words in str(refused.value)
