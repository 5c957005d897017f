"""The training images nearest to a picture, and what is kept of them."""

import os
from pathlib import Path

import numpy as np
import pytest

from nvp_studio.data.dataset import DataError
from nvp_studio.explore import latent_file
from nvp_studio.explore.known_images import encoding, known_images, latents_of
from nvp_studio.explore.latent_file import LatentFile
from nvp_studio.explore.model import OpenedModel
from nvp_studio.explore.neighbours import find_neighbours, finding
from tests.small_model import random_images

TRAIN, TEST = 200, 300


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of smooth random images; image 7 is there twice, as image 90."""
    images = random_images(TRAIN, seed=5)
    images[90] = images[7]
    path = tmp_path_factory.mktemp("data") / "known.npz"
    np.savez(path, train_images=images, val_images=images[:5], test_images=random_images(TEST, seed=6))
    return path


def test_neighbours_are_the_nearest_of_all_images_in_both_spaces(model: OpenedModel, data: Path) -> None:
    known = known_images(model, str(data))
    steps = list(finding(model, known, known.held[3], "z", 1))
    assert {work for work, _, _ in steps} == {"encoding", "comparing", "searching"}
    assert all(0 <= done <= total for _, done, total in steps)
    for space, values in (("x", lambda images: images.reshape(len(images), -1)), ("z", lambda i: latents_of(model, i))):
        for image in (known.held[0], known.train[20], np.zeros((8, 8, 1), np.uint8)):
            found = find_neighbours(model, image, known, space, 6)
            apart = np.sqrt(np.square(values(known.train).astype(float) - values(image[None])).mean(1))
            assert np.allclose(found.distances, np.sort(apart)[:6], atol=0.02)
            assert np.allclose(apart[found.indices], found.distances, atol=0.02)
            assert np.array_equal(found.images, known.train[found.indices])
        held = np.sqrt(np.square(values(known.train).astype(float)[None] - values(known.held)[:, None]).mean(2)).min(1)
        assert np.allclose(found.held_distances, np.sort(held), atol=0.02)


def test_a_copy_is_told_from_a_new_image_by_the_distances_of_held_out_images(model: OpenedModel, data: Path) -> None:
    known = known_images(model, str(data))
    assert known.tested
    assert len(known.held) == TEST
    copied = find_neighbours(model, known.train[7], known)
    assert copied.known
    assert copied.near
    assert copied.percent == 0
    assert copied.indices[:2].tolist() == [7, 90]
    nearly = known.train[11].copy()
    nearly[0, 0] ^= 3
    found = find_neighbours(model, nearly, known)
    assert found.near
    assert not found.known
    assert found.indices[0] == 11
    ordinary = find_neighbours(model, known.held[0], known)
    assert not ordinary.near
    assert ordinary.percent == 100 * np.mean(ordinary.held_distances <= ordinary.distances[0])


def test_latents_are_kept_for_the_next_time_and_continued(model: OpenedModel, data: Path) -> None:
    known = known_images(model, str(data))
    known.latents.close()
    known.latents.path.unlink(missing_ok=True)
    known = known_images(model, str(data))
    steps = encoding(model, known, 40)
    for _ in range(3):
        next(steps)
    done = known.latents.count
    assert 0 < done < 40
    before = np.array(known.latents.rows(0, done))
    again = known_images(model, str(data))
    assert again.latents.in_memory  # while another one adds to the file
    known.latents.close()
    again = known_images(model, str(data))
    assert again.latents.count == done
    assert not again.latents.in_memory
    assert np.array_equal(again.latents.rows(0, done), before)
    assert list(encoding(model, again))[-1] == (len(again.train), len(again.train))
    expected = latents_of(model, again.train[again.order])
    assert np.allclose(again.latents.rows(0, again.latents.count), expected, atol=0.01)
    again.latents.close()
    complete = known_images(model, str(data))
    assert complete.missing == 0
    assert sorted(complete.order) == list(range(len(complete.train)))


def test_what_a_power_failure_left_empty_is_computed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NVP_STUDIO_CACHE", str(tmp_path))
    rows = np.arange(1, 41, dtype=np.float32).reshape(10, 4)
    with LatentFile("a", 4, 10) as file:
        file.add(rows)
    content = bytearray(file.path.read_bytes())
    for size, damage in ((len(content), slice(24, 32)), (len(content) - 3, slice(0, 0))):
        changed = content[:size]
        changed[damage] = bytes(len(changed[damage]))
        file.path.write_bytes(changed)
        with LatentFile("a", 4, 10) as again:
            assert again.count == (3 if damage.stop else 9)
            again.add(rows[again.count :])
            assert np.array_equal(again.rows(0, 10), rows)


def test_the_cache_keeps_within_its_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NVP_STUDIO_CACHE", str(tmp_path))
    monkeypatch.setattr(latent_file, "MAX_CACHE_BYTES", 2 * 4 * 25)
    for name, age in (("old", 30), ("older", 60), ("new", 0)):
        with LatentFile(name, 4, 10) as file:
            file.add(np.ones((10, 4), np.float32))
        os.utime(file.path, (1e9 - age, 1e9 - age))
    assert sorted(path.name for path in tmp_path.glob("*.f16")) == ["latents-1-new.f16", "latents-1-old.f16"]
    with LatentFile("too-large", 4, 26) as file:
        assert file.in_memory
        file.add(np.full((26, 4), 1e9, np.float32))
        assert np.isfinite(file.rows(0, 26)).all()


def test_data_that_cannot_be_had_and_wrong_pictures_are_said(model: OpenedModel, data: Path) -> None:
    with pytest.raises(DataError, match="the model's own data, Random images, are not here; choose other data"):
        known_images(model)
    with pytest.raises(DataError, match="no data set and no file"):
        known_images(model, "nowhere")
    with pytest.raises(ValueError, match="the picture is"):
        find_neighbours(model, np.zeros((9, 8, 1), np.uint8), str(data))
