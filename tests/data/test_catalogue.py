"""`load_data`: names, paths, sizes and channels; and what the package needs."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nvp_studio.data import load_data
from nvp_studio.data.catalogue import CATALOGUE
from nvp_studio.data.dataset import Attribute, DataError, DataSet, Split, digest_of
from nvp_studio.data.fitting import fit
from nvp_studio.data.partition import held_out

RNG = np.random.default_rng(6)


def array_file(folder: Path, *shape: int) -> tuple[str, np.ndarray]:
    values = RNG.integers(0, 256, shape, np.uint8)
    np.save(folder / "values.npy", values)
    return str(folder / "values.npy"), values


def test_every_entry_keeps_its_promise() -> None:
    shipped = [entry for entry in CATALOGUE.values() if entry.ships]
    assert [entry.name for entry in shipped] == ["fashion-mnist", "peeps"]
    for entry in shipped:
        data = load_data(entry.name)
        assert data.name == entry.name
        assert data.title == entry.title
        assert data.image_shape == entry.image_shape
        assert sum(map(len, data.splits)) == entry.images
        assert data.label_names == entry.label_names
        assert (data.licence, data.credit) == (entry.licence, entry.credit)
        assert data.attributes == entry.attributes
        labels = [split.labels for split in data.splits if split.labels is not None]
        assert {int(label) for part in labels for label in np.unique(part)} == set(range(len(entry.label_names)))


@pytest.mark.parametrize("spec", ["", "no-such-thing", "~nobody-at-all/x", "a\0b", "/dev/null/x"])
def test_what_does_not_exist_names_what_does(spec: str) -> None:
    with pytest.raises(DataError, match="fashion-mnist") as caught:
        load_data(spec)
    assert "\n" not in str(caught.value)


def test_a_file_of_no_known_format_is_refused(tmp_path: Path) -> None:
    for name, content in (("a.txt", b"text"), ("a.gz", b"\x1f\x8bbroken"), ("empty", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(
            DataError, match=r"no data set: (give a folder .*\.csv or \.parquet file|.* unpack)|the file empty is empty"
        ):
            load_data(str(tmp_path / name))


@pytest.mark.parametrize("options", [{"image_size": 0}, {"image_size": 10**6}, {"channels": 2}])
def test_senseless_options_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(DataError, match="image"):
        load_data("fashion-mnist", **options)


def test_size_and_channels_of_arrays(tmp_path: Path) -> None:
    spec, values = array_file(tmp_path, 30, 12, 10, 3)
    plain = load_data(spec)
    small = load_data(spec, image_size=5, channels=1)
    assert small.image_shape == (1, 5, 5)
    assert small.notes == ("resized from 10x12", "centre-cropped", "colour to grey")
    assert small.digest == digest_of(small.train, small.validation, small.test) != plain.digest
    expected = [fit(image, (1, 5, 5))[0] for image in plain.train.images]
    np.testing.assert_array_equal(small.train.images, expected)
    assert len(plain.train) + len(plain.validation) == len(values)


def test_channels_alone_touch_no_size(tmp_path: Path) -> None:
    spec, _ = array_file(tmp_path, 30, 12, 10)
    colour = load_data(spec, channels=3)
    assert colour.image_shape == (3, 12, 10)
    assert colour.notes == ("grey to colour",)
    np.testing.assert_array_equal(colour.train.images[..., 2], load_data(spec).train.images[..., 0])


def test_asking_for_what_is_there_changes_nothing(tmp_path: Path) -> None:
    spec, _ = array_file(tmp_path, 30, 10, 10)
    assert load_data(spec, image_size=10, channels=1).digest == load_data(spec).digest


def test_digest_sees_every_shape_pixel_label_and_split() -> None:
    images = RNG.integers(0, 256, (4, 2, 3, 1), np.uint8)
    labels = np.arange(4)
    flipped = images.copy()
    flipped[3, 1, 2, 0] ^= 1
    variants = [
        (Split(images, labels), None),
        (Split(images), None),
        (Split(flipped, labels), None),
        (Split(images, labels[::-1].copy()), None),
        (Split(images.reshape(4, 3, 2, 1), labels), None),
        (None, Split(images, labels)),
        (Split(images[:2], labels[:2]), Split(images[2:], labels[2:])),
        (Split(images, labels, np.zeros((4, 1), np.uint8)), None),
        (Split(images, labels, np.zeros((4, 2), np.uint8)), None),
        (Split(images, labels, np.ones((4, 1), np.uint8)), None),
    ]
    assert len({digest_of(*splits) for splits in variants}) == len(variants)
    assert digest_of(Split(images, labels)) == digest_of(Split(images.copy(), labels.copy()))


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (np.zeros((2, 4, 4, 1), np.float32), None),
        (np.zeros((2, 4, 4), np.uint8), None),
        (np.zeros((2, 4, 4, 2), np.uint8), None),
        (np.zeros((2, 4, 4, 1), np.uint8), np.zeros(3, np.int64)),
        (np.zeros((2, 4, 4, 1), np.uint8), np.zeros(2, np.uint8)),
    ],
)
def test_a_split_holds_to_its_contract(images: np.ndarray, labels: np.ndarray | None) -> None:
    with pytest.raises(ValueError, match="must be"):
        Split(images, labels)


@pytest.mark.parametrize("table", [np.zeros((3, 1), np.uint8), np.zeros(2, np.uint8), np.zeros((2, 1), np.int64)])
def test_a_split_holds_to_its_contract_about_attributes(table: np.ndarray) -> None:
    with pytest.raises(ValueError, match="attributes must be"):
        Split(np.zeros((2, 4, 4, 1), np.uint8), attributes=table)


def test_a_data_set_names_the_attributes_of_its_splits() -> None:
    images, colour = np.zeros((2, 4, 4, 1), np.uint8), Attribute("colour", ("red", "green"))
    split = Split(images, attributes=np.array([[0], [1]], np.uint8))
    made = DataSet("a", "A", split, split.part(slice(1)), None, (), "", "", "", attributes=(colour,))
    np.testing.assert_array_equal(made.validation.attributes, [[0]])
    outside = Split(images, attributes=np.array([[0], [2]], np.uint8))
    for other in (outside, Split(images), Split(images, attributes=np.zeros((2, 2), np.uint8))):
        with pytest.raises(ValueError, match="attributes"):
            DataSet("a", "A", split, other, None, (), "", "", "", attributes=(colour,))


def test_attributes_stay_with_their_images_when_the_channels_change() -> None:
    plain, grey = load_data("peeps"), load_data("peeps", channels=1)
    assert grey.attributes == plain.attributes
    np.testing.assert_array_equal(grey.train.attributes, plain.train.attributes)
    assert grey.digest == digest_of(*grey.splits)


def test_a_data_set_has_one_image_shape() -> None:
    a, b = Split(np.zeros((2, 4, 4, 1), np.uint8)), Split(np.zeros((2, 4, 5, 1), np.uint8))
    with pytest.raises(ValueError, match="differ in shape"):
        DataSet("a", "A", a, b, None, (), "", "", "")


@settings(max_examples=40)
@given(st.lists(st.text(min_size=1), unique=True, min_size=2, max_size=50), st.randoms())
def test_holding_out_depends_on_names_alone(names: list[str], random: object) -> None:
    chosen = dict(zip(names, held_out(names), strict=True))
    assert 0 < sum(chosen.values()) < len(names)
    shuffled = list(names)
    random.shuffle(shuffled)
    assert dict(zip(shuffled, held_out(shuffled), strict=True)) == chosen


def test_about_a_tenth_is_held_out() -> None:
    assert 900 < held_out([str(index) for index in range(10_000)]).sum() < 1100


def test_held_out_treats_accents_alike() -> None:
    others = [str(index) for index in range(50)]
    for index in range(200):
        composed = held_out([*others, f"caf\u00e9-{index}"])
        decomposed = held_out([*others, f"cafe\u0301-{index}"])
        np.testing.assert_array_equal(composed, decomposed)


def test_loading_needs_neither_torch_nor_qt() -> None:
    code = (
        "import sys; from nvp_studio.data import load_data, read_image; load_data('peeps');"
        "sys.exit(any(name.split('.')[0] in ('torch', 'PySide6') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=120).returncode == 0
