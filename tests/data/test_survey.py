"""What is told of a folder or file beforehand agrees with what loading it gives."""

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from nvp_studio.data import load_data
from nvp_studio.data import survey as surveying
from nvp_studio.data.data_survey import DataSurvey
from nvp_studio.data.dataset import DataError
from nvp_studio.data.survey import survey_data
from tests.data.test_folders import paint
from tests.small_model import random_images


def survey(folder: Path) -> DataSurvey:
    *_, found = survey_data(folder)
    assert isinstance(found, DataSurvey)
    return found


def paint_all(folder: Path, names: Sequence[str], count: int) -> None:
    for number in range(count):
        paint(folder / names[number % len(names)] / f"{number}.png", number)


@pytest.mark.parametrize(
    "names", [("",), ("cats", "dogs"), ("train/a", "train/b", "test/a", "test/b"), ("train", "val"), ("cats", "")]
)
def test_agrees_with_the_data_set(tmp_path: Path, names: tuple[str, ...]) -> None:
    paint_all(tmp_path, names, 48)
    found, data = survey(tmp_path), load_data(str(tmp_path))
    assert found.images == 48
    assert found.train == len(data.train)
    assert found.classes == len(data.label_names)
    assert (found.smallest, found.largest, found.alike) == ((8, 8), (8, 8), True)
    assert (found.looked_at, found.unreadable) == (48, 0)


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
    *counts, found = survey_data(tmp_path, patience=0.0)
    assert counts == list(range(1, 61))
    assert isinstance(found, DataSurvey)
    assert (found.images, found.looked_at, found.classes) == (60, 10, 2)
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
    assert (found.images, found.train, found.classes) == (images, len(data.train), 0 if folder else 3)
    assert (found.smallest, found.largest, found.alike, found.unreadable) == ((8, 8), (8, 8), True, 0)


def test_large_data_files_are_read_when_the_run_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surveying, "_MAX_FILE_BYTES", 5)
    (tmp_path / "data_batch_1.png").write_bytes(b"a sheet of ten thousand images")
    (tmp_path / "train_lables.json").write_bytes(b"[]")
    assert survey(tmp_path) == DataSurvey(unread=True)


def test_a_library_reads_parquet_files_later(tmp_path: Path) -> None:
    path = tmp_path / "images.parquet"
    path.touch()
    assert survey(path) == survey(tmp_path) == DataSurvey(unread=True)


def test_files_that_are_no_data(tmp_path: Path) -> None:
    (tmp_path / "set.npz").write_bytes(b"nothing of the kind")
    (tmp_path / "text.txt").write_text("hello")
    with pytest.raises(DataError, match=r"set\.npz cannot be read"):
        survey(tmp_path / "set.npz")
    with pytest.raises(DataError, match=r"text\.txt is no data set"):
        survey(tmp_path / "text.txt")


def test_an_empty_folder_and_none(tmp_path: Path) -> None:
    assert survey(tmp_path) == DataSurvey()
    with pytest.raises(DataError, match="no folder and no file"):
        survey(tmp_path / "gone")
