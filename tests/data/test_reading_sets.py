"""Sets of deep numbers: one decision for the set, the same for files and arrays, and again when it is stored."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nvp_studio.data import load_data
from nvp_studio.data.dataset import DataError, DataSet
from nvp_studio.data.decoding import Decoders
from nvp_studio.data.images import read_image
from nvp_studio.data.reading import Reading

RNG = np.random.default_rng(7)
COUNT, SIDE = 12, 16


def smooth(low: float, high: float, dtype: str) -> np.ndarray:
    """Images of slopes, which differ from each other and reach `low` and `high`."""
    y, x = np.mgrid[:SIDE, :SIDE] / (SIDE - 1)
    shares = RNG.random((COUNT, 2, 1, 1))
    slopes = shares[:, 0] * x + shares[:, 1] * y
    unit = (slopes - slopes.min()) / (slopes.max() - slopes.min())
    values = low + unit * (high - low)
    return (np.rint(values) if np.dtype(dtype).kind in "iu" else values).astype(dtype)


def save_files(folder: Path, values: np.ndarray, extension: str = "tif", **options: object) -> Path:
    folder.mkdir(parents=True)
    for number, one in enumerate(values):
        Image.fromarray(one).save(folder / f"{number:02}.{extension}", **options)
    return folder


def pixels_of(data: DataSet) -> np.ndarray:
    """All pixels of the set in an order of their own, (N, H, W)."""
    images = np.concatenate([split.images[..., 0] for split in data.splits])
    return images[np.lexsort(images.reshape(len(images), -1).T)]


CASES = {
    "12 bits": (0, 4095, "u2", "16-bit:0..4095"),
    "10 bits": (0, 1023, "u2", "16-bit:0..1023"),
    "16 bits": (0, 64507, "u2", "16-bit:0..65535"),
    "int32": (0, 300, "i4", "int:0..1023"),
    "float": (0, 1, "f4", "float:0..1"),
    "overshoot": (0, 1.02, "f4", "float:0..1"),
    "-1 to 1": (-1, 1, "f4", "float:-1..1"),
    "float bytes": (0, 255, "f4", "float:0..255"),
    "float 12 bits": (0, 4095, "f4", "float:0..4095"),
    "bytes": (0, 255, "u1", "8-bit:0..255"),
    "0 and 1": (0, 1, "u1", "8-bit:0..1"),
}


@pytest.mark.parametrize("case", CASES)
def test_files_and_arrays_of_the_same_numbers_are_the_same_images(tmp_path: Path, case: str) -> None:
    low, high, dtype, decided = CASES[case]
    values = smooth(low, high, dtype)
    values[3] = (values[3] - low) / 9 + low  # by itself, it would be judged otherwise
    np.save(tmp_path / "a.npy", values)
    np.savez(tmp_path / "b.npz", images=np.moveaxis(values, 0, -1))
    save_files(tmp_path / "files", values)
    sets = [load_data(str(tmp_path / name)) for name in ("a.npy", "b.npz", "files")]
    assert [data.reading.values for data in sets] == [decided] * 3
    assert [data.reading.axes for data in sets] == ["NHW", "HWN", ""]
    for data in sets:
        np.testing.assert_array_equal(pixels_of(data), pixels_of(sets[0]))
        assert pixels_of(data).min() == 0
        assert pixels_of(data).max() >= 75
        assert load_data(data.name, reading=data.reading).digest == data.digest


def test_second_start_does_not_look_at_the_values_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save_files(tmp_path / "files", smooth(0, 900, "u2"), "png")
    first = load_data(str(folder))
    assert first.suspicions[0].kind == "part of the bits"

    def fail(*_: object) -> None:
        raise AssertionError("an image was read again")

    monkeypatch.setattr("nvp_studio.data.image_files.decoders", fail)
    for reading in (Reading(), first.reading):
        again = load_data(str(folder), reading=reading)
        assert (again.digest, again.reading, again.suspicions) == (first.digest, first.reading, first.suspicions)


def test_usual_bytes_are_decided_by_one_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[Path] = []
    real = Decoders.facts

    def look(self: Decoders, sources: Iterable[Path]) -> object:
        looked_at.extend(paths := list(sources))
        return real(self, paths)

    monkeypatch.setattr(Decoders, "facts", look)
    load_data(str(save_files(tmp_path / "files", smooth(0, 255, "u1"), "png")))
    assert len(looked_at) == 1


def test_files_of_bytes_beside_deeper_ones_keep_their_range(tmp_path: Path) -> None:
    folder = save_files(tmp_path / "files", smooth(0, 4095, "u2"), "png")
    save_files(folder / "more", smooth(0, 200, "u1"), "png")
    data = load_data(str(folder))
    assert data.reading.values == "8-bit:0..255,16-bit:0..4095"
    assert load_data(str(folder), reading=Reading(values="0..1023")).reading.values == "8-bit:0..255,16-bit:0..1023"


def test_options_say_otherwise(tmp_path: Path) -> None:
    values = smooth(0, 4095, "u2")
    folder = save_files(tmp_path / "files", values, "png")
    np.save(tmp_path / "a.npy", values)
    for name in ("files", "a.npy"):
        data = load_data(str(tmp_path / name), reading=Reading(values="type"))
        assert data.reading.values == "16-bit:0..65535"
        assert pixels_of(data).max() == 16
        dark = load_data(str(tmp_path / name), reading=Reading(white="low"))
        np.testing.assert_array_equal(
            np.sort(255 - pixels_of(dark), axis=0), np.sort(pixels_of(load_data(dark.name)), axis=0)
        )
    with pytest.raises(DataError, match="--axes is for arrays"):
        load_data(str(folder), reading=Reading(axes="HWN"))
    with pytest.raises(DataError, match="read as it was published"):
        load_data("fashion-mnist", reading=Reading(values="0..15"))


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize("white_is_zero", [False, True])
def test_white_is_zero_is_heeded_however_the_image_lies(
    tmp_path: Path, orientation: int, dtype: str, white_is_zero: bool
) -> None:
    high = {"u1": 255, "u2": 65535, "f4": 1}[dtype]
    levels = np.array([[0, 51], [102, 153], [204, 255]])
    inverted = white_is_zero and dtype != "u1"  # of which Pillow takes care, when writing and reading
    stored = (255 - levels if inverted else levels) * (high / 255)
    path = tmp_path / "a.tif"
    tags = {262: 0 if white_is_zero else 1, 274: orientation}
    image = Image.fromarray(np.rint(stored).astype(dtype) if dtype != "f4" else stored.astype(dtype))
    image.save(path, tiffinfo=tags)
    turned = {1: levels, 3: levels[::-1, ::-1], 6: np.rot90(levels, -1)}[orientation]
    shown = read_image(path).pixels[..., 0]
    np.testing.assert_array_equal(shown, turned)


def test_images_that_are_not_square(tmp_path: Path) -> None:
    folder = save_files(tmp_path / "files", smooth(0, 255, "u1"), "png")
    np.save(tmp_path / "a.npy", smooth(0, 255, "u1"))
    for name, how in ((folder, "pad"), (tmp_path / "a.npy", "crop")):
        data = load_data(str(name), image_size=(12, 8), reading=Reading(fit=how))
        assert data.image_shape == (1, 8, 12)
        assert load_data(str(name), image_size=(12, 8), reading=data.reading).digest == data.digest
    with pytest.raises(DataError, match="from 1 to 1024 pixels, not 12x0"):
        load_data(str(folder), image_size=(12, 0))


def test_ways_of_fitting_give_different_images(tmp_path: Path) -> None:
    folder = save_files(tmp_path / "files", smooth(0, 255, "u1")[:, :, 3:11], "png")
    ways = [Reading(fit=fit, pad=pad) for fit, pad in (("", ""), ("pad", ""), ("pad", "black"), ("stretch", ""))]
    digests = [load_data(str(folder), image_size=8, reading=reading).digest for reading in ways]
    assert len(set(digests)) == 4
    assert load_data(str(folder), image_size=8, reading=Reading(fit="crop")).digest == digests[0]


def test_splits_of_arrays_become_one_where_none_are_asked_for(tmp_path: Path) -> None:
    images, labels = smooth(0, 255, "u1"), np.arange(COUNT) % 3
    np.savez(tmp_path / "a.npz", x_train=images[:8], y_train=labels[:8], x_test=images[8:], y_test=labels[8:])
    data = load_data(str(tmp_path / "a.npz"), reading=Reading(split="none"))
    assert data.test is None
    assert data.reading.split == "none"
    assert len(data.train) + len(data.validation) == COUNT
    assert data.train.labels is not None
    np.testing.assert_array_equal(
        np.sort(pixels_of(data), 0), np.sort(pixels_of(load_data(str(tmp_path / "a.npz"))), 0)
    )
    with pytest.raises(DataError, match="no folders to leave out"):
        load_data(str(tmp_path / "a.npz"), reading=Reading(leave_out=("b",)))
    with pytest.raises(DataError, match="read as it was published"):
        load_data("fashion-mnist", reading=Reading(split="none"))
    for name, split in (("train", images[:8]), ("test", images[8:]), ("other", images[:2])):
        (tmp_path / "folder" / name).mkdir(parents=True)
        np.save(tmp_path / "folder" / name / "a.npy", split)
    data = load_data(str(tmp_path / "folder"), reading=Reading(split="none", leave_out=("other",)))
    assert data.test is None
    assert len(data.train) + len(data.validation) == COUNT


def test_different_depths_are_said_with_counts(tmp_path: Path) -> None:
    deep, plain = smooth(0, 4000, "u2"), smooth(0, 255, "u1")
    save_files(tmp_path / "a", deep, "png")
    save_files(tmp_path / "a" / "b", plain[:5], "png")
    (doubt,) = [one for one in load_data(str(tmp_path / "a")).suspicions if one.kind == "different kinds"]
    ranges = "12 16-bit (0..4095), 5 8-bit (0..255)"
    assert doubt.words == f"numbers of different kinds among 17 images: {ranges} become 0..255"
    for number, one in enumerate(deep // 4):
        options = {"tiffinfo": {281: (1023, 4095)[number % 2]}} if number < 10 else {}
        Image.fromarray(one).save(tmp_path / f"{number}.tif", **options)
    (tmp_path / "tifs").mkdir()
    for path in tmp_path.glob("*.tif"):
        path.rename(tmp_path / "tifs" / path.name)
    data = load_data(str(tmp_path / "tifs"))
    assert data.reading.values == "16-bit:0..4095"
    (doubt,) = data.suspicions
    counts = "5 of 12 bits, 5 of 10 bits, 2 of unstated bits"
    assert doubt.words == f"images of different bits in use: {counts}; 0..4095 becomes 0..255 in all"
