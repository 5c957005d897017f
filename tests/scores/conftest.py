"""A small model and its reference, for the tests of this package."""

from pathlib import Path

import numpy as np
import pytest

from nvp_studio.explore.model import OpenedModel, open_model
from nvp_studio.scores.reference import Reference, build_reference
from tests.small_model import random_images, write_small_model


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> OpenedModel:
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    write_small_model(path)
    return open_model(path)


@pytest.fixture(scope="session")
def reference(model: OpenedModel) -> Reference:
    images = random_images(1000, seed=7)
    return build_reference(
        model.flow, images[:400], images[400:], name="training", model=model.digest, source="random images"
    )


@pytest.fixture
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """References that a person keeps come here."""
    monkeypatch.setenv("NVP_STUDIO_REFERENCES", str(tmp_path / "references"))
    return tmp_path / "references"


def noise_images(count: int) -> np.ndarray:
    """Images of independent values, unlike those of the reference."""
    return np.random.default_rng(3).integers(0, 256, (count, 8, 8, 1), np.uint8)
