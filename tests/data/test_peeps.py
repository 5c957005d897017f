"""The shipped Peeps: sizes, digests, attributes that can be learnt from, and damaged files."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from nvp_studio.data import DataSet, load_data
from nvp_studio.data.dataset import DataError, digest_of
from nvp_studio.resources import resource_path

# SHA-256 of the pixels that benchmarks/peeps/render.mjs drew.
DRAWN = "83f1795e2c87bee6d0b861b7e022bb53bc4de556b1d86f48b29fa9379ac459b9"


@pytest.fixture(scope="module")
def data() -> DataSet:
    return load_data("peeps")


def all_attributes(data: DataSet) -> dict[str, np.ndarray]:
    table = np.concatenate([split.attributes for split in data.splits])
    return {attribute.name: table[:, place] for place, attribute in enumerate(data.attributes)}


def test_splits_have_the_promised_sizes_and_pixels(data: DataSet) -> None:
    assert [len(split) for split in data.splits] == [16_500, 1_500, 2_000]
    assert hashlib.sha256(b"".join(split.images.tobytes() for split in data.splits)).hexdigest() == DRAWN
    assert data.digest == digest_of(*data.splits)
    assert all(split.images.flags.writeable for split in data.splits)


def test_no_face_comes_twice(data: DataSet) -> None:
    faces = {image.tobytes() for split in data.splits for image in split.images}
    assert len(faces) == 20_000


def test_every_value_is_frequent_enough_to_learn_from(data: DataSet) -> None:
    values = all_attributes(data)
    for attribute in data.attributes:
        counts = np.bincount(values[attribute.name], minlength=len(attribute.values))
        assert len(counts) == len(attribute.values)
        assert counts.min() > 500, attribute.name
    assert 0.43 < (values["glasses"] > 0).mean() < 0.47
    assert 0.34 < (values["beard"] > 0).mean() < 0.38
    assert 0.11 < (values["mask"] > 0).mean() < 0.13


def test_attributes_are_independent_of_each_other(data: DataSet) -> None:
    values = all_attributes(data)
    worn = np.stack([values[name] > 0 for name in ("glasses", "beard", "mask")])
    correlations = np.corrcoef(worn) - np.eye(3)
    assert np.abs(correlations).max() < 0.03


def test_attributes_say_what_the_pixels_show(data: DataSet) -> None:
    assert data.train.attributes is not None
    images, values = data.train.images[:4000].astype(int), data.train.attributes[:4000]
    names = [attribute.name for attribute in data.attributes]

    def shown(name: str, value: str) -> np.ndarray:
        place = names.index(name)
        return images[values[:, place] == data.attributes[place].values.index(value)]

    np.testing.assert_array_equal(np.unique(shown("background", "blue")[:, 0, 0], axis=0)[-1], [0xB6, 0xE3, 0xF4])
    mouth = np.s_[:, 22:26, 18:22]
    assert shown("mask", "white")[mouth].mean() > shown("mask", "none")[mouth].mean() + 60
    eyes = np.s_[:, 15:18, 16:24]
    assert shown("glasses", "sunglasses")[eyes].mean() < shown("glasses", "none")[eyes].mean() - 60
    top = np.s_[:, 5:8, 13:17]
    red, blond = shown("hair colour", "red")[top], shown("hair colour", "blond")[top]
    assert red[..., 1].mean() < blond[..., 1].mean() - 30


def test_resources_are_small_and_carry_their_licence() -> None:
    folder = resource_path("data/peeps")
    assert sum(path.stat().st_size for path in folder.iterdir()) < 3e6
    licence = (folder / "LICENSE").read_text("utf-8")
    assert "CC0" in licence
    assert "Pablo Stanley" in licence


@pytest.mark.parametrize("victim", ["images.xz", "attributes.xz"])
@pytest.mark.parametrize("damage", ["missing", "cut", "flipped"])
def test_damaged_installation_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, victim: str, damage: str
) -> None:
    shutil.copytree(resource_path("data/peeps"), tmp_path / "resources" / "data" / "peeps")
    path = tmp_path / "resources" / "data" / "peeps" / victim
    content = bytearray(path.read_bytes())
    path.unlink()
    if damage == "cut":
        path.write_bytes(content[:-1000])
    if damage == "flipped":
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    monkeypatch.setattr("nvp_studio.resources._PACKAGE", tmp_path)
    with pytest.raises(DataError, match="reinstall"):
        load_data("peeps")
