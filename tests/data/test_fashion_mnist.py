"""The shipped Fashion-MNIST is the published one, bit for bit."""

import hashlib
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

from nvp_studio.data import DataSet, load_data
from nvp_studio.data.dataset import DataError, digest_of
from nvp_studio.resources import resource_path

# SHA-256 of the four original files, uncompressed.
PUBLISHED = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}


@pytest.fixture(scope="module")
def steps() -> list[tuple[int, int, str]]:
    """The progress of reading `data`."""
    return []


@pytest.fixture(scope="module")
def data(steps: list[tuple[int, int, str]]) -> DataSet:
    return load_data("fashion-mnist", progress=lambda *step: steps.append(step))


def idx_digest(array: np.ndarray) -> str:
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return hashlib.sha256(header + array.astype(np.uint8).tobytes()).hexdigest()


def test_splits_have_the_promised_sizes(data: DataSet) -> None:
    assert data.test is not None
    assert [len(split) for split in (data.train, data.validation, data.test)] == [55_000, 5_000, 10_000]
    assert data.image_shape == (1, 28, 28)
    assert len(data.label_names) == 10
    assert data.licence == "MIT"
    assert "Zalando" in data.credit


def test_pixels_and_labels_are_the_published_bytes(data: DataSet) -> None:
    assert data.test is not None
    images = np.concatenate([data.train.images, data.validation.images])[..., 0]
    labels = np.concatenate([data.train.labels, data.validation.labels])
    assert data.test.labels is not None
    assert idx_digest(images) == PUBLISHED["train-images-idx3-ubyte"]
    assert idx_digest(labels) == PUBLISHED["train-labels-idx1-ubyte"]
    assert idx_digest(data.test.images[..., 0]) == PUBLISHED["t10k-images-idx3-ubyte"]
    assert idx_digest(data.test.labels) == PUBLISHED["t10k-labels-idx1-ubyte"]


def test_stored_digest_is_the_digest_of_the_data(data: DataSet) -> None:
    assert data.digest == digest_of(data.train, data.validation, data.test)


def test_progress_ends_at_the_total(data: DataSet, steps: list[tuple[int, int, str]]) -> None:
    assert [done for done, _, _ in steps] == sorted(done for done, _, _ in steps)
    assert steps[-1][:2] == (70_000, 70_000)


def test_resources_are_small_and_carry_their_licence() -> None:
    folder = resource_path("data/fashion-mnist")
    assert sum(path.stat().st_size for path in folder.iterdir()) < 30e6
    licence = (folder / "LICENSE").read_text()
    assert "Zalando SE" in licence
    assert "Permission is hereby granted" in licence


@pytest.mark.slow_repeats
@pytest.mark.parametrize("damage", ["missing", "cut", "flipped"])
def test_damaged_installation_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    folder = tmp_path / "resources" / "data" / "fashion-mnist"
    shutil.copytree(resource_path("data/fashion-mnist"), folder)
    victim = folder / "images-5-rows.xz"
    content = bytearray(victim.read_bytes())
    victim.unlink()
    if damage == "cut":
        victim.write_bytes(content[:-1000])
    if damage == "flipped":
        content[len(content) // 2] ^= 1
        victim.write_bytes(content)
    monkeypatch.setattr("nvp_studio.resources._PACKAGE", tmp_path)
    with pytest.raises(DataError, match="reinstall"):
        load_data("fashion-mnist")
