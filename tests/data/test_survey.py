"""What is told of a folder or file beforehand agrees with what loading it gives."""

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nvp_studio.data import load_data
from nvp_studio.data import survey as surveying
from nvp_studio.data.dataset import DataError, DataSet, Split
from nvp_studio.data.describe import describe
from nvp_studio.data.options import LoadOptions
from nvp_studio.data.report import DataReport, rows
from nvp_studio.data.survey import survey_data
from tests.data.test_folders import paint
from tests.small_model import random_images


def survey(folder: Path, image_size: int | None = None) -> DataReport:
    *_, found = survey_data(str(folder), LoadOptions(image_size))
    assert isinstance(found, DataReport)
    return found


def paint_all(folder: Path, names: Sequence[str], count: int) -> None:
    for number in range(count):
        paint(folder / names[number % len(names)] / f"{number}.png", number)


@pytest.mark.parametrize(
    "names",
    [
        ("",),
        ("cats", "dogs"),
        ("train/a", "train/b", "test/a", "test/b"),
        ("train", "val"),
        ("cats", ""),
        ("train/good", "test/good", "test/scratch", "ground_truth/scratch"),
        ("train/a", "train/b", "test/a", "notes", ""),
        ("train", "bus", "car"),
    ],
)
def test_agrees_with_the_data_set(tmp_path: Path, names: tuple[str, ...]) -> None:
    paint_all(tmp_path, names, 48)
    (tmp_path / "photo.heic").touch()
    found, data = survey(tmp_path), load_data(str(tmp_path))
    assert found.images == sum(map(len, data.splits)) == 49 - sum(one.count for one in found.left_out)
    assert found.train == len(data.train)
    assert found.class_count == len(data.label_names)
    loaded = describe(data)
    assert (found.splits, found.image_shape) == (loaded.splits, loaded.image_shape)
    assert found.samples is not None
    assert found.samples.shape == (found.images, 8, 8, 1)
    assert (found.problem, found.left_out, found.suspicions) == ("", data.left_out, data.suspicions)
    assert (found.smallest, found.largest, found.alike) == ((8, 8), (8, 8), True)
    assert (found.looked_at, found.unreadable) == (found.images, 0)


def test_tells_sizes_and_what_cannot_be_read(tmp_path: Path) -> None:
    for number, size in enumerate([(30, 20), (8, 9), (30, 20)]):
        paint(tmp_path / f"{number}.png", 9, size)
    (tmp_path / "broken.png").write_bytes(b"no image")
    found = survey(tmp_path)
    assert (found.images, found.looked_at, found.unreadable) == (4, 4, 1)
    assert (found.smallest, found.largest, found.alike) == ((8, 9), (30, 20), False)


def test_a_large_folder_is_counted_whole_and_looked_at_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surveying, "_FIRST_HEADERS", 5)
    monkeypatch.setattr(surveying, "_HEADER_EVERY", 10)
    monkeypatch.setattr(surveying, "_MAX_OUTLINED", 20)
    paint_all(tmp_path, ("a", "b"), 60)
    *counts, found = survey_data(str(tmp_path), LoadOptions(), patience=0.0)
    assert counts == sorted(counts)
    assert 1 <= counts[0] <= counts[-1] == 60
    assert isinstance(found, DataReport)
    assert (found.images, found.looked_at, found.class_count) == (60, 10, 2)
    assert 40 <= found.train <= 60


@pytest.mark.parametrize("folder", [False, True])
def test_data_files_are_read(tmp_path: Path, folder: bool) -> None:
    if folder:
        for name, count in (("train-images-idx3-ubyte", 20), ("t10k-images-idx3-ubyte", 5)):
            pixels = random_images(count, seed=count)
            (tmp_path / name).write_bytes(struct.pack(">HBBIII", 0, 8, 3, count, *pixels.shape[1:3]) + pixels.tobytes())
        path, images = tmp_path, 25
    else:
        path, images = tmp_path / "set.npz", 30
        np.savez(path, images=np.zeros((30, 8, 8, 1), np.uint8), labels=np.arange(30) % 3)
    found, data = survey(path), load_data(str(path))
    assert (found.images, found.train, found.class_count) == (images, len(data.train), 0 if folder else 3)
    assert (found.smallest, found.largest, found.alike, found.unreadable) == ((8, 8), (8, 8), True, 0)


def test_large_data_files_are_read_when_the_run_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surveying, "_MAX_FILE_BYTES", 5)
    (tmp_path / "data_batch_1.png").write_bytes(b"a sheet of ten thousand images")
    (tmp_path / "train_lables.json").write_bytes(b"[]")
    assert survey(tmp_path).unread


def test_a_library_reads_parquet_files_later(tmp_path: Path) -> None:
    path = tmp_path / "images.parquet"
    path.touch()
    assert survey(path).unread
    assert survey(tmp_path).unread


def test_files_that_are_no_data(tmp_path: Path) -> None:
    (tmp_path / "set.npz").write_bytes(b"nothing of the kind")
    (tmp_path / "text.txt").write_text("hello")
    with pytest.raises(DataError, match=r"set\.npz cannot be read"):
        survey(tmp_path / "set.npz")
    with pytest.raises(DataError, match=r"text\.txt is no data set"):
        survey(tmp_path / "text.txt")


def test_an_empty_folder_and_none(tmp_path: Path) -> None:
    assert survey(tmp_path).problem == "there are no images in this folder"
    with pytest.raises(DataError, match="no folder and no file"):
        survey(tmp_path / "gone")


def test_says_what_start_would_refuse(tmp_path: Path) -> None:
    paint(tmp_path / "1.png", 9)
    one = f"{tmp_path.name} has 1 image; at least two are needed, to train and to validate"
    assert survey(tmp_path).problem == one
    (tmp_path / "0.png").write_bytes(b"no image")
    assert survey(tmp_path).problem == one
    (tmp_path / "0.png").unlink()
    paint(tmp_path / "2.png", 9, (9, 8))
    assert "the images have 2 different sizes" in survey(tmp_path).problem
    assert survey(tmp_path, image_size=8).problem == ""


def test_shows_samples_as_they_are_trained_on(tmp_path: Path) -> None:
    for number in range(4):
        Image.new("RGB", (200, 100), (number, 0, 200)).save(tmp_path / f"{number}.png")
    assert [survey(tmp_path, side).samples.shape for side in (None, 16)] == [(4, 48, 96, 3), (4, 16, 16, 3)]


def test_a_report_in_words(tmp_path: Path) -> None:
    for number in range(30):
        values = np.full((8, 8), number % 17, np.uint8)
        path = tmp_path / ("train" if number < 25 else "test") / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values).save(path)
    (tmp_path / "train" / "a" / "broken.png").write_bytes(b"no image")
    table = dict(rows(survey(tmp_path)))
    assert table["images"].endswith("5 test")
    assert table["classes"].startswith("2: a ")
    assert table["size"] == "8x8 grey"
    assert table["values"] == "0 to 16 of 0 to 255, 17 levels"
    assert table["left out"].startswith("1: cannot be read (train/a/broken.png: not an image")
    assert table["warning"].startswith("only values up to 16 of 255: nearly black images (--values 0..16")
    assert "problem" not in table


def test_the_classes_of_all_splits_are_counted_where_training_has_not_all(tmp_path: Path) -> None:
    paint_all(tmp_path, ("train/good", "test/good", "test/scratch"), 12)
    report = survey(tmp_path)
    table = dict(rows(report))
    assert report.class_count == 2
    assert table["classes"] == "2 in all"
    assert table["train classes"] == f"1: good {report.train}"
    assert table["test classes"] == "2: good 4, scratch 4"


def test_a_data_set_is_described_by_all_its_splits() -> None:
    images = random_images(60)
    labels = np.repeat(np.arange(3), 20)
    train, rest = Split(images, labels), Split(images[:20], np.full(20, 2))
    data = DataSet("x", "X", train, rest, Split(images), ("a", "b", "c"), "", "", "")
    report = describe(data)
    assert report.splits[0].classes == (("a", 20), ("b", 20), ("c", 20))
    assert report.splits[1].classes == (("c", 20),)
    assert report.splits[2].classes == ()
    assert sum(name.startswith("train") and name.endswith("a") for name in report.sample_names) in (5, 6)
    assert dict(rows(report))["classes"] == "3: a 20, b 20, c 20"
    assert "validation classes" not in dict(rows(report))


def test_equal_files_in_two_splits_are_found_at_a_glance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paint_all(tmp_path, ("train", "test"), 20)
    words = [one.words for one in survey(tmp_path).suspicions]
    assert not [one for one in words if "are also" in one]
    for number in (0, 2, 4):
        content = (tmp_path / "train" / f"{number}.png").read_bytes()
        (tmp_path / "test" / f"copy{number}.png").write_bytes(content)
    assert "at least 3 of 13 test images are also training images" in [one.words for one in survey(tmp_path).suspicions]
    monkeypatch.setattr("nvp_studio.data.twins._MOST_READ_BYTES", 10)
    assert not [one for one in survey(tmp_path).suspicions if one.kind == "twins"]


def test_a_folder_of_archives_says_what_to_give(tmp_path: Path) -> None:
    for name in ("train.zip", "test.zip"):
        (tmp_path / name).write_bytes(b"PK")
    advice = "give the archive itself, such as test.zip, or unpack them here, each into a folder of its name"
    assert advice in survey(tmp_path).problem
    with pytest.raises(DataError, match=advice):
        load_data(str(tmp_path))


@pytest.mark.parametrize("name", ["a.csv", "a.npy", "a.npz", "a.zip", "a.tar.gz", "a.h5"])
def test_an_empty_file_is_called_empty(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    with pytest.raises(DataError, match=f"the file {name} is empty"):
        survey(tmp_path / name)
    with pytest.raises(DataError, match=f"the file {name} is empty"):
        load_data(str(tmp_path / name))
