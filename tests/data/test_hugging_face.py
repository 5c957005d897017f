"""Data sets of Hugging Face on this machine: parquet files and saved data sets, with and without the library."""

import io
import os
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nvp_studio.data import load_data
from nvp_studio.data.dataset import DataError
from nvp_studio.data.hugging_face import is_hugging_face, load_hugging_face
from nvp_studio.data.options import LoadOptions
from nvp_studio.data.reading import Reading

RNG = np.random.default_rng(13)
pytestmark = pytest.mark.filterwarnings("ignore")  # the library's own, over versions of what it is made of


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """`datasets`, offline and with a cache of its own; without it the test is left out."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return pytest.importorskip("datasets")


class StandInSplit(list):
    """Rows of the stand-in for the library's own."""

    _fingerprint = "1"

    def __init__(self, rows: list, features: dict) -> None:
        super().__init__(rows)
        self.features = features

    def cast_column(self, name: str, kind: object) -> "StandInSplit":
        return self


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """In the place of the library, which not every machine has: its `rows` are those of any set or file."""
    kinds = {name: type(name, (), {"__init__": lambda self, **_: None}) for name in ("Image", "ClassLabel")}
    library = types.SimpleNamespace(rows=[], test_rows=[], states=[], disable_progress_bars=lambda: None, **kinds)
    hub = types.SimpleNamespace(constants=types.SimpleNamespace(HF_HUB_CACHE=str(tmp_path / "hub")))
    library.config = types.SimpleNamespace(HF_DATASETS_CACHE=tmp_path / "cached")

    def load_dataset(*names: str, **options: object) -> dict[str, StandInSplit]:
        environment = [os.environ[name] for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE")]
        library.states.append((environment, library.config.HF_HUB_OFFLINE, hub.constants.HF_HUB_OFFLINE))
        features = {"image": library.Image()}
        return {"train": StandInSplit(library.rows, features), "test": StandInSplit(library.test_rows, features)}

    library.load_dataset = load_dataset
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.setenv(name, "0")
    monkeypatch.setenv("NVP_STUDIO_CACHE", str(tmp_path / "prepared"))
    monkeypatch.setitem(sys.modules, "datasets", library)
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    return library


def row(content: bytes | None = None, path: str | None = None) -> dict[str, dict[str, bytes | str | None]]:
    return {"image": {"bytes": content, "path": path}}


def test_loading_never_reaches_for_the_network_whatever_the_environment_says(stand_in: types.SimpleNamespace) -> None:
    stand_in.rows = [row(png(np.full((4, 4, 3), number, np.uint8))) for number in range(8)]
    load_hugging_face("hf:some/set", LoadOptions(), download=True)
    load_data("hf:some/set")
    assert stand_in.states == [(["0", "0"], False, False), (["1", "1"], True, True)]


def test_opening_and_looking_are_told_of_and_may_be_stopped(stand_in: types.SimpleNamespace) -> None:
    stand_in.rows = [row(png(np.full((4, 4, 3), number, np.uint8))) for number in range(8)]
    told: list[str] = []
    load_hugging_face("hf:some/set", LoadOptions(progress=lambda done, total, text: told.append(text)))
    assert "looking at the images" in told

    go_on = threading.Event()
    opened = stand_in.load_dataset
    stand_in.load_dataset = lambda *given: go_on.wait() and opened(*given)

    def stop(done: int, total: int, text: str) -> None:
        assert text == "opening some/set"
        raise InterruptedError

    try:
        with pytest.raises(InterruptedError):
            load_hugging_face("hf:some/set", LoadOptions(progress=stop))
    finally:
        go_on.set()


def test_splits_become_one_where_none_are_asked_for(stand_in: types.SimpleNamespace) -> None:
    rows = [row(png(np.full((4, 4, 3), number, np.uint8))) for number in range(20)]
    stand_in.rows, stand_in.test_rows = rows[:12], rows[12:]
    divided, whole = load_data("hf:some/set"), load_data("hf:some/set", reading=Reading(split="none"))
    assert divided.test is not None
    assert len(divided.test) == 8
    assert whole.test is None
    shades = {int(shade) for split in whole.splits for shade in split.images[:, 0, 0, 0]}
    assert shades == set(range(20))
    with pytest.raises(DataError, match="no folders to leave out"):
        load_data("hf:some/set", reading=Reading(leave_out=("a",)))


def test_rows_name_only_what_was_downloaded(stand_in: types.SimpleNamespace, tmp_path: Path) -> None:
    places = [tmp_path / "hub" / "set" / "a.png", tmp_path / "cached" / "b.png", tmp_path / "private.png"]
    for number, place in enumerate(places):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(png(np.full((4, 4, 3), 100 + number, np.uint8)))
    (tmp_path / "hub" / "link.png").symlink_to(tmp_path / "private.png")
    names = [*map(str, places), str(tmp_path / "hub" / ".." / "private.png"), str(tmp_path / "hub" / "link.png"), "\0"]
    inside = [row(png(np.full((4, 4, 3), number, np.uint8)), "/etc/passwd") for number in range(20)]
    stand_in.rows = [*inside, *(row(path=name) for name in names), {"image": None}]
    data = load_data("hf:some/set")
    shades = {int(shade) for split in data.splits for shade in split.images[:, 0, 0, 0]}
    assert shades == {*range(20), 100, 101}
    assert "5 unreadable files skipped (" in data.notes[0]
    assert "not in the data themselves, which name a file elsewhere" in data.notes[0]
    (tmp_path / "a.parquet").touch()
    shades = {
        int(shade) for split in load_data(str(tmp_path / "a.parquet")).splits for shade in split.images[:, 0, 0, 0]
    }
    assert shades == set(range(20))


def test_a_name_is_prepared_once_from_wherever_it_is_loaded(
    stand_in: types.SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in.rows = [row(png(np.full((4, 4, 3), number, np.uint8))) for number in range(8)]
    monkeypatch.setenv("HOME", str(tmp_path / "one"))
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        load_data("hf:some/set")
    assert len(list((tmp_path / "prepared").iterdir())) == 1
    (tmp_path / "one" / "a.parquet").touch()
    for spec in ("~/a.parquet", str(tmp_path / "one" / "a.parquet"), "../one/a.parquet"):
        load_data(spec)
    assert len(list((tmp_path / "prepared").iterdir())) == 2


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
    assert "1 unreadable file skipped (image 3: not an image" in data.notes[0]
    np.testing.assert_array_equal(data.train.images, np.delete(pixels, 3, axis=0))


def test_parquet_rows_that_name_files_are_skipped(library: object, tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    (tmp_path / "private.png").write_bytes(png(np.zeros((6, 6, 3), np.uint8)))
    whole, _ = made(library, 12)
    table = whole.to_parquet(tmp_path / "a.parquet") and pyarrow.parquet.read_table(tmp_path / "a.parquet")
    rows = table.to_pylist()
    rows[5]["image"] = {"bytes": None, "path": str(tmp_path / "private.png")}
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, table.schema), tmp_path / "a.parquet")
    data = load_data(str(tmp_path / "a.parquet"))
    assert sum(map(len, data.splits)) == 11
    assert "1 unreadable file skipped (image 5: not in the data themselves" in data.notes[0]


def test_a_name_that_is_not_here_is_told_without_a_download(library: object) -> None:
    with pytest.raises(DataError, match="nobody/nothing is not on this machine") as caught:
        load_data("hf:nobody/nothing")
    assert "nvp-studio data prepare hf:nobody/nothing --download" in str(caught.value)
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
