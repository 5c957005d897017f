"""Data sets of Hugging Face on this machine: parquet files and saved data sets, with and without the library."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nvp_studio.data import load_data
from nvp_studio.data.dataset import DataError
from nvp_studio.data.hugging_face import is_hugging_face

RNG = np.random.default_rng(13)
pytestmark = pytest.mark.filterwarnings("ignore")  # the library's own, over versions of what it is made of


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """`datasets`, offline and with a cache of its own; without it the test is left out."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return pytest.importorskip("datasets")


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def made(library: object, count: int, first: int = 0) -> tuple[object, np.ndarray]:
    pixels = RNG.integers(0, 256, (count, 6, 6, 3), np.uint8)
    pixels[:, 0, 0, 0] = np.arange(first, first + count)
    features = library.Features(
        {"text": library.Value("string"), "image": library.Image(), "label": library.ClassLabel(names=["cat", "dog"])}
    )
    rows = {
        "text": [""] * count,
        "image": [{"bytes": png(image), "path": None} for image in pixels],
        "label": [int(image[0, 0, 0]) % 2 for image in pixels],
    }
    return library.Dataset.from_dict(rows, features=features), pixels


def test_a_folder_of_parquet_files(library: object, tmp_path: Path) -> None:
    folder = tmp_path / "set" / "data"
    folder.mkdir(parents=True)
    (one, a), (two, b), (test, c) = made(library, 30), made(library, 10, 30), made(library, 5, 40)
    one.to_parquet(folder / "train-00000-of-00002.parquet")
    two.to_parquet(folder / "train-00001-of-00002.parquet")
    test.to_parquet(folder / "test-00000-of-00001.parquet")
    assert is_hugging_face(str(tmp_path / "set"))
    data = load_data(str(tmp_path / "set"))
    assert data.label_names == ("cat", "dog")
    assert (len(data.train) + len(data.validation), len(data.test)) == (40, 5)
    assert len(data.validation) >= 1
    for split, source in (
        (data.train, np.concatenate([a, b])),
        (data.validation, np.concatenate([a, b])),
        (data.test, c),
    ):
        numbers = split.images[:, 0, 0, 0].astype(int) - int(source[0, 0, 0, 0])
        np.testing.assert_array_equal(split.images, source[numbers])
        np.testing.assert_array_equal(split.labels, split.images[:, 0, 0, 0] % 2)
    assert load_data(str(tmp_path / "set")).digest == data.digest


def test_one_parquet_file_brought_to_a_size(library: object, tmp_path: Path) -> None:
    made(library, 12)[0].to_parquet(tmp_path / "a.parquet")
    data = load_data(str(tmp_path / "a.parquet"), image_size=3, channels=1)
    assert data.image_shape == (1, 3, 3)
    assert sum(map(len, data.splits)) == 12


def test_a_saved_data_set_with_a_broken_image(library: object, tmp_path: Path) -> None:
    train, pixels = made(library, 20)
    rows = train.cast_column("image", library.Image(decode=False)).to_list()
    rows[3]["image"]["bytes"] = b"no image"
    broken = library.Dataset.from_list(rows, features=train.features)
    library.DatasetDict({"train": broken, "validation": made(library, 4, 50)[0]}).save_to_disk(tmp_path / "saved")
    data = load_data(str(tmp_path / "saved"))
    assert (len(data.train), len(data.validation), data.test) == (19, 4, None)
    assert "1 unreadable files skipped (image 3: not an image" in data.notes[0]
    np.testing.assert_array_equal(data.train.images, np.delete(pixels, 3, axis=0))


def test_a_name_that_is_not_here_is_told_without_a_download(library: object) -> None:
    with pytest.raises(DataError, match=r"nobody/nothing is not on this machine .*--download' brings it") as caught:
        load_data("hf:nobody/nothing")
    assert "\n" not in str(caught.value)


def test_a_set_without_images_or_training_is_refused(library: object, tmp_path: Path) -> None:
    library.Dataset.from_dict({"text": ["a", "b"]}).to_parquet(tmp_path / "text.parquet")
    with pytest.raises(DataError, match="has no column of images: text"):
        load_data(str(tmp_path / "text.parquet"))
    made(library, 4)[0].to_parquet(tmp_path / "test-0.parquet")
    with pytest.raises(DataError, match="has no split 'train' but test"):
        load_data(str(tmp_path / "test-0.parquet"))


def test_without_the_library_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    for spec in ("hf:ylecun/mnist", str(tmp_path / "a.parquet")):
        with pytest.raises(DataError, match=r"need the library datasets: pip install 'nvp-studio\[datasets\]'"):
            load_data(spec)


def test_folders_of_images_are_none_of_it(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(np.zeros((4, 4, 3), np.uint8)))
    assert not is_hugging_face(str(tmp_path))
    assert not is_hugging_face(str(tmp_path / "missing"))
    assert not is_hugging_face("mnist")
    assert is_hugging_face("hf:anything")
