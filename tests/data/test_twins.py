"""Images that are in two splits alike are counted, whatever else they have in common."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nvp_studio.data import load_data, twins
from nvp_studio.data.dataset import Split
from nvp_studio.data.twins import doubts_about_twins

RNG = np.random.default_rng(2)


@pytest.mark.parametrize("dark", [False, True])
def test_twins_are_counted_exactly(dark: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    images = RNG.integers(0, 256, (60, 9, 7, 3), np.uint8)
    if dark:  # equal in nearly all bytes
        images[:] = 0
        images[np.arange(60), 0, 0, 0] = np.arange(60)
    monkeypatch.setattr(twins, "_BAND_BYTES", 1000)
    train, validation, test = images[:30], images[25:35], np.concatenate([images[28:34], images[40:60], images[:1]])
    doubts = [one.words for one in doubts_about_twins([Split(train), Split(validation), Split(test)])]
    assert doubts == [
        "5 of 10 validation images are also training images",
        "3 of 27 test images are also training images",
        "6 of 27 test images are also validation images",
    ]
    assert doubts_about_twins([Split(images[:30]), Split(images[30:40]), Split(images[40:])]) == ()
    assert doubts_about_twins([Split(train), None, None]) == ()


def test_twins_are_said_of_folders_and_arrays_and_again(tmp_path: Path) -> None:
    images = RNG.integers(0, 256, (30, 8, 8), np.uint8)
    for number, image in enumerate(images):
        for split in ("train",) if number >= 6 else ("train", "test"):
            (tmp_path / "set" / split).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(tmp_path / "set" / split / f"{split}-{number}.png")
    np.savez(tmp_path / "set.npz", x_train=images, x_val=images[20:23], x_test=images[:6])
    first, again = load_data(str(tmp_path / "set")), load_data(str(tmp_path / "set"))
    assert sum(int(one.words.split()[0]) for one in first.suspicions if one.kind == "twins") == 6
    assert again.suspicions == first.suspicions
    assert [one.words for one in load_data(str(tmp_path / "set.npz")).suspicions] == [
        "3 of 3 validation images are also training images",
        "6 of 6 test images are also training images",
    ]
