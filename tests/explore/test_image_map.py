"""Maps of many images: principal components against a singular value decomposition, and UMAP in its own process."""

import os
import subprocess
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from nvp_studio.explore import image_map
from nvp_studio.explore.image_map import make_image_map, mapping, principal_places
from nvp_studio.explore.known_images import KnownImages, known_images
from nvp_studio.explore.model import OpenedModel
from tests.small_model import random_images, write_small_model


@pytest.fixture
def known(model: OpenedModel, tmp_path: Path) -> KnownImages:
    train = random_images(150, seed=5)
    np.savez(tmp_path / "known.npz", train_images=train, val_images=train[:5])
    return known_images(model, str(tmp_path / "known.npz"))


def of_steps(steps: object) -> object:
    while True:
        try:
            next(steps)  # type: ignore[call-overload]
        except StopIteration as end:
            return end.value


def test_the_places_are_the_principal_components(model: OpenedModel, known: KnownImages) -> None:
    for space in ("x", "z"):
        made = make_image_map(model, known, space, count=120)
        assert made.numbers.tolist() == known.order[:120].tolist()
        assert np.array_equal(made.thumbnails, known.train[made.numbers])
        values = (
            known.train[made.numbers].reshape(120, -1) if space == "x" else np.array(known.latents.rows(0, 120))
        ).astype(float)
        values -= values.mean(0)
        u, s, _ = np.linalg.svd(values, full_matrices=False)
        expected = u[:, :2] * s[:2]
        expected *= np.sign((expected * made.places).sum(0))
        assert np.abs(expected - made.places).max() < 0.02 * np.abs(expected).max()
        assert made.shares == pytest.approx((s[:2] ** 2 / (s**2).sum()).tolist(), rel=0.01)


def test_fewer_values_than_components_are_enough() -> None:
    places, shares = of_steps(principal_places(torch.eye(3), 50))  # type: ignore[misc]
    assert places.shape == (3, 2)
    assert sum(shares) == pytest.approx(1)
    same, _ = of_steps(principal_places(torch.ones(4, 6), 2))  # type: ignore[misc]
    assert np.allclose(same, 0)


def test_large_images_are_shown_small(tmp_path: Path) -> None:
    from nvp_studio.explore.model import open_model

    write_small_model(tmp_path / "wide.safetensors", (1, 56, 112))
    images = random_images(6, (1, 56, 112))
    np.savez(tmp_path / "wide.npz", train_images=images, val_images=images)
    opened = open_model(tmp_path / "wide.safetensors")
    known = known_images(opened, str(tmp_path / "wide.npz"))
    made = make_image_map(opened, known, "x")
    assert made.thumbnails.shape == (6, 18, 37, 1)
    first = known.train[made.numbers[0]]
    assert made.thumbnails[0, 0, 0, 0] == pytest.approx(first[:3, :3].mean(), abs=0.51)


def test_a_map_needs_three_images(model: OpenedModel, tmp_path: Path) -> None:
    images = random_images(2)
    np.savez(tmp_path / "two.npz", train_images=images, val_images=images)
    with pytest.raises(ValueError, match="a map needs at least 3 images"):
        make_image_map(model, str(tmp_path / "two.npz"))


@pytest.mark.skipif(find_spec("umap") is not None, reason="umap-learn is installed")
def test_umap_that_is_not_installed_is_said_before_anything_is_computed(model: OpenedModel, known: KnownImages) -> None:
    with pytest.raises(ValueError, match=r"pip install 'nvp-studio\[map\]'"):
        next(mapping(model, known, "z", "umap"))


@pytest.mark.slow  # the library compiles itself in each process
@pytest.mark.skipif(find_spec("umap") is None, reason="umap-learn is not installed")
def test_the_library_itself_keeps_images_together_that_are_alike(model: OpenedModel, tmp_path: Path) -> None:
    groups = np.repeat(random_images(3, seed=1), 30, axis=0)
    change = np.random.default_rng(0).integers(0, 12, groups.shape)
    images = np.clip(groups + change, 0, 255).astype(np.uint8)
    np.savez(tmp_path / "groups.npz", train_images=images, val_images=images[:5])
    made = make_image_map(model, known_images(model, str(tmp_path / "groups.npz")), "x", "umap")
    assert made.places.shape == (90, 2)
    assert made.shares == ()
    parts = [made.places[made.numbers // 30 == group] for group in range(3)]
    widest = max(np.linalg.norm(part - part.mean(0), axis=1).max() for part in parts)
    apart = [np.linalg.norm(parts[one].mean(0) - parts[two].mean(0)) for one, two in ((0, 1), (1, 2), (0, 2))]
    assert min(apart) > 2 * widest


UMAP = """
class UMAP:
    def __init__(self, **options):
        assert options["random_state"] == 0
    def fit_transform(self, values):
        print("noise on stdout")
        {0}
        return values[:, 1::-1] * 2
"""


@pytest.fixture
def umap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of a stand-in for umap-learn, which the process that computes it imports."""
    monkeypatch.setattr(image_map, "require_umap", lambda: None)
    folder = tmp_path / "library"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder / "umap.py"


def test_umap_gets_the_principal_components(model: OpenedModel, known: KnownImages, umap: Path) -> None:
    umap.write_text(UMAP.format("assert values.shape == (100, 50)"))
    plain = make_image_map(model, known, "x", count=100)
    made = make_image_map(model, known, "x", "umap", 100)
    assert np.allclose(made.places, plain.places[:, ::-1] * 2, rtol=0.02, atol=1)
    assert made.shares == ()


def test_a_failure_of_umap_is_one_line(model: OpenedModel, known: KnownImages, umap: Path) -> None:
    umap.write_text(UMAP.format("raise ValueError('no neighbours')"))
    with pytest.raises(ValueError, match=r"^UMAP failed: no neighbours$"):
        make_image_map(model, known, "x", "umap")
    umap.write_text(UMAP.format("values = values[:3]"))
    with pytest.raises(ValueError, match="gave no places"):
        make_image_map(model, known, "x", "umap")


def test_umap_ends_when_its_map_is_cancelled(
    model: OpenedModel, known: KnownImages, umap: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    umap.write_text(UMAP.format("import time; time.sleep(600)"))
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def start(*words: object, **options: object) -> subprocess.Popen[bytes]:
        started.append(popen(*words, **options))  # type: ignore[call-overload]
        return started[-1]

    monkeypatch.setattr(image_map.subprocess, "Popen", start)
    steps = mapping(model, known, "x", "umap")
    while next(steps)[0] != "arranging":
        pass
    assert started[0].poll() is None
    steps.close()
    assert started[0].poll() is not None
    assert not os.path.exists(f"/proc/{started[0].pid}") or os.name == "nt"
