"""CIFAR-10's binary batches."""

from pathlib import Path

import numpy as np
import pytest

from nvp_studio.data import load_data
from nvp_studio.data.dataset import DataError

RNG = np.random.default_rng(5)


def batch(count: int, highest: int = 9) -> tuple[np.ndarray, np.ndarray, bytes]:
    images = RNG.integers(0, 256, (count, 32, 32, 3), np.uint8)
    labels = RNG.integers(0, highest + 1, count).astype(np.uint8)
    records = b"".join(
        bytes([label]) + image.transpose(2, 0, 1).tobytes() for label, image in zip(labels, images, strict=True)
    )
    return images, labels, records


def test_a_folder_of_batches(tmp_path: Path) -> None:
    batches = {f"data_batch_{index}.bin": batch(12) for index in (1, 2)}
    test_images, test_labels, test_records = batch(5)
    for name, (_, _, records) in batches.items():
        (tmp_path / name).write_bytes(records)
    (tmp_path / "test_batch.bin").write_bytes(test_records)
    (tmp_path / "batches.meta.txt").write_text("airplane\n")
    data = load_data(str(tmp_path))
    assert data.test is not None
    np.testing.assert_array_equal(data.test.images, test_images)
    np.testing.assert_array_equal(data.test.labels, test_labels)
    assert data.image_shape == (3, 32, 32)
    assert data.label_names[6] == "frog"
    expected = {
        (image.tobytes(), int(label))
        for images, labels, _ in batches.values()
        for image, label in zip(images, labels, strict=True)
    }
    found = {
        (image.tobytes(), int(label))
        for split in (data.train, data.validation)
        for image, label in zip(split.images, split.labels, strict=True)
    }
    assert found == expected


def test_one_batch(tmp_path: Path) -> None:
    _, _, records = batch(7)
    (tmp_path / "some.bin").write_bytes(records)
    data = load_data(str(tmp_path / "some.bin"))
    assert len(data.train) + len(data.validation) == 7
    assert data.test is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (batch(3)[2][:-1], "no multiple of 3073"),
        (b"", "no multiple of 3073"),
        (bytes([77]) + bytes(3072), "label 77"),
    ],
)
def test_other_bytes_are_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "some.bin").write_bytes(content)
    with pytest.raises(DataError, match=reason):
        load_data(str(tmp_path / "some.bin"))


def test_test_batches_alone_are_refused(tmp_path: Path) -> None:
    (tmp_path / "test_batch.bin").write_bytes(batch(3)[2])
    with pytest.raises(DataError, match="only test batches"):
        load_data(str(tmp_path))


def test_the_pickled_version_is_named_not_opened(tmp_path: Path) -> None:
    (tmp_path / "data_batch_1").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    with pytest.raises(DataError, match="binary version"):
        load_data(str(tmp_path))
