"""Augmentation: what it does to images, and that the same (seed, order, step) does the same."""

from pathlib import Path

import numpy as np
import pytest
import torch

from nvp_studio.data.dataset import Images
from nvp_studio.flow.dequantization import images_from_unit
from nvp_studio.training.augmentation import Augmentation
from nvp_studio.training.batches import Batches

RNG = np.random.default_rng(3)
CPU = torch.device("cpu")


def pictures(count: int, height: int = 6, width: int = 5, channels: int = 3) -> Images:
    return RNG.integers(0, 256, (count, height, width, channels), np.uint8)


def test_nothing_is_done_unless_asked() -> None:
    images = torch.from_numpy(pictures(4))
    assert Augmentation().apply(images, 0, 0, 0, 4) is images


def test_a_shift_is_padding_by_reflection_and_cropping() -> None:
    images = pictures(300)
    shifted = Augmentation(shift=2).apply(torch.from_numpy(images), 0, 0, 0, 300).numpy()
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
    found = set()
    for image, original in zip(shifted, padded, strict=True):
        places = [
            (top, left)
            for top in range(5)
            for left in range(5)
            if np.array_equal(image, original[top : top + 6, left : left + 5])
        ]
        assert len(places) == 1
        found.add(places[0])
    assert len(found) == 25


def test_a_shift_larger_than_the_image_stays_inside() -> None:
    images = pictures(50, height=3, width=1, channels=1)
    shifted = Augmentation(shift=9).apply(torch.from_numpy(images), 0, 0, 0, 50).numpy()
    for image, original in zip(shifted, images, strict=True):
        assert set(image.ravel()) <= set(original.ravel())


@pytest.mark.parametrize("augmentation", [Augmentation(mirror=True), Augmentation(shift=2), Augmentation(True, 1)])
def test_what_is_drawn_depends_on_seed_order_and_step_alone(augmentation: Augmentation) -> None:
    images = torch.from_numpy(pictures(40))
    first = augmentation.apply(images, 1, 0, 7, 40)
    assert torch.equal(augmentation.apply(images, 1, 0, 7, 40), first)
    for key in ((2, 0, 7), (1, 1, 7), (1, 0, 8)):
        assert not torch.equal(augmentation.apply(images, *key, 40), first)


def test_a_part_of_a_batch_is_changed_as_in_the_whole() -> None:
    augmentation, images = Augmentation(mirror=True, shift=2), torch.from_numpy(pictures(40))
    whole = augmentation.apply(images, 1, 0, 7, 40)
    parts = [augmentation.apply(images[start : start + 10], 1, 0, 7, 40, start) for start in range(0, 40, 10)]
    assert torch.equal(torch.cat(parts), whole)


def test_batches_are_taken_from_a_file_that_is_mapped_read_only(tmp_path: Path) -> None:
    images = pictures(30)
    images.tofile(tmp_path / "images")
    mapped = np.asarray(np.memmap(tmp_path / "images", np.uint8, "r", shape=images.shape))
    for step in range(4):
        taken = Batches(mapped, 8, 0, augmentation=Augmentation(True, 1), device=CPU).take(step)
        assert torch.equal(taken, Batches(images, 8, 0, augmentation=Augmentation(True, 1), device=CPU).take(step))
    levels = images_from_unit(Batches(mapped, 30, 0, device=CPU).take(0)).numpy()
    assert {image.tobytes() for image in levels} == {image.tobytes() for image in images}
