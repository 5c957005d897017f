"""What is told of a folder before anything in it is read agrees with what loading it gives."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from nvp_studio.data import load_data
from nvp_studio.data import survey as surveying
from nvp_studio.data.dataset import DataError
from nvp_studio.data.survey import FolderSurvey, survey_folder
from tests.data.test_folders import paint


def survey(folder: Path) -> FolderSurvey:
    *_, found = survey_folder(folder)
    assert isinstance(found, FolderSurvey)
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
    monkeypatch.setattr(surveying, "_MOST_OUTLINED", 20)
    paint_all(tmp_path, ("a", "b"), 60)
    *counts, found = survey_folder(tmp_path, patience=0.0)
    assert counts == list(range(1, 61))
    assert isinstance(found, FolderSurvey)
    assert (found.images, found.looked_at, found.classes) == (60, 10, 2)
    assert 40 <= found.train <= 60


def test_data_files_are_no_images_to_count(tmp_path: Path) -> None:
    (tmp_path / "data_batch_1.png").write_bytes(b"a sheet of ten thousand images")
    (tmp_path / "train_lables.json").write_bytes(b"[]")
    assert survey(tmp_path) == FolderSurvey(arrays=True)


def test_an_empty_folder_and_none(tmp_path: Path) -> None:
    assert survey(tmp_path) == FolderSurvey()
    with pytest.raises(DataError, match="no folder"):
        survey(tmp_path / "gone")
